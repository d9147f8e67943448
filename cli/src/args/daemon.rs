//! The daemon, and the commands that talk to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueHint};

use super::{NodeArgs, OutputArgs};

/// `truecopy daemon`.
#[derive(Clone, Debug, Args)]
pub struct DaemonArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Address of loopback for the local API [default: 127.0.0.1 and any port]
    #[arg(long, env = "TRUECOPY_API", value_name = "ADDR:PORT", help_heading = "Local API")]
    pub api: Option<Loopback>,
    /// Unix socket for the local API, instead of an address
    #[arg(long, env = "TRUECOPY_SOCKET", value_name = "PATH", conflicts_with = "api", value_hint = ValueHint::FilePath, help_heading = "Local API")]
    pub socket: Option<PathBuf>,
    /// A further name that the local API may be asked by: what stands in the header Host
    #[arg(long, env = "TRUECOPY_API_HOST", value_name = "HOST[:PORT]", help_heading = "Local API")]
    pub api_host: Option<String>,
    /// Print a unit for systemd (user), and do nothing else
    #[arg(long, env = "TRUECOPY_UNIT", value_parser = FalseyValueParser::new())]
    pub unit: bool,
}

/// An address of loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(pub SocketAddr);

impl FromStr for Loopback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address: Option<SocketAddr> = text.parse().ok();
        let address = address.filter(|address| address.ip().is_loopback());
        address.map(Self).ok_or_else(|| "expected an address of this machine alone, as 127.0.0.1:7070".into())
    }
}

/// `truecopy room`.
#[derive(Clone, Debug, Args)]
pub struct RoomArgs {
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy top`.
#[derive(Clone, Copy, Debug, Args)]
pub struct TopArgs {}

/// `truecopy pause` and its like.
#[derive(Clone, Debug, Args)]
pub struct SteerArgs {
    /// Its number: `truecopy status` lists them
    #[arg(value_name = "TRANSFER")]
    pub transfer: u32,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}
