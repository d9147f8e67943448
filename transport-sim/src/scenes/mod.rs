//! Swarms and rooms at scale: who is there, and how long it takes them, against what could be.

mod table;

use std::time::Instant;

use crate::content::BadContent;
use crate::plan::{
    CallMade, ChannelKind, End, Fault, Holding, KnownFrom, Plan, Scenario, Script, Staying, Swarming, Talk,
};
use crate::world::{Called, Options, Run, Verdict, run};

pub use table::{Changes, Goal, Length, Named, Stage, all, named};

/// A swarm of equal peers around one or a few that have the share, or a room of equal nodes.
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
    /// Simulated seconds until each honest receiver had everything, sorted. In a room: from each call until each other node
    /// heard it; infinite for whoever did not.
    pub honest: Vec<f64>,
    /// The same of those that give nothing.
    pub free: Vec<f64>,
    /// The least time in which it could have been done, in simulated seconds.
    pub least: f64,
    /// Payload bytes that came beyond those that were lacking, as a part of these.
    pub again: f64,
    /// Real seconds.
    pub took: f64,
    /// How the run ended, and its figures.
    pub run: Run,
}

impl Played {
    /// When the first honest receiver had everything; infinite if none has.
    pub fn first(&self) -> f64 {
        self.honest.first().copied().unwrap_or(f64::INFINITY)
    }

    /// When half of the honest receivers had everything; infinite if none has.
    pub fn median(&self) -> f64 {
        median(&self.honest)
    }

    /// When the last honest receiver had everything; infinite if none has.
    pub fn last(&self) -> f64 {
        self.honest.last().copied().unwrap_or(f64::INFINITY)
    }

    /// How many times the least possible the last honest receiver took.
    pub fn ratio(&self) -> f64 {
        self.last() / self.least
    }

    /// Whether no oracle had anything to say, and everybody has everything.
    pub fn is_passed(&self) -> bool {
        self.run.verdict == Verdict::Pass
    }

    /// How many times the median of the honest that of the free riders is; none if nobody rides free.
    pub fn free_to_honest(&self) -> Option<f64> {
        (!self.free.is_empty()).then(|| median(&self.free) / self.median())
    }
}

/// Seconds until a call was heard by each of so many others; infinite for whoever did not hear it.
fn heard(call: &Called, others: usize) -> impl Iterator<Item = f64> {
    let heard = call.heard.iter().map(|nanos| *nanos as f64 / 1e9);
    heard.chain(std::iter::repeat(f64::INFINITY)).take(others)
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// Bytes a second of every line of these scenes.
const RATE: u64 = 512 << 10;
const MIB: u64 = 1 << 20;
/// A share of which nothing is moved.
const SMALL: u64 = 64 << 10;
/// How long those that want nothing are there, in milliseconds.
const IDLE_MS: u64 = 60_000;
/// When the first call is made in a room, in milliseconds: everybody is connected, and was told of the others, long before.
const CALLS_MS: u64 = 60_000;
/// Calls of a room, and milliseconds from one to the next.
const CALLS: u64 = 5;
const CALLS_APART_MS: u64 = 2_000;

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

    /// One sender is honest, and there is one for each of these scripts that is not.
    pub fn poisoned(scripts: &[Script], receivers: u16, size: u64) -> Self {
        let liars = scripts.len() as u16;
        let mut scene = Self::crowd(1 + liars, receivers, size);
        scene.plan.faults =
            (1..).zip(scripts).map(|(host, &script)| Fault::Hostile { host, script }).collect();
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

    /// So many senders have a part of the share each, and none has all of it.
    pub fn partial(senders: u16, receivers: u16, size: u64) -> Self {
        let mut scene = Self::crowd(senders, receivers, size);
        let parts = vec![size / u64::from(4 * senders); usize::from(4 * senders)];
        scene.plan.scenario.files = Scenario::new(senders, receivers, &parts).files;
        scene.plan.scenario.holding = Holding::InTurn;
        scene
    }

    /// Receivers are killed and start again all the time.
    pub fn churn(receivers: u16, size: u64) -> Self {
        let mut scene = Self::crowd(1, receivers, size);
        for host in 1..=receivers {
            let at_ms = 2_000 + u64::from(host) * 977 % 40_000;
            scene.plan.faults.push(Fault::Crash { host, at_ms, down_ms: 3_000, end: End::Kill });
        }
        scene
    }

    /// So many receivers are there and want nothing yet: their users look at the offer. They have it already, and go then.
    pub fn idle(receivers: u16) -> Self {
        let mut scene = Self::crowd(1, receivers, SMALL);
        let Plan { scenario, network, tuning, faults, .. } = &mut scene.plan;
        // What ten thousand are told of each other as they come would fill a slow line for minutes.
        network.rate = 0;
        scenario.introduced = 0;
        scenario.present = scenario.files.iter().map(|file| file.path.clone()).collect();
        tuning.conns_max = Some(u32::from(receivers) + 8);
        // Of those that they hear of they dial nobody.
        tuning.peers_wanted = Some(0);
        faults.extend((1..=receivers).map(|receiver| Fault::Think { receiver, for_ms: IDLE_MS }));
        scene
    }

    /// A room of one node in the middle and so many that are connected to it and to nobody else, 50 ms away each way. The node
    /// of this number makes the calls; that in the middle is 0.
    pub fn broadcast(peers: u16, caller: u16) -> Self {
        let talk = Talk { known: 1, known_from: KnownFrom::First, ..Talk::default() };
        let mut scene = Self::room(peers + 1, caller, talk);
        // Of those that they hear of they dial nobody.
        scene.plan.tuning.peers_wanted = Some(0);
        scene
    }

    /// A room of so many nodes of which none is in the middle: each dials this many others, the next one and others ever
    /// farther on, 50 ms away each way.
    pub fn gossip(nodes: u16, known: u16) -> Self {
        let mut scene =
            Self::room(nodes, 0, Talk { known, known_from: KnownFrom::Doubling, ..Talk::default() });
        scene.plan.tuning.peers_wanted = Some(u32::from(known));
        scene
    }

    /// Nodes that say nothing but what one of them calls, over the lines of all scenes.
    fn room(nodes: u16, caller: u16, talk: Talk) -> Self {
        let mut scene = Self::crowd(1, nodes - 1, SMALL);
        let Plan { scenario, network, tuning, heal, .. } = &mut scene.plan;
        let made = |nth| CallMade { host: caller, at_ms: CALLS_MS + nth * CALLS_APART_MS };
        scenario.talk = Some(Talk { texts: 0, calls: 0, made: (0..CALLS).map(made).collect(), ..talk });
        scenario.introduced = 0;
        network.latency_us = 50_000;
        tuning.conns_max = Some(2 * u32::from(nodes));
        heal.at_ms = CALLS_MS + CALLS * CALLS_APART_MS;
        scene
    }

    /// The least time in which it could be done, in seconds. In a room: once over the line, twice for whoever is not connected
    /// to all others. Else: what the seeders must send once, what all that give must send
    /// together; and a chunk for each step in which the number of those who have it can double.
    pub fn least(&self) -> f64 {
        let scenario = &self.plan.scenario;
        if let Some(talk) = &scenario.talk {
            let is_middle =
                talk.known_from == KnownFrom::First && talk.made.iter().all(|call| call.host == 0);
            let hops = if is_middle { 1.0 } else { 2.0 };
            return hops * self.plan.network.latency_us as f64 / 1e6;
        }
        let (size, receivers) = (scenario.size() as f64, f64::from(scenario.receivers));
        let first_free = scenario.senders + scenario.receivers - scenario.free_riders;
        // The first of the senders is honest.
        let gives = |host: u16| {
            host < scenario.senders - self.liars || (scenario.senders..first_free).contains(&host)
        };
        let seeders: f64 = (0..scenario.senders - self.liars).map(|host| self.rate(host)).sum();
        let all: f64 = (0..first_free).filter(|host| gives(*host)).map(|host| self.rate(host)).sum();
        let whole = (size / seeders).max(receivers * size / all);
        let chunk =
            truecopy_protocol::content::geometry::ChunkSize::for_share(scenario.size()).bytes() as f64;
        whole + receivers.log2().ceil() * chunk / RATE as f64
    }

    /// Bytes a second that a host can send.
    fn rate(&self, host: u16) -> f64 {
        let slow = self.plan.faults.iter().filter_map(|fault| match *fault {
            Fault::Slow { host: of, rate, .. } if of == host => Some(rate),
            _ => None,
        });
        slow.min().unwrap_or(RATE) as f64
    }

    /// Plays it.
    ///
    /// # Errors
    /// If its files make no share.
    pub fn play(&self, options: &Options) -> Result<Played, BadContent> {
        let began = Instant::now();
        let run = run(&self.plan, options)?;
        let took = began.elapsed().as_secs_f64();
        let scenario = &self.plan.scenario;
        let first_free = scenario.senders + scenario.receivers - scenario.free_riders;
        let times = |is_free: bool| {
            let of = run.finished.iter().filter(|(host, _)| (*host >= first_free) == is_free);
            sorted(of.map(|(_, nanos)| *nanos as f64 / 1e9).collect())
        };
        let others = scenario.hosts() - 1;
        let (honest, free) = match &scenario.talk {
            Some(_) => (run.called.iter().flat_map(|call| heard(call, others)).collect(), Vec::new()),
            None => (times(false), times(true)),
        };
        let honest = sorted(honest);
        let lacking = scenario.size() as f64 * f64::from(scenario.receivers);
        let again = (run.stats.received as f64 / lacking - 1.0).max(0.0);
        Ok(Played { honest, free, least: self.least(), again, took, run })
    }
}

#[cfg(test)]
mod tests;
