//! The program on a terminal: keys, questions, the live line, and what it leaves behind.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::{World, sample};
use crate::process::{DEADLINE, Sender, assert_same, names};
use crate::proxy::Proxy;

/// The program on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    ours: File,
    theirs: OwnedFd,
    screen: Arc<(Mutex<String>, Condvar)>,
}

impl Terminal {
    pub(crate) fn start(command: &Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        let mut all = Command::new("setsid");
        all.arg("--ctty").arg(command.get_program()).args(command.get_args());
        all.current_dir(command.get_current_dir().unwrap());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => all.env(key, value),
                None => all.env_remove(key),
            };
        }
        let end = || theirs.try_clone().unwrap();
        let child = all.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let screen = Arc::<(Mutex<String>, Condvar)>::default();
        let mut from = File::from(ours.try_clone().unwrap());
        let to = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(len @ 1..) = from.read(&mut buf) {
                to.0.lock().unwrap().push_str(&String::from_utf8_lossy(&buf[..len]));
                to.1.notify_all();
            }
        });
        Self { child, ours: ours.into(), theirs: theirs.into(), screen }
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        let until = Instant::now() + DEADLINE;
        let mut screen = self.screen.0.lock().unwrap();
        while !screen.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {text:?} in {screen}");
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    /// Types; what was shown before is forgotten.
    pub(crate) fn types(&mut self, keys: &str) {
        self.screen.0.lock().unwrap().clear();
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Its exit code; the terminal must be as it was.
    #[track_caller]
    pub(crate) fn exits(mut self, code: i32) -> String {
        let status = self.child.wait().unwrap();
        let screen = self.screen.0.lock().unwrap().clone();
        assert_eq!(status.code(), Some(code), "{screen}");
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn served() -> (World, Sender) {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    (world, sender)
}

#[test]
fn consent_is_asked_for_and_a_no_is_told() {
    let (world, sender) = served();
    let mut no = Terminal::start(&world.command(&["get", &sender.ticket, "-o", "there"]));
    no.shows("fetch 976.6 KiB into ");
    no.types("n\n");
    no.shows("declined");
    no.exits(3);
    assert!(names(&world.path("there")).is_empty());
    let told = sender.process.event("disconnected", |_| true);
    assert_eq!(told["reason"], "the offer was declined");
    let mut yes = Terminal::start(&world.command(&["get", &sender.ticket, "-o", "there"]));
    yes.shows("[Y/n]");
    yes.types("\n");
    yes.shows("verified 3 files");
    yes.exits(0);
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn a_conflict_is_asked_about() {
    let (world, sender) = served();
    fs::create_dir_all(world.path("there/share")).unwrap();
    fs::write(world.path("there/share/large"), b"mine").unwrap();
    let get = world.command(&["get", &sender.ticket, "-o", "there"]);
    let mut cancelled = Terminal::start(&get);
    cancelled.shows("the name is taken: share/large");
    cancelled.shows("[c]ancel?");
    cancelled.types("what\n");
    cancelled.shows("[c]ancel?");
    cancelled.types("c\n");
    cancelled.exits(9);
    let mut replaced = Terminal::start(&get);
    replaced.shows("[c]ancel?");
    replaced.types("p\n");
    replaced.shows("[Y/n]");
    replaced.types("y\n");
    replaced.shows("replaced: share/large");
    replaced.exits(0);
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn keys_pause_resume_and_stop() {
    let (world, sender) = served();
    let proxy = Proxy::start(sender.address);
    let get = world.command(&["get", "--yes", &sender.ticket_at(proxy.address), "-o", "there"]);
    proxy.hold_after(600_000);
    let mut running = Terminal::start(&get);
    running.shows("keys: p pause");
    proxy.until_held();
    running.shows("% verified");
    running.types("p");
    running.shows("paused here");
    running.types("r");
    running.shows("going on");
    sender.process.event("waiting", |event| event["for"] == "peer-resumed");
    running.types("q");
    running.shows("verified and kept");
    running.exits(130);
    assert_eq!(sender.process.event("disconnected", |_| true)["reason"], "cancelled there");
    proxy.open();
    let again = Terminal::start(&get);
    again.shows("resuming: ");
    again.shows("→");
    again.exits(0);
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn other_files_are_chosen_by_a_key_while_it_runs() {
    let (world, sender) = served();
    let proxy = Proxy::start(sender.address);
    let get = world.command(&["get", "--yes", &sender.ticket_at(proxy.address), "-o", "there"]);
    proxy.hold_after(300_000);
    let mut running = Terminal::start(&get);
    running.shows("o only these files");
    proxy.until_held();
    running.types("o");
    running.shows("fetch only (patterns");
    running.types("nothing-like-it\n");
    running.shows("no change: the patterns leave nothing of this share");
    running.types("f");
    running.shows("fetch first (patterns");
    running.types("\n");
    running.types("o");
    running.shows("fetch only (patterns");
    running.types("na*\n");
    running.shows("what is verified of it stays so");
    proxy.open();
    running.exits(0);
    assert_eq!(names(&world.path("there/share")), ["日本"]);
    assert_eq!(fs::read(world.path("there/share/日本/naïve.txt")).unwrap(), b"unicode");
}

#[test]
fn ctrl_c_ends_at_a_question_in_the_midst_and_while_looking_for_the_sender() {
    let (world, sender) = served();
    let mut asked = Terminal::start(&world.command(&["get", &sender.ticket, "-o", "there"]));
    asked.shows("[Y/n]");
    asked.types("\x03");
    asked.exits(130);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(600_000);
    let ticket = sender.ticket_at(proxy.address);
    let mut running = Terminal::start(&world.command(&["get", "--yes", &ticket, "-o", "there"]));
    running.shows("% verified");
    running.types("\x03");
    running.shows("run the same command again");
    running.exits(130);
    drop(sender);
    proxy.cut();
    let mut looking = Terminal::start(&world.command(&["get", "--yes", &ticket, "-o", "there"]));
    looking.shows("trying again in");
    looking.types("\x03");
    looking.exits(130);
}
