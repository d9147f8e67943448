//! Recordings of real transfers, and what a replay shows of them.
#![cfg(unix)]
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Ran, World};
use truecopy_protocol::content::ticket::Ticket;
use truecopy_transport::record::{Entry, Reader, RecordedInput, Writer};

/// Stands all over the file, and must stand nowhere in a recording.
const MARKER: &[u8] = b"PAYLOAD-MARKER-7";
/// More than 4 MiB: with chunks of 256 KiB the file has a chunk layer of many hashes.
const LARGE: usize = 9_000_001;

/// A process that has not ended after so long never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process, ended when dropped.
struct Running(Child);

impl Running {
    fn wait(mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < until, "the sender does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn world(len: usize) -> World {
    let world = World::new();
    std::fs::create_dir_all(world.path("share/many")).unwrap();
    let bytes: Vec<u8> = MARKER.iter().copied().cycle().take(len).collect();
    std::fs::write(world.path("share/large"), bytes).unwrap();
    for number in 0..20 {
        std::fs::write(world.path(&format!("share/many/{number}")), MARKER.repeat(number)).unwrap();
    }
    world
}

/// A sender that records to `send.rec`, and its ticket.
fn send(world: &World) -> (Running, String) {
    let args = ["send", "share", "-q", "--once", "--listen", "127.0.0.1:0", "--record", "send.rec"];
    let mut child = world.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut ticket = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ticket).unwrap();
    (Running(child), ticket.trim().to_owned())
}

fn replayed(world: &World, file: &str) -> serde_json::Value {
    let lines = world.run(&["replay", file, "--json"]).exits(0).json();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["ev"], &lines[0]["same"]), (&"replayed".into(), &true.into()), "{lines:?}");
    lines[0].clone()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[track_caller]
fn holds_no_secret(path: &Path, ticket: &str) {
    let bytes = std::fs::read(path).unwrap();
    let secret = ticket.parse::<Ticket>().unwrap().secret.0;
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}");
    for needle in [&secret[..], hex.as_bytes(), list.as_bytes(), ticket.as_bytes(), MARKER] {
        assert!(!contains(&bytes, needle), "{}", path.display());
    }
    assert!(contains(&bytes, b"share/large"), "the manifest is what makes the run a value");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

/// A recorded transfer, in whose recordings one may look.
fn transferred(len: usize) -> (World, String, Ran) {
    let world = world(len);
    let (sender, ticket) = send(&world);
    let got = world.run(&["get", &ticket, "--yes", "-o", "there", "--record", "get.rec"]).exits(0);
    assert_eq!(sender.wait(), 0);
    assert_eq!(
        std::fs::read(world.path("there/share/large")).unwrap(),
        std::fs::read(world.path("share/large")).unwrap()
    );
    (world, ticket, got)
}

#[test]
fn both_sides_of_a_transfer_replay_the_same_and_hold_no_secret() {
    let (world, ticket, got) = transferred(LARGE);
    assert!(got.err().contains("holds no secret"), "{}", got.err());
    for file in ["send.rec", "get.rec"] {
        holds_no_secret(&world.path(file), &ticket);
        let report = replayed(&world, file);
        assert_eq!(report["end"], "finished", "{report}");
        for count in ["inputs", "streams", "disks"] {
            assert!(report[count].as_u64().unwrap() > 50, "{report}");
        }
    }
    let text = world.run(&["replay", "get.rec"]).exits(0).out();
    assert!(text.starts_with("same: "), "{text}");
}

#[test]
fn a_recording_takes_nobodys_place() {
    let world = world(16);
    std::fs::write(world.path("mine"), b"mine").unwrap();
    world.run(&["send", "share", "--record", "mine"]).exits(9);
    world.run(&["get", "share", "--record", "mine"]).exits(9);
    world.run(&["send", "share", "--record", "nowhere/x"]).exits(8);
    assert_eq!(std::fs::read(world.path("mine")).unwrap(), b"mine");
}

#[test]
fn the_recording_of_a_killed_receiver_replays_as_far_as_it_goes() {
    let world = world(200_000_000);
    let (sender, ticket) = send(&world);
    let args = ["get", &ticket, "--yes", "-o", "there", "--record", "get.rec", "--json"];
    let mut getting = world.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(getting.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pid = getting.id().to_string();
    let getting = Running(getting);
    assert!(lines.any(|line| line.contains("\"ev\":\"progress\"")));
    // It is in the midst of it, and what it was told until now is in the file.
    assert!(Command::new("kill").args(["-USR1", &pid]).status().unwrap().success());
    assert!(lines.any(|line| line.contains("\"for\":\"paused\"")));
    getting.kill();
    sender.kill();
    for (file, inputs) in [("send.rec", 3), ("get.rec", 20)] {
        holds_no_secret(&world.path(file), &ticket);
        let report = replayed(&world, file);
        assert_eq!(report["end"], "cut-off", "{report}");
        assert!(report["inputs"].as_u64().unwrap() >= inputs, "{report}");
    }
}

#[test]
fn an_altered_recording_says_where_it_first_differs() {
    let (world, _, _) = transferred(600_000);
    let bytes = std::fs::read(world.path("get.rec")).unwrap();
    let (start, mut reader) = Reader::open(&bytes[..]).unwrap();
    let mut altered = Vec::new();
    let mut writer = Writer::new(&mut altered, &start).unwrap();
    let (mut inputs, mut at, mut leaving_out) = (0, None, false);
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Input { input, .. } = &entry {
            // The answer to the first job never comes.
            leaving_out = at.is_none() && matches!(input, RecordedInput::Done { .. });
            if leaving_out {
                at = Some(inputs);
            }
            inputs += u64::from(!leaving_out);
        }
        if !leaving_out {
            writer.entry(&entry).unwrap();
        }
    }
    writer.flush().unwrap();
    drop(writer);
    std::fs::write(world.path("altered.rec"), altered).unwrap();

    let ran = world.run(&["replay", "altered.rec", "--json"]).exits(7);
    let lines = ran.json();
    assert_eq!((&lines[0]["same"], &lines[1]["exit"]), (&false.into(), &7.into()), "{lines:?}");
    let first = lines[0]["input"].as_u64().unwrap();
    assert!(first >= at.unwrap(), "{lines:?}");
    let text = world.run(&["replay", "altered.rec"]).exits(7);
    assert!(text.out().starts_with(&format!("different: at input {first}")), "{}", text.out());
}

#[test]
fn what_is_no_whole_recording_is_told_apart() {
    let (world, _, _) = transferred(600_000);
    world.run(&["replay", "share/large"]).exits(2);
    world.run(&["replay", "nowhere"]).exits(8);
    let mut bytes = Vec::new();
    std::fs::File::open(world.path("get.rec")).unwrap().read_to_end(&mut bytes).unwrap();
    let half = bytes.len() / 2;
    std::fs::write(world.path("cut.rec"), &bytes[..half]).unwrap();
    assert_eq!(replayed(&world, "cut.rec")["end"], "cut-off");
    bytes[half] ^= 1;
    std::fs::write(world.path("damaged.rec"), &bytes).unwrap();
    let ran = world.run(&["replay", "damaged.rec"]).exits(8);
    assert!(ran.out().starts_with("same: ") && ran.err().contains("damaged at byte"), "{}", ran.err());
}
