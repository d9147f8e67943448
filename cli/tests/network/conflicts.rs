//! Taken names, parts of a share, and a second process at the same place.

use std::fs;

use crate::common::{World, sample, spoil};
use crate::process::{Process, Sender, assert_same, get, names};
use crate::proxy::Proxy;

/// A share that is served, and a destination in which one of its files stands with other bytes.
fn taken() -> (World, Sender) {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    fs::create_dir_all(world.path("there/share")).unwrap();
    fs::write(world.path("there/share/large"), b"mine").unwrap();
    (world, sender)
}

#[test]
fn without_a_terminal_a_taken_name_fails_and_nothing_is_placed() {
    let (world, sender) = taken();
    for policy in [&[][..], &["--on-conflict", "fail"], &["--on-conflict", "ask"]] {
        let args = [&["-o", "there"], policy].concat();
        let got = get(&world, &sender.ticket, &args).exits(9);
        let conflict = got.event("conflict");
        assert_eq!((&conflict["path"], &conflict["what"]), (&"share/large".into(), &"taken".into()));
        assert!(got.err.contains("--on-conflict"), "{}", got.err);
    }
    assert_eq!(names(&world.path("there")), ["share"]);
    assert_eq!(names(&world.path("there/share")), ["large"]);
    assert_eq!(fs::read(world.path("there/share/large")).unwrap(), b"mine");
}

#[test]
fn skip_leaves_what_is_there_and_says_so_with_10() {
    let (world, sender) = taken();
    let got = get(&world, &sender.ticket, &["-o", "there", "--on-conflict", "skip"]).exits(10);
    assert_eq!(got.event("done")["skipped"], 1);
    assert_eq!(got.event("conflict")["what"], "skipped");
    assert_eq!(fs::read(world.path("there/share/large")).unwrap(), b"mine");
    assert_same(&world.path("share/日本"), &world.path("there/share/日本"));
}

#[test]
fn replace_puts_ours_in_its_place() {
    let (world, sender) = taken();
    let got = get(&world, &sender.ticket, &["-o", "there", "--on-conflict", "replace"]).exits(0);
    assert_eq!(got.event("conflict")["what"], "replaced");
    assert_same(&world.path("share"), &world.path("there/share"));
    assert_eq!(names(&world.path("there")), ["share"]);
}

#[test]
fn rename_keeps_both_and_digests_follow_the_new_name() {
    let (world, sender) = taken();
    let args = ["-o", "there", "--on-conflict", "rename", "--sha256sums"];
    let got = get(&world, &sender.ticket, &args).exits(0);
    let to = got.event("conflict")["to"].as_str().unwrap().to_owned();
    assert_eq!(fs::read(world.path("there/share/large")).unwrap(), b"mine");
    assert_same(&world.path("share"), &world.path("there").join(&to));
    let digests: Vec<_> = got.events().into_iter().filter(|event| event["ev"] == "digest").collect();
    assert_eq!(digests.len(), 3);
    for digest in digests {
        let path = digest["path"].as_str().unwrap();
        assert!(path.starts_with(&format!("{to}/")), "{path}");
        assert_eq!(digest["sha256"], crate::metadata::sha256(&world.path("there").join(path)));
    }
}

#[test]
fn what_is_here_already_is_verified_and_not_fetched_again() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["--once", "share"]);
    get(&world, &sender.ticket, &["-o", "there"]).exits(0);
    sender.process.exits(0);
    let sender = Sender::start(&world, &["--once", "share"]);
    let proxy = Proxy::start(sender.address);
    let again = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]).exits(0);
    let done = again.event("done");
    assert_eq!((&done["files"], &done["already"]), (&0.into(), &3.into()));
    assert_eq!(again.event("conflict")["what"], "already-here");
    assert!(proxy.down() < 100_000, "{}", proxy.down());
    sender.process.exits(0);
    // Of a copy that was harmed, only the harmed file comes.
    spoil(&world.path("there/share/large"), 500_000);
    let sender = Sender::start(&world, &["share"]);
    let args = ["-o", "there", "--on-conflict", "replace"];
    let mended = get(&world, &sender.ticket, &args).exits(0).event("done");
    assert_eq!((&mended["files"], &mended["already"]), (&1.into(), &2.into()));
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn a_second_get_into_the_same_place_is_told_who_holds_it() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(300_000);
    let first = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]);
    proxy.until_held();
    first.event("progress", |_| true);
    let second = get(&world, &sender.ticket, &["-o", "there"]).exits(9);
    assert!(second.err.contains("error: process ") && second.err.contains("already"), "{}", second.err);
    let listed = world.run(&["ls", "there", "--json"]).exits(0).json();
    assert_eq!((&listed[0]["name"], &listed[0]["in_use"]), (&"share".into(), &true.into()));
    proxy.open();
    first.exits(0);
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn only_and_exclude_choose_a_part() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    get(&world, &sender.ticket, &["-o", "there", "--only", "*.txt"]).exits(0);
    assert_eq!(names(&world.path("there/share")), ["日本"]);
    assert_same(&world.path("share/日本"), &world.path("there/share/日本"));
    get(&world, &sender.ticket, &["-o", "other", "--exclude", "large"]).exits(0);
    assert!(!world.path("other/share/large").exists());
    assert!(world.path("other/share/empty").exists());
    let nothing = get(&world, &sender.ticket, &["-o", "none", "--only", "*.nothing"]).exits(2);
    assert!(nothing.err.contains("--only"), "{}", nothing.err);
}

#[test]
fn two_names_that_differ_only_in_the_sender_are_both_told() {
    let world = World::new();
    sample(&world);
    let error = Process::spawn(&mut world.command(&["send", "--json", "share", "./share/."])).exits(2);
    assert!(error.err.contains("two of the paths are called share"), "{}", error.err);
}
