//! What is told of a swarm, and how a fetch that was to be seeded ends.

use std::time::Duration;

use truecopy_protocol::input::{Afterwards, Command, Swarming};
use truecopy_protocol::job::Verdict;
use truecopy_protocol::output::{Event, Turn};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{Config, Detail};

use crate::content::{Content, SPANS};
use crate::world::{SHARE, World};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_fetch_that_is_ended_as_soon_as_all_is_placed_still_sends_its_receipt() {
    let content = Content::files(&[4 * SPANS, 100]);
    for seed in 0..20 {
        let mut world = World::new(seed);
        let seeder = world.seeder(&content);
        let leecher = world.leecher(&content, &[seeder], Swarming::AsTold, Afterwards::Seed);
        assert!(world.run(LONG, |world| world.completed(leecher)), "seed {seed}");
        world.command(leecher, Command::End { share: SHARE, reason: Reason::Done });
        world.finish(leecher);
        let genuine = |event: &Event| matches!(event, Event::Receipt { verdict: Verdict::Genuine, .. });
        assert!(world.run(LONG, |world| world.has(seeder, genuine)), "seed {seed}");
    }
}

#[test]
fn a_share_that_is_swarmed_is_told_to_whoever_left_that_to_the_source() {
    let content = Content::files(&[SPANS]);
    let mut world = World::new(1);
    let (seeder, sender) = (world.seeder(&content), world.sender(&content));
    let swarmed = |event: &Event| matches!(event, Event::Swarmed { .. });
    for (from, swarm, is_told) in
        [(seeder, Swarming::AsTold, true), (seeder, Swarming::On, false), (sender, Swarming::AsTold, false)]
    {
        let leecher = world.leecher(&content, &[from], swarm, Afterwards::Leave);
        world.finish(leecher);
        assert_eq!(world.has(leecher, swarmed), is_told, "{swarm:?}");
    }
}

#[test]
fn peers_are_told_one_by_one_if_that_was_asked_for() {
    let content = Content::files(&[200 * SPANS]);
    let chunks = content.manifest.chunk_count();
    let mut world = World::new(1);
    let sender = world.sender(&content);
    let asking = world.add(&content, Config { detail: Detail::Peers, ..Config::default() });
    world.fetch(asking, &[sender]);
    let plain = world.receiver(&content, &[sender]);
    world.finish(asking);
    world.finish(plain);
    let serves = |event: &Event| match event {
        Event::Peers { peers, .. } => peers.iter().any(|peer| {
            (peer.has, peer.of, peer.theirs, peer.ours) == (chunks, chunks, Turn::Served, Turn::Idle)
        }),
        _ => false,
    };
    assert!(world.has(asking, serves));
    for host in [plain, sender] {
        assert!(!world.has(host, |event| matches!(event, Event::Peers { .. })));
    }
}
