//! `truecopy top` on a real terminal: tmux draws what the program writes, and types.
#![cfg(target_os = "linux")]

use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::api::{Daemon, command};
use crate::common::World;
use crate::process::{DEADLINE, assert_same, write_random};
use crate::terminal::Terminal;

/// A terminal of 120 by 32, in a tmux of its own.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// Starts the program in it; none if there is no tmux here.
    fn start(world: &World, program: &Command) -> Option<Self> {
        let has_tmux = Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_ok();
        if !has_tmux {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let socket = world.path("tmux").to_str().unwrap().to_owned();
        let tmux = Self { socket };
        let mut new = tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "32"]);
        for (key, value) in program.get_envs() {
            if let (Some(key), Some(value)) = (key.to_str(), value.and_then(|value| value.to_str())) {
                new.arg("-e").arg(format!("{key}={value}"));
            }
        }
        new.arg("-c").arg(program.get_current_dir().unwrap());
        // The terminal outlives the program, and shows its exit code.
        new.args(["sh", "-c", "\"$@\"; echo \"ended with $?\"; read -r _", "sh"]);
        new.arg(program.get_program()).args(program.get_args());
        let started = new.env("LC_ALL", "C.UTF-8").output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Some(tmux)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).arg("-u").args(args);
        command
    }

    #[track_caller]
    fn tell(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        assert!(status.success(), "{args:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn types(&self, text: &str) {
        self.tell(&["send-keys", "-l", text]);
    }

    fn hits(&self, key: &str) {
        self.tell(&["send-keys", key]);
    }

    /// Waits until the screen is as it should be; the line that is.
    #[track_caller]
    fn shows(&self, what: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let screen = self.tell(&["capture-pane", "-p"]);
            if let Some(line) = screen.lines().find(|line| what(line)) {
                return line.to_owned();
            }
            assert!(Instant::now() < until, "the screen is:\n{screen}");
        }
    }

    /// Waits until it has ended with this exit code, and has left the terminal as it was.
    #[track_caller]
    fn exits(&self, code: u8) {
        self.shows(|line| line == format!("ended with {code}"));
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It fails only if it has ended already.
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

fn has(words: &'static [&'static str]) -> impl Fn(&str) -> bool {
    move |line| words.iter().all(|word| line.contains(word))
}

#[test]
fn transfers_offers_and_messages_are_watched_and_steered_on_a_terminal() {
    let world = World::new();
    write_random(&world.path("film"), 60_000_000, 7);
    write_random(&world.path("letter"), 1000, 8);
    let (one, two) = (Daemon::start(&world, "one", &[]), Daemon::start(&world, "two", &[]));
    let served = one.order(&json!({ "order": "share", "paths": [world.path("film")] }));
    one.process.event("ticket", |event| event["transfer"] == served);
    let ticket = one.transfer(served)["ticket"].clone();
    two.order(&json!({ "order": "limit", "up": null, "down": 6_000_000 }));
    two.order(&json!({ "order": "get", "source": ticket, "folder": world.path("there") }));
    let Some(screen) = Tmux::start(&world, &command(&world, "two", &["top"])) else { return };
    // It moves, from a peer by a path, and its chunks are seen.
    screen.shows(|line| has(&["[1]", "film", "running", "MiB/s"])(line) && line.contains('█'));
    screen.shows(has(&["→ tcp 127.0.0.1:", "100%", "gives"]));
    screen.shows(|line| line.contains("Chunks: ") && !line.contains("Chunks: 0 "));
    screen.types("p");
    screen.shows(has(&["film", "paused"]));
    assert_eq!(two.transfer(1)["state"], "paused");
    screen.types("r");
    screen.shows(has(&["film", "running"]));
    screen.types("c");
    screen.shows(has(&["film", "cancelled"]));
    two.order(&json!({ "order": "limit", "up": null, "down": null }));
    screen.types("t");
    screen.shows(has(&["film", "done", "100%"]));
    assert_same(&world.path("film"), &world.path("there/film"));
    // A message, and an answer to it.
    one.order(&json!({ "order": "send", "to": two.address, "text": "héllo 世界" }));
    screen.shows(has(&["<", "> héllo 世界"]));
    screen.types(":send ");
    screen.types(&one.key[..8]);
    screen.types(" hi, you");
    screen.hits("Enter");
    one.process.event("said", |event| event["text"] == "hi, you");
    // An offer stands first, and is accepted.
    one.order(&json!({ "order": "sendfile", "to": two.key, "paths": [world.path("letter")] }));
    screen.shows(has(&["letter", "for you", "1000 B"]));
    screen.hits("Home");
    screen.types("a");
    screen.shows(|line| has(&["letter", "done"])(line) && line.contains('│'));
    assert_same(&world.path("letter"), &world.path("two-files/letter"));
    screen.types("q");
    screen.exits(0);
    two.get("/healthz");
}

#[test]
fn a_daemon_that_goes_and_comes_back_is_seen_to() {
    let world = World::new();
    let mut daemon = Daemon::start(&world, "home", &[]);
    let Some(screen) = Tmux::start(&world, &command(&world, "home", &["top"])) else { return };
    screen.shows(has(&["truecopy ", "up "]));
    daemon.process.kill();
    screen.shows(has(&["truecopy the daemon does not answer"]));
    let again = Daemon::start(&world, "home", &[]);
    screen.shows(|line| line.starts_with("truecopy ") && line.contains(&again.address));
    // Ctrl-C is a key as any other.
    screen.hits("C-c");
    screen.exits(0);
}

#[test]
fn without_a_terminal_or_a_daemon_there_is_nothing_to_draw() {
    let world = World::new();
    let ran = world.run(&["top"]).exits(2);
    assert!(ran.err().contains("truecopy status"), "{}", ran.err());
    let terminal = Terminal::start(&world.command(&["top"]));
    terminal.shows("truecopy daemon");
    terminal.exits(20);
}
