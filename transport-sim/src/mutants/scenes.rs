//! Plans for bugs that need two things at once: a scene, and in it one kind of fault.

use crate::plan::{ChannelKind, End, Fault, Plan, Scenario, Script, Way};
use crate::stream::Random;

const SENDER: u16 = 0;
const RECEIVER: u16 = 1;

/// The plan with a fault, and the time that everything needs to heal.
pub(super) fn with(mut plan: Plan, fault: Fault) -> Plan {
    plan.faults.push(fault);
    plan.settle();
    plan
}

/// Two megabytes over a line that takes a second or two for them.
fn slow_pair(seed: u64) -> (Plan, Random) {
    let mut plan = Plan::calm(seed, ChannelKind::Clear, Scenario::new(1, 1, &[2 << 20]));
    plan.network.rate = 1 << 20;
    (plan, Random::new(seed, "scene"))
}

/// The receiver is killed when it has some of it (P1).
pub(super) fn killed_half_way(seed: u64) -> Plan {
    let (plan, mut draws) = slow_pair(seed);
    let at_ms = 300 + draws.below(1_500) as u64;
    with(plan, Fault::Crash { host: RECEIVER, at_ms, down_ms: 500, end: End::Kill })
}

/// The only sender loses its power when half of it is sent: no word of it reaches the receiver (N15).
pub(super) fn sender_gone_dark(seed: u64) -> Plan {
    let (plan, mut draws) = slow_pair(seed);
    let at_ms = 300 + draws.below(1_500) as u64;
    with(plan, Fault::Crash { host: SENDER, at_ms, down_ms: 500, end: End::Power })
}

/// Claims are synced soon after they are made (P5).
pub(super) fn often_synced(seed: u64) -> Plan {
    let (mut plan, mut draws) = slow_pair(seed);
    plan.tuning.checkpoint_ms = Some(20 + draws.below(300) as u64);
    plan
}

/// The user pauses for longer than a silent connection is kept.
pub(super) fn long_pause(seed: u64) -> Plan {
    let (mut plan, mut draws) = slow_pair(seed);
    // Less than the file, so that the pause comes before all of it is asked for.
    plan.tuning.window = Some(256 << 10);
    let from_ms = 100 + draws.below(1_000) as u64;
    with(
        plan,
        Fault::Pause { receiver: RECEIVER, from_ms, to_ms: from_ms + 60_000 + draws.below(60_000) as u64 },
    )
}

/// The user chooses anew when some of it is there, again and again.
pub(super) fn chosen_anew(seed: u64) -> Plan {
    let (mut plan, mut draws) = slow_pair(seed);
    for _ in 0..4 {
        let at_ms = 300 + draws.below(1_500) as u64;
        plan.faults.push(Fault::Reconsider { receiver: RECEIVER, at_ms });
    }
    plan.settle();
    plan
}

/// Two sources, one of which is met late (N7).
pub(super) fn two_sources(seed: u64) -> Plan {
    let mut draws = Random::new(seed, "scene");
    let mut plan = Plan::calm(seed, ChannelKind::Clear, Scenario::new(2, 1, &[2 << 20]));
    plan.network.rate = 8 << 20;
    let add_us = draws.below(100_000) as u64;
    with(plan, Fault::Delay { host: 1, way: Way::Down, from_ms: 0, to_ms: 1_000, add_us, jitter_us: 1_000 })
}

/// Two sources, one of which is slow (N8).
pub(super) fn slow_source(seed: u64) -> Plan {
    let mut draws = Random::new(seed, "scene");
    let mut plan = Plan::calm(seed, ChannelKind::Clear, Scenario::new(2, 1, &[12_000_000]));
    plan.network.rate = 4 << 20;
    plan.network.window = 64 << 10;
    let rate = 1_000 + draws.below(20_000) as u64;
    with(plan, Fault::Slow { host: 1, from_ms: 0, to_ms: 30_000, rate })
}

fn liar(seed: u64, script: Script) -> Plan {
    let mut plan = Plan::calm(seed, ChannelKind::Clear, Scenario::new(2, 1, &[(1 + seed % 4) << 19]));
    // The honest one is busy for a while with what it was asked for.
    plan.network.rate = 512 << 10;
    plan.tuning.window = Some(256 << 10);
    with(plan, Fault::Hostile { host: 1, script })
}

/// One of two sources says that it has everything, and rejects every request (N25).
pub(super) fn lying_have(seed: u64) -> Plan {
    liar(seed, Script::LyingHave)
}

/// One of two sources sends what is no protocol (N25).
pub(super) fn noise(seed: u64) -> Plan {
    liar(seed, Script::Noise)
}
