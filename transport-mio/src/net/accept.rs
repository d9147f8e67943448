//! Strangers come in: as many as there is room for.

use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Token};
use truecopy_protocol::ConnId;
use truecopy_protocol::content::identity::Role;
use truecopy_transport::link::Phase;

use super::{Adopted, Net, Reception};
use crate::door::Door;
use crate::listen::{self, AcceptError, EXHAUSTED_PAUSE, source};
use crate::tcp::canonical;

/// Connections accepted from one socket before others have their turn.
const ACCEPTS: usize = 32;

/// Connections that are given time for their last words; with more of them, the oldest has had its time. Fewer than
/// the core remembers, so that those who will not go cannot keep others out.
const ENDING_MAX: usize = 48;

impl Net {
    pub(super) fn is_knocked_at(&self) -> bool {
        self.reception == Reception::Open
            && self.listeners.iter().any(|listener| listener.state == listen::Door::Knocking)
    }

    pub(super) fn accept_all(&mut self, door: &mut Door) {
        if self.reception == Reception::Closed {
            return;
        }
        for number in 0..self.listeners.len() {
            for _ in 0..ACCEPTS {
                if self.listeners[number].state != listen::Door::Knocking {
                    break;
                }
                self.accept_one(number, door);
            }
        }
    }

    fn accept_one(&mut self, number: usize, door: &mut Door) {
        if door.events.is_crowded() {
            self.shut(number, door);
            return;
        }
        let listener = &mut self.listeners[number];
        match listener.socket.accept() {
            Ok((stream, remote)) => self.take_in(stream, canonical(remote), door),
            Err(error) => match AcceptError::from(&error) {
                AcceptError::Nobody => listener.state = listen::Door::Quiet,
                AcceptError::Gone => {}
                AcceptError::Exhausted => {
                    tracing::warn!(%error, "no connection can be accepted for now");
                    self.shut(number, door);
                }
            },
        }
    }

    fn shut(&mut self, number: usize, door: &Door) {
        let listener = &mut self.listeners[number];
        listener.state = listen::Door::Shut;
        self.deadlines.set(listener.token, door.clock.now() + EXHAUSTED_PAUSE);
    }

    /// A socket was closed, so there may be room for another.
    pub(super) fn reopen(&mut self) {
        for listener in &mut self.listeners {
            if listener.state == listen::Door::Shut {
                listener.state = listen::Door::Knocking;
                self.deadlines.clear(listener.token);
            }
        }
    }

    fn take_in(&mut self, mut stream: TcpStream, remote: SocketAddr, door: &mut Door) {
        self.make_room(remote, door);
        if self.sockets.len() >= self.setup.limits.sockets_max {
            tracing::info!(%remote, "a stranger is turned away: too many connections");
            return;
        }
        let channel = match self.setup.tls.accept() {
            Ok(channel) => channel,
            Err(error) => {
                tracing::error!(%error, "a stranger is turned away");
                return;
            }
        };
        let token = self.token();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.setup.registry.register(&mut stream, token, interest) {
            tracing::warn!(%error, "a stranger is turned away");
            return;
        }
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        tracing::debug!(conn = conn.0, %remote, "a stranger came");
        self.strangers.push_back(token);
        self.adopt(Adopted { token, conn, role: Role::Responder, remote, stream, channel }, door);
    }

    /// The oldest strangers give way: first those from the same place, then whoever it is.
    fn make_room(&mut self, remote: SocketAddr, door: &mut Door) {
        let mut strangers = std::mem::take(&mut self.strangers);
        strangers.retain(|token| self.is_stranger(*token));
        self.strangers = strangers;
        let from = source(&remote);
        let same =
            |token: &&Token| self.sockets.get(token).is_some_and(|socket| source(&socket.remote) == from);
        let limits = &self.setup.limits;
        let evicted = if self.strangers.iter().filter(same).count() >= limits.half_open_per_source_max {
            self.strangers.iter().find(same).copied()
        } else if self.strangers.len() >= limits.half_open_max {
            self.strangers.front().copied()
        } else {
            let ends = |token: &&Token| {
                matches!(self.sockets[token].link.phase(), Phase::Leaving(_) | Phase::Lingering(_))
            };
            let ending = self.sockets.keys().filter(ends).count();
            let crowded = ending >= ENDING_MAX || self.sockets.len() >= limits.sockets_max;
            self.sockets.keys().find(ends).copied().filter(|_| crowded)
        };
        if let Some(token) = evicted
            && let Some(socket) = self.sockets.get_mut(&token)
        {
            tracing::info!(conn = socket.link.conn().0, remote = %socket.remote, "gives way to another");
            socket.link.evict(door);
            self.remove(token);
        }
    }
}
