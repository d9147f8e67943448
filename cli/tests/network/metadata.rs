//! Metadata files: made, served, fetched with, looked into; digests.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::common::{World, sample, spoil, write_large};
use crate::process::{Process, Sender, assert_same, get, write_random};
use crate::schema;

pub(crate) fn sha256(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An address of this machine at which nothing listens.
fn nowhere() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_metadata_file_fetches_from_whoever_serves_it() {
    let world = World::new();
    let top = sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    let sender = Sender::start(&world, &["--metadata", "x.truecopy", "share"]);
    let address = sender.address.to_string();
    let peers = ["--peer", &nowhere(), "--peer", &address, "-o", "there", "--sha256sums"];
    let got = get(&world, "x.truecopy", &peers).exits(0);
    assert_same(&top, &world.path("there/share"));
    let digests: Vec<_> = got.events().into_iter().filter(|event| event["ev"] == "digest").collect();
    assert_eq!(digests.len(), 3);
    for digest in &digests {
        let path = world.path("there").join(digest["path"].as_str().unwrap());
        assert_eq!(digest["sha256"], sha256(&path));
    }
    world.run(&["verify", "there/share", "--against", "x.truecopy"]).exits(0);
    // A ticket does as a peer, too.
    get(&world, "x.truecopy", &["--peer", &sender.ticket, "-o", "other"]).exits(0);
    assert_same(&top, &world.path("other/share"));
    let unreachable = get(&world, "x.truecopy", &["--peer", &nowhere(), "-o", "none", "--timeout", "1s"]);
    assert!(unreachable.exits(5).err.contains("nothing listens there"));
    get(&world, "x.truecopy", &["-o", "none"]).exits(2);
}

#[test]
fn wrong_data_is_not_served_under_a_metadata_file() {
    let world = World::new();
    let top = sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    spoil(&top.join("large"), 600_000);
    let refused = Process::spawn(&mut world.command(&["send", "--metadata", "x.truecopy", "share"])).exits(7);
    assert!(refused.err.contains("verify"), "{}", refused.err);
}

#[test]
fn receivers_may_come_while_a_known_content_is_hashed() {
    let world = World::new();
    fs::create_dir(world.path("share")).unwrap();
    write_random(&world.path("share/large"), 200 << 20, 1);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    let sender = Sender::start(&world, &["--once", "--metadata", "x.truecopy", "share"]);
    let receiver = get(&world, &sender.ticket, &["-o", "there"]);
    let waiting = receiver.event("waiting", |event| event["for"] == "sender");
    assert!(waiting["percent"].as_u64().unwrap() < 100, "{waiting}");
    receiver.exits(0);
    sender.process.exits(0);
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn inspect_asks_the_sender_for_the_list_and_nothing_else() {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["--once", "share"]);
    let looked = Process::spawn(&mut world.command(&["inspect", "--json", &sender.ticket])).exits(0);
    let events: Vec<_> = looked.out.lines().map(schema::check_line).collect();
    assert_eq!(events[0]["ev"], "ticket-names");
    assert_eq!(looked.event("share")["content"], events[0]["content"]);
    let files: Vec<_> = events.iter().filter(|event| event["kind"] == "file").collect();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["share/empty", "share/large", "share/日本/naïve.txt"]);
    assert_eq!((&files[1]["size"], files[1]["root"].as_str().unwrap().len()), (&1_000_000.into(), 64));
    assert!(!looked.out.contains(&sender.ticket[20..]));
    // It was no receiver: the sender goes on, without a word of a copy.
    get(&world, &sender.ticket, &["-o", "there"]).exits(0);
    let sent = sender.process.exits(0);
    assert_eq!(sent.events().iter().filter(|event| event["ev"] == "receipt").count(), 1);
    // Nobody is there any more: what the ticket itself says is shown all the same.
    let ticket = sent.event("ticket")["ticket"].as_str().unwrap().to_owned();
    let alone = Process::spawn(&mut world.command(&["inspect", &ticket, "--timeout", "1s"])).exits(5);
    assert!(alone.out.starts_with("content  ") && alone.err.contains("was not reached"), "{}", alone.err);
    let offline = world.run(&["inspect", "--offline", &ticket]).exits(0);
    assert_eq!((offline.out(), offline.err()), (alone.out, String::new()));
}

#[test]
fn sums_are_in_the_form_of_sha256sum() {
    let world = World::new();
    fs::create_dir(world.path("share")).unwrap();
    write_large(&world.path("share/a b"), 300_001);
    fs::write(world.path("share/new\nline"), b"").unwrap();
    let sender = Sender::start(&world, &["share"]);
    let got = world.run(&["get", &sender.ticket, "-o", "there", "--sha256sums"]).exits(0);
    let (one, other) = (sha256(&world.path("there/share/a b")), sha256(&world.path("there/share/new\nline")));
    assert_eq!(got.out(), format!("{one}  share/a b\n\\{other}  share/new\\nline\n"));
}
