//! One direction of a datagram link.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use truecopy_protocol::Now;

use super::path::{LinkCounts, OVERHEAD, Path};
use crate::stream::Random;

/// Datagrams that may come again as ghosts.
const GHOSTS_MAX: usize = 32;

/// Changed bytes of one datagram at most.
const CORRUPTION_MAX: u64 = 8;

/// One direction of a datagram link.
#[derive(Debug)]
pub struct Link {
    path: Path,
    draws: Draws,
    counts: LinkCounts,
    /// Datagrams under way by their arrival; the second number tells those of one instant apart.
    flight: BTreeMap<(Now, u64), Datagram>,
    flight_cost: usize,
    entered: u64,
    /// When those that wait for the line, or are on it, have left it, and what they cost.
    line: VecDeque<(Now, usize)>,
    line_cost: usize,
    /// The latest arrival so far of those that keep their order.
    last_arrival: Now,
    /// The latest sent of those that were received.
    latest: u64,
    /// The last datagrams of this incarnation, as they were sent.
    history: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Datagram {
    bytes: Vec<u8>,
    /// Which one of this incarnation; none for a ghost.
    number: Option<u64>,
}

/// The draws of one link, a sequence for each knob.
#[derive(Debug)]
struct Draws {
    loss: Random,
    duplicate: Random,
    reorder: Random,
    truncate: Random,
    corrupt: Random,
    ghost: Random,
    jitter: Random,
    copy_jitter: Random,
}

/// What will happen to one datagram. Drawn whole for every datagram, so that no fate depends on another.
struct Fate {
    is_lost: bool,
    is_duplicated: bool,
    held_back: Option<Duration>,
    truncation: Option<u64>,
    corruption: Option<[u64; 3]>,
    jitter: Duration,
    copy_jitter: Duration,
}

/// A time up to `max`, both ends included.
fn within(random: &mut Random, max: Duration) -> Duration {
    let max = usize::try_from(max.as_nanos()).unwrap_or(usize::MAX - 1);
    Duration::from_nanos(random.below(max + 1) as u64)
}

impl Draws {
    fn new(seed: u64, name: &str) -> Self {
        let draw = |knob: &str| Random::new(seed, &format!("datagram/{name}/{knob}"));
        Self {
            loss: draw("loss"),
            duplicate: draw("duplicate"),
            reorder: draw("reorder"),
            truncate: draw("truncate"),
            corrupt: draw("corrupt"),
            ghost: draw("ghost"),
            jitter: draw("jitter"),
            copy_jitter: draw("copy-jitter"),
        }
    }

    fn fate(&mut self, path: &Path) -> Fate {
        let is_held_back = self.reorder.happens(path.reorder_permille);
        let is_truncated = self.truncate.happens(path.truncate_permille);
        let is_corrupted = self.corrupt.happens(path.corrupt_permille);
        Fate {
            is_lost: self.loss.happens(path.loss_permille),
            is_duplicated: self.duplicate.happens(path.duplicate_permille),
            held_back: is_held_back.then(|| within(&mut self.reorder, path.reorder_by)),
            truncation: is_truncated.then(|| self.truncate.draw()),
            corruption: is_corrupted.then(|| std::array::from_fn(|_| self.corrupt.draw())),
            jitter: within(&mut self.jitter, path.jitter),
            copy_jitter: within(&mut self.copy_jitter, path.jitter),
        }
    }
}

/// Changes up to [`CORRUPTION_MAX`] neighbouring bytes, each of them really.
fn corrupt(bytes: &mut [u8], [start, run, masks]: [u64; 3]) {
    let start = (start % bytes.len() as u64) as usize;
    let end = bytes.len().min(start + 1 + (run % CORRUPTION_MAX) as usize);
    for (byte, mask) in bytes[start..end].iter_mut().zip(masks.to_le_bytes()) {
        *byte ^= mask.max(1);
    }
}

impl Link {
    /// A link whose draws come from the seed and its name.
    pub fn new(seed: u64, name: &str, path: Path) -> Self {
        Self {
            path,
            draws: Draws::new(seed, name),
            counts: LinkCounts::default(),
            flight: BTreeMap::new(),
            flight_cost: 0,
            entered: 0,
            line: VecDeque::new(),
            line_cost: 0,
            last_arrival: Now::ZERO,
            latest: 0,
            history: VecDeque::new(),
        }
    }

    /// Changes the path for what is sent from now on.
    pub const fn set_path(&mut self, path: Path) {
        self.path = path;
    }

    /// What the link has done so far.
    pub const fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// Datagrams under way, and arrived ones that were not received.
    pub fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// Bytes that the link holds for datagrams: those in flight, overhead included, and those that may come again.
    pub fn memory(&self) -> usize {
        self.flight_cost + self.history.iter().map(Vec::len).sum::<usize>()
    }

    /// Sends a datagram. What becomes of it, nobody is told.
    pub fn send(&mut self, now: Now, bytes: &[u8]) {
        self.counts.sent += 1;
        let fate = self.draws.fate(&self.path);
        if bytes.len() > self.path.mtu {
            self.counts.oversized += 1;
            return;
        }
        if fate.is_lost {
            self.counts.lost += 1;
            return;
        }
        let Some(left) = self.pass_line(now, bytes.len() + OVERHEAD) else {
            self.counts.queue_full += 1;
            return;
        };
        if self.path.ghost_permille > 0 {
            self.remember(bytes);
        }
        let number = Some(self.counts.sent);
        let mut content = bytes.to_vec();
        let is_truncated = fate.truncation.is_some() && !content.is_empty();
        if let Some(drawn) = fate.truncation.filter(|_| is_truncated) {
            content.truncate((drawn % content.len() as u64) as usize);
        }
        let is_corrupted = fate.corruption.is_some() && !content.is_empty();
        if let Some(drawn) = fate.corruption.filter(|_| is_corrupted) {
            corrupt(&mut content, drawn);
        }
        let copy = fate.is_duplicated.then(|| content.clone());
        let arrival = self.in_order(left + self.path.latency + fate.jitter);
        // One that is held back holds back nobody else.
        let arrival = fate.held_back.map_or(arrival, |more| arrival + more);
        if self.enter(arrival, Datagram { bytes: content, number }) {
            self.counts.truncated += u64::from(is_truncated);
            self.counts.corrupted += u64::from(is_corrupted);
        }
        if let Some(bytes) = copy {
            let arrival = self.in_order(left + self.path.latency + fate.copy_jitter);
            let entered = self.enter(arrival, Datagram { bytes, number });
            self.counts.duplicated += u64::from(entered);
        }
    }

    /// When a datagram has left the line; none if its queue is full.
    fn pass_line(&mut self, now: Now, cost: usize) -> Option<Now> {
        while let Some((left, passed)) = self.line.front().copied()
            && left <= now
        {
            self.line.pop_front();
            self.line_cost -= passed;
        }
        let Some(bandwidth) = self.path.bandwidth else { return Some(now) };
        if !self.line.is_empty() && self.line_cost + cost > self.path.queue_max {
            return None;
        }
        let free = self.line.back().map_or(now, |(left, _)| *left);
        let nanos = (cost as u128 * 1_000_000_000).div_ceil(u128::from(bandwidth.get()));
        let left = free + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.line.push_back((left, cost));
        self.line_cost += cost;
        Some(left)
    }

    fn in_order(&mut self, arrival: Now) -> Now {
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }

    /// Whether there was room for it.
    fn enter(&mut self, arrival: Now, datagram: Datagram) -> bool {
        let cost = datagram.bytes.len() + OVERHEAD;
        if self.flight_cost + cost > self.path.flight_max {
            self.counts.flight_full += 1;
            return false;
        }
        self.flight_cost += cost;
        self.entered += 1;
        self.flight.insert((arrival, self.entered), datagram);
        true
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.history.len() == GHOSTS_MAX {
            self.history.pop_front();
        }
        self.history.push_back(bytes.to_vec());
    }

    /// When the next datagram arrives or has arrived; none if none is under way.
    pub fn next_arrival(&self) -> Option<Now> {
        self.flight.first_key_value().map(|((arrival, _), _)| *arrival)
    }

    /// The next datagram that has arrived by now.
    pub fn receive(&mut self, now: Now) -> Option<Vec<u8>> {
        let next = self.flight.first_entry().filter(|next| next.key().0 <= now)?;
        let datagram = next.remove();
        self.flight_cost -= datagram.bytes.len() + OVERHEAD;
        self.counts.received += 1;
        match datagram.number {
            Some(number) if number < self.latest => self.counts.reordered += 1,
            Some(number) => self.latest = number,
            None => self.counts.ghosts += 1,
        }
        Some(datagram.bytes)
    }

    /// Begins another incarnation of the link between the same addresses. What is under way is lost, but some of the
    /// last datagrams may come as ghosts: also such as had arrived before.
    pub fn restart(&mut self, now: Now) {
        self.counts.cut_off += self.flight.len() as u64;
        self.flight.clear();
        self.flight_cost = 0;
        self.line.clear();
        self.line_cost = 0;
        self.last_arrival = Now::ZERO;
        self.latest = self.counts.sent;
        for bytes in std::mem::take(&mut self.history) {
            if self.draws.ghost.happens(self.path.ghost_permille) {
                let late = within(&mut self.draws.ghost, self.path.ghost_delay);
                self.enter(now + self.path.latency + late, Datagram { bytes, number: None });
            }
        }
    }
}
