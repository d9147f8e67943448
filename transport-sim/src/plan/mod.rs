//! A plan: everything that happens in a run, as a value and as a file. Equal plans give equal runs.

mod fault;
mod scenario;
mod text;

use serde::{Deserialize, Serialize};

pub use fault::{Eating, End, Fault, Script, SleepClock, TrackerTrouble, Way};
pub use scenario::{
    Allowed, Beside, CallMade, Heal, Holding, KnownFrom, Network, Scenario, Staying, Swarming, Talk, Told,
    Tuning,
};
pub use text::{BadPlan, SeedText};

/// The version of the format of plans.
pub const VERSION: u32 = 1;

/// Which channel a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// Without encryption: changed bytes reach frames, hashes and stores.
    Clear,
    /// TLS 1.3 with a provider whose randomness comes from the plan's seed: changed bytes must end loudly.
    Tls,
}

/// Everything that happens in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Where all draws come from that the plan does not fix: delays, jitter, ties. In hexadecimal.
    #[serde(with = "text::hex")]
    pub seed: u64,
    /// The channel.
    pub channel: ChannelKind,
    /// Who is there and what is moved.
    pub scenario: Scenario,
    /// The network without faults.
    #[serde(default)]
    pub network: Network,
    /// Limits and durations of the nodes.
    #[serde(default)]
    pub tuning: Tuning,
    /// When everything heals that can, and how long it may take from then on.
    #[serde(default)]
    pub heal: Heal,
    /// What goes wrong.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Plan {
    /// A plan without faults.
    pub fn calm(seed: u64, channel: ChannelKind, scenario: Scenario) -> Self {
        Self {
            version: VERSION,
            about: String::new(),
            seed,
            channel,
            scenario,
            network: Network::default(),
            tuning: Tuning::default(),
            heal: Heal::default(),
            faults: Vec::new(),
        }
    }

    /// The same plan with one more fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }
}
