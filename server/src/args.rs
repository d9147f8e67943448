//! The command line of `truecopy-server`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use truecopy_protocol::{BadTrackerUrl, TrackerUrl};
use truecopy_server::bootstrap::Reachable;
use truecopy_server::http::{Cidr, Config};
use truecopy_server::record::Replica;
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
    /// What survives a restart: a file, or redis://[USER:PASSWORD@]HOST[:PORT][/DB] or redis+unix:///PATH, which
    /// several replicas may share; without it nothing does.
    #[arg(long, value_name = "PATH|redis://…", value_parser = store)]
    pub(crate) store: Option<Place>,
    /// The number of this replica, its own among those that share a store.
    #[arg(long, value_name = "N", default_value_t = 0)]
    replica: u16,
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
    /// Keys that one source may hold in a share.
    #[arg(long, value_name = "N", default_value_t = Config::default().tracker.share_keys_max)]
    share_keys: usize,
    /// Keys that one source may hold in all shares together.
    #[arg(long, value_name = "N", default_value_t = Config::default().tracker.source_keys_max)]
    source_keys: usize,
    /// Seconds between two announces of a peer at least.
    #[arg(long, value_name = "SECONDS", default_value_t = Config::default().tracker.min_interval)]
    min_interval: u32,
    /// Dial loopback, link-local and private addresses too.
    #[arg(long)]
    allow_private: bool,
    /// How to log to standard error.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What to log, such as info or truecopy_server=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
}

/// Where a store is.
#[derive(Clone)]
pub(crate) enum Place {
    /// The embedded one: a file.
    File(PathBuf),
    /// A Redis. The address may hold a password.
    Redis(String),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Redis(_) => f.write_str("Redis(…)"),
        }
    }
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
        config.tracker.share_keys_max = self.share_keys;
        config.tracker.source_keys_max = self.source_keys;
        config.tracker.min_interval = self.min_interval;
        config.tracker.replica = Replica(self.replica);
        config
    }
}

/// A file, or the address of a Redis.
fn store(text: &str) -> Result<Place, String> {
    match text.split_once("://") {
        Some(("redis" | "redis+unix", _)) => Ok(Place::Redis(text.to_owned())),
        Some(("rediss", _)) => {
            Err("Redis over TLS is not built in: use a tunnel, or a private network".to_owned())
        }
        Some((scheme, _)) => Err(format!("there is no store with {scheme}://")),
        None => Ok(Place::File(text.into())),
    }
}

/// `scheme://host[:port]`, in the one form that both sides sign: lower case, no path, no default port.
fn origin(text: &str) -> Result<String, BadTrackerUrl> {
    TrackerUrl::new(text).map(String::from)
}
