//! One connection: its socket, its pump, and what the core has been told of it.

use std::net::SocketAddr;
use std::task::Context;
use std::time::Duration;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{Input, LinkLoss, Path};
use truecopy_protocol::{ConnId, Now};
use truecopy_transport::channel::{Channel, ChannelError};
use truecopy_transport::pump::{Breakage, Flow, Pump, ReadState, Received, WriteState};

use crate::chop::Chop;
use crate::door::{Door, Sendable};

/// Bytes in one direction before it is others' turn.
const TURN: usize = 256 * 1024;

/// Patience with a handshake, and with a connection that ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the core knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The keys are not proven. The core waits for it if we dialled.
    Handshaking,
    Up,
    /// The core hung up and waits for the end.
    Leaving,
    /// The core is done with it; only the socket still ends.
    Lingering,
}

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another turn: it is not through.
    Again,
    /// Nothing, before its socket or the core says something.
    Rest,
    /// The connection is over; its socket can go.
    Over,
}

pub(crate) struct Link<C> {
    pub(crate) conn: ConnId,
    role: Role,
    remote: SocketAddr,
    phase: Phase,
    /// When patience is over.
    pub(crate) deadline: Option<Now>,
    chop: Chop,
    pump: Pump<C>,
    is_write_broken: bool,
}

impl<C: Channel> Link<C> {
    pub(crate) fn new(
        conn: ConnId,
        role: Role,
        remote: SocketAddr,
        chop: Chop,
        channel: C,
        now: Now,
    ) -> Self {
        Self {
            conn,
            role,
            remote,
            phase: Phase::Handshaking,
            deadline: Some(now + PATIENCE),
            chop,
            pump: Pump::new(channel),
            is_write_broken: false,
        }
    }

    /// Moves bytes both ways: the one poll function of the connection.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>, door: &mut Door) -> After {
        let received = self.receive(context, door);
        let sent = self.transmit(context, door);
        if self.pump.is_ended() {
            self.lost(door, LinkLoss::Closed);
            return After::Over;
        }
        // What the peer said last has been read.
        let is_broken = self.is_write_broken && received == ReadState::WouldBlock;
        if is_broken || self.deadline.is_some_and(|at| at <= door.now()) {
            self.lost(door, LinkLoss::Cut);
            return After::Over;
        }
        let again = received == ReadState::Budget || sent == WriteState::Budget;
        if again || matches!(sent, WriteState::Broken(_)) { After::Again } else { After::Rest }
    }

    fn receive(&mut self, context: &mut Context<'_>, door: &mut Door) -> ReadState {
        if door.flow(self.conn) == Flow::Pause {
            return ReadState::Paused;
        }
        let (conn, role, path) = (self.conn, self.role, Path::Tcp(self.remote));
        let (phase, deadline) = (&mut self.phase, &mut self.deadline);
        let mut loss = None;
        let state = self.pump.receive(&mut self.chop.polled(context), TURN, &mut |received| {
            match received {
                Received::Proven { peer, local } => {
                    if *phase == Phase::Handshaking {
                        (*phase, *deadline) = (Phase::Up, None);
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
            Some(LinkLoss::Closed) if self.phase == Phase::Leaving => {}
            Some(why) => self.lost(door, why),
            None => {}
        }
        state
    }

    fn transmit(&mut self, context: &mut Context<'_>, door: &mut Door) -> WriteState {
        let mut source = Sendable { door, conn: self.conn };
        let state = self.pump.transmit(&mut self.chop.polled(context), &mut source, TURN);
        self.is_write_broken |= matches!(state, WriteState::Broken(_));
        state
    }

    /// The core hung up.
    pub(crate) fn hang_up(&mut self, now: Now) {
        if matches!(self.phase, Phase::Handshaking | Phase::Up) {
            self.phase = Phase::Leaving;
            self.deadline = Some(now + PATIENCE);
            self.pump.close();
        }
    }

    /// Tells the core, once, that the connection is gone; the socket ends in good order.
    fn lost(&mut self, door: &mut Door, why: LinkLoss) {
        let known = match self.phase {
            Phase::Handshaking => self.role == Role::Initiator,
            Phase::Up | Phase::Leaving => true,
            Phase::Lingering => return,
        };
        self.phase = Phase::Lingering;
        self.deadline = Some(door.now() + PATIENCE);
        self.pump.close();
        if known {
            door.disconnected(self.conn, why);
        }
    }
}

fn link_loss(breakage: Breakage) -> LinkLoss {
    match breakage {
        Breakage::Channel(ChannelError::Damaged) => LinkLoss::Damaged,
        Breakage::Channel(ChannelError::WrongKey) => LinkLoss::WrongKey,
        Breakage::Channel(ChannelError::Refused) => LinkLoss::Refused,
        Breakage::Channel(ChannelError::Cut) | Breakage::Stream(_) => LinkLoss::Cut,
    }
}
