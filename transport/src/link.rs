//! One connection: its stream, its pump, and what the core has been told of it.
//!
//! Every driver moves its connections through this code: when a side has blocked, what is still read after a loss, how
//! long a goodbye may take. A driver supplies readiness ([`Link::readable`], [`Link::writable`]), turns, and a [`Door`].
//! Safe with edge-triggered readiness.

use std::io::{self, ErrorKind};
use std::time::Duration;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{Input, LinkLoss, Path};
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};
use truecopy_protocol::{ConnId, Now};

use crate::channel::{Channel, ChannelError};
use crate::pump::{Breakage, Flow, Pump, ReadState, Received, Source, WriteState};
use crate::stream::Stream;

/// The core, as a connection sees it.
pub trait Door {
    /// The driver's monotonic clock.
    fn now(&self) -> Now;

    /// Gives the core an input and carries out, or keeps, what it wants then.
    fn feed(&mut self, input: Input<'_>);

    /// Whether this connection may deliver.
    fn flow(&self, conn: ConnId) -> Flow;

    /// Lends what the core has for a connection: see `Node::sendable`.
    fn visit(&self, conn: ConnId, max: usize, take: &mut dyn FnMut(&[u8]));

    /// A connection is gone: nothing of it may follow.
    fn disconnected(&mut self, conn: ConnId, why: LinkLoss);
}

/// What the core has for one connection, as the pump takes it.
struct Sendable<'a, D> {
    door: &'a mut D,
    conn: ConnId,
}

impl<D: Door> Source for Sendable<'_, D> {
    fn visit(&self, max: usize, take: &mut dyn FnMut(&[u8])) {
        self.door.visit(self.conn, max, take);
    }

    fn sent(&mut self, len: usize) {
        self.door.feed(Input::Sent { conn: self.conn, len });
    }
}

/// Bytes of one connection in one direction before it is others' turn.
const TURN: usize = 1024 * 1024;

/// Patience with a peer that takes nothing while the connection ends.
const LINGER: Duration = Duration::from_secs(5);

/// Patience with a peer that takes a little while the connection ends.
const LINGER_MAX: Duration = Duration::from_secs(30);

/// What the core knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
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

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Another turn: it is not through.
    Again,
    /// Nothing, before the poll or the core says something.
    Rest,
    /// The connection is over; its socket can go.
    Over,
}

/// A stream that counts what was written.
#[derive(Debug)]
struct Counted<S> {
    inner: S,
    written: u64,
}

impl<S: Stream> Stream for Counted<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.inner.write(bytes)?;
        self.written += len as u64;
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown_write()
    }
}

/// One connection of a driver.
#[derive(Debug)]
pub struct Link<S, C> {
    conn: ConnId,
    role: Role,
    path: Path,
    phase: Phase,
    deadline: Option<Now>,
    stream: Counted<S>,
    pump: Pump<C>,
    read: Side,
    write: Side,
}

impl<S: Stream, C: Channel> Link<S, C> {
    /// A connected stream and a fresh channel over it. `handshake_deadline` is when both keys must be proven; whoever
    /// runs the driver's timers looks at [`Self::deadline`] after every turn.
    pub fn new(conn: ConnId, role: Role, path: Path, stream: S, channel: C, handshake_deadline: Now) -> Self {
        Self {
            conn,
            role,
            path,
            phase: Phase::Handshaking,
            deadline: Some(handshake_deadline),
            stream: Counted { inner: stream, written: 0 },
            pump: Pump::new(channel),
            read: Side::Ready,
            write: Side::Ready,
        }
    }

    /// Its name.
    pub const fn conn(&self) -> ConnId {
        self.conn
    }

    /// Our role in it.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What carries it.
    pub const fn path(&self) -> Path {
        self.path
    }

    /// What the core knows of it.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// When the driver's patience is over: then [`Self::expire`], and drop the stream.
    pub const fn deadline(&self) -> Option<Now> {
        self.deadline
    }

    /// The stream itself.
    pub const fn stream(&self) -> &S {
        &self.stream.inner
    }

    /// The stream itself.
    pub const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream.inner
    }

    /// The stream alone; what the channel still had is forgotten.
    pub fn into_stream(self) -> S {
        self.stream.inner
    }

    /// Bytes of memory that its channel holds.
    pub fn memory(&self) -> usize {
        self.pump.memory()
    }

    /// The stream may have bytes, an end or an error to read.
    pub fn readable(&mut self) {
        self.read = Side::Ready;
    }

    /// The stream may take bytes.
    pub fn writable(&mut self) {
        if self.write == Side::Blocked {
            self.write = Side::Ready;
        }
    }

    /// Moves bytes both ways.
    pub fn turn(&mut self, door: &mut impl Door) -> After {
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

    fn receive(&mut self, door: &mut impl Door) -> After {
        if self.read == Side::Blocked || door.flow(self.conn) == Flow::Pause {
            return After::Rest;
        }
        let (conn, role, path) = (self.conn, self.role, self.path);
        let (phase, deadline) = (&mut self.phase, &mut self.deadline);
        let mut loss = None;
        let budget = TURN;
        #[cfg(planted)]
        let budget = if is(Bug::LongTurns) { 4 * TURN } else { budget };
        let state = self.pump.receive(&mut self.stream, budget, &mut |received| {
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

    fn transmit(&mut self, door: &mut impl Door) -> After {
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
                let limit = door.now() + LINGER;
                self.deadline = Some(self.deadline.map_or(limit, |at| at.min(limit)));
                After::Again
            }
        }
    }

    /// The core hung up.
    pub fn hang_up(&mut self, now: Now) {
        if matches!(self.phase, Phase::Handshaking | Phase::Up) {
            self.phase = Phase::Leaving(now);
            self.deadline = Some(now + LINGER);
            self.pump.close();
        }
    }

    /// Tells the core, once, that the connection is gone; the socket ends in good order.
    pub fn lost(&mut self, door: &mut impl Door, why: LinkLoss) {
        let now = door.now();
        let known = match self.phase {
            Phase::Handshaking => self.role == Role::Initiator,
            Phase::Up | Phase::Leaving(_) => true,
            Phase::Lingering(_) => return,
        };
        self.phase = Phase::Lingering(now);
        self.deadline = Some(now + LINGER);
        self.pump.close();
        tracing::debug!(conn = self.conn.0, ?why, path = ?self.path, "a connection ended");
        if known {
            door.disconnected(self.conn, why);
        }
    }

    /// A peer that still takes bytes gets a little more time.
    fn linger_on(&mut self, door: &impl Door) {
        if let Phase::Leaving(since) | Phase::Lingering(since) = self.phase {
            self.deadline = Some((door.now() + LINGER).min(since + LINGER_MAX));
        }
    }

    /// Its deadline has passed: the core is told why it is lost.
    pub fn expire(&mut self, door: &mut impl Door) {
        let why = match self.phase {
            Phase::Handshaking => LinkLoss::TimedOut,
            Phase::Up => LinkLoss::Cut,
            Phase::Leaving(_) | Phase::Lingering(_) => LinkLoss::Closed,
        };
        self.lost(door, why);
    }
}

/// Why a connection was lost.
fn link_loss(breakage: Breakage) -> LinkLoss {
    match breakage {
        Breakage::Channel(ChannelError::Damaged) => LinkLoss::Damaged,
        Breakage::Channel(ChannelError::WrongKey) => LinkLoss::WrongKey,
        Breakage::Channel(ChannelError::Refused) => LinkLoss::Refused,
        Breakage::Channel(ChannelError::Cut) => LinkLoss::Cut,
        Breakage::Stream(ErrorKind::TimedOut) => LinkLoss::TimedOut,
        Breakage::Stream(
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown,
        ) => LinkLoss::Unreachable,
        Breakage::Stream(ErrorKind::OutOfMemory) => LinkLoss::Local,
        Breakage::Stream(_) => LinkLoss::Cut,
    }
}
