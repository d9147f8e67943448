//! Where trackers are: their names, and short lists of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Deref;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::HostName;

/// A tracker, named by its origin: `http://HOST[:PORT]` or `https://HOST[:PORT]`, lower case, no path, no port that
/// goes without saying. It is what a node signs, so that an announce to one tracker means nothing to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrackerUrl(String);

/// Why a text names no tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTrackerUrl {
    /// Neither `http://` nor `https://`.
    #[error("a tracker is named as http://HOST[:PORT] or https://HOST[:PORT]")]
    Scheme,
    /// No host name or address, or more than that.
    #[error("no host after the scheme (and nothing but a port may follow it: no path, no user)")]
    Host,
    /// Not between 1 and 65535.
    #[error("the port is not between 1 and 65535")]
    Port,
}

impl TrackerUrl {
    /// Bytes of the text at most.
    pub const LEN_MAX: usize = "https://".len() + HostName::LEN_MAX + ":65535".len();

    /// Reads a text in either case, with or without a slash at its end.
    ///
    /// # Errors
    /// [`BadTrackerUrl`] says what is missing or too much.
    pub fn new(text: &str) -> Result<Self, BadTrackerUrl> {
        let (scheme, rest, default) = ["https://", "http://"]
            .into_iter()
            .zip([443, 80])
            .find_map(|(scheme, port)| match text.split_at_checked(scheme.len()) {
                Some((start, rest)) if start.eq_ignore_ascii_case(scheme) => Some((scheme, rest, port)),
                _ => None,
            })
            .ok_or(BadTrackerUrl::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split(rest)?;
        let mut url = String::from(scheme);
        url.push_str(&host);
        if let Some(port) = port.filter(|port| *port != default) {
            url.push_str(&alloc::format!(":{port}"));
        }
        Ok(Self(url))
    }

    /// Host (an IPv6 address in brackets) and port.
    pub fn host_and_port(&self) -> (&str, u16) {
        let (rest, default) = match self.0.strip_prefix("https://") {
            Some(rest) => (rest, 443),
            None => (self.0.strip_prefix("http://").unwrap_or(&self.0), 80),
        };
        match rest.rsplit_once(':') {
            // The colons of an IPv6 address without a port are no port's.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(default)),
            _ => (rest, default),
        }
    }

    /// The text: an origin (RFC 6454 §6.2).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Host in its one form, and port, of `HOST[:PORT]`.
fn split(authority: &str) -> Result<(String, Option<u16>), BadTrackerUrl> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(BadTrackerUrl::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| BadTrackerUrl::Host)?;
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':').ok_or(BadTrackerUrl::Host)?),
        };
        (alloc::format!("[{address}]"), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let host = match host.parse::<Ipv4Addr>() {
            Ok(address) => alloc::format!("{address}"),
            Err(_) => HostName::new(host).map_err(|_| BadTrackerUrl::Host)?.into(),
        };
        (host, port)
    };
    // `parse` would also take a plus sign.
    let number = |port: &str| match port.parse::<u16>() {
        Ok(number) if number != 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        _ => Err(BadTrackerUrl::Port),
    };
    Ok((host, port.map(number).transpose()?))
}

impl FromStr for TrackerUrl {
    type Err = BadTrackerUrl;

    fn from_str(text: &str) -> Result<Self, BadTrackerUrl> {
        Self::new(text)
    }
}

impl TryFrom<String> for TrackerUrl {
    type Error = BadTrackerUrl;

    fn try_from(text: String) -> Result<Self, BadTrackerUrl> {
        Self::new(&text)
    }
}

impl From<TrackerUrl> for String {
    fn from(url: TrackerUrl) -> Self {
        url.0
    }
}

impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The trackers of a share, best first: each once, [`Trackers::MAX`] at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<TrackerUrl>", into = "Vec<TrackerUrl>")]
pub struct Trackers(Vec<TrackerUrl>);

/// More trackers than [`Trackers::MAX`], or one of them twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many trackers, or one of them twice")]
pub struct BadTrackers;

impl Trackers {
    /// Trackers of a share at most.
    pub const MAX: usize = 8;

    /// Takes one more, unless it is there already or there is no room.
    pub fn add(&mut self, tracker: TrackerUrl) {
        if self.0.len() < Self::MAX && !self.0.contains(&tracker) {
            self.0.push(tracker);
        }
    }
}

/// The first ones, each once.
impl FromIterator<TrackerUrl> for Trackers {
    fn from_iter<I: IntoIterator<Item = TrackerUrl>>(trackers: I) -> Self {
        let mut list = Self::default();
        trackers.into_iter().for_each(|tracker| list.add(tracker));
        list
    }
}

impl Deref for Trackers {
    type Target = [TrackerUrl];

    fn deref(&self) -> &[TrackerUrl] {
        &self.0
    }
}

impl TryFrom<Vec<TrackerUrl>> for Trackers {
    type Error = BadTrackers;

    fn try_from(list: Vec<TrackerUrl>) -> Result<Self, BadTrackers> {
        let count = list.len();
        let taken: Self = list.into_iter().take(Self::MAX + 1).collect();
        if taken.len() == count { Ok(taken) } else { Err(BadTrackers) }
    }
}

impl From<Trackers> for Vec<TrackerUrl> {
    fn from(trackers: Trackers) -> Self {
        trackers.0
    }
}

#[cfg(test)]
mod tests;
