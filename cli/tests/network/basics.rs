//! What a person does first: send, get, look.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::common::{World, sample};
use crate::process::{Process, Sender, assert_same, get, names};

#[test]
fn a_folder_arrives_with_names_modes_times_links_and_empty_things() {
    let world = World::new();
    let top = sample(&world);
    let file = std::fs::File::options().write(true).open(top.join("large")).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o750)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789)).unwrap();
    let sender = Sender::start(&world, &["--once", "share"]);
    let got = get(&world, &sender.ticket, &["-o", "there/deep"]).exits(0);
    assert_same(&top, &world.path("there/deep/share"));
    assert_eq!(names(&world.path("there/deep")), ["share"]);
    let done = got.event("done");
    assert_eq!((&done["files"], &done["bytes"]), (&3.into(), &1_000_007.into()));
    let sent = sender.process.exits(0);
    let receipt = sent.event("receipt");
    assert_eq!((&receipt["files"], &receipt["bytes"]), (&3.into(), &1_000_007.into()));
    assert_eq!(receipt["node"], sent.event("connected")["node"]);
    assert_eq!(sent.event("disconnected")["why"], "finished");
}

#[test]
fn several_paths_go_in_one_share_to_many_receivers_at_once() {
    let world = World::new();
    sample(&world);
    std::fs::write(world.path("single"), b"alone").unwrap();
    let sender = Sender::start(&world, &["share", "single"]);
    let receivers: Vec<_> =
        (0..6).map(|n| get(&world, &sender.ticket, &["-o", &format!("there{n}")])).collect();
    for (n, receiver) in receivers.into_iter().enumerate() {
        receiver.exits(0);
        assert_same(&world.path("share"), &world.path(&format!("there{n}/share")));
        assert_same(&world.path("single"), &world.path(&format!("there{n}/single")));
    }
    sender
        .process
        .until("six receipts", |out, _| (out.matches("\"ev\":\"receipt\"").count() == 6).then_some(()));
}

#[test]
fn quiet_leaves_standard_output_to_the_product() {
    let world = World::new();
    sample(&world);
    let sender =
        Process::spawn(&mut world.command(&["send", "-q", "--once", "--listen", "127.0.0.1:0", "share"]));
    let ticket = sender.until("ticket", |out, _| out.strip_suffix('\n').map(ToOwned::to_owned));
    assert!(ticket.starts_with("truecopy:") && !ticket.contains(char::is_whitespace), "{ticket:?}");
    let got = world.run(&["get", "-q", "-o", "there", &ticket]).exits(0);
    assert_eq!((got.out(), got.err()), (String::new(), String::new()));
    let sent = sender.exits(0);
    assert_eq!((sent.out, sent.err), (format!("{ticket}\n"), String::new()));
}

#[test]
fn people_read_standard_error_and_are_told_what_to_type() {
    let world = World::new();
    sample(&world);
    let sender = Process::spawn(&mut world.command(&["send", "--once", "--listen", "127.0.0.1:0", "share"]));
    let line = sender.until("line to type", |_, err| {
        err.lines().find(|line| line.contains("truecopy get truecopy:")).map(|line| line.trim().to_owned())
    });
    let args: Vec<&str> = line.split(' ').skip(1).chain(["-o", "there"]).collect();
    let got = world.run(&args).exits(0);
    assert_eq!(got.out(), "");
    let err = got.err();
    assert!(err.contains("waiting for an answer from 127.0.0.1:"), "{err}");
    assert!(err.contains("offered: share: 3 files, 976.6 KiB"), "{err}");
    assert!(err.contains("verified 3 files, 976.6 KiB, root "), "{err}");
    assert!(err.trim_end().ends_with("/there"), "{err}");
    assert!(!err.contains('\x1b'), "{err:?}");
    let sent = sender.exits(0);
    assert_eq!(sent.out.trim(), args[1]);
    let verified = sent.err.find("verified by ").unwrap_or_else(|| panic!("{}", sent.err));
    assert!(sent.err.find("finished: ").is_some_and(|at| at > verified), "{}", sent.err);
}

#[test]
fn the_same_unchanged_paths_keep_their_ticket_and_others_get_a_new_one() {
    let world = World::new();
    let top = sample(&world);
    let everywhere = ["--listen", "127.0.0.1:0", "share"];
    let first = Sender::start(&world, &everywhere);
    let (ticket, address) = (first.ticket.clone(), first.address);
    drop(first);
    // No port is named: the one of the last time is taken if it is free.
    let again = Process::spawn(
        world.command(&["send", "--json", "share"]).env("TRUECOPY_HOME", world.path("sender")),
    );
    let listening = again.event("listening", |_| true);
    assert!(listening["address"].as_str().unwrap().ends_with(&format!(":{}", address.port())), "{listening}");
    get(&world, &ticket, &["-o", "there"]).exits(0);
    assert_same(&top, &world.path("there/share"));
    drop(again);
    std::fs::write(top.join("empty"), b"no more").unwrap();
    let changed = Sender::start(&world, &everywhere);
    let names =
        |ticket: &str| world.run(&["inspect", "--offline", "--json", ticket]).exits(0).json().remove(0);
    let (old, new) = (names(&ticket), names(&changed.ticket));
    assert_ne!(old["content"], new["content"]);
    assert_eq!(old["node"], new["node"]);
    let refused = get(&world, &at_new(&ticket, &changed), &["-o", "other", "--timeout", "2s"]).exits(5);
    assert!(refused.err.contains("does not have this share"), "{}", refused.err);
}

fn at_new(ticket: &str, sender: &Sender) -> String {
    crate::process::at(ticket, sender.address)
}

/// Base 32 as tickets have it.
fn base32(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value =
        |bits: &[u8]| bits.iter().chain(&[0; 5]).take(5).fold(0, |all, bit| all << 1 | usize::from(*bit));
    bits.chunks(5).map(|bits| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[value(bits)])).collect()
}

#[test]
fn a_ticket_of_a_later_version_is_told_from_a_damaged_one() {
    let world = World::new();
    let body = [&[3][..], b"whatever a later version may hold"].concat();
    let ticket = format!("truecopy:{}", base32(&[&body[..], &Sha256::digest(&body)[..4]].concat()));
    for args in [&[ticket.as_str()][..], &["inspect", &ticket]] {
        let error = world.run(args).exits(12).err();
        assert!(error.contains("version 3") && error.contains("same version"), "{error}");
    }
}

#[test]
fn what_lies_too_deep_is_over_a_limit() {
    let world = World::new();
    let deep: std::path::PathBuf = std::iter::repeat_n("d", 140).collect();
    std::fs::create_dir_all(world.path("share").join(deep)).unwrap();
    let error = world.run(&["send", "share"]).exits(14).err();
    assert!(error.contains("too deep"), "{error}");
}
