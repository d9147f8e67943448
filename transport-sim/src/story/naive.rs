//! The pump that loses bytes, as half the programs of the world have it. **FOR TEACHING ALONE.**
//!
//! It is typed over the story's own [`Wire`], which holds a simulated stream and nothing else: it can never move the
//! bytes of a user.

use std::io;

use truecopy_transport::channel::{Channel, ChannelEvent};
use truecopy_transport::pump::{Breakage, Received, Source};
use truecopy_transport::stream::Stream;

use super::wire::Wire;

/// What [`Pump`](truecopy_transport::pump::Pump) does right, done as it is usually done wrong: it does not look at the
/// number that a write returns. Everything else is proper: errors are looked at, `WouldBlock` is waited for.
#[derive(Debug)]
pub struct NaivePump<C> {
    channel: C,
    closing: Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    LastWord,
    Ended,
}

impl<C: Channel> NaivePump<C> {
    /// The pump of a fresh connection.
    pub fn new(channel: C) -> Self {
        Self { channel, closing: Closing::Open }
    }

    /// Reads until there is nothing, and hands on every read. Whether a read is a message is the receiver's belief.
    pub fn receive(&mut self, wire: &mut Wire, deliver: &mut dyn FnMut(Received<'_>)) {
        loop {
            loop {
                match self.channel.next_event(&mut |bytes| deliver(Received::Plaintext(bytes))) {
                    Ok(ChannelEvent::Plaintext) => {}
                    Ok(ChannelEvent::Proven { peer, local }) => deliver(Received::Proven { peer, local }),
                    Ok(ChannelEvent::Starved) => break,
                    Ok(ChannelEvent::Closed) => return deliver(Received::Closed),
                    Err(error) => return deliver(Received::Broken(Breakage::Channel(error))),
                }
            }
            match wire.read(self.channel.space()) {
                Ok(0) => self.channel.ended(),
                Ok(len) => self.channel.filled(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return deliver(Received::Broken(Breakage::Stream(error.kind()))),
            }
        }
    }

    /// Writes one message, if there is one.
    ///
    /// # Errors
    /// The stream's. There will be none.
    pub fn transmit<T: Source>(&mut self, wire: &mut Wire, source: &mut T) -> io::Result<()> {
        if self.channel.outgoing().is_empty() {
            let mut message = None;
            source.visit(self.channel.room(), &mut |run| {
                message.get_or_insert_with(|| run.to_vec());
            });
            if let Some(message) = message {
                self.channel.seal(&message);
                self.channel.flush();
                source.sent(message.len());
            } else if self.closing == Closing::LastWord {
                self.channel.close();
                self.closing = Closing::Ended;
            }
        }
        let message = self.channel.outgoing();
        if message.is_empty() {
            return if self.closing == Closing::Ended { wire.shutdown_write() } else { Ok(()) };
        }
        match wire.write(message) {
            // The bug. How many bytes were taken stands in there, and nobody looks.
            Ok(_) => {
                let all = message.len();
                self.channel.taken(all);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// After what the source has, the end.
    pub fn close(&mut self) {
        if self.closing == Closing::Open {
            self.closing = Closing::LastWord;
        }
    }
}
