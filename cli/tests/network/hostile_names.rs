//! Attack 6: names that are meant for the terminal, the log or the reader of JSON, sent and received for real.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::common::World;
use crate::process::{Process, Sender, assert_same, get};
use crate::terminal::Terminal;

const NAMES: [&[u8]; 13] = [
    b"\x1b]0;title\x07",
    b"\x1b[2J\x1b[1;31mred",
    b"\x1b]8;;evil.invalid\x1b\\link\x1b]8;;\x1b\\",
    b"\x1b]52;c;ZXZpbA==\x07",
    b"line\n{\"ev\":\"done\"}",
    b"back\rverified 1 file",
    b"rub\x08\x08out\x7f",
    "c1 \u{9b}31m\u{85}\u{9d}0;x\u{9c}".as_bytes(),
    "bidi \u{202e}gpj.exe\u{2066}".as_bytes(),
    "zero\u{200b}\u{200d}\u{feff}width".as_bytes(),
    "line\u{2028}paragraph\u{2029}".as_bytes(),
    b"raw c1 \x9b31m\xff\xfe",
    b"\"quote\\ <script>$(touch x)`touch y`",
];

/// A world with a share of such names, under such a name.
fn world() -> World {
    let world = World::new();
    let top = world.path("top\u{1b}[2J\u{202e}");
    fs::create_dir(&top).unwrap();
    for name in NAMES {
        fs::write(top.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(top.join("n".repeat(255)), b"long").unwrap();
    world
}

const TOP: &str = "top\u{1b}[2J\u{202e}";

/// Nothing of it does anything but be read.
#[track_caller]
fn harmless(what: &str, text: &str) {
    let bad = |c: &char| {
        matches!(*c, '\0'..='\x09' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(*c, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if let Some(c) = text.chars().find(bad) {
        panic!("{c:?} in {what}:\n{text:?}");
    }
}

fn verbose(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.env("TRUECOPY_LOG", "debug");
    command
}

#[test]
fn attack_6_names_do_nothing_in_plain_text_and_logs() {
    let world = world();
    let mut command = verbose(&world, &["send", "-v", "--once", "--listen", "127.0.0.1:0", TOP]);
    let sender = Process::spawn(command.env("TRUECOPY_HOME", world.path("sender")));
    let ticket = sender.until("ticket", |out, err| {
        let all = format!("{out}\n{err}");
        let start = all.find("truecopy:")?;
        let rest = &all[start..];
        Some(rest[..rest.find(char::is_whitespace)?].to_owned())
    });
    let got = Process::spawn(&mut verbose(&world, &["get", "-v", &ticket, "-o", "there"])).exits(0);
    harmless("get", &format!("{}{}", got.out, got.err));
    let sent = sender.exits(0);
    harmless("send", &format!("{}{}", sent.out, sent.err));
    assert_same(&world.path(TOP), &world.path("there").join(TOP));
}

#[test]
fn attack_6_names_do_nothing_in_json_and_come_out_whole() {
    let world = world();
    let sender = Sender::start(&world, &["--once", TOP]);
    let got = get(&world, &sender.ticket, &["-o", "there"]).exits(0);
    let sent = sender.process.exits(0);
    for (what, ended) in [("get", &got), ("send", &sent)] {
        harmless(what, &format!("{}{}", ended.out, ended.err));
        assert!(ended.events().len() > 1, "each line is an event");
    }
    assert_same(&world.path(TOP), &world.path("there").join(TOP));
}

#[test]
fn attack_6_names_do_nothing_in_conflicts_and_reports() {
    let world = world();
    let sender = Sender::start(&world, &[TOP]);
    // All of them are taken, by something else.
    let taken = world.path("there").join(TOP);
    fs::create_dir_all(&taken).unwrap();
    for name in NAMES {
        fs::write(taken.join(OsStr::from_bytes(name)), "mine").unwrap();
    }
    for policy in ["fail", "skip"] {
        for json in [false, true] {
            let mut args = vec!["get", "-v", &sender.ticket, "-o", "there", "--on-conflict", policy];
            args.extend(json.then_some("--json"));
            let ended = Process::spawn(&mut verbose(&world, &args)).ends();
            harmless(policy, &format!("{}{}", ended.out, ended.err));
        }
    }
    world.run(&["create", TOP, "-o", "x.truecopy"]).exits(0);
    for args in [
        &["inspect", "x.truecopy"][..],
        &["inspect", "x.truecopy", "--json"],
        &["verify", "there", "--against", "x.truecopy"],
        &["verify", "there", "--against", "x.truecopy", "--json"],
        &["ls", "there"],
        &["ls", "there", "--json"],
        &["get", "no\u{1b}[2Jticket", "-o", "there"],
        &["send", "no\u{1b}[2J\u{202e}file"],
        &["get", &sender.ticket, "--only", "\u{1b}[2J", "-o", "there"],
    ] {
        let ran = world.run(args);
        harmless(&format!("{args:?}"), &format!("{}{}", ran.out(), ran.err()));
    }
}

#[test]
fn attack_6_names_do_nothing_on_a_terminal() {
    let world = world();
    let sender = Sender::start(&world, &["--once", TOP]);
    let get = ["get", "-v", "--yes", "--sha256sums", &sender.ticket, "-o", "there"];
    does_nothing(&Terminal::start(&world.command(&get)).exits(0));
    world.run(&["create", TOP, "-o", "x.truecopy"]).exits(0);
    // Elsewhere the digests are as `sha256sum` prints them, names and all.
    let verify = ["verify", TOP, "--against", "x.truecopy", "--sha256sums"];
    does_nothing(&Terminal::start(&world.command(&verify)).exits(0));
    does_nothing(&Terminal::start(&world.command(&["inspect", "x.truecopy"])).exits(0));
}

/// What the program itself says to a terminal is not among these.
#[track_caller]
fn does_nothing(screen: &str) {
    let controls = ["\u{1b}]", "\u{1b}[2J", "\u{1b}[1;31m", "\u{9b}", "\x07", "\x08"];
    for sequence in controls.iter().chain(&["\u{202e}", "\u{200b}", "\u{2028}"]) {
        assert!(!screen.contains(sequence), "{sequence:?} in {screen:?}");
    }
}
