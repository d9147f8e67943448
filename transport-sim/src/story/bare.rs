//! No channel at all: bytes go through as they are. What the story's old program spoke.

use truecopy_protocol::NodeId;
use truecopy_transport::channel::buffers::{Intake, Outbox, Pool};
use truecopy_transport::channel::{Channel, ChannelError, ChannelEvent};

use super::file::BLOCK;

/// One end of nothing: it proves nothing, protects nothing and notices nothing.
#[derive(Debug)]
pub struct Bare {
    state: State,
    intake: Intake,
    outbox: Outbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Open,
    Ended,
    Closed,
}

impl Bare {
    /// One end.
    pub(super) fn new() -> Self {
        let pool = Pool::default();
        Self { state: State::Fresh, intake: Intake::new(pool.clone()), outbox: Outbox::new(pool) }
    }
}

impl Channel for Bare {
    /// The buffer of one message.
    fn space(&mut self) -> &mut [u8] {
        &mut self.intake.space()[..BLOCK]
    }

    fn filled(&mut self, len: usize) {
        if self.state != State::Closed {
            self.intake.filled(len);
        }
    }

    fn ended(&mut self) {
        self.state = State::Ended;
    }

    fn next_event(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> Result<ChannelEvent, ChannelError> {
        match self.state {
            State::Fresh => {
                self.state = State::Open;
                Ok(ChannelEvent::Proven { peer: NodeId([0; 32]), local: NodeId([0; 32]) })
            }
            _ if !self.intake.is_empty() => {
                plaintext(self.intake.pending());
                self.intake.consume(self.intake.len());
                Ok(ChannelEvent::Plaintext)
            }
            State::Ended => Ok(ChannelEvent::Closed),
            State::Open | State::Closed => Ok(ChannelEvent::Starved),
        }
    }

    fn room(&self) -> usize {
        if self.state == State::Closed { 0 } else { self.outbox.room() }
    }

    fn seal(&mut self, plaintext: &[u8]) {
        self.outbox.space(plaintext.len())[..plaintext.len()].copy_from_slice(plaintext);
        self.outbox.filled(plaintext.len());
    }

    fn flush(&mut self) {}

    fn close(&mut self) {
        self.state = State::Closed;
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
        self.intake.memory() + self.outbox.memory()
    }
}
