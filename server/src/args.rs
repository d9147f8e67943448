//! The command line of `truecopy-server`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use truecopy_server::bootstrap::Reachable;
use truecopy_server::http::{Cidr, Config};
use truecopy_server::tracker::limit::Rate;

/// A tracker: tells the peers of a share of one another.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Args {
    /// Where to listen; may be repeated. [::] alone takes IPv4 too where the system says so.
    #[arg(long, value_name = "ADDR:PORT", default_value = "[::]:7070")]
    listen: Vec<SocketAddr>,
    /// The tracker's name in signed announces: what its users type. Without it http:// and the first address.
    #[arg(long, value_name = "URL", value_parser = origin)]
    origin: Option<String>,
    /// The file that survives a restart; without it nothing does.
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
    /// Networks of proxies whose X-Forwarded-For is believed.
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    trusted_proxy: Vec<Cidr>,
    /// Requests a second of one address (IPv4) or /64 (IPv6); 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = Config::default().rate.per_second)]
    rate: u32,
    /// Requests of one source at once.
    #[arg(long, value_name = "N", default_value_t = Config::default().rate.burst)]
    burst: u32,
    /// Peers of all shares together.
    #[arg(long, value_name = "N", default_value_t = Config::default().tracker.peers_max)]
    peers_max: usize,
    /// Dial plain peers at loopback, link-local and private addresses too.
    #[arg(long)]
    allow_private: bool,
    /// How to log to standard error.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What to log, such as info or truecopy_server=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Args {
    /// Whether the tracker was given its name.
    pub(crate) const fn names_origin(&self) -> bool {
        self.origin.is_some()
    }

    /// The server that they describe.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config {
            listen: self.listen.clone(),
            origin: self.origin.clone(),
            trusted: self.trusted_proxy.clone(),
            rate: Rate { per_second: self.rate, burst: self.burst.max(1) },
            reachable: if self.allow_private { Reachable::Private } else { Reachable::Public },
            ..Config::default()
        };
        config.tracker.peers_max = self.peers_max;
        config
    }
}

/// `scheme://host[:port]`, in the one form that both sides sign: lower case, no path.
fn origin(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@\\".contains(&b))
    };
    match rest {
        Some(host) if good(host) => Ok(text.to_ascii_lowercase()),
        _ => Err("http://HOST[:PORT] or https://HOST[:PORT] is wanted, without a path".to_owned()),
    }
}
