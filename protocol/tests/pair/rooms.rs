//! Nodes that meet to say things to each other.

use std::time::Duration;

use truecopy_protocol::input::{Command, PeerHint, Say};
use truecopy_protocol::output::{Event, Fault, Goodbye, Heard, PeerGone, Refusal, Waiting};
use truecopy_protocol::wire::{
    Answer, Answered, BlockRun, Call, Heard as Acknowledged, Line, Message, Offer, Reason, TEXT_MAX, Text,
    Word,
};
use truecopy_protocol::{AccessSecret, Config, NodeId, ShareId, UnixTime};

use crate::content::Content;
use crate::raw::{Raw, Said};
use crate::world::{Faults, SHARE, World};

const ROOM: ShareId = ShareId(90);
const SECRET: AccessSecret = AccessSecret([8; 32]);
const LONG: Duration = Duration::from_secs(600);

/// A node in the room; others are told of its port if it has one.
fn node(world: &mut World, port: bool) -> usize {
    let content = Content::files(&[300]);
    let host = world.add(&content, Config::default());
    enter(world, host, SECRET, port);
    host
}

fn enter(world: &mut World, host: usize, secret: AccessSecret, port: bool) {
    let local = world.hosts[host].id;
    let port = port.then_some(host as u16 + 1);
    world.command(host, Command::Room { room: ROOM, secret, local, port });
}

fn introduce(world: &mut World, host: usize, to: usize) {
    let peer = world.hint(to);
    world.command(host, Command::AddPeer { share: ROOM, peer });
}

fn say(world: &mut World, from: usize, to: usize, tag: u64) {
    let to = world.hosts[to].id;
    let say = Say::Text(format!("word {tag}"));
    world.command(from, Command::Say { room: ROOM, to, tag, say });
}

/// The texts that a node has heard of another, in order; of a call, from whom it is.
fn heard(world: &World, host: usize, from: NodeId) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Heard { from: of, heard: Heard::Text(text) | Heard::Call(text), .. } if *of == from => {
            Some(text.text.clone())
        }
        _ => None,
    };
    world.hosts[host].events.iter().filter_map(text).collect()
}

/// What became of what a node said, by tag.
fn fates(world: &World, host: usize) -> Vec<(u64, bool)> {
    let fate = |event: &Event| match event {
        Event::Delivered { tag, .. } => Some((*tag, true)),
        Event::Undelivered { tag, .. } => Some((*tag, false)),
        _ => None,
    };
    world.hosts[host].events.iter().filter_map(fate).collect()
}

fn words(tags: std::ops::Range<u64>) -> Vec<String> {
    tags.map(|tag| format!("word {tag}")).collect()
}

#[test]
fn two_nodes_talk_in_order() {
    let mut world = World::new(1);
    let (one, two) = (node(&mut world, true), node(&mut world, true));
    introduce(&mut world, one, two);
    for tag in 0..20 {
        say(&mut world, one, two, tag);
    }
    assert!(world.run(LONG, |world| fates(world, one).len() == 20));
    assert_eq!(heard(&world, two, world.hosts[one].id), words(0..20));
    assert_eq!(fates(&world, one), (0..20).map(|tag| (tag, true)).collect::<Vec<_>>());
    // Whoever was dialled can answer.
    say(&mut world, two, one, 7);
    assert!(world.run(LONG, |world| fates(world, two) == [(7, true)]));
    assert_eq!(heard(&world, one, world.hosts[two].id), words(7..8));
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_over_links_that_die() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        world.faults = Some(Faults { link_bytes_max: 3_000, dials_fail: 20, until: Duration::from_secs(60) });
        let (one, two) = (node(&mut world, true), node(&mut world, true));
        introduce(&mut world, one, two);
        for tag in 0..200 {
            say(&mut world, one, two, tag);
            say(&mut world, two, one, tag);
            if tag % 20 == 0 {
                world.run(Duration::from_millis(500), |_| false);
            }
        }
        let over = |world: &World| fates(world, one).len() == 200 && fates(world, two).len() == 200;
        assert!(world.run(LONG, over), "seed {seed}");
        assert_eq!(heard(&world, two, world.hosts[one].id), words(0..200), "seed {seed}");
        assert_eq!(heard(&world, one, world.hosts[two].id), words(0..200), "seed {seed}");
        assert!(fates(&world, one).iter().all(|(_, delivered)| *delivered), "seed {seed}");
    }
}

#[test]
fn who_is_here_already_is_met_at_another_address_without_an_end() {
    for (first, then) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
        let mut world = World::new(3);
        let nodes = [node(&mut world, true), node(&mut world, true)];
        for from in [first, then] {
            let (from, to) = (nodes[from], nodes[1 - from]);
            // As somebody types it, who does not know who is there.
            let peer = PeerHint { key: None, ..world.hint(to) };
            world.command(from, Command::AddPeer { share: ROOM, peer });
            world.run(LONG, |_| false);
        }
        for host in nodes {
            let waits = |event: &Event| matches!(event, Event::Waiting { why: Waiting::Backoff { .. }, .. });
            assert!(!world.has(host, waits), "{first} {then}: nothing is lost");
            let up = world.hosts[host].events.iter().filter(|event| matches!(event, Event::PeerUp { .. }));
            assert!(up.count() <= 2, "{first} {then}: nobody dials for ever");
        }
    }
}

#[test]
fn what_cannot_be_said_in_time_is_told() {
    let mut world = World::new(1);
    let (one, two) = (node(&mut world, true), node(&mut world, true));
    introduce(&mut world, one, two);
    say(&mut world, one, two, 1);
    assert!(world.run(LONG, |world| fates(world, one) == [(1, true)]));
    world.hosts[two].is_up = false;
    world.crash(two);
    say(&mut world, one, two, 2);
    world.run(Duration::from_secs(200), |_| false);
    assert_eq!(fates(&world, one), [(1, true)], "it waits while there is hope");
    say(&mut world, one, two, 3);
    assert!(world.run(Duration::from_secs(101), |world| fates(world, one).len() == 2));
    assert_eq!(fates(&world, one)[1], (2, false));
    // The other comes back in time for the last.
    world.hosts[two].is_up = true;
    enter(&mut world, two, SECRET, true);
    assert!(world.run(LONG, |world| fates(world, one).len() == 3));
    assert_eq!(fates(&world, one)[2], (3, true));
    assert_eq!(heard(&world, two, world.hosts[one].id).last(), Some(&"word 3".to_owned()));
}

#[test]
fn whoever_does_not_know_the_secret_is_not_let_in() {
    let mut world = World::new(1);
    let inside = node(&mut world, true);
    let outside = world.add(&Content::files(&[300]), Config::default());
    enter(&mut world, outside, AccessSecret([9; 32]), true);
    introduce(&mut world, outside, inside);
    let unmet =
        |event: &Event| matches!(event, Event::Unmet { why: PeerGone::Said(Reason::NoSuchShare), .. });
    assert!(world.run(LONG, |world| world.has(outside, unmet)));
    assert!(!world.has(inside, |event| matches!(event, Event::PeerUp { .. })));
}

#[test]
fn a_call_goes_on_to_nodes_that_are_not_connected_and_is_heard_once() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        // Nobody is told where others are: a chain stays one.
        let hosts: Vec<usize> = (0..6).map(|_| node(&mut world, false)).collect();
        for pair in hosts.windows(2) {
            introduce(&mut world, pair[0], pair[1]);
        }
        world.run(Duration::from_secs(5), |_| false);
        world.command(hosts[0], Command::Call { room: ROOM, text: "all".into() });
        world.command(hosts[3], Command::Call { room: ROOM, text: "back".into() });
        world.run(Duration::from_secs(5), |_| false);
        for host in &hosts {
            let from = |origin: usize| heard(&world, *host, world.hosts[hosts[origin]].id);
            assert_eq!(from(0), if *host == hosts[0] { vec![] } else { vec!["all"] }, "seed {seed}");
            assert_eq!(from(3), if *host == hosts[3] { vec![] } else { vec!["back"] }, "seed {seed}");
        }
    }
}

#[test]
fn what_was_called_out_before_a_node_leaves_is_heard() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let (one, two) = (node(&mut world, true), node(&mut world, true));
        introduce(&mut world, one, two);
        let met = |event: &Event| matches!(event, Event::PeerUp { .. });
        assert!(world.run(LONG, |world| world.has(one, met) && world.has(two, met)));
        let texts = ["first", "second"];
        for text in texts {
            world.command(one, Command::Call { room: ROOM, text: text.into() });
        }
        world.command(one, Command::End { share: ROOM, reason: Reason::Leaving });
        // It is too late for this one.
        world.command(one, Command::Call { room: ROOM, text: "third".into() });
        world.finish(one);
        world.run(LONG, |_| false);
        let mut told = heard(&world, two, world.hosts[one].id);
        told.sort_unstable();
        assert_eq!(told, texts, "seed {seed}");
        assert!(world.has(one, |event| matches!(event, Event::Refused { share: ROOM, .. })));
    }
}

#[test]
fn nodes_of_a_room_find_each_other_and_see_each_other_leave() {
    let mut world = World::new(3);
    let hosts: Vec<usize> = (0..8).map(|_| node(&mut world, true)).collect();
    for host in &hosts[1..] {
        introduce(&mut world, *host, hosts[0]);
    }
    let met = |world: &World, host: usize| {
        let up = |event: &Event| match event {
            Event::PeerUp { peer, .. } => Some(*peer),
            _ => None,
        };
        world.hosts[host].events.iter().filter_map(up).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(world.run(LONG, |world| hosts.iter().all(|host| met(world, *host) == hosts.len() - 1)));
    world.run(Duration::from_secs(5), |_| false);
    world.command(hosts[5], Command::Call { room: ROOM, text: "once".into() });
    world.run(Duration::from_secs(5), |_| false);
    for host in hosts.iter().filter(|host| **host != hosts[5]) {
        assert_eq!(heard(&world, *host, world.hosts[hosts[5]].id), ["once"]);
    }
    let leaver = world.hosts[hosts[2]].id;
    world.command(hosts[2], Command::End { share: ROOM, reason: Reason::Leaving });
    let left = |event: &Event| matches!(event, Event::PeerDown { peer, why: PeerGone::Said(Reason::Leaving), .. } if *peer == leaver);
    let others = || hosts.iter().filter(|host| **host != hosts[2]);
    assert!(world.run(LONG, |world| others().all(|host| world.has(*host, left))));
    world.finish(hosts[2]);
}

#[test]
fn offers_and_answers_arrive() {
    let mut world = World::new(1);
    let (one, two) = (node(&mut world, true), node(&mut world, true));
    introduce(&mut world, one, two);
    let content = world.hosts[one].store.content.manifest.content_id();
    let (size, files, number) = (300, 1, 4);
    let offer = Offer { number, content, secret: SECRET, name: "naïve.txt".into(), size, files };
    let to = world.hosts[two].id;
    world.command(one, Command::Say { room: ROOM, to, tag: 1, say: Say::Offer(offer.clone()) });
    let offered = |world: &World| {
        world.hosts[two].events.iter().find_map(|event| match event {
            Event::Heard { heard: Heard::Offer { life, offer }, .. } => Some((*life, offer.clone())),
            _ => None,
        })
    };
    assert!(world.run(LONG, |world| offered(world).is_some()));
    let (life, came) = offered(&world).unwrap();
    assert_eq!(came, offer);
    let answered = Answered { life, number, answer: Answer::Accepted };
    let to = world.hosts[one].id;
    world.command(two, Command::Say { room: ROOM, to, tag: 2, say: Say::Answer(answered) });
    let is_answer =
        |event: &Event| matches!(event, Event::Heard { heard: Heard::Answer(it), .. } if *it == answered);
    assert!(world.run(LONG, |world| world.has(one, is_answer)));
}

#[test]
fn too_much_is_refused_and_never_sent() {
    let mut world = World::new(1);
    let (one, two) = (node(&mut world, true), node(&mut world, true));
    let to = world.hosts[two].id;
    let long = Say::Text("x".repeat(TEXT_MAX + 1));
    world.command(one, Command::Say { room: ROOM, to, tag: 1, say: long });
    world.command(one, Command::Call { room: ROOM, text: "x".repeat(TEXT_MAX + 1) });
    let fits = "x".repeat(TEXT_MAX);
    for tag in 0..40 {
        world.command(one, Command::Say { room: ROOM, to, tag, say: Say::Text(fits.clone()) });
    }
    world.run(Duration::from_secs(1), |_| false);
    let refused = |event: &&Event| matches!(event, Event::Refused { share: ROOM, why: Refusal::TooMuch });
    assert_eq!(world.hosts[one].events.iter().filter(refused).count(), 2, "they are too long");
    let lost = fates(&world, one).len();
    assert!(lost > 20, "{lost}: what waits for one node is bounded, and of what cannot wait the tag is told");
    introduce(&mut world, one, two);
    assert!(world.run(LONG, |world| fates(world, one).len() == 40));
    let delivered = fates(&world, one).iter().filter(|(_, delivered)| *delivered).count();
    assert_eq!(delivered, 40 - lost);
    assert_eq!(heard(&world, two, world.hosts[one].id).len(), delivered);
}

#[test]
fn a_room_is_left_with_what_was_not_said_told() {
    let mut world = World::new(1);
    let (one, two) = (node(&mut world, true), node(&mut world, true));
    world.hosts[two].is_up = false;
    introduce(&mut world, one, two);
    say(&mut world, one, two, 5);
    world.run(Duration::from_secs(3), |_| false);
    world.command(one, Command::End { share: ROOM, reason: Reason::Leaving });
    world.finish(one);
    assert_eq!(fates(&world, one), [(5, false)]);
}

/// A word of a guest.
fn line(number: u64, word: Word) -> Message {
    Message::Line(Line { life: 1, number, word })
}

fn of(text: &str) -> Text {
    Text { time: UnixTime(5), text: text.to_owned() }
}

/// What a guest's messages lead to.
fn guest(messages: &[Message]) -> Raw {
    let mut raw = Raw::guest_of(&Content::files(&[300]));
    raw.open();
    messages.iter().for_each(|message| raw.say(message));
    raw
}

#[test]
fn a_guest_that_keeps_to_the_rules_is_heard_and_acknowledged() {
    let mut raw = guest(&[
        line(1, Word::Text(of("hi"))),
        line(1, Word::Text(of("again"))),
        line(9, Word::Text(of("ho"))),
    ]);
    assert_eq!(acknowledged(&raw), [1], "the first at once");
    raw.wait(1, |_| {});
    assert_eq!(acknowledged(&raw), [1, 9], "what follows closely together");
    raw.wait(1, |_| {});
    raw.say(&line(1, Word::Text(of("once more"))));
    assert_eq!(acknowledged(&raw), [1, 9, 1], "what comes again is acknowledged again");
    let texts = raw.events.iter().filter(|event| matches!(event, Event::Heard { .. })).count();
    assert_eq!(texts, 2, "what has a number that was heard is no news");
    assert_eq!(raw.hangup, None);
}

/// The numbers that a guest was told were heard, in order.
fn acknowledged(raw: &Raw) -> Vec<u64> {
    let number = |said: &Said| match said {
        Said::Message(Message::Heard(Acknowledged { life: 1, number })) => Some(*number),
        _ => None,
    };
    raw.said.iter().filter_map(number).collect()
}

#[test]
fn the_first_word_is_said_at_once_and_what_follows_it_together() {
    let mut raw = guest(&[]);
    let say = |raw: &mut Raw, tag| {
        let say = Say::Text("hi".to_owned());
        raw.command(Command::Say { room: SHARE, to: raw.them, tag, say });
    };
    let said =
        |raw: &Raw| raw.said.iter().filter(|said| matches!(said, Said::Message(Message::Line(_)))).count();
    (0..3).for_each(|tag| say(&mut raw, tag));
    assert_eq!(said(&raw), 1);
    raw.wait(1, |_| {});
    assert_eq!(said(&raw), 3);
    raw.wait(1, |_| {});
    (3..5).for_each(|tag| say(&mut raw, tag));
    assert_eq!(said(&raw), 4);
    raw.command(Command::End { share: SHARE, reason: Reason::Leaving });
    assert_eq!(said(&raw), 5, "whoever leaves says first what it has gathered");
}

#[test]
fn who_leaves_a_room_acknowledges_first_what_it_has_heard() {
    let mut raw = guest(&[line(1, Word::Text(of("hi"))), line(2, Word::Text(of("and bye")))]);
    assert_eq!(acknowledged(&raw), [1]);
    raw.command(Command::End { share: SHARE, reason: Reason::Leaving });
    assert_eq!(acknowledged(&raw), [1, 2]);
}

#[test]
fn of_many_guests_that_are_gone_the_last_to_go_is_forgotten_last() {
    let mut raw = guest(&[]);
    let come = |raw: &mut Raw, who: u8| {
        raw.lose();
        raw.wait(1, |_| {});
        raw.them = NodeId([who; 32]);
        raw.connect();
        raw.open();
    };
    let kept = 2 * Config::default().conns_max as u8;
    (3..kept + 1).for_each(|who| come(&mut raw, who));
    // Its key comes before those of all others.
    come(&mut raw, 0);
    raw.say(&line(1, Word::Text(of("hi"))));
    come(&mut raw, kept + 1);
    // Our word that it was heard was lost.
    come(&mut raw, 0);
    raw.say(&line(1, Word::Text(of("hi"))));
    let texts = raw.events.iter().filter(|event| matches!(event, Event::Heard { .. })).count();
    assert_eq!(texts, 1);
}

#[test]
fn words_that_break_the_rules_end_the_session() {
    let misbehaved = |fault| Some(Goodbye::Misbehaved(fault));
    let long = "x".repeat(TEXT_MAX + 1);
    assert_eq!(guest(&[line(1, Word::Text(of(&long)))]).hangup, misbehaved(Fault::BadWord));
    let forged =
        Call { origin: NodeId([7; 32]), life: 1, number: 1, text: of("x"), signature: [[1; 32], [2; 32]] };
    let raw = guest(&[line(1, Word::Call(forged))]);
    assert_eq!(raw.hangup, misbehaved(Fault::BadWord));
    assert!(!raw.events.iter().any(|event| matches!(event, Event::Heard { .. })));
    let request = Message::Request(BlockRun { blob: 1, block: 0, count: 1 });
    assert_eq!(guest(&[request]).hangup, misbehaved(Fault::OutOfTurn), "a room has no files");
    let flood: Vec<Message> = (0..17_000).map(|number| line(number, Word::Text(of("")))).collect();
    assert_eq!(guest(&flood).hangup, misbehaved(Fault::Flood));
    // Of what was never said nothing is heard; that harms nobody.
    assert_eq!(guest(&[Message::Heard(Acknowledged { life: 3, number: u64::MAX })]).hangup, None);
    // In a session of a share nothing is said.
    let mut raw = Raw::receiver_of(&Content::files(&[300]));
    raw.open();
    raw.say(&line(1, Word::Text(of("hi"))));
    assert_eq!(raw.hangup, misbehaved(Fault::OutOfTurn));
}
