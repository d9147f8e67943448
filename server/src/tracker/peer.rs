//! One peer of one share: 80 bytes, for there may be a million of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::limit::Source;

/// Where a peer was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact<A> {
    /// The address that was observed, or that was dialled and proved the peer's key.
    pub ip: A,
    /// The port that it announced.
    pub port: NonZeroU16,
    /// When, in seconds since 1970.
    pub seen: u32,
}

impl<A: Copy + Ord> Contact<A> {
    /// The later one. Of two from the same second, the same one whoever is asked.
    fn later(self, other: Self) -> Self {
        if (other.seen, other.ip, other.port) > (self.seen, self.ip, self.port) { other } else { self }
    }
}

/// The later of two that may be missing.
fn later<A: Copy + Ord>(one: Option<Contact<A>>, other: Option<Contact<A>>) -> Option<Contact<A>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.later(other)),
        (one, other) => one.or(other),
    }
}

/// A contact of either family.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach {
    V4(Contact<Ipv4Addr>),
    V6(Contact<Ipv6Addr>),
}

impl Reach {
    pub(super) fn new(ip: IpAddr, port: NonZeroU16, seen: u32) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(Contact { ip, port, seen }),
            IpAddr::V6(ip) => Self::V6(Contact { ip, port, seen }),
        }
    }
}

/// What is kept of a peer of a share, besides its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Bytes that it lacks.
    pub left: u64,
    /// Where it was last seen over IPv4.
    pub v4: Option<Contact<Ipv4Addr>>,
    /// Where it was last seen over IPv6.
    pub v6: Option<Contact<Ipv6Addr>>,
}

impl Peer {
    pub(super) fn new(left: u64, reach: Reach) -> Self {
        Self { left, v4: None, v6: None }.at(reach)
    }

    /// The same peer, seen there.
    pub(super) const fn at(mut self, reach: Reach) -> Self {
        match reach {
            Reach::V4(contact) => self.v4 = Some(contact),
            Reach::V6(contact) => self.v6 = Some(contact),
        }
        self
    }

    /// When it was last seen at exactly this address and port.
    pub(super) fn seen_at(&self, reach: Reach) -> Option<u32> {
        match reach {
            Reach::V4(here) => {
                self.v4.filter(|was| (was.ip, was.port) == (here.ip, here.port)).map(|was| was.seen)
            }
            Reach::V6(here) => {
                self.v6.filter(|was| (was.ip, was.port) == (here.ip, here.port)).map(|was| was.seen)
            }
        }
    }

    /// When it was last seen.
    pub(super) fn seen(&self) -> u32 {
        let v4 = self.v4.map_or(0, |contact| contact.seen);
        v4.max(self.v6.map_or(0, |contact| contact.seen))
    }

    /// What two trackers know of it together. The order of merging makes no difference.
    pub(super) fn merged(self, other: Self) -> Self {
        // Of two words from the same second, the one of less: what is left only shrinks.
        let newer = |peer: &Self| (peer.seen(), u64::MAX - peer.left);
        let left = if newer(&other) > newer(&self) { other.left } else { self.left };
        Self { left, v4: later(self.v4, other.v4), v6: later(self.v6, other.v6) }
    }

    /// Without the contacts that are older than `oldest`; none if no contact is left.
    pub(super) fn fresh(mut self, oldest: u32) -> Option<Self> {
        self.v4 = self.v4.filter(|contact| contact.seen >= oldest);
        self.v6 = self.v6.filter(|contact| contact.seen >= oldest);
        (self.v4.is_some() || self.v6.is_some()).then_some(self)
    }

    /// Its addresses of both families.
    pub(super) fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        (
            self.v4.map(|contact| SocketAddr::from((contact.ip, contact.port.get()))),
            self.v6.map(|contact| SocketAddr::from((contact.ip, contact.port.get()))),
        )
    }

    /// The sources that it is held by, of each family.
    pub(super) fn sources(&self) -> [Option<Source>; 2] {
        [
            self.v4.map(|contact| Source::from(IpAddr::V4(contact.ip))),
            self.v6.map(|contact| Source::from(IpAddr::V6(contact.ip))),
        ]
    }
}
