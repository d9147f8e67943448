//! How fast the daemon's local API answers while it fetches at full speed.
//!
//! ```text
//! cargo run --release -p truecopy --example api -- [MIB [ROUNDS]]
//! ```
//! Two daemons are children, the real program, over loopback; what is fetched goes to memory (`/dev/shm`). While one
//! fetches, its status is asked for again and again, each time over a new connection, with pauses of five milliseconds.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

#[path = "common/file.rs"]
mod file;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use truecopy::api::Place;
use truecopy::api::client::Client;
use truecopy::api::orders::Given;
use truecopy::api::shapes::{Status, Transfer, Transfers};
use truecopy::home::Home;

/// The first argument of a child.
const PROGRAM: &str = "program";
/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(5);

struct Daemon {
    child: Child,
    client: Client,
}

impl Daemon {
    fn start(home: &Path, files: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([PROGRAM, "daemon", "-q", "--listen", "127.0.0.1:0", "-o"])
            .arg(files)
            .env("TRUECOPY_HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let place = Place::new(&Home::at(home));
        let client = loop {
            if let Ok(client) = Client::find(&place)
                && client.get::<Status>("/v1/status").is_ok()
            {
                break client;
            }
            sleep(PAUSE);
        };
        Self { child, client }
    }

    fn transfer(&self, number: u32) -> Transfer {
        let Transfers { transfers, .. } = self.client.get("/v1/transfers").unwrap();
        transfers.into_iter().find(|transfer| transfer.transfer == number).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let (mib, rounds) = (number(1, 2048), number(2, 3));
    let folder = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    let source = folder.path().join("file");
    file::write(&source, mib);
    let one = Daemon::start(&folder.path().join("one"), folder.path());
    let two = Daemon::start(&folder.path().join("two"), memory.path());
    let served = one.client.give(&Given::Share { paths: vec![source] }).unwrap().transfer.unwrap();
    let ticket = loop {
        if let Some(ticket) = one.transfer(served).ticket {
            break ticket;
        }
        sleep(PAUSE);
    };
    let (mut times, mut seconds) = (Vec::new(), 0.0);
    for round in 0..rounds {
        let place = memory.path().join(round.to_string());
        let get = Given::Get { source: ticket.clone(), folder: Some(place.clone()) };
        let began = Instant::now();
        let fetched = two.client.give(&get).unwrap().transfer.unwrap();
        loop {
            let asked = Instant::now();
            let status: Status = two.client.get("/v1/status").unwrap();
            times.push(asked.elapsed().as_secs_f64() * 1000.0);
            if status.active == 0 {
                break;
            }
            sleep(PAUSE);
        }
        seconds += began.elapsed().as_secs_f64();
        assert_eq!(two.transfer(fetched).state, "done");
        std::fs::remove_dir_all(place).unwrap();
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let speed = (rounds * mib) as f64 / seconds;
    println!(
        "{} answers at {speed:.0} MiB/s: median {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    if at(99) <= 20.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
