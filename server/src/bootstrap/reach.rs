//! Where a server that dials what strangers name may dial, and how often.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use truecopy_protocol::{Now, Reach};

use super::Network;

/// Which addresses are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// Only those of the public internet.
    Public,
    /// Also loopback, link-local and private ones. Never multicast or unspecified ones.
    Private,
}

impl Reachable {
    /// Whether an address may be dialled.
    pub fn may(self, ip: IpAddr) -> bool {
        match self {
            Self::Private => Reach::of(ip) != Reach::Nobody,
            Self::Public => Reach::of(ip) == Reach::Internet,
        }
    }
}

/// When each network was dialled: at most once a minute.
#[derive(Debug)]
pub struct Dials {
    last: BTreeMap<Network, Now>,
    /// When old dials were last forgotten.
    swept: Now,
}

impl Default for Dials {
    fn default() -> Self {
        Self { last: BTreeMap::new(), swept: Now::ZERO }
    }
}

impl Dials {
    /// Between two dials of a network.
    pub const PAUSE: Duration = Duration::from_secs(60);

    /// Whether the network of this address may be dialled now; if so that is taken as done.
    pub fn take(&mut self, now: Now, ip: IpAddr) -> bool {
        if now.since(self.swept) >= Self::PAUSE {
            self.last.retain(|_, last| now.since(*last) < Self::PAUSE);
            self.swept = now;
        }
        let network = Network::from(ip);
        if self.last.get(&network).is_some_and(|last| now.since(*last) < Self::PAUSE) {
            return false;
        }
        self.last.insert(network, now);
        true
    }
}
