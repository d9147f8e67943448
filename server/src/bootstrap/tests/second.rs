//! Second addresses that wait to be dialled.

use std::net::SocketAddr;

use truecopy_protocol::{DiscoveryKey, NodeId};

use super::*;

const START: Now = Now::from_nanos(1_000_000_000);

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn add(wishes: &mut Wishes, observed: &str, number: u8, address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    wishes.add(START, observed.parse().unwrap(), DiscoveryKey([1; 32]), node(number), address);
}

#[test]
fn only_addresses_of_the_other_family_that_may_be_dialled_wait() {
    let mut wishes = Wishes::new(Reachable::Public, 100);
    for address in ["198.51.100.1:7000", "[::1]:7000", "[fe80::1]:7000", "[fd00::1]:7000", "[2a00::1]:0"] {
        add(&mut wishes, "203.0.113.1", 1, address);
        assert!(wishes.is_empty(), "{address}");
    }
    add(&mut wishes, "2a00::2", 1, "10.0.0.1:7000");
    add(&mut wishes, "::ffff:203.0.113.1", 1, "[::ffff:8.8.8.8]:7000");
    assert!(wishes.is_empty());
    add(&mut wishes, "203.0.113.1", 1, "[2a00::1]:7000");
    add(&mut wishes, "2a00::2", 2, "8.8.8.8:7000");
    let addresses: Vec<_> = wishes.due(START, 9).iter().map(|wish| wish.address.to_string()).collect();
    assert_eq!(addresses, ["[2a00::1]:7000", "8.8.8.8:7000"]);
}

#[test]
fn a_node_waits_once_and_a_source_only_so_often() {
    let mut wishes = Wishes::new(Reachable::Public, 30);
    add(&mut wishes, "203.0.113.1", 1, "[2a00::1]:7000");
    add(&mut wishes, "203.0.113.1", 1, "[2a00::1]:7001");
    assert_eq!(wishes.len(), 1);
    (0..50).for_each(|number| add(&mut wishes, "203.0.113.1", number, "[2a00::1]:7000"));
    assert_eq!(wishes.len(), 16);
    (0..50)
        .for_each(|number| add(&mut wishes, &format!("203.0.113.{number}"), 100 + number, "[2a00::1]:7000"));
    assert_eq!(wishes.len(), 30, "there is room for so many");
    assert_eq!(wishes.due(START, 100).len(), 30);
    (0..50).for_each(|number| add(&mut wishes, "203.0.113.1", number, "[2a00::1]:7000"));
    assert_eq!(wishes.len(), 16, "what was seen to makes room");
}

#[test]
fn whoever_is_put_off_comes_after_a_minute_behind_the_others_and_not_for_ever() {
    let mut wishes = Wishes::new(Reachable::Public, 30);
    add(&mut wishes, "203.0.113.1", 1, "[2a00::1]:7000");
    add(&mut wishes, "203.0.113.2", 2, "[2a00::2]:7000");
    let first = wishes.due(START, 1)[0];
    wishes.postpone(START, first);
    assert_eq!(wishes.due(START, 9).len(), 1, "the other one");
    assert!(wishes.due(START + Duration::from_secs(59), 9).is_empty());
    let mut now = START + Duration::from_secs(60);
    let mut turns = 0;
    while let Some(wish) = wishes.due(now, 9).first() {
        wishes.postpone(now, *wish);
        now += Duration::from_secs(60);
        turns += 1;
    }
    assert!((5..=10).contains(&turns), "{turns}");
    assert!(wishes.is_empty());
}
