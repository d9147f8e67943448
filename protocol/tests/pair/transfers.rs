//! Transfers over sound links and disks.

use std::time::Duration;

use truecopy_protocol::Config;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::Command;
use truecopy_protocol::job::Verdict;
use truecopy_protocol::output::{Event, Failure, PeerGone, Waiting};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{EntryIndex, NodeId};

use crate::content::{Content, KIB, SPANS};
use crate::world::{SECRET, SHARE, World};

/// One sender, one receiver; both must come out clean. The digest of the run.
fn move_all(content: &Content, seed: u64) -> u64 {
    let mut world = World::new(seed);
    let sender = world.sender(content);
    let receiver = world.receiver(content, &[sender]);
    world.finish(receiver);
    assert!(world.completed(receiver), "seed {seed}: {:?}", world.hosts[receiver].events);
    let landed = world.hosts[receiver].store.landed;
    assert_eq!(landed, content.manifest.total_size(), "seed {seed}: nothing comes twice");
    world.run(Duration::from_secs(1), |_| false);
    let genuine = |event: &Event| matches!(event, Event::Receipt { verdict: Verdict::Genuine, peer, .. } if *peer == NodeId([2; 32]));
    assert!(world.has(sender, genuine), "seed {seed}: the sender has a receipt");
    let clean = |event: &Event| matches!(event, Event::PeerDown { why: PeerGone::Said(Reason::Done), .. });
    assert!(world.has(sender, clean), "seed {seed}: a clean goodbye");
    let events = &world.hosts[sender].events;
    let (told, down) = (events.iter().position(genuine), events.iter().position(clean));
    assert!(told < down, "seed {seed}: the receipt is told before its sender's going");
    assert_eq!(world.hosts[sender].store.statements, world.hosts[receiver].store.statements);
    assert_eq!(world.hosts[sender].node.memory(), 0);
    world.digest
}

#[test]
fn one_block_is_moved() {
    let content = Content::files(&[1000]);
    (0..50).for_each(|seed| {
        move_all(&content, seed);
    });
}

#[test]
fn files_of_several_chunks_are_proven_and_moved() {
    let content = Content::files(&[5 * SPANS + 17, 300, 3 * SPANS]);
    (0..10).for_each(|seed| {
        move_all(&content, seed);
    });
}

#[test]
fn chunks_of_several_spans_are_moved() {
    // More than 4096 chunks of 256 KiB would be: chunks of 512 KiB. Sparse selections keep it quick.
    let content = Content::new(&[Some(1100 << 20), Some(3 * SPANS + 5)]);
    let mut world = World::new(1);
    let sender = world.sender(&content);
    let receiver = world.receiver(&content, &[sender]);
    world.hosts[receiver].accepts = Some(Selection::Some(vec![EntryIndex(1)]));
    world.finish(receiver);
    assert!(world.completed(receiver));
    assert_eq!(world.hosts[receiver].store.landed, 3 * SPANS + 5);
}

#[test]
fn five_hundred_small_files_are_moved() {
    let sizes: Vec<u64> = (0..500).map(|i| i * 37 % 5000).collect();
    let content = Content::files(&sizes);
    (0..5).for_each(|seed| {
        move_all(&content, seed);
    });
}

#[test]
fn a_thousand_files_of_one_byte_need_few_buffers() {
    let content = Content::files(&[1; 3000]);
    move_all(&content, 3);
}

#[test]
fn empty_shares_and_empty_files_are_moved() {
    for sizes in [vec![], vec![Some(0); 3], vec![None, Some(0)], vec![None]] {
        (0..5).for_each(|seed| {
            move_all(&Content::new(&sizes), seed);
        });
    }
}

#[test]
fn sizes_around_every_boundary_are_moved() {
    for unit in [16 * KIB, 64 * KIB, SPANS, 2 * SPANS, 4 * SPANS] {
        let content = Content::files(&[unit - 1, unit, unit + 1]);
        move_all(&content, unit);
    }
}

#[test]
fn a_manifest_of_several_spans_is_moved() {
    let content = Content::files(&[3; 12000]);
    assert!(content.manifest.encoded().len() as u64 > 2 * SPANS);
    move_all(&content, 5);
}

#[test]
fn equal_seeds_give_equal_runs() {
    for (seed, sizes) in [(1, vec![3 * SPANS + 9, 20]), (2, vec![700; 200]), (3, vec![])] {
        let content = Content::files(&sizes);
        assert_eq!(move_all(&content, seed), move_all(&content, seed));
        assert_ne!(move_all(&content, seed), move_all(&content, seed + 10));
    }
}

#[test]
fn many_receivers_are_served_at_once() {
    let content = Content::files(&[3 * SPANS + 1, 5, 6000]);
    let mut world = World::new(4);
    let sender = world.sender(&content);
    let receivers: Vec<usize> = (0..60).map(|_| world.receiver(&content, &[sender])).collect();
    for receiver in receivers {
        world.finish(receiver);
        assert!(world.completed(receiver));
    }
}

#[test]
fn two_sources_serve_one_receiver() {
    let content = Content::files(&[9 * SPANS + 100, 5, 6000]);
    for seed in 0..10 {
        let mut world = World::new(seed);
        let sources = [world.sender(&content), world.sender(&content)];
        let receiver = world.receiver(&content, &sources);
        world.finish(receiver);
        assert!(world.completed(receiver));
        assert_eq!(world.hosts[receiver].store.landed, content.manifest.total_size());
    }
}

#[test]
fn more_sources_than_buffers_take_turns() {
    let content = Content::files(&[60 * SPANS]);
    let mut world = World::new(9);
    let sources: Vec<usize> = (0..30).map(|_| world.sender(&content)).collect();
    let config = Config {
        spans_max: 16,
        spans_reserved: 12,
        window_min: SPANS,
        window_max: SPANS,
        ..Config::default()
    };
    let receiver = world.add(&content, config);
    world.fetch(receiver, &sources);
    world.finish(receiver);
    assert!(world.completed(receiver));
}

#[test]
fn a_receiver_waits_while_the_sender_prepares() {
    let content = Content::files(&[700 * KIB]);
    let mut world = World::new(1);
    let sender = world.add(&content, Config::default());
    let id = content.manifest.content_id();
    world.command(sender, Command::Announce { share: SHARE, content: id, secret: SECRET });
    let receiver = world.receiver(&content, &[sender]);
    assert!(!world.run(Duration::from_secs(90), |world| world.ended(receiver)));
    world.command(sender, Command::Preparing { share: SHARE, done: 40, total: 100 });
    assert!(!world.run(Duration::from_secs(90), |world| world.ended(receiver)));
    let told = |event: &Event| {
        matches!(event, Event::Waiting { why: Waiting::Preparing { done: 40, total: 100 }, .. })
    };
    assert!(world.has(receiver, told));
    world.serve(sender);
    world.finish(receiver);
    assert!(world.completed(receiver));
}

#[test]
fn a_paused_transfer_asks_for_nothing_until_it_goes_on() {
    let content = Content::files(&[80 * SPANS]);
    let mut world = World::new(2);
    let sender = world.sender(&content);
    let receiver = world.receiver(&content, &[sender]);
    let begun = |world: &World| world.hosts[receiver].store.landed > 0;
    assert!(world.run(Duration::from_secs(10), begun));
    world.command(receiver, Command::Pause { share: SHARE });
    world.run(Duration::from_secs(5), |_| false);
    let landed = world.hosts[receiver].store.landed;
    assert!(landed < content.manifest.total_size());
    assert!(!world.run(Duration::from_secs(300), |world| world.ended(receiver)));
    assert_eq!(world.hosts[receiver].store.landed, landed);
    assert!(world.has(sender, |event| matches!(event, Event::PeerPaused { .. })));
    world.command(receiver, Command::Resume { share: SHARE });
    world.finish(receiver);
    assert!(world.completed(receiver));
}

#[test]
fn whoever_ends_says_why() {
    let content = Content::files(&[80 * SPANS]);
    let mut world = World::new(2);
    let sender = world.sender(&content);
    let receiver = world.receiver(&content, &[sender]);
    world.run(Duration::from_secs(10), |world| world.hosts[receiver].store.landed > 0);
    world.command(receiver, Command::End { share: SHARE, reason: Reason::Cancelled });
    world.finish(receiver);
    assert_eq!(world.failure(receiver), None);
    let heard =
        |event: &Event| matches!(event, Event::PeerDown { why: PeerGone::Said(Reason::Cancelled), .. });
    assert!(world.has(sender, heard));
    world.command(sender, Command::End { share: SHARE, reason: Reason::Leaving });
    world.finish(sender);
}

#[test]
fn a_declined_offer_is_told_to_the_sender() {
    let content = Content::files(&[100]);
    let mut world = World::new(2);
    let sender = world.sender(&content);
    let receiver = world.receiver(&content, &[sender]);
    world.hosts[receiver].accepts = None;
    let offered = |world: &World| world.has(receiver, |event| matches!(event, Event::Offer { .. }));
    assert!(world.run(Duration::from_secs(10), offered));
    world.command(receiver, Command::Decline { share: SHARE, reason: Reason::Declined });
    world.finish(receiver);
    let heard =
        |event: &Event| matches!(event, Event::PeerDown { why: PeerGone::Said(Reason::Declined), .. });
    assert!(world.has(sender, heard));
}

#[test]
fn a_sender_that_stops_is_waited_for_and_given_up() {
    let content = Content::files(&[80 * SPANS]);
    let mut world = World::new(2);
    let sender = world.sender(&content);
    let receiver = world.receiver(&content, &[sender]);
    world.run(Duration::from_secs(10), |world| world.hosts[receiver].store.landed > 0);
    world.command(sender, Command::End { share: SHARE, reason: Reason::Leaving });
    world.finish(sender);
    world.hosts[sender].is_up = false;
    world.finish(receiver);
    assert!(matches!(world.failure(receiver), Some(Failure::LinkLost(_))));
    assert!(world.now.as_nanos() < 700_000_000_000);
    assert!(!world.hosts[receiver].store.claims.is_empty(), "what is verified is kept");
}

#[test]
fn a_peer_that_is_not_there_is_given_up() {
    let content = Content::files(&[80]);
    let mut world = World::new(2);
    let receiver = world.receiver(&content, &[9]);
    world.finish(receiver);
    assert!(matches!(world.failure(receiver), Some(Failure::NotFound(_))));
    assert!(world.now.as_nanos() < 61_000_000_000);
}
