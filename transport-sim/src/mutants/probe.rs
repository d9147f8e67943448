//! One look at one seed.

use super::stores;
use crate::campaign::{Cast, Mix};
use crate::oracle::Oracle;
use crate::plan::{ChannelKind, Plan, SeedText};
use crate::world::{self, Verdict};

/// How a bug is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Probe {
    /// In whole runs.
    Run(Cast, ChannelKind, Mix),
    /// The same, each run twice: they must be equal.
    Twice(Cast, ChannelKind, Mix),
    /// In a store of a size that no run has.
    Store(fn(u64) -> Option<Caught>),
}

/// What an oracle said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caught {
    pub(super) oracle: Oracle,
    pub(super) class: &'static str,
}

/// A run of so many happenings has no end: the longest honest ones have a tenth.
const EVENTS_MAX: u64 = 2_000_000;

impl Probe {
    pub(super) const HUGE: Self = Self::Store(stores::huge);
    pub(super) const OTHER_VERSION: Self = Self::Store(stores::other_version);

    /// What the oracles say of a seed.
    pub(super) fn look(self, seed: u64) -> Option<Caught> {
        match self {
            Self::Run(cast, channel, mix) => go(SeedText::new(cast, channel, mix, seed)).0,
            Self::Twice(cast, channel, mix) => {
                let text = SeedText::new(cast, channel, mix, seed);
                let (first, second) = (go(text), go(text));
                let differs = (first.1 != second.1).then_some(Caught { oracle: Oracle::Determinism, class: "two runs differ" });
                differs.or(first.0)
            }
            Self::Store(look) => look(seed),
        }
    }

    /// The channel, for people.
    pub(super) const fn channel(self) -> &'static str {
        match self {
            Self::Run(_, ChannelKind::Clear, _) | Self::Twice(_, ChannelKind::Clear, _) => "clear",
            Self::Run(_, ChannelKind::Tls, _) | Self::Twice(_, ChannelKind::Tls, _) => "tls",
            Self::Store(_) => "-",
        }
    }

    /// The faults, for people.
    pub(super) fn faults(self) -> String {
        match self {
            Self::Run(cast, _, mix) | Self::Twice(cast, _, mix) => format!("{cast} {mix}"),
            Self::Store(_) => "store".into(),
        }
    }
}

fn go(seed: SeedText) -> (Option<Caught>, u64) {
    let options = world::Options { events_max: Some(EVENTS_MAX), ..world::Options::default() };
    let Ok(run) = world::run(&Plan::of_seed(seed), &options) else { return (None, 0) };
    let caught = match &run.verdict {
        Verdict::Pass => None,
        Verdict::Fail(violation) => Some(Caught { oracle: violation.oracle, class: violation.class }),
        Verdict::Stopped => Some(Caught { oracle: Oracle::Spin, class: "no end in sight" }),
    };
    (caught, run.trace.digest())
}
