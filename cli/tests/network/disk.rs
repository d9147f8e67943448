//! A disk that is full or does not let us write.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::common::World;
use crate::process::{Process, Sender, assert_same, get, write_random};
use crate::proxy::Proxy;

const MIB: u64 = 1 << 20;

/// A small file system of our own, in a name space of our own.
struct SmallDisk {
    holder: Child,
    mount: PathBuf,
}

impl SmallDisk {
    /// None if this system does not allow it.
    fn new(world: &World, size: &str) -> Option<Self> {
        let mount = world.path("small");
        fs::create_dir(&mount).unwrap();
        let script = r#"mount -t tmpfs -o size="$1" none "$2" && echo ready && exec cat"#;
        let mut holder = Command::new("unshare")
            .args(["-Urm", "sh", "-c", script, "sh", size])
            .arg(&mount)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let disk = Self { holder, mount };
        if line.trim() != "ready" {
            // By hand, so that it is seen why nothing was tested.
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(disk)
    }

    /// The same command, where the mount is seen.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--preserve-credentials", "-U", "-m", "-t", &self.holder.id().to_string()]);
        inside.arg(format!("--wd={}", self.mount.parent().unwrap().display()));
        inside.arg("--").arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(key, value),
                None => inside.env_remove(key),
            };
        }
        inside
    }

    /// A path in it, seen from outside.
    fn path(&self, name: &str) -> PathBuf {
        let mount = self.mount.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(mount).join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn share(mib: u64) -> World {
    let world = World::new();
    fs::create_dir(world.path("share")).unwrap();
    write_random(&world.path("share/large"), usize::try_from(mib * MIB).unwrap(), 7);
    for n in 0..200 {
        write_random(&world.path(&format!("share/small{n:03}")), 20_000, n);
    }
    world
}

#[test]
fn too_little_space_is_said_before_anything_moves() {
    let world = share(30);
    let Some(disk) = SmallDisk::new(&world, "16m") else { return };
    let sender = Sender::start(&world, &["share"]);
    let command = world.command(&["get", "--json", &sender.ticket, "-o", "small"]);
    let got = Process::spawn(&mut disk.inside(&command)).exits(8);
    assert!(got.err.contains("free") && got.err.contains("needed"), "{}", got.err);
    assert_eq!(fs::read_dir(disk.path("")).unwrap().count(), 0);
}

#[test]
fn a_disk_that_becomes_full_keeps_what_is_verified() {
    let world = share(30);
    let Some(disk) = SmallDisk::new(&world, "48m") else { return };
    let sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(12 * MIB);
    let ticket = sender.ticket_at(proxy.address);
    let command = world.command(&["get", "--json", &ticket, "-o", "small"]);
    let receiver = Process::spawn(&mut disk.inside(&command));
    proxy.until_held();
    receiver.event("progress", |event| event["verified"].as_u64().unwrap() > 2 * MIB);
    // Someone else takes all the rest.
    let mut filler = fs::File::create(disk.path("filler")).unwrap();
    let full = std::io::copy(&mut std::io::repeat(1), &mut filler).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    drop(filler);
    proxy.open();
    let got = receiver.exits(8);
    assert!(got.err.contains("no space is left") && got.err.contains("goes on from here"), "{}", got.err);
    assert!(!disk.path("share").exists());
    fs::remove_file(disk.path("filler")).unwrap();
    let again = Process::spawn(&mut disk.inside(&command)).exits(0);
    assert!(again.event("resumed")["verified"].as_u64().unwrap() > 2 * MIB);
    assert_same(&world.path("share"), &disk.path("share"));
}

#[test]
fn a_destination_that_cannot_be_written_is_named() {
    let world = share(1);
    let sender = Sender::start(&world, &["share"]);
    fs::write(world.path("file"), b"").unwrap();
    let got = get(&world, &sender.ticket, &["-o", "file/there"]).exits(8);
    assert!(got.err.contains("file/there"), "{}", got.err);
    fs::create_dir(world.path("closed")).unwrap();
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::create_dir(world.path("closed/probe")).is_ok() {
        eprintln!("skipped: this user may write everywhere");
        return;
    }
    let got = get(&world, &sender.ticket, &["-o", "closed"]).exits(8);
    assert!(got.err.contains("closed"), "{}", got.err);
}
