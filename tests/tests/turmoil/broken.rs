//! Hosts that crash and networks that part, in the middle of a file: it goes on, and what was verified stays.

use std::time::Duration;

use truecopy_protocol::input::LinkLoss;
use truecopy_protocol::output::PeerGone;
use truecopy_transport::channel::tls::TlsConfig;

use crate::secure::{ClearConfig, Secure};
use crate::world::{Crash, Weather, World, seeds};

/// Bytes that may come twice after a connection was lost: the window, and chunks that were not whole.
const TWICE_MAX: u64 = 1 << 20;

/// A world in which a good part of the large file is verified.
fn in_the_middle<S: Secure + 'static>(seed: u64) -> World<S> {
    let mut world = World::new(seed, Weather::fair());
    world.receive_at("receiver");
    let enough = world.total() / 2 + seed % 7 * 100_000;
    world.until("half of it is there", |world| world.verified("receiver") >= enough);
    assert!(!world.trace.said("receiver").is_completed, "seed {seed}: it is the middle");
    world
}

fn assert_nothing_twice<S: Secure + 'static>(seed: u64, world: &World<S>, before: u64) {
    let received = world.trace.said("receiver").progress.received;
    let most = world.total() - before + TWICE_MAX;
    assert!(received <= most, "seed {seed}: {received} of {most} bytes came, {before} were there");
}

fn sender_crashes<S: Secure + 'static>(seed: u64) -> u64 {
    let mut world = in_the_middle::<S>(seed);
    world.crash("sender", Crash::Kill);
    world.pass(Duration::from_millis(300 * (seed % 5)));
    world.bounce("sender");
    let digest = world.finish("sender");
    assert!(world.trace.said("receiver").ups >= 2, "seed {seed}: it was lost");
    assert_nothing_twice(seed, &world, 0);
    digest
}

#[test]
fn a_sender_that_crashes_in_the_middle_of_a_file_is_found_again_and_little_comes_twice() {
    for seed in seeds(6) {
        sender_crashes::<TlsConfig>(seed);
        sender_crashes::<ClearConfig>(seed);
    }
}

#[test]
fn a_sender_that_vanishes_without_a_word_is_noticed_and_found_again() {
    for seed in seeds(4) {
        let mut world = in_the_middle::<TlsConfig>(seed);
        // The power is gone: nothing of its end reaches the receiver.
        world.network().partition("sender", "receiver");
        world.crash("sender", Crash::PowerLoss);
        world.until("silence is noticed", |world| !world.trace.said("receiver").downs.is_empty());
        world.network().repair("sender", "receiver");
        world.bounce("sender");
        world.finish("sender");
        assert_nothing_twice(seed, &world, 0);
    }
}

fn receiver_crashes(seed: u64, crash: Crash) {
    let mut world = in_the_middle::<TlsConfig>(seed);
    let before = world.verified("receiver");
    world.crash("receiver", crash);
    world.pass(Duration::from_millis(300 * (seed % 5)));
    world.bounce("receiver");
    world.finish("sender");
    let kept = match crash {
        Crash::Kill => before,
        // Only what was synced, and that is not told.
        Crash::PowerLoss => 0,
    };
    assert_nothing_twice(seed, &world, kept);
}

#[test]
fn a_receiver_that_crashes_goes_on_from_its_journal() {
    for seed in seeds(6) {
        receiver_crashes(seed, Crash::Kill);
    }
}

#[test]
fn a_receiver_that_loses_power_still_ends_with_the_right_bytes() {
    for seed in seeds(6) {
        receiver_crashes(seed, Crash::PowerLoss);
    }
}

#[test]
fn both_that_crash_again_and_again_get_there() {
    for seed in seeds(4) {
        let mut world = in_the_middle::<TlsConfig>(seed);
        for turn in 0..4 {
            let host = if (seed + turn) % 2 == 0 { "sender" } else { "receiver" };
            world.crash(host, Crash::Kill);
            world.pass(Duration::from_millis(70 * (seed % 7 + turn)));
            world.bounce(host);
            world.pass(Duration::from_millis(150 * (seed % 5 + turn)));
        }
        // The last receipt may have been for a process that is gone.
        world.until("it is received", |world| world.trace.said("receiver").is_completed);
    }
}

fn lost_by_silence(downs: &[PeerGone]) -> bool {
    downs
        .iter()
        .any(|why| matches!(why, PeerGone::Lost(LinkLoss::TimedOut | LinkLoss::Cut) | PeerGone::Dismissed(_)))
}

#[test]
fn a_partition_costs_the_connection_and_not_the_transfer() {
    for seed in seeds(5) {
        let mut world = in_the_middle::<TlsConfig>(seed);
        world.network().partition("sender", "receiver");
        world.pass(Duration::from_secs(8 + seed % 5));
        for host in ["sender", "receiver"] {
            let downs = world.trace.said(host).downs;
            assert!(lost_by_silence(&downs), "seed {seed}: {host} noticed: {downs:?}");
        }
        world.network().repair("sender", "receiver");
        world.finish("sender");
        assert_nothing_twice(seed, &world, 0);
    }
}

#[test]
fn a_partition_of_one_direction_is_noticed_at_both_ends() {
    for seed in seeds(4) {
        let mut world = in_the_middle::<TlsConfig>(seed);
        let (from, to) = if seed % 2 == 0 { ("sender", "receiver") } else { ("receiver", "sender") };
        world.network().partition_oneway(from, to);
        world.pass(Duration::from_secs(30));
        for host in ["sender", "receiver"] {
            assert!(!world.trace.said(host).downs.is_empty(), "seed {seed}: {host}");
        }
        world.network().repair_oneway(from, to);
        world.finish("sender");
        assert_nothing_twice(seed, &world, 0);
    }
}

#[test]
fn a_network_that_holds_everything_back_for_a_while_costs_no_connection() {
    for seed in seeds(5) {
        let mut world = in_the_middle::<TlsConfig>(seed);
        world.network().hold("sender", "receiver");
        world.pass(Duration::from_millis(2000 + 200 * (seed % 5)));
        world.network().release("sender", "receiver");
        world.finish("sender");
        assert_eq!(world.trace.said("receiver").ups, 1, "seed {seed}");
    }
}

/// Everything of a run, for [`same`](crate::same).
pub(crate) fn digest<S: Secure + 'static>(seed: u64) -> u64 {
    sender_crashes::<S>(seed)
}
