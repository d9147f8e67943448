//! One peer of one share: 80 bytes, for there may be a million of them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// Where a peer was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact<A> {
    /// The address that was observed.
    pub ip: A,
    /// The port that it announced.
    pub port: NonZeroU16,
    /// When, in seconds since 1970.
    pub seen: u32,
}

/// A contact of either family.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach {
    V4(Contact<Ipv4Addr>),
    V6(Contact<Ipv6Addr>),
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
        let mut peer = Self { left, v4: None, v6: None };
        peer.reach(reach);
        peer
    }

    pub(super) fn reach(&mut self, reach: Reach) {
        match reach {
            Reach::V4(contact) => self.v4 = Some(contact),
            Reach::V6(contact) => self.v6 = Some(contact),
        }
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
}
