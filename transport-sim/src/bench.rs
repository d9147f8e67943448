//! How fast the simulator is.

use std::time::{Duration, Instant};

use crate::campaign::{Cast, Mix, Sweep, sweep};
use crate::plan::{ChannelKind, Plan, Scenario};
use crate::scenes::{self, Goal, Length, Stage};
use crate::world::{Options, Run, Verdict, run};

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was run.
    pub what: String,
    /// What came out, with its unit.
    pub value: f64,
    /// The unit.
    pub unit: &'static str,
    /// What it should be: at least, or at most.
    pub target: Target,
    /// More about it.
    pub remark: String,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Target {
    /// The figure that is just as it should be.
    pub const fn bound(&self) -> f64 {
        match *self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

impl Figure {
    /// Whether it is as it should be.
    pub fn is_met(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        }
    }
}

/// Sweeps are run for so long.
const SWEEP: Duration = Duration::from_secs(10);

/// Takes all figures, one after another, each told to `see` as soon as it is there.
pub fn bench(jobs: usize, see: &mut dyn FnMut(&Figure)) {
    for (cast, channel, mix, least) in [
        (Cast::Pair, ChannelKind::Clear, Mix::Light, 100_000.0),
        (Cast::Pair, ChannelKind::Tls, Mix::Light, 20_000.0),
        (Cast::Five, ChannelKind::Clear, Mix::All, 15_000.0),
    ] {
        see(&seeds(cast, channel, mix, jobs, least));
    }
    swarms(see);
    see(&crowd(20, 980, 1 << 20, 20.0));
    see(&crowd(200, 9_800, 256 << 10, 90.0));
    if let Some(peak) = peak_memory() {
        see(&peak);
    }
}

/// The short scenes that have a figure to reach.
fn swarms(see: &mut dyn FnMut(&Figure)) {
    let mut stage = Stage::default();
    let with_goal = |scene: &&scenes::Named| scene.goal != Goal::None && scene.length == Length::Short;
    for scene in scenes::all().iter().filter(with_goal) {
        let played = stage.play(scene, &Options::default());
        if let Ok(Some(figure)) = played.and_then(|played| stage.figure(scene, &played)) {
            see(&figure);
        }
    }
}

/// The most memory that this process has held, in GiB, where the system tells it.
pub fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = kib.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / f64::from(1 << 20))
}

/// That of the largest crowd.
fn peak_memory() -> Option<Figure> {
    Some(Figure {
        what: "peak memory of all these".to_owned(),
        value: peak()?,
        unit: "GiB",
        target: Target::AtMost(2.0),
        remark: String::new(),
    })
}

fn seeds(cast: Cast, channel: ChannelKind, mix: Mix, jobs: usize, least: f64) -> Figure {
    let tally = sweep(&Sweep {
        cast,
        channel,
        mix,
        first: 0,
        count: u64::MAX / 2,
        jobs,
        time: Some(SWEEP),
        failures_max: usize::MAX,
    });
    let remark = format!(
        "{} runs, {} failed, {:.0} events a run",
        tally.runs,
        tally.failed.len(),
        tally.events as f64 / tally.runs.max(1) as f64
    );
    let what = format!("{cast} over {channel:?}, mix {mix}");
    Figure { what, value: tally.per_minute(), unit: "seeds/min", target: Target::AtLeast(least), remark }
}

/// Many receivers, each of one of many senders.
fn crowd(senders: u16, receivers: u16, size: u64, most: f64) -> Figure {
    let mut scenario = Scenario::new(senders, receivers, &[size]);
    scenario.sources = 1;
    let mut plan = Plan::calm(1, ChannelKind::Clear, scenario);
    plan.network.latency_us = 20_000;
    plan.network.jitter_us = 20_000;
    plan.tuning.spans_max = Some(24);
    let began = Instant::now();
    let ran = run(&plan, &Options::default());
    let took = began.elapsed().as_secs_f64();
    let peers = u32::from(senders) + u32::from(receivers);
    let what = format!("{peers} peers x {} KiB ({senders} of them senders)", size >> 10);
    let remark = ran.map_or_else(|error| error.to_string(), |run| remark(&run, took));
    Figure { what, value: took, unit: "s", target: Target::AtMost(most), remark }
}

fn remark(run: &Run, took: f64) -> String {
    let verdict = match &run.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail(violation) => violation.to_string(),
        Verdict::Stopped => "stopped".to_owned(),
    };
    let (stats, simulated) = (&run.stats, run.stats.nanos as f64 / 1e9);
    format!(
        "{verdict}; {} events, {} MiB moved, {:.1} simulated s a real s",
        stats.events,
        stats.received >> 20,
        simulated / took.max(1e-9)
    )
}
