//! A channel without encryption, for the simulator alone.
//!
//! It proves nothing and protects nothing: under it, changed bytes reach the frames, hashes and stores above, which is
//! what it is for. It lives in this crate because no socket driver depends on it.
//!
//! On the wire: 32 bytes NodeId; then frames of a big-endian `u16` length and as many bytes; length 0 is the closing
//! word.

use truecopy_protocol::NodeId;
use truecopy_transport::channel::buffers::{Intake, Outbox, Pool};
use truecopy_transport::channel::{Channel, ChannelError, ChannelEvent};

/// Bytes of one frame at most.
const FRAME: usize = 16 * 1024;

/// One end of a clear channel.
#[derive(Debug)]
pub struct Clear {
    local: NodeId,
    expected: Option<NodeId>,
    state: State,
    ended: bool,
    intake: Intake,
    outbox: Outbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The peer's id has not come.
    Greeting,
    /// So many bytes of a frame are still to come.
    Open(usize),
    PeerClosed,
    Closed,
    Dead(ChannelError),
}

impl Clear {
    /// One end that calls itself `local`; the peer must call itself `expected`, if that is given.
    pub fn new(local: NodeId, expected: Option<NodeId>, pool: Pool) -> Self {
        let (intake, mut outbox) = (Intake::new(pool.clone()), Outbox::new(pool));
        outbox.space(32)[..32].copy_from_slice(&local.0);
        outbox.filled(32);
        Self { local, expected, state: State::Greeting, ended: false, intake, outbox }
    }

    fn fail(&mut self, error: ChannelError) -> ChannelError {
        self.state = State::Dead(error);
        error
    }

    fn starved(&mut self) -> Result<ChannelEvent, ChannelError> {
        if self.ended { Err(self.fail(ChannelError::Cut)) } else { Ok(ChannelEvent::Starved) }
    }

    fn greet(&mut self) -> Result<ChannelEvent, ChannelError> {
        let Some(id) = self.intake.pending().first_chunk::<32>() else { return self.starved() };
        let peer = NodeId(*id);
        self.intake.consume(32);
        if self.expected.is_some_and(|expected| expected != peer) {
            return Err(self.fail(ChannelError::WrongKey));
        }
        self.state = State::Open(0);
        Ok(ChannelEvent::Proven { peer, local: self.local })
    }

    fn put(&mut self, bytes: &[u8]) {
        self.outbox.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.outbox.filled(bytes.len());
    }
}

impl Channel for Clear {
    fn space(&mut self) -> &mut [u8] {
        self.intake.space()
    }

    fn filled(&mut self, len: usize) {
        if matches!(self.state, State::Greeting | State::Open(_)) {
            self.intake.filled(len);
        }
    }

    fn ended(&mut self) {
        self.ended = true;
    }

    fn next_event(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> Result<ChannelEvent, ChannelError> {
        loop {
            match self.state {
                State::Dead(error) => return Err(error),
                State::PeerClosed => return Ok(ChannelEvent::Closed),
                State::Closed => return Ok(ChannelEvent::Starved),
                State::Greeting => return self.greet(),
                State::Open(0) => {
                    let Some(len) = self.intake.pending().first_chunk::<2>() else { return self.starved() };
                    let len = usize::from(u16::from_be_bytes(*len));
                    self.intake.consume(2);
                    self.state = if len == 0 { State::PeerClosed } else { State::Open(len) };
                }
                State::Open(left) => {
                    let len = left.min(self.intake.len());
                    if len == 0 {
                        return self.starved();
                    }
                    plaintext(&self.intake.pending()[..len]);
                    self.intake.consume(len);
                    self.state = State::Open(left - len);
                    return Ok(ChannelEvent::Plaintext);
                }
            }
        }
    }

    fn room(&self) -> usize {
        match self.state {
            // A run of one byte makes a frame of three.
            State::Open(_) | State::PeerClosed => self.outbox.room() / 3,
            State::Greeting | State::Closed | State::Dead(_) => 0,
        }
    }

    fn seal(&mut self, plaintext: &[u8]) {
        let open = matches!(self.state, State::Open(_) | State::PeerClosed);
        assert!(open && plaintext.len() <= self.outbox.room(), "the channel was given more than its room");
        for frame in plaintext.chunks(FRAME) {
            self.put(&(frame.len() as u16).to_be_bytes());
            self.put(frame);
        }
    }

    fn flush(&mut self) {}

    fn close(&mut self) {
        if matches!(self.state, State::Open(_) | State::PeerClosed) {
            self.put(&[0, 0]);
        }
        if !matches!(self.state, State::Dead(_)) {
            self.state = State::Closed;
        }
        self.intake.consume(self.intake.len());
    }

    fn outgoing(&self) -> &[u8] {
        self.outbox.outgoing()
    }

    fn taken(&mut self, len: usize) {
        self.outbox.taken(len);
    }

    fn rest(&mut self) {
        self.intake.rest();
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.intake.memory() + self.outbox.memory()
    }
}
