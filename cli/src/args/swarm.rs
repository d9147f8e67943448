//! Flags and commands of swarms: how a share is given away while and after it is fetched.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueHint};
use truecopy_protocol::TrackerUrl;
use truecopy_protocol::input::{Order, Swarming};

use super::values::{LinkPolicy, Listen, Pause};
use super::{GetArgs, Limit, LimitArgs, OutputArgs};

/// How `truecopy get` takes part in a swarm.
#[derive(Clone, Debug, Default, Args)]
pub struct SwarmArgs {
    /// Neither give to other receivers nor learn of them; nothing is listened on then
    #[arg(long, env = "TRUECOPY_NO_SWARM", value_parser = FalseyValueParser::new(), help_heading = "Swarm")]
    pub no_swarm: bool,
    /// Port at which other receivers find this one [default: any]
    #[arg(long, env = "TRUECOPY_PORT", value_name = "PORT", help_heading = "Swarm")]
    pub port: Option<u16>,
    /// Fetch from the first byte to the last; else, in a swarm, what the fewest have comes first
    #[arg(long, env = "TRUECOPY_SEQUENTIAL", value_parser = FalseyValueParser::new(), help_heading = "Swarm")]
    pub sequential: bool,
    /// Serve what was fetched: until stopped, or until RATIO times its size was given, as 1.5, or for TIME, as 2h
    #[arg(long, env = "TRUECOPY_SEED", value_name = "RATIO|TIME", num_args = 0..=1, require_equals = true, default_missing_value = "ever", help_heading = "Swarm")]
    pub seed: Option<SeedUntil>,
    /// Show which chunks are here
    #[arg(long, env = "TRUECOPY_MAP", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub map: bool,
}

/// Whether `truecopy send` makes a swarm.
#[derive(Clone, Debug, Default, Args)]
pub struct SendSwarmArgs {
    /// Let receivers give each other what they have: they see each other's addresses [default: with --metadata]
    #[arg(long, env = "TRUECOPY_SWARM", value_parser = FalseyValueParser::new(), help_heading = "Swarm")]
    pub swarm: bool,
    /// Let no receiver know of another, even with --metadata
    #[arg(long, env = "TRUECOPY_NO_SWARM", value_parser = FalseyValueParser::new(), help_heading = "Swarm")]
    pub no_swarm: bool,
}

/// `truecopy seed`.
#[derive(Clone, Debug, Args)]
pub struct SeedArgs {
    /// Files and folders, or metadata files of what lies beside them [default: all that is remembered]
    #[arg(value_name = "PATH|FILE", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Folder that holds what the metadata files name [default: that of each metadata file]
    #[arg(long, env = "TRUECOPY_DATA", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Serve what is there of a share, if files of it are missing or were changed: others may have the rest
    #[arg(long, env = "TRUECOPY_PARTIAL", value_parser = FalseyValueParser::new())]
    pub partial: bool,
    /// List what is remembered, and serve nothing
    #[arg(long, env = "TRUECOPY_LIST", value_parser = FalseyValueParser::new(), conflicts_with = "paths")]
    pub list: bool,
    /// Remember the shares of this name no more, and serve nothing; repeatable, may be a pattern
    #[arg(long, env = "TRUECOPY_FORGET", value_name = "NAME", conflicts_with = "paths")]
    pub forget: Vec<String>,
    /// Let no receiver know of another
    #[arg(long, env = "TRUECOPY_NO_SWARM", value_parser = FalseyValueParser::new(), help_heading = "Swarm")]
    pub no_swarm: bool,
    /// Address and port to listen on, repeatable [default: all interfaces, the port of the last time]
    #[arg(long, env = "TRUECOPY_LISTEN", value_name = "ADDR:PORT", value_delimiter = ',')]
    pub listen: Vec<Listen>,
    /// Tracker where peers announce themselves, repeatable: http(s)://HOST:PORT
    #[arg(long, env = "TRUECOPY_TRACKER", value_name = "URL", value_delimiter = ',')]
    pub tracker: Vec<TrackerUrl>,
    /// What to do with symbolic links inside of folders
    #[arg(long, env = "TRUECOPY_LINKS", value_name = "POLICY", default_value = "keep")]
    pub links: LinkPolicy,
    /// Send at most so many bytes a second of each share, as 5M, 800K or none; --limit-up is for all together
    #[arg(long, env = "TRUECOPY_LIMIT_UP_EACH", value_name = "RATE", help_heading = "Limits")]
    pub limit_up_each: Option<Limit>,
    /// Limits of rates.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// When a receiver stops serving what it fetched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeedUntil {
    /// When the user says so.
    Stopped,
    /// When so many times its size was given away.
    Ratio(f64),
    /// After so long.
    Time(Duration),
}

impl FromStr for SeedUntil {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "expected how often, as 1.5, or how long, as 90s, 10m or 2h";
        if matches!(text, "ever" | "true") {
            return Ok(Self::Stopped);
        }
        if text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return text.parse().map(|Pause(time)| Self::Time(time)).map_err(|_| help.into());
        }
        let ratio: f64 = text.parse().map_err(|_| help)?;
        if ratio.is_finite() && ratio > 0.0 { Ok(Self::Ratio(ratio)) } else { Err(help.into()) }
    }
}

impl SendSwarmArgs {
    /// Whether receivers learn of each other: what is published is swarmed, what is sent to somebody is not.
    pub fn swarming(&self, is_published: bool) -> Swarming {
        if (self.swarm || is_published) && !self.no_swarm { Swarming::On } else { Swarming::Off }
    }
}

impl GetArgs {
    /// Whether one file goes to standard output instead of into a folder.
    pub fn is_stream(&self) -> bool {
        self.dir.as_os_str() == "-"
    }

    /// In which order it is fetched.
    pub fn order(&self) -> Order {
        if self.swarm.sequential || self.is_stream() { Order::Sequential } else { Order::RarestFirst }
    }
}
