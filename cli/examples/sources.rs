//! What it costs to fetch one file from several sources, against one: processor seconds a GiB over all processes, speed.
//!
//! ```text
//! cargo run --release -p truecopy --example sources -- [MIB [SOURCES [ROUNDS]]]
//! ```
//! Seeders and the receiver are children, the real program, over loopback; what is received goes to memory (`/dev/shm`).
//! Rounds of one and of several sources follow each other by turns; medians are compared.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

#[path = "common/file.rs"]
mod file;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first argument of a child.
const PROGRAM: &str = "program";

fn program(home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(PROGRAM).env("TRUECOPY_HOME", home).stdin(Stdio::null());
    command
}

/// Processor seconds that a process has taken, those of threads that have ended included, and whether it has ended.
fn taken(process: u32) -> (f64, bool) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
    (ticks / 100.0, fields[0] == "Z")
}

struct Seeder {
    child: Child,
    address: String,
}

impl Seeder {
    fn start(home: &Path, metadata: &Path) -> Self {
        let mut child = program(home)
            .args(["seed", "-q", "--json", "--listen", "127.0.0.1:0"])
            .arg(metadata)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let key = "\"address\":\"";
        let line = lines.find(|line| line.contains(key)).unwrap();
        let address = line.split(key).nth(1).unwrap().split('"').next().unwrap().to_owned();
        // It listens already; its share is there when its ticket is.
        lines.find(|line| line.contains("truecopy:")).unwrap();
        // Nobody reads what else it says: it must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds, and processor seconds of the seeders and of the receiver.
struct Round {
    wall: f64,
    sent: f64,
    received: f64,
}

struct Place {
    folder: tempfile::TempDir,
    memory: tempfile::TempDir,
    metadata: PathBuf,
}

impl Place {
    fn new(mib: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let source = folder.path().join("file");
        file::write(&source, mib);
        let metadata = folder.path().join("file.truecopy");
        let created = program(&folder.path().join("maker"))
            .args(["create", "-q", "-o"])
            .args([&metadata, &source])
            .status()
            .unwrap();
        assert!(created.success());
        Self { folder, memory, metadata }
    }

    fn round(&self, sources: usize, mib: usize) -> Round {
        let home = |name: String| self.folder.path().join(name);
        let seeders: Vec<Seeder> =
            (0..sources).map(|at| Seeder::start(&home(format!("seeder-{at}")), &self.metadata)).collect();
        let sum = || -> f64 { seeders.iter().map(|seeder| taken(seeder.child.id()).0).sum() };
        let peers: Vec<&str> = seeders.iter().map(|seeder| &*seeder.address).collect();
        let before = sum();
        let began = Instant::now();
        let mut receiver = program(&home("receiver".to_owned()))
            .args(["get", "-q", "--yes", "--peer", &peers.join(","), "-o"])
            .args([self.memory.path(), &self.metadata])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // What it took is told until it is waited for.
        let received = loop {
            let (cpu, has_ended) = taken(receiver.id());
            if has_ended {
                break cpu;
            }
            sleep(Duration::from_millis(1));
        };
        let wall = began.elapsed().as_secs_f64();
        assert!(receiver.wait().unwrap().success());
        let sent = sum() - before;
        let file = self.memory.path().join("file");
        assert_eq!(std::fs::metadata(&file).unwrap().len(), (mib as u64) << 20);
        std::fs::remove_file(file).unwrap();
        Round { wall, sent, received }
    }
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == PROGRAM) {
        arguments.remove(1);
        return truecopy::run::run(arguments).into();
    }
    let number = |place: usize, default: usize| {
        arguments.get(place).map_or(default, |text| text.to_str().unwrap().parse().unwrap())
    };
    let (mib, sources, rounds) = (number(1, 1024), number(2, 4), number(3, 5));
    let (place, gib) = (Place::new(mib), mib as f64 / 1024.0);
    // The first touch of memory costs more than all else.
    let _warm = place.round(1, mib);
    let (mut one, mut several) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(place.round(1, mib));
        several.push(place.round(sources, mib));
    }
    let tell = |count: usize, rounds: &[Round]| {
        let (wall, sent, received) = (
            median(rounds, |round| round.wall),
            median(rounds, |round| round.sent / gib),
            median(rounds, |round| round.received / gib),
        );
        let all = median(rounds, |round| (round.sent + round.received) / gib);
        println!(
            "{count} source(s): {:.0} MB/s; processor seconds a GiB: {sent:.2} + {received:.2} = {all:.2}",
            gib * f64::from(1 << 30) / wall / 1e6
        );
        (wall, all)
    };
    let ((one_wall, one_cpu), (wall, cpu)) = (tell(1, &one), tell(sources, &several));
    println!("{sources} against 1: {:.2} x the processor, {:.2} x the speed", cpu / one_cpu, one_wall / wall);
    ExitCode::SUCCESS
}
