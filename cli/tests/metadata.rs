//! create, inspect and verify, as processes.
#![allow(missing_docs, reason = "a test")]

mod common;

use std::fs;
use std::process::Stdio;

use common::{World, sample, spoil, write_large};

#[test]
fn what_was_created_verifies_and_a_changed_byte_is_found() {
    let world = World::new();
    let top = sample(&world);
    let created = world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    assert_eq!(created.out(), "");
    world.run(&["verify", "share", "--against", "x.truecopy"]).exits(0);
    world.run(&["verify", ".", "--against", "x.truecopy"]).exits(0);
    spoil(&top.join("large"), 600_000);
    let found = world.run(&["verify", "share", "--against", "x.truecopy"]).exits(7);
    assert_eq!(found.out(), "share/large: differs in bytes 524288-786431\n");
    assert!(found.err().contains("1 difference"), "{}", found.err());
}

#[test]
fn missing_extra_cut_and_turned_things_are_named() {
    let world = World::new();
    let top = sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    fs::remove_dir(top.join("empty folder")).unwrap();
    fs::remove_file(top.join("empty")).unwrap();
    fs::create_dir(top.join("empty")).unwrap();
    fs::write(top.join("guest"), b"").unwrap();
    fs::write(top.join("日本/naïve.txt"), b"uni").unwrap();
    let found = world.run(&["verify", "share", "--against", "x.truecopy"]).exits(7).out();
    let expected = "share/empty: is something else (file, folder or link)\n\
        share/empty folder: missing\n\
        share/guest: not in the metadata file\n\
        share/日本/naïve.txt: differs in bytes 0-6 (has 3 bytes, should have 7)\n";
    assert_eq!(found, expected);
}

#[test]
fn extra_files_can_be_allowed() {
    let world = World::new();
    let top = sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    fs::write(top.join("guest"), b"").unwrap();
    world.run(&["verify", "share", "--against", "x.truecopy"]).exits(7);
    world.run(&["verify", "share", "--against", "x.truecopy", "--allow-extra"]).exits(0);
}

#[test]
fn inspect_lists_every_file_with_path_size_and_root() {
    let world = World::new();
    sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    let lines = world.run(&["inspect", "x.truecopy", "--json"]).exits(0).json();
    assert_eq!(lines[0]["ev"], "share");
    assert_eq!(lines[0]["files"], 3);
    let files: Vec<_> = lines.iter().filter(|line| line["kind"] == "file").collect();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["share/empty", "share/large", "share/日本/naïve.txt"]);
    assert_eq!(files[1]["size"], 1_000_000);
    assert_eq!(files[1]["root"].as_str().unwrap().len(), 64);
    let text = world.run(&["inspect", "x.truecopy"]).exits(0);
    assert!(text.out().contains("share/日本/naïve.txt"));
    assert_eq!(text.err(), "");
}

#[test]
fn digests_are_in_the_form_of_sha256sum() {
    let world = World::new();
    let top = sample(&world);
    fs::write(top.join("日本/naïve.txt"), b"abc").unwrap();
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    let line = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  share/日本/naïve.txt\n";
    let sums = world.run(&["verify", "share", "--against", "x.truecopy", "--sha256sums"]).exits(0);
    assert!(sums.out().ends_with(line), "{}", sums.out());
    assert_eq!(sums.out().lines().count(), 3);
    let sums = world.run(&["inspect", "x.truecopy", "--sha256sums", "--data", "share"]).exits(0);
    assert!(sums.out().ends_with(line));
    let error = world.run(&["inspect", "x.truecopy", "--sha256sums"]).exits(2).err();
    assert!(error.contains("--data"), "{error}");
    spoil(&top.join("large"), 0);
    let sums = world.run(&["verify", "share", "--against", "x.truecopy", "--sha256sums"]).exits(7);
    assert_eq!(sums.out().lines().count(), 2);
    assert!(sums.err().contains("share/large: differs in bytes 0-262143"), "{}", sums.err());
}

#[test]
fn a_damaged_metadata_file_is_refused() {
    let world = World::new();
    sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    spoil(&world.path("x.truecopy"), 40);
    world.run(&["inspect", "x.truecopy"]).exits(7);
    world.run(&["verify", "share", "--against", "x.truecopy"]).exits(7);
    fs::write(world.path("x.truecopy"), b"").unwrap();
    world.run(&["inspect", "x.truecopy"]).exits(7);
}

#[test]
fn nothing_is_overwritten() {
    let world = World::new();
    sample(&world);
    fs::write(world.path("x.truecopy"), b"mine").unwrap();
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(9);
    assert_eq!(fs::read(world.path("x.truecopy")).unwrap(), b"mine");
}

#[test]
fn the_same_data_has_the_same_metadata_wherever_it_lies() {
    let world = World::new();
    fs::create_dir_all(world.path("a/s")).unwrap();
    fs::create_dir_all(world.path("b/s")).unwrap();
    for place in ["a/s/f", "b/s/f"] {
        write_large(&world.path(place), 300_000);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(world.path(place)).unwrap().set_modified(time).unwrap();
    }
    world.run(&["create", "a/s", "-o", "a.truecopy"]).exits(0);
    world.run(&["create", "b/s/.", "-o", "b.truecopy"]).exits(0);
    assert_eq!(fs::read(world.path("a.truecopy")).unwrap(), fs::read(world.path("b.truecopy")).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn hostile_names_reach_neither_terminal_nor_json() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let top = sample(&world);
    let names: [&[u8]; 4] = [b"\x1b]0;owned\x07", b"two\nlines", "x\u{202e}gpj.exe".as_bytes(), b"caf\xe9"];
    for name in names {
        fs::write(top.join(std::ffi::OsStr::from_bytes(name)), b"x").unwrap();
    }
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    fs::remove_dir_all(&top).unwrap();
    fs::create_dir(&top).unwrap();
    for args in [
        &["inspect", "x.truecopy"][..],
        &["inspect", "x.truecopy", "--json"],
        &["verify", "share", "--against", "x.truecopy"],
        &["verify", "share", "--against", "x.truecopy", "--json"],
    ] {
        let ran = world.run(args);
        for text in [ran.out(), ran.err()] {
            assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{args:?}: {text:?}");
        }
    }
    let lines = world.run(&["inspect", "x.truecopy", "--json"]).exits(0).json();
    let odd = lines.iter().find(|line| line["path_hex"].is_string()).unwrap();
    assert_eq!(odd["path_hex"], "73686172652f636166e9");
    assert_eq!(odd["path"], "share/caf\u{fffd}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy"]).exits(0);
    let mut child = world.command(&["inspect", "x.truecopy"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_unreadable_path_is_named() {
    let world = World::new();
    let error = world.run(&["create", "nowhere", "-o", "x.truecopy"]).exits(8).err();
    assert_eq!(error, "error: cannot read nowhere: No such file or directory\n  → check the path\n");
}
