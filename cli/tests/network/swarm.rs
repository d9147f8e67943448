//! Receivers that serve each other, shares that are served again, and one file to standard output.

use std::io::Read;
use std::process::Stdio;

use rustix::process::Signal;

use crate::common::{World, sample, spoil, write_large};
use crate::process::{Process, Sender, assert_same, get, names};

fn receiver(world: &World, ticket: &str, more: &[&str]) -> Process {
    Process::spawn(&mut world.command(&[&["get", "--json", "--yes", ticket], more].concat()))
}

/// A `truecopy seed` of this world, and the ticket of its only share.
fn seeder(world: &World, args: &[&str]) -> (Process, String) {
    let args = [&["seed", "--json", "--listen", "127.0.0.1:0"], args].concat();
    let seeder = Process::spawn(&mut world.command(&args));
    let ticket = seeder.event("ticket", |_| true)["ticket"].as_str().unwrap().to_owned();
    (seeder, ticket)
}

#[test]
fn a_receiver_gets_from_another_what_the_sender_can_give_no_more() {
    let world = World::new();
    let top = sample(&world);
    let mut sender = Sender::start(&world, &["--swarm", "share"]);
    let first = receiver(&world, &sender.ticket, &["-o", "first"]);
    let second = receiver(&world, &sender.ticket, &["-o", "second", "--seed"]);
    for it in [&first, &second] {
        it.event("note", |note| note["text"].as_str().unwrap().contains("see each other's addresses"));
    }
    second.event("note", |note| note["text"].as_str().unwrap().contains("serving what was fetched"));
    sender.process.kill();
    let third = receiver(&world, &sender.ticket, &["-o", "third", "--peer", &listening(&second, &world)]);
    third.exits(0);
    first.exits(0);
    for place in ["first", "second", "third"] {
        assert_same(&top, &world.path(place).join("share"));
    }
    second.event("given", |_| true);
    second.signal(Signal::TERM);
    second.exits(0);
}

/// Where a receiver listens, from its own word.
fn listening(process: &Process, _: &World) -> String {
    let address = process.event("listening", |event| event["address"].as_str().unwrap().contains("0.0.0.0"));
    address["address"].as_str().unwrap().replace("0.0.0.0", "127.0.0.1")
}

#[test]
fn without_a_swarm_nobody_is_told_of_one_and_nothing_listens() {
    let world = World::new();
    let top = sample(&world);
    let sender = Sender::start(&world, &["share"]);
    let told = receiver(&world, &sender.ticket, &["-o", "told"]).exits(0);
    assert!(!told.out.contains("see each other"), "{}", told.out);
    let alone = receiver(&world, &sender.ticket, &["-o", "alone", "--no-swarm"]).exits(0);
    assert!(!alone.out.contains("listening"), "{}", alone.out);
    for place in ["told", "alone"] {
        assert_same(&top, &world.path(place).join("share"));
    }
}

#[test]
fn what_was_fetched_is_served_until_the_ratio_and_again_after_a_restart() {
    let world = World::new();
    let top = sample(&world);
    let mut sender = Sender::start(&world, &["share"]);
    let first = receiver(&world, &sender.ticket, &["-o", "first", "--seed=0.9"]);
    first.event("note", |note| note["text"].as_str().unwrap().contains("serving what was fetched"));
    sender.process.kill();
    let from = listening(&first, &world);
    receiver(&world, &sender.ticket, &["-o", "second", "--peer", &from]).exits(0);
    first.exits(0);
    assert_same(&top, &world.path("second/share"));
    let (seeder, ticket) = seeder(&world, &[]);
    receiver(&world, &ticket, &["-o", "third"]).exits(0);
    assert_same(&top, &world.path("third/share"));
    seeder.event("receipt", |_| true);
    seeder.signal(Signal::TERM);
    seeder.exits(143);
}

#[test]
fn several_shares_are_served_by_one_process_and_remembered() {
    let world = World::new();
    let top = sample(&world);
    write_large(&world.path("single"), 400_000);
    world.run(&["create", "single", "-o", "single.truecopy"]).exits(0);
    let arguments = ["seed", "--json", "--listen", "127.0.0.1:0", "share", "single.truecopy"];
    let seeder = Process::spawn(&mut world.command(&arguments));
    let tickets = |process: &Process| {
        process.until("two tickets", |out, _| {
            let events = out[..out.rfind('\n')? + 1]
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let tickets: Vec<String> =
                events.filter_map(|event| event["ticket"].as_str().map(ToOwned::to_owned)).collect();
            (tickets.len() == 2).then_some(tickets)
        })
    };
    for (number, ticket) in tickets(&seeder).iter().enumerate() {
        get(&world, ticket, &["-o", &format!("there{number}")]).exits(0);
    }
    assert_same(&top, &world.path("there0/share"));
    assert_same(&world.path("single"), &world.path("there1/single"));
    seeder.signal(Signal::TERM);
    seeder.exits(143);
    let list = world.run(&["seed", "--list"]).exits(0).out();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("share: 3 files, 976.6 KiB") && list.contains("single: 1 file"), "{list}");
    world.run(&["seed", "--forget", "share"]).exits(0);
    world.run(&["seed", "--forget", "share"]).exits(2);
    assert_eq!(world.run(&["seed", "--list"]).exits(0).out().lines().count(), 1);
}

#[test]
fn a_file_that_was_changed_is_not_served_again() {
    let world = World::new();
    sample(&world);
    let (seeder, _) = seeder(&world, &["share"]);
    seeder.signal(Signal::TERM);
    seeder.exits(143);
    spoil(&world.path("share/large"), 500_000);
    let refused = world.run(&["seed", "--listen", "127.0.0.1:0"]).exits(13);
    assert!(refused.err().contains("share/large was changed"), "{}", refused.err());
    world.run(&["seed", "nothing-there"]).exits(8);
}

#[test]
fn one_file_goes_to_standard_output_and_nothing_else_does() {
    let world = World::new();
    let top = sample(&world);
    let sender = Sender::start(&world, &["share"]);
    let temporary = world.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let stream = |more: &[&str]| {
        let mut command = world.command(&[&["get", "-o", "-", &sender.ticket], more].concat());
        command.env("TMPDIR", &temporary);
        command
    };
    let out = stream(&["--only", "large"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stdout == std::fs::read(top.join("large")).unwrap(), "other bytes");
    let several = stream(&[]).output().unwrap();
    assert_eq!((several.status.code(), several.stdout.len()), (Some(2), 0));
    let empty = stream(&["--only", "empty"]).output().unwrap();
    assert_eq!((empty.status.code(), empty.stdout.len()), (Some(0), 0));
    assert_eq!(names(&temporary), [""; 0]);
    for flag in ["--json", "--sha256sums", "--seed"] {
        assert_eq!(stream(&["--only", "large", flag]).output().unwrap().status.code(), Some(2), "{flag}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_cleanly() {
    let world = World::new();
    write_large(&world.path("film"), 30_000_000);
    let sender = Sender::start(&world, &["film"]);
    let temporary = world.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = world.command(&["get", "-q", "-o", "-", &sender.ticket]);
    command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = vec![0; 1000];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(first == std::fs::read(world.path("film")).unwrap()[..1000], "other bytes");
    assert_eq!(names(&temporary), [""; 0]);
}

#[test]
fn peers_and_chunks_are_told_when_asked_for() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["--swarm", "share"]);
    let got = receiver(&world, &sender.ticket, &["-o", "there", "-v", "--map"]).exits(0);
    let events = got.events();
    let last = events.iter().rev().find(|event| event["ev"] == "chunks").unwrap();
    assert_eq!(last["here"], last["total"]);
    assert!(last["map"].as_str().unwrap().chars().all(|c| c == '█'), "{last}");
    let plain = receiver(&world, &sender.ticket, &["-o", "other"]).exits(0);
    assert!(plain.events().iter().all(|event| event["ev"] != "chunks" && event["ev"] != "peer"));
}

#[test]
fn two_that_have_a_part_each_serve_the_whole() {
    let world = World::new();
    let top = world.path("share");
    std::fs::create_dir(&top).unwrap();
    write_large(&top.join("a"), 3 << 20);
    write_large(&top.join("b"), 2 << 20);
    Process::spawn(&mut world.command(&["create", "share", "-o", "s.truecopy"])).exits(0);
    let (mut whole, ticket) = seeder(&world, &["s.truecopy"]);
    let first = receiver(&world, &ticket, &["-o", "first", "--only", "share/a", "--seed"]);
    first.event("note", |note| note["text"].as_str().unwrap().contains("serving what was fetched"));
    whole.kill();
    let original = world.path("original");
    std::fs::create_dir(&original).unwrap();
    std::fs::rename(&top, original.join("share")).unwrap();
    std::fs::create_dir(&top).unwrap();
    std::fs::copy(original.join("share/b"), top.join("b")).unwrap();

    let refused = Process::spawn(&mut world.command(&["seed", "s.truecopy"])).exits(13);
    assert!(refused.err.contains("--partial"), "{}", refused.err);
    let (second, ticket) = seeder(&world, &["s.truecopy", "--partial"]);
    second.event("note", |note| note["text"].as_str().unwrap().contains("a part of it is served"));
    let third = receiver(&world, &ticket, &["-o", "third", "--peer", &listening(&first, &world)]);
    third.exits(0);
    assert_same(&original.join("share"), &world.path("third/share"));
}
