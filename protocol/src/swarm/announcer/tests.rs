use core::net::IpAddr;

use super::*;
use crate::NodeId;

fn rng() -> Rng {
    Rng::new([5; 32])
}

fn at(seconds: u64) -> Now {
    Now::from_nanos(seconds * 1_000_000_000)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn trackers(count: usize) -> Trackers {
    (0..count).map(|number| TrackerUrl::new(&alloc::format!("http://t{number}.example")).unwrap()).collect()
}

fn announcer(count: usize, having: Having, now: Now) -> Announcer {
    let mut announcer = Announcer::new(having);
    announcer.add(&trackers(count), now);
    announcer
}

fn reply(interval: u64) -> AnnounceReply {
    AnnounceReply {
        interval: seconds(interval),
        min_interval: seconds(60),
        seeders: 0,
        leechers: 0,
        peers: Vec::new(),
        from: IpAddr::from([198, 51, 44, 1]),
    }
}

fn only(announcer: &mut Announcer, now: Now) -> AnnounceEvent {
    let call = announcer.due(now).unwrap();
    assert_eq!(call.number, 0);
    assert_eq!(announcer.due(now), None);
    call.event
}

#[test]
fn a_share_is_started_then_there_then_completed_then_stopped() {
    let mut announcer = announcer(1, Having::Part, at(10));
    assert_eq!(announcer.wake(), Some(at(10)));
    assert_eq!(only(&mut announcer, at(10)), AnnounceEvent::Started);
    assert_eq!(announcer.wake(), None, "a call is under way");
    announcer.answered(0, Ok(reply(1800)), at(11), &mut rng());
    let next = announcer.wake().unwrap();
    assert!((at(1811)..at(1991)).contains(&next), "{next:?}");
    assert_eq!(announcer.due(at(1810)), None);
    assert_eq!(only(&mut announcer, next), AnnounceEvent::None);
    announcer.answered(0, Ok(reply(1800)), next, &mut rng());
    announcer.completed(at(2000));
    assert_eq!(only(&mut announcer, at(2000)), AnnounceEvent::Completed);
    announcer.answered(0, Ok(reply(1800)), at(2000), &mut rng());
    assert!(announcer.wake().unwrap() > at(3000));
    announcer.stop(at(2100));
    assert_eq!(only(&mut announcer, at(2100)), AnnounceEvent::Stopped);
    announcer.answered(0, Ok(reply(1800)), at(2101), &mut rng());
    assert_eq!(announcer.wake(), None);
}

#[test]
fn what_happens_during_a_call_is_told_after_it() {
    let mut announcer = announcer(1, Having::Part, at(0));
    assert_eq!(only(&mut announcer, at(0)), AnnounceEvent::Started);
    announcer.completed(at(1));
    assert_eq!(announcer.wake(), None);
    announcer.answered(0, Ok(reply(1800)), at(2), &mut rng());
    assert_eq!(only(&mut announcer, at(2)), AnnounceEvent::Completed);
    announcer.stop(at(3));
    announcer.answered(0, Ok(reply(1800)), at(4), &mut rng());
    assert_eq!(only(&mut announcer, at(4)), AnnounceEvent::Stopped);
    // Told once: whether it came through or not, that was it.
    announcer.answered(0, Err(AnnounceError::Unreachable), at(5), &mut rng());
    assert_eq!(announcer.wake(), None);
}

#[test]
fn one_that_has_all_from_the_start_never_completes() {
    let mut announcer = announcer(1, Having::All, at(0));
    assert_eq!(only(&mut announcer, at(0)), AnnounceEvent::Started);
    announcer.answered(0, Ok(reply(1800)), at(0), &mut rng());
    announcer.completed(at(1));
    assert!(announcer.wake().unwrap() > at(1000));
}

#[test]
fn a_completion_that_did_not_come_through_is_told_again() {
    let mut announcer = announcer(1, Having::Part, at(0));
    only(&mut announcer, at(0));
    announcer.answered(0, Ok(reply(1800)), at(0), &mut rng());
    announcer.completed(at(1));
    assert_eq!(only(&mut announcer, at(1)), AnnounceEvent::Completed);
    announcer.answered(0, Err(AnnounceError::Unreachable), at(2), &mut rng());
    let next = announcer.wake().unwrap();
    assert_eq!(only(&mut announcer, next), AnnounceEvent::Completed);
}

#[test]
fn one_that_never_heard_of_us_is_not_told_that_we_leave() {
    let mut announcer = announcer(3, Having::Part, at(0));
    for number in 0..3 {
        assert_eq!(announcer.due(at(0)).unwrap().number, number);
    }
    announcer.answered(0, Ok(reply(1800)), at(0), &mut rng());
    announcer.answered(1, Err(AnnounceError::Unreachable), at(0), &mut rng());
    announcer.stop(at(1));
    let call = announcer.due(at(1)).unwrap();
    assert_eq!((call.number, call.event), (0, AnnounceEvent::Stopped));
    assert_eq!(announcer.due(at(100_000)), None);
    announcer.answered(2, Err(AnnounceError::Unreachable), at(5), &mut rng());
    assert_eq!(announcer.due(at(100_000)), None);
}

#[test]
fn failures_are_tried_again_ever_later_up_to_half_an_hour() {
    let mut announcer = announcer(1, Having::Part, at(0));
    let mut rng = rng();
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..40 {
        assert_eq!(only(&mut announcer, now), AnnounceEvent::Started);
        announcer.answered(0, Err(AnnounceError::Unreachable), now, &mut rng);
        let next = announcer.wake().unwrap();
        pauses.push(next.since(now));
        now = next;
    }
    for (number, pause) in pauses.iter().enumerate() {
        let full = seconds(15 << number.min(16)).min(seconds(1800));
        assert!(*pause >= full / 2 && *pause < full, "{number}: {pause:?}");
    }
    announcer.answered(0, Err(AnnounceError::Unreachable), now, &mut rng);
    assert_eq!(only(&mut announcer, now), AnnounceEvent::Started);
    announcer.answered(0, Ok(reply(1800)), now, &mut rng);
    let next = announcer.wake().unwrap();
    assert_eq!(only(&mut announcer, next), AnnounceEvent::None);
    announcer.answered(0, Err(AnnounceError::Unreachable), next, &mut rng);
    assert!(announcer.wake().unwrap().since(next) < seconds(15), "an answer ends the row of failures");
}

#[test]
fn a_busy_tracker_is_left_alone_as_long_as_it_asks_but_not_for_ever() {
    let pause_after = |why| {
        let mut announcer = announcer(1, Having::Part, at(0));
        only(&mut announcer, at(0));
        announcer.answered(0, Err(why), at(0), &mut rng());
        announcer.hurry(at(1));
        announcer.wake().unwrap()
    };
    assert_eq!(pause_after(AnnounceError::Busy { pause: seconds(300) }), at(300));
    assert_eq!(pause_after(AnnounceError::Busy { pause: Duration::MAX }), at(7200));
    assert_eq!(pause_after(AnnounceError::Unreachable), at(15).min(pause_after(AnnounceError::Unreachable)));
    assert_eq!(pause_after(AnnounceError::Refused), at(15), "whoever asks for it may try sooner");
}

#[test]
fn no_tracker_makes_us_ask_all_the_time_or_never_again() {
    for (interval, floor, from, to) in
        [(0, 0, 60, 66), (u64::MAX, 0, 7200, 7920), (1, u64::MAX, 7200, 7920), (100, 600, 600, 660)]
    {
        let mut announcer = announcer(1, Having::Part, at(0));
        only(&mut announcer, at(0));
        let answer = AnnounceReply { min_interval: seconds(floor), ..reply(interval) };
        announcer.answered(0, Ok(answer), at(0), &mut rng());
        let next = announcer.wake().unwrap();
        assert!(next >= at(from) && next < at(to), "{interval} {floor}: {next:?}");
    }
}

#[test]
fn hurry_asks_as_soon_as_the_tracker_allows() {
    let mut announcer = announcer(1, Having::Part, at(0));
    announcer.hurry(at(0));
    only(&mut announcer, at(0));
    announcer.hurry(at(1));
    assert_eq!(announcer.wake(), None, "a call is under way already");
    announcer.answered(0, Ok(reply(1800)), at(10), &mut rng());
    announcer.hurry(at(20));
    assert_eq!(announcer.wake(), Some(at(70)));
    announcer.hurry(at(100));
    assert_eq!(announcer.wake(), Some(at(70)), "nothing is put off");
    assert_eq!(only(&mut announcer, at(100)), AnnounceEvent::None);
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut announcer = announcer(1, Having::Part, at(0));
    assert_eq!(announcer.answered(0, Ok(named("127.0.0.1", &[(1, "127.0.0.1:1")])), at(0), &mut rng()), []);
    assert_eq!(announcer.answered(7, Err(AnnounceError::Local), at(0), &mut rng()), []);
    assert_eq!(announcer.wake(), Some(at(0)));
}

fn named(from: &str, peers: &[(u8, &str)]) -> AnnounceReply {
    let peer = |(node, address): &(u8, &str)| TrackerPeer {
        node: NodeId([*node; 32]),
        address: address.parse().unwrap(),
    };
    AnnounceReply { from: from.parse().unwrap(), peers: peers.iter().map(peer).collect(), ..reply(1800) }
}

#[test]
fn the_addresses_of_one_node_become_one_hint() {
    let found = hints(&named(
        "198.51.44.1",
        &[(1, "198.51.44.7:9"), (2, "[2606::2]:9"), (1, "[2606::1]:9"), (1, "[2606::1]:9")],
    ));
    let addresses =
        |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Candidate>>();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].key, Some(NodeId([1; 32])));
    assert_eq!(found[0].addresses, addresses(&["198.51.44.7:9", "[2606::1]:9"]));
    assert_eq!(found[1].addresses, addresses(&["[2606::2]:9"]));
}

#[test]
fn a_tracker_names_nobody_who_is_nearer_than_itself() {
    let all = [
        "127.0.0.1:9",
        "[::1]:9",
        "10.0.0.1:9",
        "[fe80::1]:9",
        "198.51.44.7:9",
        "0.0.0.0:9",
        "224.0.0.1:9",
        "198.51.44.7:0",
    ];
    let peers: Vec<(u8, &str)> = (1..).zip(all).collect();
    let count = |from| hints(&named(from, &peers)).len();
    assert_eq!(count("198.51.44.1"), 1, "from the internet");
    assert_eq!(count("192.168.1.1"), 3, "from our network");
    assert_eq!(count("::1"), 5, "from our machine");
}

#[test]
fn only_so_many_peers_of_one_reply_are_taken() {
    let many: Vec<(u8, &str)> = (0..200).map(|node| (node, "198.51.44.7:9")).collect();
    assert_eq!(hints(&named("198.51.44.1", &many)).len(), REPLY_PEERS_MAX);
}

#[test]
fn a_share_takes_each_tracker_once_and_only_so_many() {
    let mut announcer = announcer(3, Having::Part, at(0));
    announcer.add(&trackers(8), at(1));
    let more = Trackers::from_iter([TrackerUrl::new("http://one.more.example").unwrap()]);
    announcer.add(&more, at(1));
    let mut count = 0;
    while announcer.due(at(1)).is_some() {
        count += 1;
    }
    assert_eq!(count, Trackers::MAX);
    assert_eq!(announcer.tracker(3).map(TrackerUrl::as_str), Some("http://t3.example"));
    assert_eq!(announcer.tracker(8), None);
}

#[test]
fn it_is_over_when_the_last_call_is_answered() {
    let mut announcer = announcer(2, Having::Part, at(0));
    announcer.due(at(0)).unwrap();
    announcer.answered(0, Ok(reply(1800)), at(0), &mut rng());
    assert!(!announcer.is_over());
    announcer.stop(at(1));
    assert!(!announcer.is_over());
    announcer.add(&trackers(5), at(1));
    assert_eq!(announcer.due(at(1)).unwrap().event, AnnounceEvent::Stopped);
    announcer.answered(0, Ok(reply(1800)), at(2), &mut rng());
    assert!(announcer.is_over());
}
