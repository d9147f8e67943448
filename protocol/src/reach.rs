//! How far an address reaches: what strangers may name, and what they may not.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From how far away an address can be dialled, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// From nowhere: unspecified, multicast, broadcast.
    Nobody,
    /// From this machine.
    Machine,
    /// From a network that is not the internet: link-local, private, or kept for something else.
    Network,
    /// From the internet.
    Internet,
}

impl Reach {
    /// That of an address. An IPv4 address that is written as an IPv6 one counts as what it is.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        let [a, b, c, _] = ip.octets();
        if a == 0 || ip.is_multicast() || ip.is_broadcast() {
            return Self::Nobody;
        }
        if ip.is_loopback() {
            return Self::Machine;
        }
        let shared = a == 100 && (64..128).contains(&b);
        let protocols = (a, b, c) == (192, 0, 0);
        let benchmarks = a == 198 && (b == 18 || b == 19);
        let near = ip.is_private() || ip.is_link_local() || ip.is_documentation();
        if near || shared || protocols || benchmarks || a >= 240 { Self::Network } else { Self::Internet }
    }

    /// The internet is global unicast without what embeds an IPv4 address (Teredo, 6to4): that might be a private one.
    fn of_v6(ip: Ipv6Addr) -> Self {
        if ip.is_unspecified() || ip.is_multicast() {
            return Self::Nobody;
        }
        if ip.is_loopback() {
            return Self::Machine;
        }
        let [a, b, ..] = ip.segments();
        let global = a & 0xe000 == 0x2000;
        let teredo = (a, b) == (0x2001, 0);
        let documentation = (a, b) == (0x2001, 0xdb8) || (a & 0xfff0, b >> 12) == (0x3ff0, 0);
        if global && !teredo && !documentation && a != 0x2002 { Self::Internet } else { Self::Network }
    }
}

#[cfg(test)]
mod tests;
