//! Announces, choices, expiry, and who is not believed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use truecopy_protocol::Now;
use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::job::Signature;
use truecopy_transport::keys::KeyPair;
use zeroize::Zeroizing;

use super::limit::{Limiter, Rate, Source};
use super::*;
use crate::record::Edit;

mod keeping;
mod replicas;

const NOW: UnixTime = UnixTime(1_800_000_000);
const ORIGIN: &str = "https://tracker.example";

fn key(number: u64) -> [u8; 32] {
    let mut key = [0; 32];
    // Spread over the whole range, as hashes are.
    let mut random = Random::new(number);
    key.chunks_mut(8).for_each(|part| part.copy_from_slice(&random.next().to_le_bytes()));
    key
}

fn node(number: u64) -> NodeId {
    NodeId(key(number))
}

fn share(number: u64) -> DiscoveryKey {
    DiscoveryKey(key(number))
}

fn v4(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn v6(number: u128) -> IpAddr {
    IpAddr::V6(((0x2001_0db8_u128 << 96) + number).into())
}

fn later(seconds: u64) -> UnixTime {
    UnixTime(NOW.0 + seconds)
}

fn port(port: u16) -> NonZeroU16 {
    NonZeroU16::new(port).unwrap()
}

/// Without limits for sources and times.
fn free() -> Config {
    Config { min_interval: 0, share_keys_max: usize::MAX, source_keys_max: usize::MAX, ..Config::default() }
}

fn gate() -> Gate {
    Gate::new(ORIGIN.to_owned(), [9; 32], UnixTime(0))
}

fn announce(discovery: DiscoveryKey, node: NodeId, event: Event, left: u64) -> Announce {
    let proof = Proof::Token(Token([0; Token::LEN]));
    Announce { discovery, node, port: port(7000), left, event, proof }
}

/// Announces with a token that was given for it.
fn take(
    tracker: &mut Tracker,
    now: UnixTime,
    source: IpAddr,
    mut announce: Announce,
) -> Result<(Reply, Vec<Change>), Denied> {
    let expiry = UnixTime(now.0 + 1);
    let token = Token::issue(&[9; 32], &announce.node, &announce.discovery, source, expiry);
    announce.proof = Proof::Token(token);
    let proven = gate().check(now, source, &announce)?;
    let mut changes = Vec::new();
    let reply = tracker.announce(now, source, &announce, &proven, &mut changes)?;
    Ok((reply, changes))
}

fn put(tracker: &mut Tracker, now: UnixTime, source: IpAddr, number: u64) -> Reply {
    take(tracker, now, source, announce(share(0), node(number), Event::Started, 5)).unwrap().0
}

fn signed(keys: &KeyPair, time: UnixTime, nonce: u8) -> Announce {
    let mut announce = announce(share(1), keys.node_id(), Event::Started, 10);
    let nonce = Nonce([nonce; 32]);
    let signature = keys.sign(&announce.statement(ORIGIN, time, &nonce));
    announce.proof = Proof::Signed { time, nonce, signature };
    announce
}

fn keys() -> KeyPair {
    KeyPair::from_seed(Zeroizing::new([3; 32]))
}

#[test]
fn a_peer_is_told_of_the_others_and_never_of_itself() {
    let mut tracker = Tracker::new(Config::default(), 1);
    assert!(put(&mut tracker, NOW, v4(1), 1).peers.is_empty());
    let told = put(&mut tracker, NOW, v4(2), 2).peers;
    assert_eq!(told, [Told { node: node(1), address: (v4(1), 7000).into() }]);
    for _ in 0..20 {
        assert!(put(&mut tracker, NOW, v4(1), 1).peers.iter().all(|told| told.node == node(2)));
    }
}

#[test]
fn a_reply_is_bounded_and_its_peers_are_random_and_distinct() {
    let mut tracker = Tracker::new(Config::default(), 1);
    for number in 0..2000 {
        put(&mut tracker, NOW, v4(number), u64::from(number));
    }
    let mut met = BTreeMap::new();
    for _ in 0..2000 {
        let told = put(&mut tracker, NOW, v4(0), 0).peers;
        let distinct: BTreeSet<_> = told.iter().map(|told| told.node).collect();
        assert_eq!((told.len(), distinct.len()), (50, 50));
        told.iter().for_each(|told| *met.entry(told.node).or_insert(0) += 1);
    }
    assert_eq!(met.len(), 1999, "everyone has a turn");
    // 50 on average, with a deviation of 7.
    assert!(met.values().all(|times| (15..100).contains(times)), "nobody is preferred");
}

#[test]
fn half_of_a_reply_is_of_the_rarer_family_if_there_are_as_many() {
    let mut tracker = Tracker::new(free(), 1);
    for number in 0..60 {
        put(&mut tracker, NOW, v4(number), u64::from(number));
        put(&mut tracker, NOW, v6(u128::from(number)), 1000 + u64::from(number));
    }
    let told = put(&mut tracker, NOW, v4(0), 0).peers;
    let sixth = told.iter().filter(|told| told.address.is_ipv6()).count();
    assert_eq!((told.len(), sixth), (50, 25));
}

#[test]
fn a_family_with_few_peers_leaves_its_room_to_the_other() {
    let mut tracker = Tracker::new(Config::default(), 1);
    (0..100).for_each(|number| drop(put(&mut tracker, NOW, v4(number), u64::from(number))));
    (0..3).for_each(|number| drop(put(&mut tracker, NOW, v6(u128::from(number)), 1000 + number)));
    let told = put(&mut tracker, NOW, v4(0), 0).peers;
    let sixth = told.iter().filter(|told| told.address.is_ipv6()).count();
    assert_eq!(told.len(), 50);
    assert_eq!(sixth, 3, "103 peers are all looked at for the three");
}

#[test]
fn a_peer_seen_over_both_families_is_one_peer_with_two_addresses() {
    let mut tracker = Tracker::new(Config::default(), 1);
    put(&mut tracker, NOW, v4(1), 1);
    put(&mut tracker, NOW, v6(1), 1);
    let reply = put(&mut tracker, NOW, v4(2), 2);
    let addresses: Vec<_> = reply.peers.iter().map(|told| told.address).collect();
    assert_eq!(addresses, [(v4(1), 7000).into(), (v6(1), 7000).into()]);
    assert_eq!((tracker.peers(), reply.scrape.leechers), (2, 2));
}

#[test]
fn an_ipv4_address_inside_an_ipv6_one_is_an_ipv4_address() {
    let mut tracker = Tracker::new(Config::default(), 1);
    put(&mut tracker, NOW, "::ffff:192.0.2.1".parse().unwrap(), 1);
    let told = put(&mut tracker, NOW, v4(2), 2).peers;
    assert_eq!(told[0].address, "192.0.2.1:7000".parse().unwrap());
}

#[test]
fn a_peer_that_stopped_is_gone_and_the_last_one_takes_the_share_with_it() {
    let mut tracker = Tracker::new(Config::default(), 1);
    put(&mut tracker, NOW, v4(1), 1);
    put(&mut tracker, NOW, v4(2), 2);
    for number in [1, 2] {
        let stop = announce(share(0), node(number), Event::Stopped, 0);
        let (reply, changes) = take(&mut tracker, NOW, v4(1), stop).unwrap();
        assert!(reply.peers.is_empty());
        assert_eq!(changes, [Change::remove(Key::Peer(share(0), node(number)), NOW.0 as u32)]);
    }
    assert_eq!((tracker.peers(), tracker.shares()), (0, 0));
}

#[test]
fn only_a_known_leecher_can_complete_and_only_once() {
    let mut tracker = Tracker::new(Config::default(), 1);
    let completed = announce(share(0), node(1), Event::Completed, 0);
    let (reply, _) = take(&mut tracker, NOW, v4(1), completed).unwrap();
    assert_eq!(reply.scrape, Scrape { seeders: 1, leechers: 0, completed: 0 });
    put(&mut tracker, NOW, v4(2), 2);
    for _ in 0..2 {
        let completed = announce(share(0), node(2), Event::Completed, 0);
        let (reply, _) = take(&mut tracker, NOW, v4(2), completed).unwrap();
        assert_eq!(reply.scrape, Scrape { seeders: 2, leechers: 0, completed: 1 });
    }
}

#[test]
fn silent_peers_are_not_told_of_and_a_sweep_forgets_them_in_small_steps() {
    let mut tracker = Tracker::new(Config::default(), 1);
    for number in 0..100 {
        let one = announce(share(number % 7), node(number), Event::Started, 5);
        take(&mut tracker, NOW, v4(number as u32), one).unwrap();
    }
    let ttl = u64::from(Config::default().peer_ttl);
    let fresh = announce(share(0), node(500), Event::Started, 5);
    let (reply, _) = take(&mut tracker, later(ttl + 1), v4(500), fresh).unwrap();
    assert!(reply.peers.is_empty(), "those that are not swept yet are not told either");
    let mut changes = Vec::new();
    tracker.sweep(later(ttl + 1), 10, &mut changes);
    assert_eq!(changes.len(), 10);
    for _ in 0..12 {
        tracker.sweep(later(ttl + 1), 10, &mut changes);
    }
    assert_eq!((tracker.peers(), tracker.shares()), (1, 1));
    let gone: BTreeSet<_> = changes.iter().map(|change| change.key.clone()).collect();
    assert_eq!((gone.len(), changes.len()), (100, 100));
}

#[test]
fn a_sweep_goes_on_where_the_last_one_ended() {
    let mut tracker = Tracker::new(free(), 1);
    let ttl = u64::from(Config::default().peer_ttl);
    let (first, last) = (DiscoveryKey([1; 32]), DiscoveryKey([2; 32]));
    take(&mut tracker, NOW, v4(1), announce(last, node(0), Event::Started, 5)).unwrap();
    for number in 1..=100 {
        let fresh = announce(first, node(number), Event::Started, 5);
        take(&mut tracker, later(ttl), v4(1), fresh).unwrap();
    }
    let mut changes = Vec::new();
    (0..11).for_each(|_| tracker.sweep(later(ttl + 1), 10, &mut changes));
    assert_eq!(changes, [Change::remove(Key::Peer(last, node(0)), NOW.0 as u32)]);
}

#[test]
fn peers_are_found_among_many_after_any_were_removed() {
    let mut tracker = Tracker::new(free(), 1);
    let mut random = Random::new(5);
    let mut model = BTreeSet::new();
    for _ in 0..5000 {
        let number = random.below(200) as u64;
        if random.below(3) == 0 {
            let stop = announce(share(0), node(number), Event::Stopped, 0);
            take(&mut tracker, NOW, v4(1), stop).unwrap();
            model.remove(&node(number));
        } else {
            let left = random.below(2) as u64;
            let source = if random.below(2) == 0 { v4(1) } else { v6(1) };
            let one = announce(share(0), node(number), Event::None, left);
            take(&mut tracker, NOW, source, one).unwrap();
            model.insert(node(number));
        }
        assert_eq!(tracker.peers(), model.len());
        tracker.assert_counted();
    }
    let share = &tracker.shares[&share(0)];
    assert!(model.iter().all(|node| share.find(node).is_some_and(|place| share.get(place).0 == *node)));
}

#[test]
fn a_full_tracker_refuses_new_peers_and_keeps_the_known_ones() {
    let mut tracker = Tracker::new(Config { peers_max: 1, ..Config::default() }, 1);
    put(&mut tracker, NOW, v4(1), 1);
    let further = announce(share(0), node(2), Event::Started, 5);
    assert_eq!(take(&mut tracker, NOW, v4(2), further).unwrap_err(), Denied::Full);
    put(&mut tracker, NOW, v4(1), 1);
}

#[test]
fn what_was_kept_comes_back_unless_it_expired() {
    let mut tracker = Tracker::new(Config::default(), 1);
    let mut kept = Vec::new();
    for (number, now) in [(1, NOW), (2, later(4000))] {
        let one = announce(share(0), node(number), Event::Started, 5);
        kept.extend(take(&mut tracker, now, v4(number as u32), one).unwrap().1);
    }
    let completed = announce(share(0), node(2), Event::Completed, 0);
    kept.extend(take(&mut tracker, later(4000), v4(2), completed).unwrap().1);
    let mut restored = Tracker::new(Config::default(), 2);
    for change in kept {
        restored.merge(later(4100), &change.key, change.edit, &mut Vec::new());
    }
    let scrape = Scrape { seeders: 1, leechers: 0, completed: 1 };
    assert_eq!((restored.peers(), restored.scrape(&share(0))), (1, scrape));
}

#[test]
fn a_signed_announce_is_believed_and_its_token_stands_in_for_the_next_signatures() {
    let mut tracker = Tracker::new(Config::default(), 1);
    let first = signed(&keys(), NOW, 1);
    let proven = gate().check(NOW, v4(1), &first).unwrap();
    tracker.announce(NOW, v4(1), &first, &proven, &mut Vec::new()).unwrap();
    let again = Announce { proof: Proof::Token(proven.token()), left: 3, ..first };
    let proven = gate().check(later(1800), v4(1), &again).unwrap();
    tracker.announce(later(1800), v4(1), &again, &proven, &mut Vec::new()).unwrap();
    assert_eq!(proven.token(), if let Proof::Token(token) = again.proof { token } else { unreachable!() });
    let expired = gate().check(later(gate::TOKEN_TTL), v4(1), &again);
    assert_eq!(expired.unwrap_err(), Denied::BadToken);
}

#[test]
fn a_token_is_worth_nothing_for_another_address_share_or_node_or_when_changed() {
    let first = signed(&keys(), NOW, 1);
    let token = gate().check(NOW, v4(1), &first).unwrap().token();
    let with = |announce| Announce { proof: Proof::Token(token), ..announce };
    let check = |source, announce: &Announce| gate().check(NOW, source, announce).err();
    assert_eq!(check(v4(1), &with(first)), None);
    assert_eq!(check(v4(2), &with(first)), Some(Denied::BadToken));
    assert_eq!(check(v6(1), &with(first)), Some(Denied::BadToken));
    assert_eq!(check(v4(1), &with(Announce { discovery: share(2), ..first })), Some(Denied::BadToken));
    assert_eq!(check(v4(1), &with(Announce { node: node(2), ..first })), Some(Denied::BadToken));
    for place in 0..Token::LEN {
        let mut changed = token;
        changed.0[place] ^= 1;
        let announce = Announce { proof: Proof::Token(changed), ..first };
        assert_eq!(check(v4(1), &announce), Some(Denied::BadToken), "byte {place}");
    }
    let other = Gate::new(ORIGIN.to_owned(), [8; 32], UnixTime(0)).check(NOW, v4(1), &with(first));
    assert_eq!(other.unwrap_err(), Denied::BadToken);
}

#[test]
fn a_signature_covers_every_field_and_the_tracker() {
    let good = signed(&keys(), NOW, 1);
    let Proof::Signed { time, nonce, signature } = good.proof else { unreachable!() };
    let mut forged = vec![
        Announce { discovery: share(2), ..good },
        Announce { node: node(2), ..good },
        Announce { port: port(7001), ..good },
        Announce { left: 11, ..good },
        Announce { event: Event::Stopped, ..good },
    ];
    forged.push(Announce { proof: Proof::Signed { time: later(1), nonce, signature }, ..good });
    forged.push(Announce { proof: Proof::Signed { time, nonce: Nonce([2; 32]), signature }, ..good });
    let signature = Signature([0; 64]);
    forged.push(Announce { proof: Proof::Signed { time, nonce, signature }, ..good });
    for (number, announce) in forged.iter().enumerate() {
        assert_eq!(gate().check(NOW, v4(1), announce).unwrap_err(), Denied::Forged, "{number}");
    }
    let other = Gate::new("https://other.example".to_owned(), [9; 32], UnixTime(0));
    assert_eq!(other.check(NOW, v4(1), &good).unwrap_err(), Denied::Forged);
}

#[test]
fn a_clock_may_differ_by_five_minutes() {
    for (off, good) in [(300, true), (301, false)] {
        for time in [NOW.0 - off, NOW.0 + off] {
            let check = gate().check(NOW, v4(1), &signed(&keys(), UnixTime(time), 1));
            assert_eq!(check.err(), (!good).then_some(Denied::WrongTime), "{off}");
        }
    }
}

#[test]
fn what_an_earlier_run_may_have_taken_is_refused() {
    let gate = Gate::new(ORIGIN.to_owned(), [9; 32], NOW);
    for (time, expected) in [(NOW.0 - 1, Some(Denied::WrongTime)), (NOW.0, None)] {
        let check = gate.check(later(1), v4(1), &signed(&keys(), UnixTime(time), 1));
        assert_eq!(check.err(), expected);
    }
}

#[test]
fn a_replayed_statement_is_refused_for_as_long_as_its_time_is_good() {
    let mut tracker = Tracker::new(Config::default(), 1);
    // Taken as early as possible, so that it stays valid the longest.
    let first = signed(&keys(), later(300), 1);
    for (at, expected) in [(0, Ok(())), (1, Err(Denied::Replayed)), (600, Err(Denied::Replayed))] {
        let proven = gate().check(later(at), v4(9), &first).unwrap();
        let taken = tracker.announce(later(at), v4(9), &first, &proven, &mut Vec::new());
        assert_eq!(taken.map(drop), expected, "after {at} s");
        // Others come meanwhile.
        let other = signed(&keys(), later(at), 2 + at as u8);
        let proven = gate().check(later(at), v4(1), &other).unwrap();
        tracker.announce(later(at), v4(1), &other, &proven, &mut Vec::new()).unwrap();
    }
    assert_eq!(gate().check(later(601), v4(9), &first).unwrap_err(), Denied::WrongTime);
}

#[test]
fn a_mark_is_known_for_ten_minutes_wherever_the_spans_begin() {
    let mark = |number: u64| [number.to_le_bytes(), [0; 8]].concat().try_into().unwrap();
    for gap in [7, 100, 299, 301, 599, 600, 601] {
        let mut nonces = Nonces::new(1000);
        for number in 0..3000 / gap {
            let at = number * gap;
            assert_eq!(nonces.take(later(at), mark(number)), Ok(()));
            let valid = (0..=number).filter(|earlier| at - earlier * gap <= 2 * gate::WINDOW);
            for earlier in valid {
                assert_eq!(nonces.take(later(at), mark(earlier)), Err(Denied::Replayed), "{gap} {number}");
            }
        }
        assert!(nonces.len() as u64 <= 2 * (600 / gap + 2), "old ones go");
    }
}

#[test]
fn statements_are_refused_rather_than_forgotten_when_there_is_no_room() {
    let mut tracker = Tracker::new(Config { nonces_max: 1, ..Config::default() }, 1);
    for (nonce, at, expected) in [(1, 0, Ok(())), (2, 0, Err(Denied::Full)), (3, 601, Ok(()))] {
        let one = signed(&keys(), later(at), nonce);
        let proven = gate().check(later(at), v4(1), &one).unwrap();
        let taken = tracker.announce(later(at), v4(1), &one, &proven, &mut Vec::new());
        assert_eq!(taken.map(drop), expected);
    }
}

#[test]
fn a_source_has_a_burst_then_its_rate_and_another_is_not_affected() {
    let mut limiter = Limiter::new(Rate { per_second: 2, burst: 4 }, 100);
    let start = Now::from_nanos(5_000_000_000);
    let (one, other) = (Source::from(v4(1)), Source::from(v4(2)));
    for _ in 0..4 {
        limiter.take(start, one, 1).unwrap();
    }
    assert_eq!(limiter.take(start, one, 1), Err(Duration::from_millis(500)));
    assert_eq!(limiter.take(start, one, 2), Err(Duration::from_secs(1)));
    limiter.take(start, other, 4).unwrap();
    limiter.take(start + Duration::from_millis(500), one, 1).unwrap();
    assert!(limiter.take(start + Duration::from_millis(500), one, 1).is_err());
}

#[test]
fn addresses_of_one_ipv6_network_are_one_source_and_ipv4_ones_are_not() {
    assert_eq!(Source::from(v6(1)), Source::from(v6(u128::from(u64::MAX))));
    assert_ne!(Source::from(v6(1)), Source::from(v6(1 << 64)));
    assert_ne!(Source::from(v4(1)), Source::from(v4(2)));
    assert_eq!(Source::from("::ffff:10.0.0.1".parse::<IpAddr>().unwrap()), Source::from(v4(1)));
}

#[test]
fn when_there_are_too_many_sources_the_further_ones_share_a_bucket() {
    let mut limiter = Limiter::new(Rate { per_second: 1, burst: 1 }, 2);
    let start = Now::from_nanos(5_000_000_000);
    for number in 0..3 {
        limiter.take(start, v4(number).into(), 1).unwrap();
    }
    assert!(limiter.take(start, v4(3).into(), 1).is_err(), "the third took what they share");
    // A second later the first two have full buckets again and give way.
    limiter.take(start + Duration::from_secs(1), v4(4).into(), 1).unwrap();
    limiter.take(start + Duration::from_secs(1), v4(5).into(), 1).unwrap();
    assert!(limiter.sources() <= 3);
}
