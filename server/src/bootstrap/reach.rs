//! Where a server that dials what strangers name may dial, and how often.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use truecopy_protocol::Now;

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
        let ip = ip.to_canonical();
        let nobody = match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_multicast() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
        };
        match self {
            Self::Private => !nobody,
            Self::Public => {
                !nobody
                    && match ip {
                        IpAddr::V4(ip) => is_public_v4(ip),
                        IpAddr::V6(ip) => is_public_v6(ip),
                    }
            }
        }
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = (a, b, c) == (192, 0, 0);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation())
        && !(shared || protocols || benchmarks || a >= 240)
}

/// Global unicast, without what embeds an IPv4 address (Teredo, 6to4): it might be a private one.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let global = a & 0xe000 == 0x2000;
    let teredo = (a, b) == (0x2001, 0);
    let documentation = (a, b) == (0x2001, 0xdb8) || (a & 0xfff0, b >> 12) == (0x3ff0, 0);
    global && !teredo && !documentation && a != 0x2002
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
