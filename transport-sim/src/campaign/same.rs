//! Whether equal plans give equal runs.

use super::{Cast, Mix};
use crate::plan::{ChannelKind, Plan, SeedText};
use crate::world::{Keep, Options, run};

/// Two runs of one plan that are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The seed.
    pub seed: SeedText,
    /// The first thing that happened in one and not in the other, as both have it.
    pub at: String,
}

/// Runs every seed twice, with what the first run left in this process, and compares everything that happened.
///
/// Seeds go through all casts, both channels and the mix `swarm`.
pub fn check_determinism(first: u64, count: u64) -> Result<(), Parting> {
    for number in first..first + count {
        let cast = Cast::ALL[number as usize % Cast::ALL.len()];
        let channel = if number % 4 == 3 { ChannelKind::Tls } else { ChannelKind::Clear };
        let seed = SeedText::new(cast, channel, Mix::Swarm, number);
        let plan = Plan::of_seed(seed);
        let digest = |keep| run(&plan, &Options { keep, ..Options::default() }).map(|run| run.trace.digest());
        if digest(Keep::Last) != digest(Keep::Last) {
            return Err(Parting { seed, at: first_difference(&plan) });
        }
    }
    Ok(())
}

/// The digests of so many seeds folded into one: equal in every process, build and machine.
pub fn digest_of_seeds(first: u64, count: u64) -> u64 {
    (first..first + count).fold(0, |all: u64, number| {
        let cast = Cast::ALL[number as usize % Cast::ALL.len()];
        let seed = SeedText::new(cast, ChannelKind::Clear, Mix::Swarm, number);
        let run = run(&Plan::of_seed(seed), &Options::default());
        all.rotate_left(7) ^ run.map_or(0, |run| run.trace.digest())
    })
}

fn first_difference(plan: &Plan) -> String {
    let all = Options { keep: Keep::All, ..Options::default() };
    let (Ok(one), Ok(other)) = (run(plan, &all), run(plan, &all)) else { return String::new() };
    let pairs = one.trace.records().zip(other.trace.records());
    let parting = pairs.into_iter().find(|(a, b)| a != b);
    parting.map_or_else(|| "one run is longer".to_owned(), |(a, b)| format!("`{a}` or `{b}`"))
}
