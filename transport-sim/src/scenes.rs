//! Swarms at scale: who is there, and how long it takes them, against what could be.

use std::time::Instant;

use crate::plan::{ChannelKind, Fault, Plan, Scenario, Script, Staying, Swarming};
use crate::world::{Options, Run, Verdict, run};

/// A swarm of equal peers around one or a few that have the share.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its plan.
    pub plan: Plan,
    /// The senders that lie, which are not counted as sources.
    liars: u16,
}

/// What came of a scene.
#[derive(Debug)]
pub struct Played {
    /// Simulated seconds until each receiver had everything, sorted; of the honest ones, and of those that give nothing.
    pub honest: Vec<f64>,
    /// The same of those that give nothing.
    pub free: Vec<f64>,
    /// Real seconds.
    pub took: f64,
    /// How the run ended, and its figures.
    pub run: Run,
}

impl Played {
    /// When the last honest receiver had everything.
    pub fn last(&self) -> f64 {
        self.honest.last().copied().unwrap_or(f64::INFINITY)
    }

    /// Whether no oracle had anything to say, and everybody has everything.
    pub fn is_passed(&self) -> bool {
        self.run.verdict == Verdict::Pass
    }

    /// Times of the middle of the free riders to that of the honest.
    pub fn free_to_honest(&self) -> f64 {
        median(&self.free) / median(&self.honest)
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// Bytes a second of every line of these scenes.
const RATE: u64 = 512 << 10;
const MIB: u64 = 1 << 20;

impl Scene {
    /// So many receivers come at once to so many senders, over equal lines.
    pub fn crowd(senders: u16, receivers: u16, size: u64) -> Self {
        let mut scenario = Scenario::new(senders, receivers, &[size]);
        scenario.swarm = Swarming::On;
        scenario.staying = Staying::Seed;
        scenario.introduced = 40.min(receivers - 1);
        let mut plan = Plan::calm(1, ChannelKind::Clear, scenario);
        plan.network.latency_us = 20_000;
        plan.network.rate = RATE;
        plan.network.window = 64 << 10;
        plan.tuning.conns_max = Some(120);
        // Buffers are held by whoever serves slow lines.
        plan.tuning.spans_max = Some(160);
        // Nothing is healed here, and nothing needs to be.
        plan.heal.at_ms = 36_000_000;
        Self { plan, liars: 0 }
    }

    /// Of so many receivers these give nothing; whoever has everything leaves.
    pub fn free_riders(receivers: u16, free: u16, size: u64) -> Self {
        let mut scene = Self::crowd(1, receivers, size);
        scene.plan.scenario.free_riders = free;
        scene.plan.scenario.staying = Staying::Leave;
        scene
    }

    /// One sender is honest, and so many give wrong bytes.
    pub fn poisoned(liars: u16, receivers: u16, size: u64) -> Self {
        let mut scene = Self::crowd(1 + liars, receivers, size);
        for host in 1..=liars {
            scene.plan.faults.push(Fault::Hostile { host, script: Script::WrongBytes });
        }
        Self { liars, ..scene }
    }

    /// The one sender is far slower than the receivers.
    pub fn slow_seeder(receivers: u16, size: u64) -> Self {
        let mut scene = Self::crowd(1, receivers, size);
        let to_ms = scene.plan.heal.at_ms;
        scene.plan.faults.push(Fault::Slow { host: 0, from_ms: 0, to_ms, rate: RATE / 4 });
        scene
    }

    /// Half of the receivers have a fifth of the line.
    pub fn unequal(receivers: u16, size: u64) -> Self {
        let mut scene = Self::crowd(1, receivers, size);
        let to_ms = scene.plan.heal.at_ms;
        for host in (1..=receivers).filter(|host| host % 2 == 0) {
            scene.plan.faults.push(Fault::Slow { host, from_ms: 0, to_ms, rate: RATE / 5 });
        }
        scene
    }

    /// Receivers are killed and start again all the time.
    pub fn churn(receivers: u16, size: u64) -> Self {
        let mut scene = Self::crowd(1, receivers, size);
        for host in 1..=receivers {
            let at_ms = 2_000 + u64::from(host) * 977 % 40_000;
            scene.plan.faults.push(Fault::Crash { host, at_ms, down_ms: 3_000, end: crate::plan::End::Kill });
        }
        scene
    }

    /// The least time in which it could be done, in seconds: what the seeder must send once, what each must take, what all
    /// must send together; and a chunk for each step in which the number of those who have it can double.
    pub fn least(&self) -> f64 {
        let scenario = &self.plan.scenario;
        let (size, rate) = (scenario.size() as f64, RATE as f64);
        let receivers = f64::from(scenario.receivers);
        let givers = receivers - f64::from(scenario.free_riders) + f64::from(scenario.senders - self.liars);
        let whole = (size / rate).max(receivers * size / (givers * rate));
        let chunk =
            truecopy_protocol::content::geometry::ChunkSize::for_share(scenario.size()).bytes() as f64;
        whole + receivers.log2().ceil() * chunk / rate
    }

    /// Plays it.
    pub fn play(&self) -> Option<Played> {
        let began = Instant::now();
        let run = run(&self.plan, &Options::default()).ok()?;
        let took = began.elapsed().as_secs_f64();
        let scenario = &self.plan.scenario;
        let first_free = scenario.senders + scenario.receivers - scenario.free_riders;
        let times = |is_free: bool| {
            let of = run.finished.iter().filter(|(host, _)| (*host >= first_free) == is_free);
            let mut times: Vec<f64> = of.map(|(_, nanos)| *nanos as f64 / 1e9).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let (honest, free) = (times(false), times(true));
        Some(Played { honest, free, took, run })
    }
}

/// The size of the share in the scenes that are measured.
pub const SIZE: u64 = 32 * MIB;
