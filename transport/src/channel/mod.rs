//! The secure channel between the stream and the core: bytes in, proven peer and plaintext out.
//!
//! Sans-IO: a channel never touches a stream. [`Clear`](clear::Clear) is for the simulator, which no socket driver can
//! name; [`Tls`](tls::Tls) is what sockets run.

use truecopy_protocol::NodeId;

/// What the channel has to say next.
#[derive(Debug)]
pub enum ChannelEvent<'a> {
    /// The peer has proven its key. Comes once, before any plaintext.
    Proven {
        /// The peer's key.
        peer: NodeId,
        /// The key that we proved.
        local: NodeId,
    },
    /// Plaintext of the peer, in order.
    Plaintext(&'a [u8]),
    /// The peer has ended its direction properly: nothing was cut off.
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
    /// Space for bytes read from the stream; never empty unless the channel is broken.
    fn space(&mut self) -> &mut [u8];

    /// `len` bytes of `space` were filled.
    fn filled(&mut self, len: usize);

    /// The stream has ended: whatever is missing will not come.
    fn ended(&mut self);

    /// The next event; call until `Starved`, `Closed` or an error. After an error the channel is dead.
    fn next_event(&mut self) -> Result<ChannelEvent<'_>, ChannelError>;

    /// How many plaintext bytes it would take now: 0 before the peer is proven and while `outgoing` is long.
    fn room(&self) -> usize;

    /// Takes a run of plaintext; all of it, at most `room`. Small runs may be gathered until `flush`.
    fn seal(&mut self, plaintext: &[u8]);

    /// Ends the gathering of small runs.
    fn flush(&mut self);

    /// Says the closing word after all that was sealed.
    fn close(&mut self);

    /// Bytes for the stream.
    fn outgoing(&self) -> &[u8];

    /// The stream took `len` of them.
    fn taken(&mut self, len: usize);

    /// Bytes of memory that it holds now.
    fn memory(&self) -> usize;
}
