//! What is still to happen, in the order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use truecopy_protocol::input::LinkLoss;
use truecopy_protocol::{ConnId, NodeId};

use super::process::EndId;
use crate::stream::Random;

/// A process of a host: events for an earlier one are forgotten.
pub(super) type Life = (usize, u32);

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A host's program starts.
    Start(usize),
    /// The node must look at its timers.
    Wake(Life),
    /// A connection has a turn.
    Turn(EndId),
    /// So many bytes reach this end.
    Arrive(EndId, usize),
    /// This end is told that its stream is ready, whatever for.
    Ready(EndId),
    /// The patience with a connection is over.
    Deadline(EndId),
    /// A dial reaches its host.
    Dial { from: Life, conn: ConnId, to: SocketAddr, key: Option<NodeId> },
    /// A dial fails.
    DialFails { from: Life, conn: ConnId, why: LinkLoss },
    /// The other end of a new connection learns of it.
    Accept(usize),
    /// A job is done.
    Work(Life, u64),
    /// The core hears of it.
    Answer(Life, u64),
    /// An announce reaches its tracker.
    Letter(u64),
    /// The user accepts the offer.
    Decide(Life),
    /// The user of a sender names all receivers to it.
    CallOn(Life),
    /// The civil time is told.
    Clock(Life),
    /// Somebody says something.
    Say(usize),
    /// A fault of the plan begins.
    Fault(usize),
    /// A fault of the plan ends.
    FaultEnds(usize),
    /// Everything heals that can.
    Heal,
    /// The time for completion is over.
    Budget,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    tie: u32,
    number: u64,
    what: Happening,
}

impl Entry {
    const fn key(&self) -> (u64, u32, u64) {
        (self.at, self.tie, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// All that is to come.
#[derive(Debug)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    number: u64,
    /// Orders what happens at the same time by chance; none: by when it was planned.
    ties: Option<Random>,
}

impl Agenda {
    pub(super) fn new(seed: u64) -> Self {
        let ties = (seed & 1 == 1).then(|| Random::new(seed, "ties"));
        Self { heap: BinaryHeap::new(), number: 0, ties }
    }

    pub(super) fn add(&mut self, at: u64, what: Happening) {
        let tie = self.ties.as_mut().map_or(0, |ties| ties.draw() as u32);
        self.number += 1;
        self.heap.push(Reverse(Entry { at, tie, number: self.number, what }));
    }

    pub(super) fn next(&mut self) -> Option<(u64, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}
