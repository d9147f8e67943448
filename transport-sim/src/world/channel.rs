//! Either channel, behind one type, so that one world serves both.

use truecopy_transport::channel::tls::Tls;
use truecopy_transport::channel::{Channel, ChannelError, ChannelEvent};

use crate::clear::Clear;

/// A channel of a simulated connection.
#[derive(Debug)]
pub(super) enum SimChannel {
    Clear(Clear),
    Tls(Box<Tls>),
}

macro_rules! either {
    ($self:ident, $channel:ident => $do:expr) => {
        match $self {
            SimChannel::Clear($channel) => $do,
            SimChannel::Tls($channel) => $do,
        }
    };
}

impl Channel for SimChannel {
    fn space(&mut self) -> &mut [u8] {
        either!(self, channel => channel.space())
    }

    fn filled(&mut self, len: usize) {
        either!(self, channel => channel.filled(len));
    }

    fn ended(&mut self) {
        either!(self, channel => channel.ended());
    }

    fn next_event(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> Result<ChannelEvent, ChannelError> {
        either!(self, channel => channel.next_event(plaintext))
    }

    fn room(&self) -> usize {
        either!(self, channel => channel.room())
    }

    fn seal(&mut self, plaintext: &[u8]) {
        either!(self, channel => channel.seal(plaintext));
    }

    fn flush(&mut self) {
        either!(self, channel => channel.flush());
    }

    fn close(&mut self) {
        either!(self, channel => channel.close());
    }

    fn outgoing(&self) -> &[u8] {
        either!(self, channel => channel.outgoing())
    }

    fn taken(&mut self, len: usize) {
        either!(self, channel => channel.taken(len));
    }

    fn rest(&mut self) {
        either!(self, channel => channel.rest());
    }

    fn memory(&self) -> usize {
        either!(self, channel => channel.memory())
    }
}
