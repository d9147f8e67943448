//! Many seeds, on all cores that there are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Cast, Mix};
use crate::coverage::Coverage;
use crate::oracle::Violation;
use crate::plan::{ChannelKind, Plan, SeedText};
use crate::world::{Options, Verdict, run};

/// Seeds to be run.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Who takes part.
    pub cast: Cast,
    /// The channel.
    pub channel: ChannelKind,
    /// The mix of faults.
    pub mix: Mix,
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Threads.
    pub jobs: usize,
    /// The sweep ends after this time, whatever is left.
    pub time: Option<Duration>,
    /// After so many failures the sweep ends.
    pub failures_max: usize,
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The seed.
    pub seed: SeedText,
    /// How.
    pub violation: Violation,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Seeds that were run.
    pub runs: u64,
    /// Things that happened in all of them.
    pub events: u64,
    /// Nanoseconds of simulated time in all of them.
    pub nanos: u64,
    /// Those that failed, in order.
    pub failed: Vec<Failed>,
    /// What was met.
    pub coverage: Coverage,
    /// How long it took.
    pub took: Duration,
}

/// Runs a sweep.
pub fn sweep(sweep: &Sweep) -> Tally {
    let (next, stop, began) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..sweep.jobs.max(1) {
            scope.spawn(|| {
                let mut mine = Tally::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let is_late = sweep.time.is_some_and(|time| began.elapsed() > time);
                    if number >= sweep.count || is_late || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let seed = SeedText::new(sweep.cast, sweep.channel, sweep.mix, sweep.first + number);
                    one(seed, &mut mine);
                    if mine.failed.len() >= sweep.failures_max.max(1) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(mine);
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failed.sort_by_key(|failed| failed.seed.seed);
    tally.took = began.elapsed();
    tally
}

fn one(seed: SeedText, tally: &mut Tally) {
    let plan = Plan::of_seed(seed);
    let Ok(run) = run(&plan, &Options::default()) else { return };
    tally.runs += 1;
    tally.events += run.stats.events;
    tally.nanos += run.stats.nanos;
    tally.coverage.add(&run.coverage);
    if let Verdict::Fail(violation) = run.verdict {
        tally.failed.push(Failed { seed, violation: *violation });
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.events += other.events;
        self.nanos += other.nanos;
        self.failed.extend(other.failed);
        self.coverage.add(&other.coverage);
    }

    /// Seeds a minute.
    pub fn per_minute(&self) -> f64 {
        self.runs as f64 * 60.0 / self.took.as_secs_f64().max(1e-9)
    }
}
