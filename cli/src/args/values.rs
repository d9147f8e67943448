//! The kinds of values that flags take.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

/// What to do with symbolic links below the named paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkPolicy {
    /// Keep those that stay inside their top-level folder; leave out and report the others
    Keep,
    /// Leave out all
    Skip,
}

/// What to do if a name is taken by something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    /// Ask
    Ask,
    /// End with exit code 9 before any byte moves
    Fail,
    /// Leave out what conflicts
    Skip,
    /// Place it under a free name
    Rename,
    /// Put it over what is there, file by file
    Replace,
}

/// How much goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// What went wrong
    Error,
    /// And what is doubtful
    Warn,
    /// And what happens
    Info,
    /// And why
    Debug,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of text
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

impl Level {
    /// A word for the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// An address to listen on. A port alone, as `:7000`, means all interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// One address.
    Address(SocketAddr),
    /// All interfaces, IPv4 and IPv6.
    Everywhere {
        /// The port.
        port: u16,
    },
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            return Ok(Self::Everywhere { port });
        }
        let help =
            || "expected an address and a port, as 192.0.2.1:7000, [2001:db8::1]:7000 or :7000".to_string();
        text.parse().map(Self::Address).map_err(|_| help())
    }
}

/// Where a peer is, as the user said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerSpec {
    /// A host name or address, and a port.
    Host {
        /// Name, IPv4 address, or IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A ticket, not yet read.
    Ticket(String),
}

impl FromStr for PeerSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("truecopy:") {
            return Ok(Self::Ticket(text.to_owned()));
        }
        let help = "expected HOST:PORT, as example.org:7000 or [2001:db8::1]:7000, or a ticket";
        let (host, port) = text.rsplit_once(':').ok_or(help)?;
        let port = port.parse().map_err(|_| help)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host,
            None if host.contains(':') || host.is_empty() => return Err(help.into()),
            None => host,
        };
        Ok(Self::Host { host: host.to_owned(), port })
    }
}

/// A room as the user names it, not yet read: what is told of a value that cannot be read holds the value, and this is
/// a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomText(String);

impl RoomText {
    /// What was typed.
    pub fn as_str(&self) -> &str {
        self.0.trim()
    }
}

impl fmt::Debug for RoomText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomText(…)")
    }
}

impl FromStr for RoomText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause(pub Duration);

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err("expected a time, as 90s, 10m or 2h".into()),
        };
        let number: u64 = digits.parse().map_err(|_| "expected a time, as 90s, 10m or 2h")?;
        let seconds = number.checked_mul(unit).filter(|s| *s > 0 && *s <= 366 * 86_400);
        seconds
            .map(|s| Self(Duration::from_secs(s)))
            .ok_or_else(|| "expected at most a year, and not zero".into())
    }
}
