//! How fast bytes may go: limits of rates, over all connections and over those of one share, each way.
//!
//! Pure: the time comes in, grants go out. Where a limit holds, a connection asks before it moves bytes. It is given a
//! slot: a quantum of bytes, now or at a time to come. Slots follow each other as the rate says, and nobody has more
//! than one each way, so that connections take turns of equal size, whatever their speed; what of a slot is not used is
//! given back. A connection of a limited share waits for a slot of its share first, then for one of all.
//!
//! Where no limit is set nothing is asked, and no clock is read. Must not know: streams, channels, drivers.

use std::collections::BTreeMap;
use std::time::Duration;

use truecopy_protocol::{ConnId, Now, ShareId};

/// The least limit, in bytes a second. Each of 64 connections still gets a record of the channel (16 KiB) within the 35
/// seconds after which a peer would be taken for dead.
pub const RATE_MIN: u64 = 32 * 1024;

/// What was not used is kept for so long, and can be made up for: one hundredth of ten seconds, longer than a timer
/// is ever late on a machine that is not overloaded.
const KEPT: Duration = Duration::from_millis(100);

/// A slot is what may be moved in a second divided by this: a fiftieth, 20 ms.
const SLOTS_A_SECOND: u64 = 50;
/// Smaller slots cost more turns than they are worth.
const QUANTUM_MIN: u64 = 8 * 1024;
/// Bigger ones make others wait.
const QUANTUM_MAX: u64 = 256 * 1024;
/// Slots a second of the fastest limit at most, where a slower one asks for small slots.
const SLOTS_MAX: u64 = 4096;

/// A limit of a rate: bytes a second, [`RATE_MIN`] at least. Every byte of a stream counts, control and encryption
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// None below [`RATE_MIN`].
    pub const fn new(bytes_a_second: u64) -> Option<Self> {
        if bytes_a_second < RATE_MIN { None } else { Some(Self(bytes_a_second)) }
    }

    /// Bytes a second.
    pub const fn bytes_a_second(self) -> u64 {
        self.0
    }
}

/// Limits both ways; none: as fast as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of what is sent.
    pub up: Option<Rate>,
    /// Of what is received.
    pub down: Option<Rate>,
}

/// A direction of all connections, as this host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What is sent.
    Up,
    /// What is received.
    Down,
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Move as much as it wants: no limit holds for it.
    Unlimited,
    /// Move so many bytes at most, and say with [`Pacer::settle`] how many it moved.
    Bytes(usize),
    /// Nothing before this time: ask again then.
    Later(Now),
}

/// The limits of a driver, and who waits for them.
#[derive(Debug, Default)]
pub struct Pacer {
    up: Lane,
    down: Lane,
    shares: BTreeMap<ConnId, ShareId>,
}

impl Pacer {
    /// Limits over all connections, from now on.
    pub fn set(&mut self, now: Now, rates: Rates) {
        self.up.set(now, rates.up);
        self.down.set(now, rates.down);
    }

    /// Limits over the connections of a share, from now on; those over all connections hold besides.
    pub fn set_share(&mut self, now: Now, share: ShareId, rates: Rates) {
        self.up.set_share(now, share, rates.up);
        self.down.set_share(now, share, rates.down);
    }

    /// A connection turned out to be for a share.
    pub fn belongs(&mut self, conn: ConnId, share: ShareId) {
        if self.shares.insert(conn, share) != Some(share) {
            self.up.settle(conn, 0);
            self.down.settle(conn, 0);
        }
    }

    /// A connection is gone: what it waited for is others'.
    pub fn forget(&mut self, conn: ConnId) {
        self.shares.remove(&conn);
        self.up.settle(conn, 0);
        self.down.settle(conn, 0);
    }

    /// Whether any limit holds in this direction: if not, there is no need to ask.
    pub fn is_limited(&self, direction: Direction) -> bool {
        let lane = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        lane.overall.is_some() || !lane.shares.is_empty()
    }

    /// What a connection may move in this direction. Who asks again while it waits hears the same time.
    pub fn ask(&mut self, now: Now, conn: ConnId, direction: Direction) -> Grant {
        let share = self.shares.get(&conn).copied();
        self.lane(direction).ask(now, conn, share)
    }

    /// So many bytes of what was granted were moved; the rest, or all if it still waited, is others' again.
    pub fn settle(&mut self, conn: ConnId, direction: Direction, used: usize) {
        self.lane(direction).settle(conn, used as u64);
    }

    const fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    overall: Option<Bucket>,
    shares: BTreeMap<ShareId, Bucket>,
    slots: BTreeMap<ConnId, Slot>,
    /// Bytes of a slot; the same for all, for turns are fair only if they are equal.
    quantum: u64,
}

/// What a connection waits for or may use: when, for each limit that was asked yet.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    share: Option<(ShareId, Now)>,
    overall: Option<Now>,
}

impl Lane {
    fn set(&mut self, now: Now, rate: Option<Rate>) {
        if rate != self.overall.map(|bucket| bucket.rate) {
            self.void();
            self.overall = rate.map(|rate| Bucket { rate, free: now });
            self.resize();
        }
    }

    fn set_share(&mut self, now: Now, share: ShareId, rate: Option<Rate>) {
        if rate != self.shares.get(&share).map(|bucket| bucket.rate) {
            self.void();
            match rate {
                Some(rate) => drop(self.shares.insert(share, Bucket { rate, free: now })),
                None => drop(self.shares.remove(&share)),
            }
            self.resize();
        }
    }

    /// What was given under other limits holds no more.
    fn void(&mut self) {
        while let Some((conn, _)) = self.slots.first_key_value() {
            let conn = *conn;
            self.settle(conn, 0);
        }
    }

    fn resize(&mut self) {
        let rates = || self.overall.iter().chain(self.shares.values()).map(|bucket| bucket.rate.0);
        let (least, most) = (rates().min().unwrap_or(0), rates().max().unwrap_or(0));
        self.quantum = (least / SLOTS_A_SECOND).max(most / SLOTS_MAX).clamp(QUANTUM_MIN, QUANTUM_MAX);
    }

    fn ask(&mut self, now: Now, conn: ConnId, share: Option<ShareId>) -> Grant {
        let limit = share.and_then(|share| self.shares.get_mut(&share).map(|bucket| (share, bucket)));
        if limit.is_none() && self.overall.is_none() {
            return Grant::Unlimited;
        }
        let slot = self.slots.entry(conn).or_default();
        if let Some((share, bucket)) = limit {
            let (_, at) = *slot.share.get_or_insert_with(|| (share, bucket.reserve(now, self.quantum)));
            if at > now {
                return Grant::Later(at);
            }
        }
        if let Some(bucket) = &mut self.overall {
            let at = *slot.overall.get_or_insert_with(|| bucket.reserve(now, self.quantum));
            if at > now {
                return Grant::Later(at);
            }
        }
        Grant::Bytes(usize::try_from(self.quantum).unwrap_or(usize::MAX))
    }

    fn settle(&mut self, conn: ConnId, used: u64) {
        let Some(slot) = self.slots.remove(&conn) else { return };
        let unused = self.quantum.saturating_sub(used);
        if let Some((share, _)) = slot.share
            && let Some(bucket) = self.shares.get_mut(&share)
        {
            bucket.refund(unused);
        }
        if let (Some(_), Some(bucket)) = (slot.overall, &mut self.overall) {
            bucket.refund(unused);
        }
    }
}

/// One limit.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    /// When all that was given away will have passed.
    free: Now,
}

impl Bucket {
    /// Gives bytes away, and says from when on they may be moved.
    fn reserve(&mut self, now: Now, bytes: u64) -> Now {
        let kept = Now::from_nanos(now.as_nanos().saturating_sub(KEPT.as_nanos() as u64));
        let at = self.free.max(kept);
        self.free = at + self.time_of(bytes);
        at
    }

    fn refund(&mut self, bytes: u64) {
        let time = self.time_of(bytes).as_nanos() as u64;
        self.free = Now::from_nanos(self.free.as_nanos().saturating_sub(time));
    }

    const fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_nanos(bytes * 1_000_000_000 / self.rate.0)
    }
}

#[cfg(test)]
mod tests;
