//! The network of a plan at a moment: how long bytes take, who reaches whom.

use crate::plan::{Fault, Network, Plan, Way};
use crate::stream::{Counts, Random};

/// The first wait before a lost segment is sent again.
const RTO: u64 = 200_000_000;
/// Bytes that always travel as one: packets by the handful, to simulate fewer things.
const FLIGHT: usize = 8 << 10;
/// Losses of one segment that TCP bears.
const RETRIES: u32 = 12;
/// Nanoseconds of a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// Between two hosts, in one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) receiver: usize,
    pub(super) sender: usize,
    pub(super) way: Way,
}

impl Course {
    /// Who sends in this direction.
    pub(super) const fn from(&self) -> usize {
        match self.way {
            Way::Down => self.sender,
            Way::Up => self.receiver,
        }
    }
}

/// A time in which something holds: nanoseconds, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Window {
    pub(super) const fn holds(&self, at: u64) -> bool {
        self.from <= at && at < self.to
    }
}

/// What the network's faults did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WeatherCounts {
    pub(super) losses: u64,
    pub(super) delays: u64,
    pub(super) slowed: u64,
    pub(super) held: u64,
}

/// Whom a partition concerns: a pair or a host, one way or both; and when.
type Partition = (Option<(usize, usize)>, Option<usize>, Option<Way>, Window);

/// The network of a plan.
#[derive(Debug)]
pub(super) struct Weather {
    network: Network,
    faults: Vec<Fault>,
    heal: u64,
    partitions: Vec<Partition>,
    pub(super) counts: WeatherCounts,
}

impl Weather {
    pub(super) fn new(plan: &Plan) -> Self {
        let heal = plan.heal.at_ms * MS;
        let mut weather = Self {
            network: plan.network.clone(),
            faults: Vec::new(),
            heal,
            partitions: Vec::new(),
            counts: WeatherCounts::default(),
        };
        for fault in &plan.faults {
            match *fault {
                Fault::Partition { receiver, sender, way, from_ms, to_ms } => {
                    let pair = Some((usize::from(receiver), usize::from(sender)));
                    let window = weather.window(from_ms, to_ms);
                    weather.partitions.push((pair, None, way, window));
                    if plan.scenario.talk.is_some() {
                        // In a room either dials the other.
                        let pair = pair.map(|(one, other)| (other, one));
                        let way = way.map(|way| if way == Way::Up { Way::Down } else { Way::Up });
                        weather.partitions.push((pair, None, way, window));
                    }
                }
                Fault::Swizzle { from_ms, step_ms, hold_ms } => {
                    let mut order = Random::new(plan.seed, "swizzle");
                    let hosts = plan.scenario.hosts();
                    for host in 0..hosts {
                        let stop = from_ms + step_ms * host as u64;
                        let release = from_ms + step_ms * hosts as u64 + hold_ms;
                        let back = release + step_ms * order.below(hosts) as u64;
                        let window = weather.window(stop, back);
                        weather.partitions.push((None, Some(host), None, window));
                    }
                }
                Fault::Delay { .. } | Fault::Slow { .. } | Fault::Loss { .. } => {
                    weather.faults.push(fault.clone());
                }
                _ => {}
            }
        }
        weather
    }

    /// A window of a plan, which ends with the healing at the latest.
    pub(super) fn window(&self, from_ms: u64, to_ms: u64) -> Window {
        Window { from: from_ms * MS, to: (to_ms * MS).min(self.heal) }
    }

    fn is_cut(&self, course: Course, at: u64) -> bool {
        self.partitions.iter().any(|(pair, host, way, window)| {
            let concerns = pair.is_none_or(|pair| pair == (course.receiver, course.sender))
                && host.is_none_or(|host| host == course.receiver || host == course.sender)
                && way.is_none_or(|way| way == course.way);
            concerns && window.holds(at)
        })
    }

    /// How long one segment takes, sent now.
    pub(super) fn latency(&mut self, course: Course, at: u64, draws: &mut Random) -> u64 {
        let mut nanos = self.network.latency_us * 1000;
        nanos += below(draws, self.network.jitter_us * 1000);
        for fault in &self.faults {
            if let Fault::Delay { host, way, from_ms, to_ms, add_us, jitter_us } = *fault
                && (usize::from(host) == course.sender || usize::from(host) == course.receiver)
                && way == course.way
                && self.window(from_ms, to_ms).holds(at)
            {
                nanos += add_us * 1000 + below(draws, jitter_us * 1000);
                self.counts.delays += 1;
            }
        }
        nanos
    }

    /// Bytes a second that leave a host, and until when.
    fn rate(&mut self, host: usize, at: u64) -> (u64, u64) {
        let mut rate = match self.network.rate {
            0 => u64::MAX,
            rate => rate,
        };
        let mut until = u64::MAX;
        for fault in &self.faults {
            let Fault::Slow { host: slow, from_ms, to_ms, rate: to } = *fault else { continue };
            if usize::from(slow) != host {
                continue;
            }
            let window = self.window(from_ms, to_ms);
            if window.holds(at) {
                rate = rate.min(to.max(1));
                until = until.min(window.to);
                self.counts.slowed += 1;
            } else if window.from > at {
                until = until.min(window.from);
            }
        }
        (rate, until)
    }

    /// Bytes that travel as one at most: what leaves the host in a second, but never less than a few packets.
    pub(super) fn piece_max(&mut self, host: usize, at: u64) -> usize {
        let (rate, _) = self.rate(host, at);
        usize::try_from(rate).unwrap_or(usize::MAX).max(FLIGHT)
    }

    /// When so many bytes have left a host that begins to send them at `start`.
    fn departure(&mut self, host: usize, start: u64, bytes: u64) -> u64 {
        let (mut at, mut left) = (start, u128::from(bytes) * 1_000_000_000);
        loop {
            let (rate, until) = self.rate(host, at);
            if rate == u64::MAX && until == u64::MAX {
                return at;
            }
            let needed = u64::try_from(left / u128::from(rate)).unwrap_or(u64::MAX);
            if at.saturating_add(needed) <= until {
                return at + needed;
            }
            left -= u128::from(until - at) * u128::from(rate);
            at = until;
        }
    }

    /// When a segment arrives that is sent at `start` and not before the host's line is free; and when the line is free
    /// again. None: never; TCP gives up.
    pub(super) fn arrival(
        &mut self,
        course: Course,
        start: u64,
        bytes: u64,
        draws: &mut Random,
    ) -> (u64, Option<u64>) {
        let left = self.departure(course.from(), start, bytes);
        let mut sent = left;
        let mut wait = RTO;
        for _ in 0..RETRIES {
            if self.is_cut(course, sent) {
                self.counts.held += 1;
            } else if self.is_lost(course, sent, draws) {
                self.counts.losses += 1;
            } else {
                return (left, Some(sent + self.latency(course, sent, draws)));
            }
            sent += wait;
            wait *= 2;
        }
        (left, None)
    }

    fn is_lost(&self, course: Course, at: u64, draws: &mut Random) -> bool {
        self.faults.iter().any(|fault| match *fault {
            Fault::Loss { host, from_ms, to_ms, permille } => {
                (usize::from(host) == course.sender || usize::from(host) == course.receiver)
                    && self.window(from_ms, to_ms).holds(at)
                    && draws.happens(permille)
            }
            _ => false,
        })
    }
}

pub(super) fn below(draws: &mut Random, end: u64) -> u64 {
    if end == 0 { 0 } else { draws.draw() % end }
}

/// What all streams of a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamCounts {
    pub(super) short_writes: u64,
    pub(super) short_reads: u64,
    pub(super) spurious: u64,
    pub(super) full: u64,
    pub(super) interrupted: u64,
    pub(super) damages: u64,
    pub(super) eaten: u64,
    pub(super) resets: u64,
    pub(super) early_fins: u64,
}

impl StreamCounts {
    /// Adds what came between two looks.
    pub(super) const fn add(&mut self, before: &Counts, after: &Counts) {
        self.short_writes += after.short_writes - before.short_writes;
        self.short_reads += after.short_reads - before.short_reads;
        self.spurious += after.spurious - before.spurious;
        self.full += after.full - before.full;
        self.interrupted += after.interrupted - before.interrupted;
        self.damages += after.damages - before.damages;
        self.eaten += after.eaten - before.eaten;
        self.resets += after.resets - before.resets;
        self.early_fins += after.early_fins - before.early_fins;
    }
}
