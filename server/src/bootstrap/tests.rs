//! Whom a stranger can make us dial, and who is handed out.

use std::slice::from_ref;

use super::*;

const START: Now = Now::from_nanos(1_000_000_000_000);

fn candidate(text: &str) -> Candidate {
    text.parse().unwrap()
}

fn registry() -> Registry {
    Registry::new(Reachable::Public, 100, 7)
}

#[test]
fn an_address_is_handed_out_once_something_answered_there() {
    let mut registry = registry();
    let mut changes = Vec::new();
    let peer = candidate("8.8.8.8:7000");
    registry.register(START, peer.clone()).unwrap();
    assert!(registry.choose(10).is_empty());
    assert_eq!(registry.due(START, 10), from_ref(&peer));
    assert!(registry.due(START, 10).is_empty(), "it is being checked");
    registry.checked(START, &peer, Check::Answered, &mut changes);
    assert_eq!(registry.choose(10), from_ref(&peer));
    assert_eq!(changes, [Change::put(Key::Plain(peer), Value::Plain)]);
}

#[test]
fn an_address_that_never_answered_goes_at_once_and_one_that_did_after_three_silences() {
    let mut registry = registry();
    let mut changes = Vec::new();
    let (never, once) = (candidate("8.8.8.8:7000"), candidate("bootstrap.example:7000"));
    registry.register(START, never.clone()).unwrap();
    registry.restore(START, once.clone());
    let mut now = START;
    for silence in 1..=3 {
        assert_eq!(registry.choose(10), from_ref(&once), "before silence {silence}");
        for peer in registry.due(now, 10) {
            registry.checked(now, &peer, Check::Silent, &mut changes);
        }
        assert!(!registry.entries.contains_key(&never));
        now += CHECK_EVERY;
    }
    assert!(registry.is_empty());
    assert_eq!(changes, [Change::remove(Key::Plain(once), 0)]);
}

#[test]
fn a_postponed_check_says_nothing_about_the_address() {
    let mut registry = registry();
    let peer = candidate("8.8.8.8:7000");
    registry.register(START, peer.clone()).unwrap();
    registry.due(START, 10);
    registry.checked(START, &peer, Check::Postponed, &mut Vec::new());
    assert!(registry.due(START + Duration::from_secs(59), 10).is_empty());
    assert_eq!(registry.due(START + Duration::from_secs(60), 10), [peer]);
}

#[test]
fn a_full_registry_refuses_and_a_known_address_is_no_new_one() {
    let mut registry = Registry::new(Reachable::Public, 1, 7);
    registry.register(START, candidate("8.8.8.8:7000")).unwrap();
    registry.register(START, candidate("8.8.8.8:7000")).unwrap();
    assert_eq!(registry.register(START, candidate("8.8.8.8:7001")), Err(Refused::Full));
}

#[test]
fn nobody_makes_us_dial_what_is_not_public() {
    let private = [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "2001::1",
        "64:ff9b::7f00:1",
        "2001:db8::1",
        "3fff::1",
    ];
    for text in private {
        let ip: IpAddr = text.parse().unwrap();
        assert!(!Reachable::Public.may(ip), "{text}");
        assert!(Reachable::Private.may(ip), "{text}");
    }
    for text in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
        let ip: IpAddr = text.parse().unwrap();
        assert!(!Reachable::Public.may(ip) && !Reachable::Private.may(ip), "{text}");
    }
    for text in ["8.8.8.8", "100.128.0.1", "2606:4700::1", "2a00::1", "::ffff:8.8.8.8"] {
        assert!(Reachable::Public.may(text.parse().unwrap()), "{text}");
    }
    let refused = registry().register(START, candidate("127.0.0.1:22"));
    assert_eq!(refused, Err(Refused::Forbidden));
}

#[test]
fn a_network_is_dialled_once_a_minute() {
    let mut dials = Dials::default();
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    assert!(dials.take(START, ip("8.8.8.8")));
    assert!(!dials.take(START, ip("8.8.8.9")));
    assert!(dials.take(START, ip("8.8.9.8")));
    assert!(dials.take(START, ip("2606:4700:1:1::1")));
    assert!(!dials.take(START, ip("2606:4700:1:2::1")));
    assert!(dials.take(START, ip("2606:4700:2::1")));
    assert!(!dials.take(START + Duration::from_secs(59), ip("8.8.8.8")));
    assert!(dials.take(START + Duration::from_secs(60), ip("8.8.8.8")));
}

mod second;
