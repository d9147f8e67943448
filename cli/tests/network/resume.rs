//! Whatever ends a transfer, the next one goes on from what is verified.

use std::fs;

use crate::common::World;
use crate::process::{Process, Sender, assert_same, get, names, write_random};
use crate::proxy::Proxy;

const MIB: u64 = 1 << 20;
/// What one interruption may cost: what was in flight.
const IN_FLIGHT: u64 = 16 * MIB;
/// Of what came through a proxy that holds now, so much may not be a whole chunk yet.
const OPEN: u64 = 8 * MIB;

/// A share of so many MiB in one large file and some small ones.
fn world(mib: u64) -> World {
    let world = World::new();
    fs::create_dir(world.path("share")).unwrap();
    for n in 0..20 {
        write_random(&world.path(&format!("share/small{n}")), 40_000, n);
    }
    write_random(&world.path("share/large"), usize::try_from(mib * MIB).unwrap(), 99);
    world
}

/// Waits until the receiver has verified nearly all that came.
fn until_verified(receiver: &Process, bytes: u64) {
    receiver.event("progress", |event| event["verified"].as_u64().unwrap() >= bytes);
}

/// Nothing under the final name, and no more than that half done.
fn assert_half_done(world: &World) {
    assert!(!world.path("there/share").exists());
    let listed = world.run(&["ls", "there", "--json"]).exits(0).json();
    assert_eq!((listed.len(), &listed[0]["name"]), (1, &"share".into()), "{listed:?}");
}

#[test]
fn a_receiver_that_is_killed_again_and_again_goes_on() {
    let world = world(120);
    let sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    let ticket = sender.ticket_at(proxy.address);
    for kill in 1..=3 {
        proxy.hold_after(30 * MIB);
        let mut receiver = get(&world, &ticket, &["-o", "there"]);
        proxy.until_held();
        until_verified(&receiver, (30 * MIB - OPEN) * kill);
        receiver.kill();
        proxy.cut();
        assert_half_done(&world);
    }
    proxy.open();
    let last = get(&world, &ticket, &["-o", "there"]).exits(0);
    assert!(last.event("resumed")["verified"].as_u64().unwrap() >= 3 * (30 * MIB - IN_FLIGHT));
    assert_same(&world.path("share"), &world.path("there/share"));
    assert_eq!(names(&world.path("there")), ["share"]);
    let most = 121 * MIB * 102 / 100 + 3 * IN_FLIGHT;
    assert!(proxy.down() <= most, "{} of {most}", proxy.down());
}

#[test]
fn a_receiver_finds_a_sender_again_that_was_killed_and_restarted() {
    let world = world(60);
    let mut sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(30 * MIB);
    let receiver = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]);
    proxy.until_held();
    until_verified(&receiver, 30 * MIB - OPEN);
    sender.process.kill();
    proxy.open();
    proxy.cut();
    receiver.event("disconnected", |event| event["why"] == "lost");
    receiver.event("waiting", |event| event["for"] == "retry");
    let address = sender.address.to_string();
    let again = Sender::start(&world, &["--listen", &address, "--once", "share"]);
    assert_eq!(again.ticket, sender.ticket);
    receiver.exits(0);
    again.process.exits(0);
    assert_same(&world.path("share"), &world.path("there/share"));
    let most = 61 * MIB * 102 / 100 + IN_FLIGHT;
    assert!(proxy.down() <= most, "{} of {most}", proxy.down());
}

#[test]
fn a_receiver_reconnects_by_itself_when_the_network_is_gone_for_a_while() {
    let world = world(60);
    let sender = Sender::start(&world, &["--once", "share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(20 * MIB);
    let receiver = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]);
    proxy.until_held();
    proxy.hold_after(20 * MIB);
    proxy.cut();
    proxy.until_held();
    proxy.open();
    proxy.cut();
    receiver.exits(0);
    sender.process.exits(0);
    assert!(proxy.connections() >= 3);
    assert_same(&world.path("share"), &world.path("there/share"));
    let most = 61 * MIB * 102 / 100 + 2 * IN_FLIGHT;
    assert!(proxy.down() <= most, "{} of {most}", proxy.down());
}

#[test]
fn a_new_ticket_of_the_same_content_goes_on_too() {
    let world = world(60);
    let sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(40 * MIB);
    let mut receiver = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]);
    proxy.until_held();
    until_verified(&receiver, 40 * MIB - OPEN);
    receiver.kill();
    proxy.open();
    proxy.cut();
    drop(sender);
    // Someone else has a copy.
    fs::create_dir(world.path("copy")).unwrap();
    fs::rename(world.path("share"), world.path("copy/share")).unwrap();
    let other = Sender::from_home(&world, "other", &["copy/share"]);
    let proxy = Proxy::start(other.address);
    let got = get(&world, &other.ticket_at(proxy.address), &["-o", "there"]).exits(0);
    let resumed = got.event("resumed")["verified"].as_u64().unwrap();
    assert!(resumed >= 40 * MIB - IN_FLIGHT, "{resumed}");
    assert_same(&world.path("copy/share"), &world.path("there/share"));
    let most = 21 * MIB * 102 / 100 + IN_FLIGHT;
    assert!(proxy.down() <= most, "{} of {most}", proxy.down());
}
