//! Both directions between two ends.

use truecopy_protocol::Now;

use super::link::Link;
use super::path::{LinkCounts, Path};

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The first.
    First,
    /// The second.
    Second,
}

/// Two links, one each way, with independent draws.
#[derive(Debug)]
pub struct DatagramPair {
    /// What the first sends, then what the second sends.
    links: [Link; 2],
}

impl DatagramPair {
    /// A pair whose draws come from the seed. What the first end sends goes through `there`, what the second one sends
    /// through `back`.
    pub fn new(seed: u64, there: Path, back: Path) -> Self {
        Self { links: [Link::new(seed, "there", there), Link::new(seed, "back", back)] }
    }

    /// The link that an end sends through.
    pub const fn outbound(&mut self, end: End) -> &mut Link {
        match end {
            End::First => &mut self.links[0],
            End::Second => &mut self.links[1],
        }
    }

    /// The link that an end receives from.
    pub const fn inbound(&mut self, end: End) -> &mut Link {
        match end {
            End::First => &mut self.links[1],
            End::Second => &mut self.links[0],
        }
    }

    /// One end sends a datagram.
    pub fn send(&mut self, from: End, now: Now, bytes: &[u8]) {
        self.outbound(from).send(now, bytes);
    }

    /// When the next datagram arrives or has arrived, and at which end; the first end at equal times.
    pub fn next_arrival(&self) -> Option<(Now, End)> {
        let at_second = self.links[0].next_arrival().map(|now| (now, End::Second));
        let at_first = self.links[1].next_arrival().map(|now| (now, End::First));
        at_first.into_iter().chain(at_second).min()
    }

    /// The next datagram that has arrived at an end by now.
    pub fn receive(&mut self, at: End, now: Now) -> Option<Vec<u8>> {
        self.inbound(at).receive(now)
    }

    /// Begins another incarnation of both directions.
    pub fn restart(&mut self, now: Now) {
        self.links.iter_mut().for_each(|link| link.restart(now));
    }

    /// What an end's sending direction has done so far.
    pub const fn counts(&self, end: End) -> LinkCounts {
        match end {
            End::First => self.links[0].counts(),
            End::Second => self.links[1].counts(),
        }
    }
}
