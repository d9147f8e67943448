//! From seeds to plans: which faults, how many, and where.
//!
//! Mixes matter more than rates: a bug that one fault shows is hidden by ten others. So every seed first draws which
//! kinds of faults there are at all.

mod cast;
mod make;
mod same;
mod sweep;

use std::fmt;
use std::str::FromStr;

pub use cast::Cast;
pub use make::Kind;
pub use same::{Parting, check_determinism, digest_of_seeds};
pub use sweep::{Failed, Sweep, Tally, sweep};

use crate::plan::{ChannelKind, Plan, SeedText};
use crate::stream::Random;

/// Which kinds of faults a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mix {
    /// None.
    Calm,
    /// One kind, drawn.
    Single,
    /// This one kind.
    Only(Kind),
    /// Two kinds.
    Pair,
    /// Any subset.
    Subset,
    /// Every kind.
    All,
    /// No fault or one kind: what most bugs need.
    Light,
    /// One of the others: calm 5 %, single 35 %, pair 20 %, subset 30 %, all 10 %.
    Swarm,
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm => f.write_str("calm"),
            Self::Single => f.write_str("single"),
            Self::Only(kind) => write!(f, "only-{}", kind.name()),
            Self::Pair => f.write_str("pair"),
            Self::Subset => f.write_str("subset"),
            Self::All => f.write_str("all"),
            Self::Light => f.write_str("light"),
            Self::Swarm => f.write_str("swarm"),
        }
    }
}

/// Not the name of a mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mix; there are calm, single, pair, subset, all, light, swarm, and only-KIND")]
pub struct BadMix(String);

impl FromStr for Mix {
    type Err = BadMix;

    fn from_str(text: &str) -> Result<Self, BadMix> {
        Ok(match text {
            "calm" => Self::Calm,
            "single" => Self::Single,
            "pair" => Self::Pair,
            "subset" => Self::Subset,
            "all" => Self::All,
            "light" => Self::Light,
            "swarm" => Self::Swarm,
            _ => {
                let kind = text.strip_prefix("only-").and_then(Kind::named);
                Self::Only(kind.ok_or_else(|| BadMix(text.to_owned()))?)
            }
        })
    }
}

impl Mix {
    /// The kinds that a seed has.
    fn kinds(self, draws: &mut Random, usable: &[Kind]) -> Vec<Kind> {
        let pick = |draws: &mut Random| usable[draws.below(usable.len())];
        match self {
            Self::Calm => Vec::new(),
            Self::Single => vec![pick(draws)],
            Self::Only(kind) => vec![kind],
            Self::Pair => vec![pick(draws), pick(draws)],
            Self::Subset => {
                let permille = 50 + draws.below(400) as u16;
                usable.iter().copied().filter(|_| draws.happens(permille)).collect()
            }
            Self::All => usable.to_vec(),
            Self::Light => {
                if draws.happens(200) {
                    Vec::new()
                } else {
                    vec![pick(draws)]
                }
            }
            Self::Swarm => {
                let mix = match draws.below(100) {
                    0..5 => Self::Calm,
                    5..40 => Self::Single,
                    40..60 => Self::Pair,
                    60..90 => Self::Subset,
                    _ => Self::All,
                };
                mix.kinds(draws, usable)
            }
        }
    }
}

impl Plan {
    /// The plan of a seed. Its meaning is fixed for one version of the simulator only: keep plans, not seeds.
    pub fn of_seed(text: SeedText) -> Self {
        let SeedText { cast, channel, mix, seed } = text;
        let mut draws = Random::new(seed, "plan");
        let mut scenario = cast.scenario(&mut draws);
        cast.trackers(&mut scenario, &mut Random::new(seed, "meeting"));
        let mut plan = Self::calm(seed, channel, scenario);
        if plan.scenario.swarm.is_swarm() {
            // Whoever gets something from another receiver waits as long again for the rest.
            plan.heal.budget_ms *= 4;
            cast::crowd(&mut plan, &mut Random::new(seed, "crowd"));
        }
        plan.network.latency_us = [50, 200, 2_000, 30_000][draws.below(4)];
        let usable: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.fits(channel, cast)).collect();
        let mut kinds = mix.kinds(&mut draws, &usable);
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            // Every kind draws for itself: leaving one out shifts no other.
            let mut draws = Random::new(seed, kind.name());
            kind.add(&mut plan, &mut draws);
        }
        cast::room_for_all(&mut plan);
        plan.settle();
        plan
    }
}

impl SeedText {
    /// So many seeds from the first on, over one channel.
    pub const fn new(cast: Cast, channel: ChannelKind, mix: Mix, seed: u64) -> Self {
        Self { cast, channel, mix, seed }
    }
}
