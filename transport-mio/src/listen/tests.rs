use super::*;

#[test]
fn everywhere_is_one_port_for_both_families() {
    let sockets = open(Listen::Everywhere { port: 0 }).unwrap();
    let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port() && address.port() != 0));
    assert!(addresses.iter().all(|address| address.ip().is_unspecified()));
    assert!(open(Listen::Everywhere { port: addresses[0].port() }).is_err(), "a taken port is told");
}

#[test]
fn hosts_of_one_ipv6_network_are_one_source() {
    let a = "[2001:db8:1:2:3::4]:1".parse().unwrap();
    let b = "[2001:db8:1:2:ffff::9]:7".parse().unwrap();
    let c = "[2001:db8:1:3::4]:1".parse().unwrap();
    assert_eq!(source(&a), source(&b));
    assert_ne!(source(&a), source(&c));
    let mapped = "[::ffff:10.0.0.1]:5".parse().unwrap();
    assert_eq!(source(&mapped), IpAddr::from([10, 0, 0, 1]));
}

#[test]
fn out_of_descriptors_is_no_reason_to_spin() {
    let exhausted = io::Error::from_raw_os_error(24);
    assert_eq!(AcceptError::from(&exhausted), AcceptError::Exhausted);
    assert_eq!(AcceptError::from(&ErrorKind::WouldBlock.into()), AcceptError::Nobody);
    assert_eq!(AcceptError::from(&ErrorKind::ConnectionAborted.into()), AcceptError::Gone);
}
