//! Plans for bugs of swarms: who is there decides, more than what goes wrong.

use super::scenes::with;
use crate::plan::{ChannelKind, Eating, Fault, Plan, Scenario, Script, Staying, Swarming};
use crate::stream::Random;

const MIB: u64 = 1 << 20;

/// Receivers that give each other what they have, over lines of a megabyte a second.
fn swarm(seed: u64, senders: u16, receivers: u16, size: u64) -> (Plan, Random) {
    let mut scenario = Scenario::new(senders, receivers, &[size]);
    scenario.swarm = Swarming::On;
    let mut plan = Plan::calm(seed, ChannelKind::Clear, scenario);
    plan.network.rate = MIB;
    plan.tuning.choke_ms = Some(1_000);
    (plan, Random::new(seed, "scene"))
}

/// One source serves so many at once; nobody else gives anything.
fn takers(seed: u64, slots: u32) -> Plan {
    let (mut plan, mut draws) = swarm(seed, 1, 4, 8 * MIB);
    plan.scenario.free_riders = 4;
    plan.tuning.upload_slots = Some(slots);
    plan.network.latency_us = 100 + draws.below(20_000) as u64;
    plan
}

/// Four receivers wait for the one place of the only source.
pub(super) fn one_place(seed: u64) -> Plan {
    takers(seed, 1)
}

/// Two of four receivers are served at once, and nobody passes anything on.
pub(super) fn lent(seed: u64) -> Plan {
    takers(seed, 2)
}

/// Two slow sources and a fast one; the receiver stays when it has everything, and another one needs longer.
pub(super) fn slow_sources(seed: u64) -> Plan {
    let (mut plan, mut draws) = swarm(seed, 4, 2, 8 * MIB);
    plan.scenario.staying = Staying::Seed;
    plan.network.window = 64 << 10;
    plan.network.rate = 4 * MIB;
    for host in 1..4 {
        let rate = 60_000 + draws.below(60_000) as u64;
        plan = with(plan, Fault::Slow { host, from_ms: 0, to_ms: 60_000, rate });
    }
    with(plan, Fault::Limit { host: 5, from_ms: 0, to_ms: 60_000, up: 0, down: 128 << 10 })
}

fn liar(seed: u64, script: Script) -> (Plan, Random) {
    let (plan, draws) = swarm(seed, 2, 3, 4 * MIB);
    (with(plan, Fault::Hostile { host: 1, script }), draws)
}

/// One of two sources tells of peers that are not there, and each peer of itself (N25).
pub(super) fn false_peers(seed: u64) -> Plan {
    liar(seed, Script::FalsePeers).0
}

/// One of two sources gives wrong bytes (N25).
pub(super) fn poisoned(seed: u64) -> Plan {
    liar(seed, Script::WrongBytes).0
}

/// The same; again and again every receiver loses its connection with the honest source (N13).
pub(super) fn poisoned_and_parted(seed: u64) -> Plan {
    let (mut plan, mut draws) = liar(seed, Script::WrongBytes);
    plan.network.rate = 256 << 10;
    for receiver in 2..5 {
        for at in [4_000, 8_000, 12_000] {
            let at_ms = at + draws.below(2_000) as u64;
            let eats_unread = Eating::UnderWay;
            plan.faults.push(Fault::ResetAt { receiver, sender: 0, at_ms, eats_unread });
        }
    }
    plan.settle();
    plan
}

/// Trackers name everybody.
pub(super) fn named(seed: u64) -> Plan {
    let (mut plan, mut draws) = swarm(seed, 1, 3, MIB);
    plan.scenario.trackers = 1 + draws.below(2) as u16;
    plan
}
