//! Who takes part, and in what.

use std::fmt;
use std::str::FromStr;

use crate::plan::{Beside, Plan, Scenario, Staying, Swarming, Talk, Told};
use crate::stream::Random;

/// A family of scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cast {
    /// One sender, one receiver, 64 KiB.
    Pair,
    /// Two senders, three receivers, 256 KiB.
    Five,
    /// One or two senders, and two to five receivers that give each other what they have.
    Swarm,
    /// One to three of each, and files of all interesting sizes up to some MiB.
    Varied,
    /// Two to six hosts that talk to each other, half of them while a small share is moved.
    Talk,
}

impl Cast {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pair, Self::Five, Self::Swarm, Self::Varied, Self::Talk];

    /// Its name in seeds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Five => "five",
            Self::Swarm => "swarm",
            Self::Varied => "varied",
            Self::Talk => "talk",
        }
    }

    pub(super) fn scenario(self, draws: &mut Random) -> Scenario {
        match self {
            Self::Pair => Scenario::new(1, 1, &[64 << 10]),
            Self::Five => Scenario::new(2, 3, &[256 << 10]),
            Self::Swarm => {
                let (senders, receivers) = (1 + draws.below(2) as u16, 2 + draws.below(4) as u16);
                let sizes = SWARM_SIZES[draws.below(SWARM_SIZES.len())];
                let mut scenario = Scenario::new(senders, receivers, sizes);
                scenario.swarm = Swarming::On;
                scenario.sources = draws.below(2) as u16;
                scenario.introduced = draws.below(3) as u16;
                if draws.below(3) == 0 {
                    scenario.staying = Staying::Seed;
                }
                if draws.below(8) == 0 {
                    scenario.present.push(scenario.files[0].path.clone());
                }
                scenario
            }
            Self::Varied => {
                let senders = 1 + draws.below(3) as u16;
                let receivers = 1 + draws.below(3) as u16;
                let sizes = SIZES[draws.below(SIZES.len())];
                let mut scenario = Scenario::new(senders, receivers, sizes);
                if draws.below(3) == 0 {
                    scenario.sources = 1;
                }
                if draws.below(6) == 0 {
                    scenario.present.push(scenario.files[0].path.clone());
                }
                scenario
            }
            Self::Talk => {
                let (senders, receivers) = (1 + draws.below(2) as u16, 1 + draws.below(4) as u16);
                let mut scenario =
                    Scenario::new(senders, receivers, &[[1, 100_000, 300_000][draws.below(3)]]);
                scenario.talk = Some(talk(draws, senders + receivers));
                scenario
            }
        }
    }
}

/// Who says how much to whom.
fn talk(draws: &mut Random, hosts: u16) -> Talk {
    let mut talk = Talk {
        beside: if draws.below(2) == 0 { Beside::Share } else { Beside::Nothing },
        known: draws.below(3) as u16,
        texts: 5 + draws.below(40) as u16,
        calls: draws.below(8) as u16,
        until_ms: [1_000, 5_000, 30_000][draws.below(3)],
        ..Talk::default()
    };
    if draws.below(4) == 0 {
        talk.patience_ms = Some([2_000, 20_000][draws.below(2)]);
    }
    if hosts > 2 && draws.below(6) == 0 {
        talk.outsiders = 1;
    }
    talk
}

/// Whoever is waited for must be let in: by others of the room, and those of the share.
pub(super) fn room_for_all(plan: &mut Plan) {
    let hosts = plan.scenario.hosts() as u32;
    if let (Some(talk), Some(max)) = (&plan.scenario.talk, &mut plan.tuning.conns_max)
        && (talk.patience_ms.is_none() || talk.beside == Beside::Share)
    {
        *max += 4 * hosts;
    }
}

/// How peers of a swarm are found, how fast they are, and how many are served at once: few, or nobody would ever wait.
pub(super) fn crowd(plan: &mut Plan, draws: &mut Random) {
    if draws.below(3) == 0 {
        plan.network.rate = [128 * KIB, 512 * KIB, 2 * MIB][draws.below(3)];
        // A slow line delivers packets, not what was written at once; and a goodbye need not wait behind many seconds.
        plan.network.segment_max = 16 << 10;
        plan.network.window = 64 << 10;
    }
    if draws.below(2) == 0 {
        plan.tuning.upload_slots = Some(1 + draws.below(3) as u32);
        plan.tuning.choke_ms = Some([500, 2_000, 10_000][draws.below(3)]);
    }
    if draws.below(4) == 0 && plan.scenario.trackers == 0 && plan.scenario.told == Told::Addresses {
        // Who was not told yet does not listen to others of its kind.
        plan.scenario.swarm = Swarming::AsTold;
        plan.scenario.introduced = 0;
    }
}

impl Cast {
    /// Every fourth swarm has trackers, and every other one of these is found by them alone; of the others in every sixth
    /// receivers know of nobody, and are dialled. Drawn apart, so that it shifts nothing else.
    pub(super) fn trackers(self, scenario: &mut Scenario, draws: &mut Random) {
        if self == Self::Swarm && draws.below(4) == 0 {
            scenario.trackers = 1 + draws.below(2) as u16;
            if draws.below(2) == 0 {
                (scenario.told, scenario.introduced) = (Told::TrackersAlone, 0);
            }
        } else if self == Self::Swarm && draws.below(6) == 0 {
            (scenario.told, scenario.introduced) = (Told::Called, 0);
        }
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Several chunks, or many files.
const SWARM_SIZES: &[&[u64]] = &[
    &[256 * KIB],
    &[700_000],
    &[MIB],
    &[2 * MIB + 12_345, 5_000],
    &[4_096; 24],
    &[100, 20_000, 300_000, 1, 0, 65_536],
];

/// Sizes at and beside the edges of blocks, spans and chunks; few of each, so that their hashes are made once.
const SIZES: &[&[u64]] = &[
    &[1],
    &[0, 1, 2],
    &[16 * KIB - 1, 16 * KIB, 16 * KIB + 1],
    &[256 * KIB],
    &[256 * KIB + 1],
    &[256 * KIB - 1, 3],
    &[512 * KIB, 0, 100],
    &[700_000],
    &[MIB],
    &[2 * MIB + 12_345, 5_000],
    &[4_096; 24],
    &[100, 20_000, 300_000, 1, 0, 65_536],
    &[3 * MIB],
];

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a cast.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cast; there are pair, five, swarm, varied and talk")]
pub struct BadCast(String);

impl FromStr for Cast {
    type Err = BadCast;

    fn from_str(text: &str) -> Result<Self, BadCast> {
        Self::ALL.into_iter().find(|cast| cast.name() == text).ok_or_else(|| BadCast(text.to_owned()))
    }
}
