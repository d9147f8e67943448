//! Where this machine can be reached: what goes into a ticket.

use std::net::{IpAddr, SocketAddr};

use truecopy_protocol::Candidate;
use truecopy_protocol::content::ticket::ADDRESSES_MAX;

/// The addresses at which `listening` sockets can be reached: those of the interfaces for a socket that listens on all,
/// the widest reach first; this machine's own loopback only if there is nothing else.
pub fn reachable(listening: &[SocketAddr]) -> Vec<Candidate> {
    let interfaces: Vec<IpAddr> =
        if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip()).collect();
    let mut found = Vec::new();
    for socket in listening {
        if !socket.ip().is_unspecified() {
            found.push(*socket);
            continue;
        }
        let same_family = interfaces.iter().filter(|ip| ip.is_ipv4() == socket.is_ipv4());
        found.extend(same_family.map(|ip| SocketAddr::new(*ip, socket.port())));
    }
    found.sort_by_key(|address| rank(address.ip()));
    found.dedup();
    if found.first().is_some_and(|first| !first.ip().is_loopback()) {
        found.retain(|address| !address.ip().is_loopback());
    }
    // A link-local address means nothing without the interface's name on the other machine.
    found.retain(|address| !is_link_local(address.ip()) || address.is_ipv4());
    found.truncate(ADDRESSES_MAX);
    found.into_iter().map(Candidate::from).collect()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Local networks first, for that is where most peers are; then the rest of the world.
fn rank(ip: IpAddr) -> u8 {
    match ip {
        ip if ip.is_loopback() => 9,
        ip if is_link_local(ip) => 5,
        IpAddr::V4(ip) if ip.is_private() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(ip) if ip.is_unique_local() => 2,
        IpAddr::V6(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_listened_on_goes_into_the_ticket_as_it_is() {
        let address: SocketAddr = "192.0.2.7:7000".parse().unwrap();
        assert_eq!(reachable(&[address]), [Candidate::from(address)]);
    }

    #[test]
    fn loopback_is_named_only_if_nothing_else_is() {
        let (loopback, other): (SocketAddr, SocketAddr) =
            ("127.0.0.1:7000".parse().unwrap(), "192.0.2.7:7000".parse().unwrap());
        assert_eq!(reachable(&[loopback]), [Candidate::from(loopback)]);
        assert_eq!(reachable(&[loopback, other]), [Candidate::from(other)]);
    }
}
