//! Where a request came from: the other end of the connection, or what a trusted proxy says.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::HeaderMap;

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

/// A text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network (such as 10.0.0.0/8, fd00::/8 or 192.0.2.1)")]
pub struct BadCidr;

impl Cidr {
    /// Whether the address is in it. IPv4 addresses inside of IPv6 ones are IPv4 addresses.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.network, ip.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let differing = network.to_bits() ^ ip.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let differing = network.to_bits() ^ ip.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = BadCidr;

    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let (network, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let network: IpAddr = network.parse().map_err(|_| BadCidr)?;
        let max = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(max), str::parse).map_err(|_| BadCidr)?;
        if bits > max { Err(BadCidr) } else { Ok(Self { network, bits }) }
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// A trusted proxy sent what is no list of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadForwarding;

/// The nearest address that is not a trusted proxy's. Without trust in `peer` its headers are not looked at.
pub(super) fn observe(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> Result<IpAddr, BadForwarding> {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut nearest = peer.to_canonical();
    if !is_trusted(nearest) {
        return Ok(nearest);
    }
    // The last one was added by the proxy that we talk to, the one before by that which it talked to.
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let value = value.to_str().map_err(|_| BadForwarding)?;
        for text in value.rsplit(',') {
            nearest = text.trim().parse::<IpAddr>().map_err(|_| BadForwarding)?.to_canonical();
            if !is_trusted(nearest) {
                return Ok(nearest);
            }
        }
    }
    Ok(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str]) -> Result<IpAddr, BadForwarding> {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", hyper::header::HeaderValue::from_static(value));
        }
        observe(peer.parse().unwrap(), &headers, &trusted)
    }

    fn ip(text: &str) -> Result<IpAddr, BadForwarding> {
        Ok(text.parse().unwrap())
    }

    #[test]
    fn a_stranger_cannot_say_where_it_comes_from() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.1"]), ip("192.0.2.1"));
    }

    #[test]
    fn a_trusted_proxy_says_it_and_only_what_it_added_counts() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(seen("::ffff:10.0.0.1", &["2001:db8::1"]), ip("2001:db8::1"));
        assert_eq!(seen("fd00::1", &["203.0.113.9, 198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(seen("10.0.0.1", &["203.0.113.9", "198.51.100.1, 10.2.3.4"]), ip("198.51.100.1"));
    }

    #[test]
    fn a_proxy_that_adds_nothing_is_the_source() {
        assert_eq!(seen("10.0.0.1", &[]), ip("10.0.0.1"));
        assert_eq!(seen("10.0.0.1", &["10.0.0.2"]), ip("10.0.0.2"));
    }

    #[test]
    fn a_list_that_is_none_is_an_error_and_not_a_guess() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown"]), Err(BadForwarding));
        assert_eq!(seen("10.0.0.1", &[""]), Err(BadForwarding));
    }

    #[test]
    fn networks_are_read_as_they_are_written() {
        let contains = |cidr: &str, ip: &str| cidr.parse::<Cidr>().unwrap().contains(ip.parse().unwrap());
        assert!(contains("192.0.2.128/25", "192.0.2.200") && !contains("192.0.2.128/25", "192.0.2.127"));
        assert!(contains("0.0.0.0/0", "203.0.113.1") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::1", "::1") && !contains("::1", "::2"));
        for bad in ["", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0/8", "example"] {
            assert_eq!(bad.parse::<Cidr>(), Err(BadCidr), "{bad}");
        }
    }
}
