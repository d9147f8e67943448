//! How often, how many, and how long: intervals, keys of a source, shares without peers, second addresses.

use super::*;

fn with(change: impl FnOnce(&mut Config)) -> Tracker {
    let mut config = Config::default();
    change(&mut config);
    Tracker::new(config, 1)
}

fn say(
    tracker: &mut Tracker,
    now: UnixTime,
    source: IpAddr,
    number: u64,
    event: Event,
) -> Result<(Reply, Vec<Change>), Denied> {
    let left = if event == Event::Completed { 0 } else { 5 };
    take(tracker, now, source, announce(share(0), node(number), event, left))
}

#[test]
fn an_early_announce_is_refused_and_an_early_start_answered_without_being_kept() {
    let mut tracker = with(|_| {});
    put(&mut tracker, NOW, v4(1), 1);
    put(&mut tracker, NOW, v4(2), 2);
    let early = say(&mut tracker, later(59), v4(1), 1, Event::None).unwrap_err();
    assert_eq!(early, Denied::Early { wait: 1 });
    let (reply, changes) = say(&mut tracker, later(59), v4(1), 1, Event::Started).unwrap();
    assert_eq!((reply.peers.len(), changes.len()), (1, 0));
    let (_, changes) = say(&mut tracker, later(60), v4(1), 1, Event::None).unwrap();
    assert_eq!(changes.len(), 1, "an early one did not put the next one off");
}

#[test]
fn what_changes_something_is_never_early() {
    let mut tracker = with(|_| {});
    put(&mut tracker, NOW, v4(1), 1);
    say(&mut tracker, NOW, v4(7), 1, Event::None).unwrap();
    say(&mut tracker, NOW, v6(7), 1, Event::None).unwrap();
    let mut elsewhere = announce(share(0), node(1), Event::None, 5);
    elsewhere.port = port(7001);
    take(&mut tracker, NOW, v4(7), elsewhere).unwrap();
    let (reply, _) = say(&mut tracker, NOW, v4(7), 1, Event::Completed).unwrap();
    assert_eq!(reply.scrape.completed, 1);
    say(&mut tracker, NOW, v4(7), 1, Event::Stopped).unwrap();
    assert_eq!(tracker.peers(), 0);
}

#[test]
fn a_source_holds_only_so_many_keys_in_a_share_and_overall() {
    let mut tracker = with(|config| (config.share_keys_max, config.source_keys_max) = (2, 3));
    let mut try_one = |share_number, number, source| {
        let one = announce(share(share_number), node(number), Event::Started, 5);
        take(&mut tracker, NOW, source, one).map(drop)
    };
    assert_eq!(try_one(0, 1, v4(1)), Ok(()));
    assert_eq!(try_one(0, 2, v4(1)), Ok(()));
    assert_eq!(try_one(0, 3, v4(1)), Err(Denied::Crowded), "two in a share");
    assert_eq!(try_one(0, 3, v4(2)), Ok(()), "another source is not affected");
    assert_eq!(try_one(0, 3, v4(1)), Err(Denied::Crowded), "moving there is no way around it");
    assert_eq!(try_one(0, 1, v4(1)), Ok(()), "those that are known go on");
    assert_eq!(try_one(1, 4, v4(1)), Ok(()));
    assert_eq!(try_one(2, 5, v4(1)), Err(Denied::Crowded), "three overall");
    let stop = announce(share(0), node(1), Event::Stopped, 0);
    take(&mut tracker, NOW, v4(1), stop).unwrap();
    take(&mut tracker, NOW, v4(1), announce(share(2), node(5), Event::Started, 5)).unwrap();
    tracker.assert_counted();
}

#[test]
fn one_network_of_ipv6_is_one_source() {
    let mut tracker = with(|config| config.share_keys_max = 1);
    say(&mut tracker, NOW, v6(1), 1, Event::Started).unwrap();
    assert_eq!(say(&mut tracker, NOW, v6(2), 2, Event::Started).unwrap_err(), Denied::Crowded);
    say(&mut tracker, NOW, v6(1 << 64), 2, Event::Started).unwrap();
}

#[test]
fn what_a_share_counted_outlives_its_peers_for_a_while() {
    let mut tracker = with(|config| config.share_ttl = 1000);
    let count = |tracker: &Tracker| tracker.scrape(&share(0)).completed;
    put(&mut tracker, NOW, v4(1), 1);
    let mut kept = say(&mut tracker, NOW, v4(1), 1, Event::Completed).unwrap().1;
    kept.extend(say(&mut tracker, NOW, v4(1), 1, Event::Stopped).unwrap().1);
    assert_eq!((tracker.shares(), tracker.idle_shares(), count(&tracker)), (0, 1, 1));
    let mut again = with(|config| config.share_ttl = 1000);
    for Change { key, edit } in kept {
        again.merge(later(10), &key, edit, &mut Vec::new());
    }
    assert_eq!((again.peers(), again.idle_shares(), count(&again)), (0, 1, 1), "a restart changes nothing");
    put(&mut again, later(20), v4(2), 2);
    assert_eq!((again.shares(), again.idle_shares(), count(&again)), (1, 0, 1));
    let (mut changes, ttl) = (Vec::new(), u64::from(Config::default().peer_ttl));
    again.sweep(later(21 + ttl), 10, &mut changes);
    assert_eq!((again.peers(), count(&again)), (0, 1));
    again.sweep(later(21 + ttl + 1001), 10, &mut changes);
    assert_eq!((again.idle_shares(), count(&again)), (0, 0));
    assert!(matches!(changes.last(), Some(Change { key: Key::Share(..), edit: Edit::Remove { .. } })));
    again.assert_counted();
}

#[test]
fn only_so_many_shares_are_remembered_without_peers() {
    let mut tracker = with(|config| config.idle_max = 2);
    for number in 0..4 {
        for (event, left) in [(Event::Started, 5), (Event::Completed, 0), (Event::Stopped, 0)] {
            let one = announce(share(number), node(1), event, left);
            take(&mut tracker, NOW, v4(1), one).unwrap();
        }
    }
    assert_eq!(tracker.idle_shares(), 2);
    tracker.assert_counted();
}

#[test]
fn a_second_address_is_told_once_it_is_proven() {
    let mut tracker = with(|_| {});
    put(&mut tracker, NOW, v4(1), 1);
    let second: SocketAddr = "[2001:db8::1]:7001".parse().unwrap();
    let mut changes = Vec::new();
    tracker.second(later(1), share(0), node(1), second, &mut changes);
    assert_eq!(changes.len(), 1);
    let told = put(&mut tracker, later(2), v4(2), 2).peers;
    let addresses: BTreeSet<SocketAddr> = told.iter().map(|told| told.address).collect();
    assert_eq!(addresses, [(v4(1), 7000).into(), second].into());
    tracker.second(later(1), share(0), node(3), second, &mut changes);
    assert_eq!((tracker.peers(), changes.len()), (2, 1), "a peer that has gone is not brought back");
    tracker.assert_counted();
}
