//! A pair of hosts under a plan that a fuzzer makes: coverage-guided search for the fault that hurts.

use crate::campaign::Kind;
use crate::plan::{ChannelKind, Plan, Scenario};
use crate::stream::Random;
use crate::world::{Options, run};

/// Things that may happen in one run: a fuzzer wants many runs.
const EVENTS_MAX: u64 = 30_000;
/// Sizes of the one file.
const SIZES: [u64; 8] = [0, 1, 16_383, 16_384, 16_385, 65_536, 262_145, 600_000];

/// Reads a plan from bytes: seed, size, then a kind of fault and its draws, again and again. Every run of bytes is a plan.
pub fn plan_of_bytes(data: &[u8]) -> Plan {
    let (head, rest) = data.split_at(data.len().min(3));
    let mut seed = [0; 8];
    seed[..head.len()].copy_from_slice(head);
    let size = SIZES[usize::from(seed[2]) % SIZES.len()];
    let scenario = Scenario::new(1, 1, &[size]);
    let mut plan = Plan::calm(u64::from_le_bytes(seed), ChannelKind::Clear, scenario);
    for part in rest.chunks(5).take(12) {
        let kind = Kind::ALL[usize::from(part[0]) % Kind::ALL.len()];
        // A liar alone has nobody honest beside it.
        if kind == Kind::Hostile {
            continue;
        }
        let mut draw = [0; 8];
        draw[..part.len() - 1].copy_from_slice(&part[1..]);
        kind.add(&mut plan, &mut Random::new(u64::from_le_bytes(draw), kind.name()));
    }
    plan.settle();
    plan
}

/// Runs the plan of these bytes.
///
/// # Panics
/// If an oracle is violated: with the plan, so that it can be kept.
pub fn pair_plan(data: &[u8]) {
    let plan = plan_of_bytes(data);
    let options = Options { events_max: Some(EVENTS_MAX), ..Options::default() };
    let Ok(run) = run(&plan, &options) else { return };
    if let Some(violation) = run.violation() {
        panic!("{violation}\nthe plan:\n{}", plan.to_toml());
    }
}
