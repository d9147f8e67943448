//! Links that die, dials that fail; then the weather clears and everything must complete.

use std::time::Duration;

use truecopy_protocol::input::{Command, Fetch, Input, PeerHint};
use truecopy_protocol::{AccessSecret, Config, ContentId, Node, Now};

use crate::content::{Content, SPANS};
use crate::world::{Faults, SHARE, World};

fn storm(sizes: &[u64], link_bytes_max: u64, seed: u64) -> u64 {
    let content = Content::files(sizes);
    let mut world = World::new(seed);
    let until = Duration::from_secs(120);
    world.faults = Some(Faults { link_bytes_max, dials_fail: 30, until });
    let sources = [world.sender(&content), world.sender(&content)];
    let from = if seed.is_multiple_of(2) { &sources[..] } else { &sources[..1] };
    let receiver = world.receiver(&content, from);
    world.finish(receiver);
    assert!(world.completed(receiver), "seed {seed}: {:?}", world.failure(receiver));
    world.digest
}

#[test]
fn links_that_die_in_the_greeting_are_dialled_again() {
    (0..60).for_each(|seed| {
        storm(&[2 * SPANS, 77], 800, seed);
    });
}

#[test]
fn links_that_die_in_the_middle_are_dialled_again() {
    (0..40).for_each(|seed| {
        storm(&[9 * SPANS + 4, 77, 3000, 5], 900_000, seed);
    });
}

#[test]
fn many_small_files_survive_dying_links() {
    let sizes: Vec<u64> = (0..400).map(|i| 1 + i * 91 % 9000).collect();
    (0..10).for_each(|seed| {
        storm(&sizes, 200_000, seed);
    });
}

#[test]
fn a_manifest_of_several_spans_survives_dying_links() {
    (0..6).for_each(|seed| {
        storm(&vec![2; 12000], 500_000, seed);
    });
}

#[test]
fn a_storm_replays() {
    assert_eq!(storm(&[5 * SPANS + 4, 77], 400_000, 3), storm(&[5 * SPANS + 4, 77], 400_000, 3));
}

#[test]
fn a_configuration_without_any_patience_does_not_spin() {
    let none = Duration::ZERO;
    let config = Config {
        dial_timeout: none,
        backoff_min: none,
        backoff_max: none,
        find_timeout: none,
        ..Config::default()
    };
    let mut node = Node::new(config, [1; 32], Now::ZERO);
    let peers = vec![PeerHint { key: None, addresses: vec!["192.0.2.1:7".parse().unwrap()] }];
    let (content, secret) = (ContentId([1; 32]), AccessSecret::PUBLIC);
    let fetch = Fetch::new(SHARE, content, secret, peers);
    node.handle(Now::ZERO, Input::Command(Command::Fetch(fetch)));
    let outputs = std::iter::from_fn(|| node.poll()).count();
    assert!(outputs < 10, "{outputs}");
    assert!(node.wake().is_none_or(|(at, _)| at > Now::ZERO));
}
