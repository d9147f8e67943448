//! The secure channel between the stream and the core: bytes in, proven peer and plaintext out.
//!
//! Sans-IO: a channel never touches a stream. `Tls` is what sockets run; the simulator has a second implementation
//! without encryption in its own crate, so that no socket driver can name it.

pub mod buffers;
#[cfg(feature = "tls")]
pub mod tls;

use truecopy_protocol::NodeId;

/// What the channel has to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The peer has proven its key. Comes once, before any plaintext.
    Proven {
        /// The peer's key.
        peer: NodeId,
        /// The key that we proved.
        local: NodeId,
    },
    /// Plaintext of the peer, in order, was handed to the callback.
    Plaintext,
    /// The peer has ended its direction properly: nothing was cut off. Comes again whenever asked.
    Closed,
    /// More bytes of the stream are needed.
    Starved,
}

/// Why a channel broke. Everything here is the peer's or the network's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// Bytes that no honest peer sends, or that were changed on the way.
    #[error("the bytes were damaged on the way")]
    Damaged,
    /// The peer proved another key than the one that was asked for.
    #[error("the peer has another key than the ticket says")]
    WrongKey,
    /// The peer refused us, or speaks another version.
    #[error("the peer refused the handshake")]
    Refused,
    /// The stream ended without the peer's closing word.
    #[error("the connection was cut")]
    Cut,
}

/// One end of a secure channel.
pub trait Channel {
    /// Space for bytes read from the stream; never empty once [`Self::next_event`] has said `Starved` or `Closed`, or has failed.
    fn space(&mut self) -> &mut [u8];

    /// `len` bytes of `space` were filled.
    fn filled(&mut self, len: usize);

    /// The stream has ended: whatever is missing will not come.
    fn ended(&mut self);

    /// The next event; call until `Starved`, `Closed` or an error. After an error the channel is dead: only
    /// [`Self::outgoing`] may still hold a last word for the peer.
    ///
    /// Plaintext goes straight to `plaintext`, at most one call an event: the bytes live in the channel's own memory,
    /// and lending them saves a copy.
    fn next_event(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> Result<ChannelEvent, ChannelError>;

    /// How many plaintext bytes it would take now: 0 before the peer is proven, after [`Self::close`], after an error
    /// and while `outgoing` is long.
    fn room(&self) -> usize;

    /// Takes a run of plaintext; all of it. Several runs may follow each other, together at most the
    /// [`Self::room`] before the first. Small ones may be gathered until [`Self::flush`].
    ///
    /// # Panics
    /// If it is given clearly more than there is room for: bytes that vanish quietly would be worse.
    fn seal(&mut self, plaintext: &[u8]);

    /// Ends the gathering of small runs.
    fn flush(&mut self);

    /// Says the closing word after all that was sealed. Nothing of the peer is heard any more: from here on
    /// [`Self::next_event`] is only `Starved`, or an error of before.
    fn close(&mut self);

    /// Bytes for the stream.
    fn outgoing(&self) -> &[u8];

    /// The stream took `len` of them.
    fn taken(&mut self, len: usize);

    /// Nothing more is at hand right now: big buffers that hold nothing go back to where they came from.
    fn rest(&mut self);

    /// Bytes of memory that it holds now, without what a pool keeps for all.
    fn memory(&self) -> usize;
}
