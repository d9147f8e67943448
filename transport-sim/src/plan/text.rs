//! Plans as TOML, and seeds as text.

use std::fmt;
use std::str::FromStr;

use truecopy_protocol::Trackers;
use truecopy_transport::pace::{RATE_MIN, Rate};

use super::{ChannelKind, Fault, Holding, Plan, Scenario, Swarming, Told, VERSION};
use crate::campaign::{Cast, Mix};

/// Why a plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// The text is no plan.
    #[error("this is no plan: {0}")]
    Text(String),
    /// A version of the format that is not known.
    #[error("the plan has version {0} of the format; this program knows version {VERSION}")]
    Version(u32),
    /// It cannot be run.
    #[error("the plan cannot be run: {0}")]
    Senseless(String),
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`BadPlan`] if it is none, or cannot be run.
    pub fn from_toml(text: &str) -> Result<Self, BadPlan> {
        let plan: Self = toml::from_str(text).map_err(|error| BadPlan::Text(error.to_string()))?;
        if plan.version != VERSION {
            return Err(BadPlan::Version(plan.version));
        }
        plan.check()?;
        Ok(plan)
    }

    /// Writes a plan.
    ///
    /// # Panics
    /// Never: every plan has a text.
    pub fn to_toml(&self) -> String {
        #[expect(clippy::expect_used, reason = "numbers, names and tables: nothing that TOML cannot say")]
        let text = toml::to_string(self).expect("a plan has a text");
        text
    }

    /// Whether it can be run at all.
    ///
    /// # Errors
    /// [`BadPlan::Senseless`] with the reason.
    pub fn check(&self) -> Result<(), BadPlan> {
        let senseless = |what: String| Err(BadPlan::Senseless(what));
        if self.scenario.senders == 0 || self.scenario.receivers == 0 {
            return senseless("there must be a sender and a receiver".into());
        }
        let hosts = self.scenario.hosts();
        if let Some(fault) = self.faults.iter().find(|fault| fault.hosts().any(|host| host >= hosts)) {
            return senseless(format!("{fault:?} names a host that is not there; there are {hosts}"));
        }
        self.check_trackers()?;
        if let Some(talk) = &self.scenario.talk {
            if usize::from(talk.outsiders) + 2 > hosts {
                return senseless("two hosts at least must know the room's secret".into());
            }
            if talk.made.iter().any(|call| usize::from(call.host) >= hosts || call.at_ms >= self.heal.at_ms) {
                return senseless("calls are made by hosts that are there, before the healing".into());
            }
            let is_actor = |fault: &Fault| matches!(fault, Fault::Hostile { .. } | Fault::NewerPeer { .. });
            if self.faults.iter().any(is_actor) {
                return senseless("senders that are no nodes open no room".into());
            }
        }
        let is_whole = self.scenario.holding == Holding::Whole;
        if !is_whole && (self.scenario.swarm == Swarming::Off || self.scenario.sources > 0) {
            return senseless(
                "who has a part of the share is of use only in a swarm that knows all senders".into(),
            );
        }
        if !is_whole
            && self.faults.iter().any(|fault| matches!(fault, Fault::Hostile { .. } | Fault::Disk { .. }))
        {
            return senseless("each part of the share has one source, which must be honest and whole".into());
        }
        let limits = self.faults.iter().filter_map(|fault| match fault {
            Fault::Limit { up, down, .. } => {
                Some([*up, *down].map(|rate| Some(rate).filter(|rate| *rate > 0)))
            }
            _ => None,
        });
        let limits = limits.chain([[self.tuning.limit_up, self.tuning.limit_down]]);
        if let Some(rate) = limits.flatten().flatten().find(|rate| Rate::new(*rate).is_none()) {
            return senseless(format!("a limit of {rate} bytes a second; {RATE_MIN} are the least"));
        }
        crate::content::Content::of(&self.scenario.files)
            .map_err(|error| BadPlan::Senseless(error.to_string()))?;
        Ok(())
    }
}

impl Plan {
    /// Whether what is said of trackers can be.
    fn check_trackers(&self) -> Result<(), BadPlan> {
        let senseless = |what: &str| Err(BadPlan::Senseless(what.to_owned()));
        let Scenario { trackers, told, swarm, senders, .. } = self.scenario;
        if usize::from(trackers) > Trackers::MAX {
            return senseless("a share has eight trackers at most");
        }
        if trackers > 0 && swarm == Swarming::Off {
            return senseless("trackers are for swarms: set swarm = \"on\"");
        }
        if self
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Tracker { tracker, .. } if *tracker >= trackers))
        {
            return senseless("a fault names a tracker that is not there");
        }
        if told == Told::Called && swarm != Swarming::On {
            return senseless("senders dial receivers in swarms alone: set swarm = \"on\"");
        }
        if told == Told::TrackersAlone {
            let is_actor = |of: u16| {
                let is = |fault: &Fault| match *fault {
                    Fault::Hostile { host, .. } | Fault::NewerPeer { host } => host == of,
                    _ => false,
                };
                self.faults.iter().any(is)
            };
            if trackers == 0 || (0..senders).all(is_actor) {
                return senseless(
                    "receivers are told of trackers alone, and nobody announces the share at one",
                );
            }
        }
        Ok(())
    }
}

/// A seed with what it stands for: `tc1:pair:clear:swarm:00000000000004d2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedText {
    /// Who takes part.
    pub cast: Cast,
    /// The channel.
    pub channel: ChannelKind,
    /// The mix of faults.
    pub mix: Mix,
    /// The number.
    pub seed: u64,
}

impl fmt::Display for SeedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = match self.channel {
            ChannelKind::Clear => "clear",
            ChannelKind::Tls => "tls",
        };
        write!(f, "tc1:{}:{channel}:{}:{:016x}", self.cast, self.mix, self.seed)
    }
}

impl FromStr for SeedText {
    type Err = BadPlan;

    fn from_str(text: &str) -> Result<Self, BadPlan> {
        let bad = || {
            BadPlan::Text(format!(
                "`{text}` is no seed; one looks like tc1:pair:clear:swarm:00000000000004d2"
            ))
        };
        let mut parts = text.strip_prefix("tc1:").ok_or_else(bad)?.splitn(4, ':');
        let mut next = || parts.next().ok_or_else(bad);
        let cast = next()?.parse().map_err(|_| bad())?;
        let channel = match next()? {
            "clear" => ChannelKind::Clear,
            "tls" => ChannelKind::Tls,
            _ => return Err(bad()),
        };
        let mix = next()?.parse().map_err(|_| bad())?;
        let seed = u64::from_str_radix(next()?, 16).map_err(|_| bad())?;
        Ok(Self { cast, channel, mix, seed })
    }
}

/// Numbers that TOML has no room for, as text.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{number:016x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
