//! One connection: its stream, its pump, and what the core has been told of it.

use std::net::SocketAddr;
use std::time::Duration;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{Input, LinkLoss, Path};
use truecopy_protocol::{ConnId, Now};
use truecopy_transport::channel::tls::Tls;
use truecopy_transport::pump::{Flow, Pump, ReadState, Received, WriteState};
use truecopy_transport::stream::Stream;

use crate::door::{Door, Sendable};
use crate::tcp::link_loss;

/// Bytes of one connection in one direction before it is others' turn.
const TURN: usize = 1024 * 1024;

/// Patience with a peer that takes nothing while the connection ends.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// Patience with a peer that takes a little while the connection ends.
const LINGER_MAX: Duration = Duration::from_secs(30);

/// What the core knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The keys are not proven. The core waits for it if we dialled.
    Handshaking,
    /// The core has it.
    Up,
    /// The core hung up and waits for the end, since then.
    Leaving(Now),
    /// The core is done with it; only the socket still ends.
    Lingering(Now),
}

/// Whether a socket may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// It has said that it would block; the poll will say when it does no more.
    Blocked,
    Ready,
    /// It has failed for ever.
    Broken,
}

/// Whether a connection stands in the queue of those that have a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    No,
    Yes,
}

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another turn: it is not through.
    Again,
    /// Nothing, before the poll or the core says something.
    Rest,
    /// The connection is over; its socket can go.
    Over,
}

/// A stream that counts what was written.
pub(crate) struct Counted {
    inner: Box<dyn Stream + Send>,
    written: u64,
}

impl Stream for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buf)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = self.inner.write(bytes)?;
        self.written += len as u64;
        Ok(len)
    }

    fn shutdown_write(&mut self) -> std::io::Result<()> {
        self.inner.shutdown_write()
    }
}

pub(crate) struct Link {
    pub(crate) conn: ConnId,
    pub(crate) role: Role,
    pub(crate) remote: SocketAddr,
    pub(crate) phase: Phase,
    pub(crate) queued: Queued,
    /// When the driver's patience is over.
    pub(crate) deadline: Option<Now>,
    stream: Counted,
    pump: Pump<Tls>,
    read: Side,
    write: Side,
}

impl Link {
    pub(crate) fn new(
        conn: ConnId,
        role: Role,
        remote: SocketAddr,
        stream: Box<dyn Stream + Send>,
        channel: Tls,
    ) -> Self {
        Self {
            conn,
            role,
            remote,
            phase: Phase::Handshaking,
            queued: Queued::No,
            deadline: None,
            stream: Counted { inner: stream, written: 0 },
            pump: Pump::new(channel),
            read: Side::Ready,
            write: Side::Ready,
        }
    }

    pub(crate) fn readable(&mut self) {
        self.read = Side::Ready;
    }

    pub(crate) fn writable(&mut self) {
        if self.write == Side::Blocked {
            self.write = Side::Ready;
        }
    }

    /// Moves bytes both ways.
    pub(crate) fn turn(&mut self, door: &mut Door) -> After {
        let before = self.stream.written;
        let received = self.receive(door);
        let sent = self.transmit(door);
        if self.pump.is_ended() {
            self.lost(door, LinkLoss::Closed);
            return After::Over;
        }
        if self.write == Side::Broken && self.read == Side::Blocked {
            // What the peer said last has been read.
            self.lost(door, LinkLoss::Cut);
            return After::Over;
        }
        if self.stream.written > before {
            self.linger_on(door);
        }
        if received == After::Again || sent == After::Again { After::Again } else { After::Rest }
    }

    fn receive(&mut self, door: &mut Door) -> After {
        if self.read == Side::Blocked || door.flow(self.conn) == Flow::Pause {
            return After::Rest;
        }
        let (conn, role, path) = (self.conn, self.role, Path::Tcp(self.remote));
        let (phase, deadline) = (&mut self.phase, &mut self.deadline);
        let mut loss = None;
        let state = self.pump.receive(&mut self.stream, TURN, &mut |received| {
            match received {
                Received::Proven { peer, local } => {
                    if *phase == Phase::Handshaking {
                        (*phase, *deadline) = (Phase::Up, None);
                        tracing::debug!(conn = conn.0, %peer, "a peer has proven its key");
                        door.feed(Input::Connected { conn, role, local, peer, path });
                    }
                }
                Received::Plaintext(bytes) => door.feed(Input::Received { conn, bytes }),
                Received::Closed => loss = Some(LinkLoss::Closed),
                Received::Broken(breakage) => loss = Some(link_loss(breakage)),
            }
            door.flow(conn)
        });
        match loss {
            // Our own last words are still on their way.
            Some(LinkLoss::Closed) if matches!(self.phase, Phase::Leaving(_)) => {}
            Some(why) => self.lost(door, why),
            None => {}
        }
        match state {
            ReadState::WouldBlock => {
                self.read = Side::Blocked;
                After::Rest
            }
            ReadState::Budget => After::Again,
            // Whoever paused it says when it goes on.
            ReadState::Paused | ReadState::Ended => After::Rest,
        }
    }

    fn transmit(&mut self, door: &mut Door) -> After {
        if self.write != Side::Ready {
            return After::Rest;
        }
        let mut source = Sendable { door, conn: self.conn };
        match self.pump.transmit(&mut self.stream, &mut source, TURN) {
            WriteState::WouldBlock => {
                self.write = Side::Blocked;
                After::Rest
            }
            WriteState::Budget => After::Again,
            WriteState::Idle | WriteState::Ended => After::Rest,
            WriteState::Broken(kind) => {
                tracing::debug!(conn = self.conn.0, ?kind, "a connection takes no more bytes");
                self.write = Side::Broken;
                // What the peer said last is still read: now, or if the core has paused it, soon.
                self.read = Side::Ready;
                let limit = door.clock.now() + LINGER;
                self.deadline = Some(self.deadline.map_or(limit, |at| at.min(limit)));
                After::Again
            }
        }
    }

    /// The core hung up.
    pub(crate) fn hang_up(&mut self, now: Now) {
        if matches!(self.phase, Phase::Handshaking | Phase::Up) {
            self.phase = Phase::Leaving(now);
            self.deadline = Some(now + LINGER);
            self.pump.close();
        }
    }

    /// Tells the core, once, that the connection is gone; the socket ends in good order.
    pub(crate) fn lost(&mut self, door: &mut Door, why: LinkLoss) {
        let now = door.clock.now();
        let known = match self.phase {
            Phase::Handshaking => self.role == Role::Initiator,
            Phase::Up | Phase::Leaving(_) => true,
            Phase::Lingering(_) => return,
        };
        self.phase = Phase::Lingering(now);
        self.deadline = Some(now + LINGER);
        self.pump.close();
        tracing::debug!(conn = self.conn.0, ?why, remote = %self.remote, "a connection ended");
        if known {
            door.disconnected(self.conn, why);
        }
    }

    /// A peer that still takes bytes gets a little more time.
    fn linger_on(&mut self, door: &Door) {
        if let Phase::Leaving(since) | Phase::Lingering(since) = self.phase {
            self.deadline = Some((door.clock.now() + LINGER).min(since + LINGER_MAX));
        }
    }

    /// Why it is lost if its deadline passes.
    pub(crate) fn verdict(&self) -> LinkLoss {
        match self.phase {
            Phase::Handshaking => LinkLoss::TimedOut,
            Phase::Up => LinkLoss::Cut,
            Phase::Leaving(_) | Phase::Lingering(_) => LinkLoss::Closed,
        }
    }
}
