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
use crate::pace::{Direction, Grant, Pacer};
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

    /// The limits of rates, if this driver has some.
    fn pacer(&mut self) -> Option<&mut Pacer> {
        None
    }
}

/// What the core has for one connection, as the pump takes it.
struct Sendable<'a, D> {
    door: &'a mut D,
    conn: ConnId,
    /// Bytes that may go to the channel: what waits there for a limit of the rate, control could not overtake.
    allowed: usize,
}

impl<D: Door> Source for Sendable<'_, D> {
    fn visit(&self, max: usize, take: &mut dyn FnMut(&[u8])) {
        let max = max.min(self.allowed);
        if max > 0 {
            self.door.visit(self.conn, max, take);
        }
    }

    fn sent(&mut self, len: usize) {
        self.allowed = self.allowed.saturating_sub(len);
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
    /// The same, and another turn at this time: a limit of the rate holds it up until then.
    Later(Now),
    /// The connection is over; its socket can go.
    Over,
}

impl After {
    /// What comes after two things: whatever comes first.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Over, _) | (_, Self::Over) => Self::Over,
            (Self::Again, _) | (_, Self::Again) => Self::Again,
            (Self::Later(one), Self::Later(another)) => Self::Later(one.min(another)),
            (Self::Later(at), Self::Rest) | (Self::Rest, Self::Later(at)) => Self::Later(at),
            (Self::Rest, Self::Rest) => Self::Rest,
        }
    }
}

/// No limit of a rate.
const UNLIMITED: usize = usize::MAX;

fn spend(allowed: &mut usize, len: usize) {
    if *allowed != UNLIMITED {
        *allowed -= len;
    }
}

/// A stream that counts what was written, and moves no more than it may: to the pump it would block then.
#[derive(Debug)]
struct Counted<S> {
    inner: S,
    written: u64,
    may_read: usize,
    may_write: usize,
}

impl<S: Stream> Stream for Counted<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let max = buf.len().min(self.may_read);
        if max == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = self.inner.read(&mut buf[..max])?;
        spend(&mut self.may_read, len);
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let max = bytes.len().min(self.may_write);
        if max == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = self.inner.write(&bytes[..max])?;
        spend(&mut self.may_write, len);
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
            stream: Counted { inner: stream, written: 0, may_read: UNLIMITED, may_write: UNLIMITED },
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

    /// Moves bytes both ways, as many as the limits of rates let it.
    pub fn turn(&mut self, door: &mut impl Door) -> After {
        let before = self.stream.written;
        let received = self.receive(door);
        let sent = self.transmit(door);
        if self.pump.is_ended() {
            self.end(door, LinkLoss::Closed);
            return After::Over;
        }
        if self.write == Side::Broken && self.read == Side::Blocked {
            // What the peer said last has been read.
            self.end(door, LinkLoss::Cut);
            return After::Over;
        }
        if self.stream.written > before {
            self.linger_on(door);
        }
        received.or(sent)
    }

    /// What may be moved now.
    fn ask(&self, door: &mut impl Door, direction: Direction) -> Grant {
        // The clock is read only if there is a limit.
        if door.pacer().is_none_or(|pacer| !pacer.is_limited(direction)) {
            return Grant::Unlimited;
        }
        let now = door.now();
        door.pacer().map_or(Grant::Unlimited, |pacer| pacer.ask(now, self.conn, direction))
    }

    /// So much of what was granted was moved; the rest others may have.
    fn settle(&self, door: &mut impl Door, direction: Direction, used: usize) {
        if let Some(pacer) = door.pacer() {
            pacer.settle(self.conn, direction, used);
        }
    }

    fn receive(&mut self, door: &mut impl Door) -> After {
        if self.read == Side::Blocked || door.flow(self.conn) == Flow::Pause {
            self.settle(door, Direction::Down, 0);
            return After::Rest;
        }
        let grant = match self.phase {
            Phase::Handshaking | Phase::Up => self.ask(door, Direction::Down),
            // What is thrown away while a connection ends was paid for on the way, and our last words wait for it.
            Phase::Leaving(_) | Phase::Lingering(_) => {
                self.settle(door, Direction::Down, 0);
                Grant::Unlimited
            }
        };
        match grant {
            Grant::Unlimited => self.receive_some(door),
            Grant::Later(at) => After::Later(at),
            Grant::Bytes(most) => {
                self.stream.may_read = most;
                let after = self.receive_some(door);
                let left = std::mem::replace(&mut self.stream.may_read, UNLIMITED);
                self.settle(door, Direction::Down, most - left);
                after
            }
        }
    }

    fn receive_some(&mut self, door: &mut impl Door) -> After {
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
            ReadState::WouldBlock if self.stream.may_read == 0 => After::Again,
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
            self.settle(door, Direction::Up, 0);
            return After::Rest;
        }
        let grant = if self.has_something(door) {
            self.ask(door, Direction::Up)
        } else {
            self.settle(door, Direction::Up, 0);
            Grant::Unlimited
        };
        match grant {
            Grant::Unlimited => self.transmit_some(door, UNLIMITED),
            Grant::Later(at) => After::Later(at),
            Grant::Bytes(most) => {
                self.stream.may_write = most;
                // One byte more than can be written, or none: what the source still has must not look like its end.
                let allowed = (most + 1).saturating_sub(self.pump.waiting());
                let after = self.transmit_some(door, allowed);
                let left = std::mem::replace(&mut self.stream.may_write, UNLIMITED);
                self.settle(door, Direction::Up, most - left);
                after
            }
        }
    }

    /// Whether there are bytes to be written. If nothing limits them, it does not matter.
    fn has_something(&self, door: &mut impl Door) -> bool {
        if door.pacer().is_none_or(|pacer| !pacer.is_limited(Direction::Up)) || self.pump.waiting() > 0 {
            return true;
        }
        let mut has = false;
        door.visit(self.conn, 1, &mut |run| has |= !run.is_empty());
        has
    }

    fn transmit_some(&mut self, door: &mut impl Door, allowed: usize) -> After {
        let mut source = Sendable { door, conn: self.conn, allowed };
        match self.pump.transmit(&mut self.stream, &mut source, TURN) {
            WriteState::WouldBlock if self.stream.may_write == 0 => After::Again,
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

    /// It is over: nothing is waited for.
    fn end(&mut self, door: &mut impl Door, why: LinkLoss) {
        self.lost(door, why);
        if let Some(pacer) = door.pacer() {
            pacer.forget(self.conn);
        }
    }

    /// It gives way to another: drop the stream.
    pub fn evict(&mut self, door: &mut impl Door) {
        self.end(door, LinkLoss::Closed);
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
        self.end(door, why);
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
