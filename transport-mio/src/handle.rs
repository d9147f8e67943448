//! The program's end of a reactor.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use mio::Token;
use truecopy_protocol::ShareId;
use truecopy_protocol::input::Command;
use truecopy_protocol::job::Done;
use truecopy_transport::pace::Rates;
use truecopy_transport::store::{Registry, Storage};

use crate::listen::Listen;
use crate::mailbox::Mailbox;
use crate::resolve::Resolved;

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A job is done.
    Done(Done),
    /// A name was looked up.
    Resolved(Resolved),
    /// A wrapped stream may be asked again.
    Nudge(Token),
    /// The user wants something.
    Command(Box<Command>),
    /// Listen there too.
    Listen(Listen, SyncSender<io::Result<Vec<SocketAddr>>>),
    /// Limits of the rates: of one share, or over all connections.
    Rates(Option<ShareId>, Rates),
    /// Come to an end.
    Stop,
}

/// The reactor has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reactor has stopped")]
pub struct Stopped;

/// Tells a running reactor what to do, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox<Letter>>,
    stores: Registry,
    addresses: Arc<[SocketAddr]>,
}

impl Handle {
    pub(crate) fn new(mailbox: Arc<Mailbox<Letter>>, stores: Registry, addresses: Vec<SocketAddr>) -> Self {
        Self { mailbox, stores, addresses: addresses.into() }
    }

    /// Where the reactor listened from the start.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Hands a command to the core. Commands are carried out in order; answers are events.
    ///
    /// # Errors
    /// If the reactor has stopped.
    pub fn command(&self, command: Command) -> Result<(), Stopped> {
        self.mailbox.put(Letter::Command(Box::new(command))).map_err(|_| Stopped)
    }

    /// Says what does the storage work of a share: a source before `Command::Share`, a staging before
    /// `Command::Accept`. It is released when the share has ended.
    pub fn register(&self, share: ShareId, storage: Arc<dyn Storage>) {
        self.stores.register(share, storage);
    }

    /// Takes a share's storage out, so that it can be made anew: before another `register`, while no job for it is on its
    /// way (as when it is offered again).
    pub fn release(&self, share: ShareId) {
        self.stores.release(share);
    }

    /// Listens at one more place, and says where.
    ///
    /// # Errors
    /// What the operating system says; `NotConnected` if the reactor has stopped.
    pub fn listen(&self, listen: Listen) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = sync_channel(1);
        let gone = || io::Error::new(io::ErrorKind::NotConnected, Stopped);
        self.mailbox.put(Letter::Listen(listen, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    /// Limits the rates over all connections, from now on. Every byte of a stream counts. Connections take turns: whoever
    /// cannot use its part leaves it to the others.
    ///
    /// # Errors
    /// If the reactor has stopped.
    pub fn set_rates(&self, rates: Rates) -> Result<(), Stopped> {
        self.mailbox.put(Letter::Rates(None, rates)).map_err(|_| Stopped)
    }

    /// Limits the rates over the connections of one share, until it has ended; those over all connections hold besides.
    ///
    /// # Errors
    /// If the reactor has stopped.
    pub fn set_share_rates(&self, share: ShareId, rates: Rates) -> Result<(), Stopped> {
        self.mailbox.put(Letter::Rates(Some(share), rates)).map_err(|_| Stopped)
    }

    /// Ends the loop: connections are cut.
    pub fn stop(&self) {
        // If it has stopped already, that is what is wanted.
        let _ = self.mailbox.put(Letter::Stop);
    }
}
