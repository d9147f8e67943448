//! Receivers that give each other what they have.

use std::time::Duration;

use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Afterwards, Command, Fetch, Swarming};
use truecopy_protocol::job::StorageError;
use truecopy_protocol::output::{Event, Failure, Refusal};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{BlobId, Config, EntryIndex};

use crate::content::{Content, SPANS};
use crate::store::Source;
use crate::world::{Faults, SECRET, SHARE, World};

const LONG: Duration = Duration::from_secs(600);

fn uploaded(world: &World, host: usize) -> u64 {
    let last = |event: &Event| match event {
        Event::Uploaded { conn, bytes, .. } => Some((*conn, *bytes)),
        _ => None,
    };
    let by_conn: std::collections::BTreeMap<_, _> =
        world.hosts[host].events.iter().filter_map(last).collect();
    by_conn.values().sum()
}

/// A world in which one host has fetched the content from another, and seeds it beside it: the world, and both.
fn seeding(content: &Content, seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let seeder = world.seeder(content);
    let first = world.leecher(content, &[seeder], Swarming::On, Afterwards::Seed);
    assert!(world.run(LONG, |world| world.completed(first)), "seed {seed}");
    world.serve(first);
    (world, seeder, first)
}

#[test]
fn receivers_take_from_each_other_what_the_sender_need_not_send_again() {
    let content = Content::files(&[40 * SPANS, 300, 5 * SPANS + 1]);
    let mut given = 0;
    for seed in 0..8 {
        let mut world = World::new(seed);
        let seeder = world.seeder(&content);
        let hosts: Vec<usize> =
            (0..4).map(|_| world.leecher(&content, &[seeder], Swarming::On, Afterwards::Leave)).collect();
        for host in &hosts {
            world.finish(*host);
            assert!(world.completed(*host), "seed {seed}: {:?}", world.failure(*host));
        }
        given += hosts.iter().map(|host| uploaded(&world, *host)).sum::<u64>();
        let landed: u64 = hosts.iter().map(|host| world.hosts[*host].store.landed).sum();
        let needed = 4 * content.manifest.total_size();
        assert!(landed <= needed + needed / 100, "seed {seed}: {landed} of {needed}: little comes twice");
    }
    assert!(given > 0, "the links are so fast that the sender alone would do, but for a little");
}

#[test]
fn whoever_has_fetched_it_can_seed_it_when_the_sender_is_gone() {
    let content = Content::files(&[9 * SPANS, 70_000]);
    for seed in 0..8 {
        let (mut world, seeder, first) = seeding(&content, seed);
        world.crash(seeder);
        world.hosts[seeder].is_up = false;
        let second = world.leecher(&content, &[first], Swarming::On, Afterwards::Leave);
        world.finish(second);
        assert!(world.completed(second), "seed {seed}: {:?}", world.failure(second));
        world.command(first, Command::End { share: SHARE, reason: Reason::Leaving });
        world.finish(first);
    }
}

#[test]
fn what_is_to_be_seeded_can_be_left_alone_as_well() {
    let content = Content::files(&[3 * SPANS]);
    let mut world = World::new(1);
    let seeder = world.seeder(&content);
    let host = world.leecher(&content, &[seeder], Swarming::On, Afterwards::Seed);
    assert!(world.run(LONG, |world| world.completed(host)));
    world.command(host, Command::End { share: SHARE, reason: Reason::Done });
    world.finish(host);
    assert_eq!(world.failure(host), None);
}

#[test]
fn a_peer_that_is_only_known_to_the_sender_is_found() {
    let content = Content::files(&[9 * SPANS]);
    for seed in 0..8 {
        let (mut world, seeder, first) = seeding(&content, seed);
        let second = world.leecher(&content, &[seeder], Swarming::On, Afterwards::Leave);
        // It looks at the offer for ever.
        world.hosts[second].accepts = None;
        let is_met = |world: &World| {
            let up =
                |event: &Event| matches!(event, Event::PeerUp { peer, .. } if *peer == world.hosts[first].id);
            world.has(second, up)
        };
        assert!(world.run(LONG, is_met), "seed {seed}: it is told of the first");
    }
}

#[test]
fn what_is_sent_to_some_is_not_given_on_by_them() {
    let content = Content::files(&[3 * SPANS]);
    let mut world = World::new(1);
    let sender = world.sender(&content);
    let first = world.leecher(&content, &[sender], Swarming::AsTold, Afterwards::Leave);
    world.hosts[first].accepts = None;
    assert!(world.run(LONG, |world| world.has(first, |event| matches!(event, Event::Offer { .. }))));
    let second = world.receiver(&content, &[first]);
    world.finish(second);
    assert_eq!(world.failure(second), Some(Failure::NoSuchShare));
}

#[test]
fn a_receiver_joins_the_swarm_when_the_sender_says_that_there_is_one() {
    let content = Content::files(&[30 * SPANS]);
    let mut world = World::new(1);
    let seeder = world.seeder(&content);
    let hosts = [0, 1, 2].map(|_| world.leecher(&content, &[seeder], Swarming::AsTold, Afterwards::Leave));
    hosts.iter().for_each(|host| world.finish(*host));
    assert!(hosts.iter().all(|host| world.completed(*host)));
    assert!(hosts.iter().any(|host| uploaded(&world, *host) > 0));
}

#[test]
fn sources_with_different_parts_are_together_a_whole_one() {
    let content = Content::files(&[7 * SPANS, 300, 5 * SPANS + 1, 90_000]);
    let files = |of: &[u32]| Selection::Some(of.iter().map(|index| EntryIndex(*index)).collect());
    for seed in 0..8 {
        let mut world = World::new(seed);
        let one = world.part_seeder(&content, files(&[0, 1]));
        let two = world.part_seeder(&content, files(&[1, 2, 3]));
        let host = world.leecher(&content, &[one, two], Swarming::On, Afterwards::Leave);
        world.finish(host);
        assert!(world.completed(host), "seed {seed}: {:?}", world.failure(host));
        assert!(uploaded(&world, one) > 0 && uploaded(&world, two) > 0, "seed {seed}");
    }
}

#[test]
fn where_nobody_has_a_part_that_is_said() {
    let content = Content::files(&[3 * SPANS, 2 * SPANS]);
    let mut world = World::new(1);
    let one = world.part_seeder(&content, Selection::Some(vec![EntryIndex(0)]));
    let host = world.leecher(&content, &[one], Swarming::On, Afterwards::Leave);
    world.finish(host);
    assert_eq!(world.failure(host), Some(Failure::NotAvailable));
}

#[test]
fn a_receiver_that_reaches_nobody_is_called_on_by_whoever_serves() {
    let content = Content::files(&[9 * SPANS, 70_000]);
    for seed in 0..16 {
        let mut world = World::new(seed);
        let seeder = world.seeder(&content);
        let host = world.leecher(&content, &[99], Swarming::On, Afterwards::Leave);
        assert!(!world.run(Duration::from_secs(20), |world| world.completed(host)), "nobody is there");
        if seed % 2 == 1 {
            world.faults = Some(Faults { until: LONG, dials_fail: 10, link_bytes_max: 900_000 });
        }
        let peer = world.hint(host);
        world.command(seeder, Command::AddPeer { share: SHARE, peer });
        let done = world.run(LONG, |world| world.completed(host));
        assert!(done, "seed {seed}: {:?}", world.failure(host));
        let signed =
            world.run(LONG, |world| world.has(seeder, |event| matches!(event, Event::Receipt { .. })));
        assert!(signed, "seed {seed}");
        world.command(seeder, Command::End { share: SHARE, reason: Reason::Leaving });
        world.finish(seeder);
        world.finish(host);
    }
}

#[test]
fn of_two_that_reach_each_other_one_connection_stays() {
    let content = Content::files(&[9 * SPANS]);
    for seed in 0..8 {
        let mut world = World::new(seed);
        let seeder = world.seeder(&content);
        let host = world.leecher(&content, &[seeder], Swarming::On, Afterwards::Leave);
        let peer = world.hint(host);
        world.command(seeder, Command::AddPeer { share: SHARE, peer });
        let done = world.run(LONG, |world| world.completed(host));
        assert!(done, "seed {seed}: {:?}", world.failure(host));
        let landed = world.hosts[host].store.landed;
        let needed = content.manifest.total_size();
        assert!(landed <= needed + needed / 10, "seed {seed}: {landed} of {needed}: little comes twice");
    }
}

#[test]
fn a_receiver_that_is_not_reached_is_left_alone_until_it_is_named_again() {
    let content = Content::files(&[3 * SPANS]);
    let mut world = World::new(3);
    let seeder = world.seeder(&content);
    let host = world.add(&content, Config { find_timeout: 100 * LONG, ..Config::default() });
    world.hosts[host].is_up = false;
    let call = |world: &mut World| {
        let peer = world.hint(host);
        world.command(seeder, Command::AddPeer { share: SHARE, peer });
    };
    call(&mut world);
    world.run(LONG, |_| false);
    world.hosts[host].is_up = true;
    let fetch = Fetch::new(SHARE, content.manifest.content_id(), SECRET, vec![world.hint(99)]);
    world.command(host, Command::Fetch(Fetch { swarm: Swarming::On, ..fetch }));
    assert!(!world.run(LONG, |world| world.completed(host)), "it was called on a few times, not for ever");
    call(&mut world);
    assert!(world.run(LONG, |world| world.completed(host)));
}

#[test]
fn a_source_that_changed_and_comes_again_and_again_is_no_hope() {
    let content = Content::files(&[3 * SPANS]);
    for seed in 0..8 {
        let pause = Duration::from_millis(if seed % 2 == 0 { 50 } else { 2000 });
        let mut world = World::new(seed);
        let seeder = world.seeder(&content);
        world.hosts[seeder].store.source = Source::FailReads(BlobId(1), StorageError::Changed);
        let config = Config { lost_timeout: Duration::from_secs(30), ..Config::default() };
        let mut fetching = |near: usize| {
            let host = world.add(&content, config.clone());
            let fetch = Fetch::new(SHARE, content.manifest.content_id(), SECRET, vec![world.hint(near)]);
            world.command(host, Command::Fetch(Fetch { swarm: Swarming::On, ..fetch }));
            host
        };
        let first = fetching(99);
        // The two wait for each other's pieces.
        let second = fetching(first);
        let is_over = |world: &World| world.failure(first).is_some() && world.failure(second).is_some();
        let patience = config.lost_timeout + Duration::from_secs(15);
        while !is_over(&world) && world.now.as_nanos() < patience.as_nanos() as u64 {
            for host in [first, second] {
                let peer = world.hint(host);
                world.command(seeder, Command::AddPeer { share: SHARE, peer });
            }
            world.run(pause, is_over);
        }
        for host in [first, second] {
            assert!(matches!(world.failure(host), Some(Failure::SourceChanged(_))), "seed {seed}");
        }
    }
}

#[test]
fn where_receivers_do_not_learn_of_each_other_nobody_is_called_on() {
    let content = Content::files(&[SPANS]);
    let mut world = World::new(3);
    let sender = world.sender(&content);
    let peer = world.hint(99);
    world.command(sender, Command::AddPeer { share: SHARE, peer });
    let refused = |event: &Event| matches!(event, Event::Refused { share: SHARE, why: Refusal::NotNow });
    assert!(world.run(LONG, |world| world.has(sender, refused)));
}
