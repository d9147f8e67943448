//! Dials: one connection to be, and the addresses that are tried for it one after another.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Token};
use truecopy_protocol::Candidate;
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::LinkLoss;
use truecopy_protocol::{ConnId, NodeId};

use super::{Adopted, Net};
use crate::door::Door;
use crate::tcp::{Dialled, canonical, dial_loss, dialled};

/// Patience with one address of a name, if there are others. The core limits the whole dial.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(2);

/// An address that is being dialled, and those that come after it.
#[derive(Debug)]
pub(super) struct Dial {
    conn: ConnId,
    key: Option<NodeId>,
    stream: TcpStream,
    remote: SocketAddr,
    rest: VecDeque<SocketAddr>,
}

impl Net {
    pub(super) fn dial(&mut self, conn: ConnId, to: Candidate, key: Option<NodeId>, door: &mut Door) {
        match to {
            Candidate::Tcp(address) => self.dial_addresses(conn, key, VecDeque::from([address]), door),
            Candidate::Host { name, port } => match self.setup.resolver.ask(conn, name.to_string(), port) {
                Ok(()) => {
                    self.resolving.insert(conn, key);
                }
                Err(_) => door.disconnected(conn, LinkLoss::Local),
            },
        }
    }

    /// Dials the first address that can be dialled at all.
    pub(super) fn dial_addresses(
        &mut self,
        conn: ConnId,
        key: Option<NodeId>,
        mut rest: VecDeque<SocketAddr>,
        door: &mut Door,
    ) {
        let mut why = LinkLoss::Unreachable;
        while let Some(remote) = rest.pop_front().map(canonical) {
            let token = self.token();
            let begun = TcpStream::connect(remote).and_then(|mut stream| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.setup.registry.register(&mut stream, token, interest)?;
                Ok(stream)
            });
            match begun {
                Ok(stream) => {
                    if !rest.is_empty() {
                        self.deadlines.set(token, door.clock.now() + ADDRESS_PATIENCE);
                    }
                    self.tokens.insert(conn, token);
                    self.dials.insert(token, Dial { conn, key, stream, remote, rest });
                    return;
                }
                Err(error) => {
                    tracing::debug!(conn = conn.0, %remote, %error, "cannot be dialled");
                    why = dial_loss(&error);
                }
            }
        }
        door.disconnected(conn, why);
    }

    /// The poll says that something happened with a dial.
    pub(super) fn dial_progress(&mut self, token: Token, door: &mut Door) {
        let Some(dial) = self.dials.get(&token) else { return };
        match dialled(&dial.stream) {
            Dialled::Underway => {}
            Dialled::Failed(error) => {
                tracing::debug!(conn = dial.conn.0, remote = %dial.remote, %error, "a dial failed");
                self.next_address(token, dial_loss(&error), door);
            }
            Dialled::Up => self.dial_up(token, door),
        }
    }

    fn dial_up(&mut self, token: Token, door: &mut Door) {
        let Some(dial) = self.dials.remove(&token) else { return };
        let Dial { conn, key, stream, remote, rest: _ } = dial;
        match self.setup.tls.connect(key) {
            Ok(channel) => {
                self.adopt(Adopted { token, conn, role: Role::Initiator, remote, stream, channel }, door);
            }
            Err(error) => {
                tracing::error!(%error, "no channel can be made");
                self.tokens.remove(&conn);
                door.disconnected(conn, LinkLoss::Local);
            }
        }
    }

    /// An address did not answer, or badly: the next one, if there is one.
    pub(super) fn next_address(&mut self, token: Token, why: LinkLoss, door: &mut Door) {
        let Some(dial) = self.dials.remove(&token) else { return };
        self.deadlines.clear(token);
        self.tokens.remove(&dial.conn);
        if dial.rest.is_empty() {
            door.disconnected(dial.conn, why);
        } else {
            self.dial_addresses(dial.conn, dial.key, dial.rest, door);
        }
    }

    /// The core does not want it any more.
    pub(super) fn drop_dial(&mut self, token: Token, why: LinkLoss, door: &mut Door) {
        if let Some(dial) = self.dials.remove(&token) {
            self.deadlines.clear(token);
            self.tokens.remove(&dial.conn);
            door.disconnected(dial.conn, why);
        }
    }
}
