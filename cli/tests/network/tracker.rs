//! Processes that find each other by a tracker.

use crate::common::{World, sample};
use crate::process::{Process, Sender, assert_same, get};
use crate::server::Tracker;

/// The link of what the sender's home knows as `share`.
fn link(world: &World, url: &str) -> String {
    let args = ["link", "share", "-q", "--tracker", url];
    let printed = world.command(&args).env("TRUECOPY_HOME", world.path("sender")).output().unwrap();
    String::from_utf8(printed.stdout).unwrap().trim().to_owned()
}

#[test]
fn whoever_has_a_link_finds_the_sender() {
    let tracker = Tracker::start();
    let url = tracker.url.as_str();
    let world = World::new();
    let top = sample(&world);
    let link = link(&world, url);
    let sender = Sender::start(&world, &["--once", "--tracker", url, "share"]);
    sender.process.event("note", |event| event["text"].as_str().unwrap().contains("1 have everything"));
    // To look is not to fetch.
    let looked = Process::spawn(&mut world.command(&["inspect", "--json", &link])).exits(0);
    assert_eq!(looked.event("link-names")["access"], "secret");
    assert!(looked.events().iter().any(|event| event["path"] == "share/large"));
    get(&world, &link, &["-o", "there"]).exits(0);
    assert_same(&top, &world.path("there/share"));
    sender.process.exits(0);
}

#[test]
fn a_metadata_file_with_a_tracker_is_enough() {
    let tracker = Tracker::start();
    let world = World::new();
    let top = sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy", "--tracker", tracker.url.as_str()]).exits(0);
    let sender = Sender::start(&world, &["--once", "--metadata", "x.truecopy", "share"]);
    get(&world, "x.truecopy", &["-o", "there"]).exits(0);
    assert_same(&top, &world.path("there/share"));
    sender.process.exits(0);
}

#[test]
fn a_tracker_that_is_gone_is_told_of_and_stands_in_nobodys_way() {
    let mut tracker = Tracker::start();
    tracker.end();
    let url = tracker.url.as_str();
    let world = World::new();
    let top = sample(&world);
    let sender = Sender::start(&world, &["--once", "--tracker", url, "share"]);
    sender.process.event("warning", |event| event["text"].as_str().unwrap().contains("cannot be reached"));
    // The ticket names the tracker too.
    get(&world, &sender.ticket, &["-o", "there"]).exits(0);
    assert_same(&top, &world.path("there/share"));
    sender.process.exits(0);
    let link = link(&world, url);
    let failed = get(&world, &link, &["-o", "none", "--timeout", "1s"]).exits(5);
    assert!(failed.err.contains("was not reached"), "{}", failed.err);
}
