//! What talking costs a transfer: messages go through a node that serves a file, by turns with silence.
//!
//! ```text
//! cargo run --release -p truecopy --example chatter -- [MIB [ROUNDS [RATE [all|texts|calls]]]]
//! ```
//! Three nodes with real sockets and real files in this process, over loopback; files lie in memory (`/dev/shm`). A and C are
//! connected to B alone. B serves a file to C. Meanwhile, or not, so many messages a second (1,000) go through B, if no other
//! kind is asked for in equal parts: texts from A to B, texts from B to C, calls of A, which B passes on to C. Each text must
//! be acknowledged and each call heard by both. Rounds with and without messages follow each other by turns; medians are
//! compared.
//!
//! All three nodes share the machine: what A and C take for their part of the talk is taken from the transfer, too.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

#[path = "common/file.rs"]
mod file;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use truecopy_mio::disk::RealDisk;
use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{Links, Monitor, Options, Prepared, prepare};
use truecopy_mio::{Handle, Listen, Reactor, ReactorConfig};
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Command, Fetch, PeerHint, Say, Share as Served};
use truecopy_protocol::output::{Event, Heard};
use truecopy_protocol::{AccessSecret, Candidate, NodeId, ShareId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::store::{
    Holder, OnConflict, OnImpossible, Receiving, Share, Source, SourceTop, Staging, StagingOptions, Survey,
    TrustDisk,
};

const ROOM: ShareId = ShareId(0);
const SERVED: ShareId = ShareId(1);
const SECRET: AccessSecret = AccessSecret([9; 32]);
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks whether a message is due.
const TICK: Duration = Duration::from_micros(500);
/// What is said.
const TEXT: &str = "the quick brown fox jumps over the lazy dog, and says so";

/// What a node has heard, and was told of what it said.
#[derive(Debug, Default)]
struct Counts {
    texts: AtomicU64,
    calls: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
}

/// A running node, and a thread that reads what it tells.
struct Host {
    id: NodeId,
    handle: Handle,
    counts: Arc<Counts>,
    /// What happens to shares, and who is there.
    moved: Mutex<Receiver<Event>>,
    threads: Vec<JoinHandle<()>>,
}

impl Host {
    fn start(name: &str) -> Self {
        let mut config = ReactorConfig::new(KeyPair::generate().unwrap(), [name.as_bytes()[0]; 32]);
        config.listen = vec![Listen::At(SocketAddr::from(([127, 0, 0, 1], 0)))];
        let id = config.keys[0].node_id();
        let (reactor, handle, events) = Reactor::new(config).unwrap();
        let (counts, (tell, moved)) = (Arc::new(Counts::default()), channel());
        let counted = Arc::clone(&counts);
        // Its name is that under which the system counts its time.
        let named = |name: String| thread::Builder::new().name(name);
        let run = named(format!("loop {name}")).spawn(|| reactor.run().unwrap()).unwrap();
        let read = named("readers".to_owned()).spawn(move || {
            while let Ok(event) = events.recv_timeout(PATIENCE) {
                count(&counted, &tell, event);
            }
        });
        let room = Command::Room { room: ROOM, secret: SECRET, local: id, port: None };
        handle.command(room).unwrap();
        Self { id, handle, counts, moved: Mutex::new(moved), threads: vec![run, read.unwrap()] }
    }

    fn hint(&self) -> PeerHint {
        PeerHint { key: Some(self.id), addresses: vec![Candidate::Tcp(self.handle.addresses()[0])] }
    }

    /// Waits for something that happens to a share, or in the room.
    fn until<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let moved = self.moved.lock().unwrap();
        loop {
            if let Some(found) = wanted(moved.recv_timeout(PATIENCE).unwrap()) {
                return found;
            }
        }
    }

    fn say(&self, to: NodeId, tag: u64) {
        let say = Say::Text(format!("{TEXT}: {tag}"));
        self.handle.command(Command::Say { room: ROOM, to, tag, say }).unwrap();
    }

    fn call(&self, tag: u64) {
        self.handle.command(Command::Call { room: ROOM, text: format!("{TEXT}: {tag}") }).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.handle.stop();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn count(counts: &Counts, tell: &Sender<Event>, event: Event) {
    let counter = match event {
        Event::Heard { heard: Heard::Text(_), .. } => &counts.texts,
        Event::Heard { heard: Heard::Call(_), .. } => &counts.calls,
        Event::Delivered { .. } => &counts.delivered,
        Event::Undelivered { .. } => &counts.lost,
        Event::Progress { .. } | Event::Uploaded { .. } | Event::Receipt { .. } => return,
        // At the end nobody reads it any more.
        event => return drop(tell.send(event)),
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The three nodes, and what B serves.
struct World {
    a: Host,
    b: Host,
    c: Host,
    manifest: Arc<Manifest>,
    memory: tempfile::TempDir,
    /// What is said, by turns.
    kinds: &'static [Kind],
}

/// Who says what to whom.
#[derive(Clone, Copy, Debug)]
enum Kind {
    ToB,
    ToC,
    Call,
}

impl Kind {
    fn named(name: &str) -> &'static [Self] {
        match name {
            "all" => &[Self::ToB, Self::ToC, Self::Call],
            "texts" => &[Self::ToB, Self::ToC],
            "calls" => &[Self::Call],
            other => panic!("`{other}` is not said: all, texts, calls"),
        }
    }
}

/// What was said in all.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    to_b: u64,
    to_c: u64,
    calls: u64,
}

impl Said {
    const fn all(self) -> u64 {
        self.to_b + self.to_c + self.calls
    }
}

/// What one fetch took.
#[derive(Clone, Debug)]
struct Round {
    wall: f64,
    /// Processor seconds, by threads.
    cpu: Taken,
    /// Messages a second.
    rate: f64,
}

impl World {
    fn new(mib: usize, kinds: &'static [Kind]) -> Self {
        let memory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        file::write(&memory.path().join("file"), mib);
        let (a, b, c) = (Host::start("a"), Host::start("b"), Host::start("c"));
        let manifest = serve(&b, &memory.path().join("file"));
        for host in [&a, &c] {
            host.handle.command(Command::AddPeer { share: ROOM, peer: b.hint() }).unwrap();
            host.until(|event| matches!(event, Event::PeerUp { share: ROOM, .. }).then_some(()));
        }
        for _ in [&a, &c] {
            b.until(|event| matches!(event, Event::PeerUp { share: ROOM, .. }).then_some(()));
        }
        Self { a, b, c, manifest, memory, kinds }
    }

    /// C fetches everything from B. Seconds from its acceptance until all is placed.
    fn fetch(&self, share: ShareId) -> f64 {
        let folder = self.memory.path().join("got");
        std::fs::create_dir(&folder).unwrap();
        let fetch = Fetch::new(share, self.manifest.content_id(), SECRET, vec![self.b.hint()]);
        self.c.handle.command(Command::Fetch(fetch)).unwrap();
        let manifest = self.c.until(|event| match event {
            Event::Offer { manifest, .. } => Some(manifest),
            _ => None,
        });
        self.c.handle.register(share, Arc::new(Share::Receiving(Box::new(receiving(&folder, manifest)))));
        let began = Instant::now();
        self.c.handle.command(Command::accept(share, Selection::All)).unwrap();
        self.c.until(|event| match event {
            Event::Failed { why, .. } => panic!("{why:?}"),
            event => matches!(event, Event::Completed { .. }).then_some(()),
        });
        let took = began.elapsed().as_secs_f64();
        self.c.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
        std::fs::remove_dir_all(folder).unwrap();
        took
    }

    /// A fetch, with so many messages a second.
    fn round(&self, share: ShareId, rate: u64, said: &mut Said) -> Round {
        let (before, first) = (taken(), said.all());
        let began = Instant::now();
        let wall = thread::scope(|scope| {
            let fetch = scope.spawn(|| self.fetch(share));
            while !fetch.is_finished() {
                let due = first + (began.elapsed().as_secs_f64() * rate as f64) as u64;
                while said.all() < due {
                    self.say_next(said);
                }
                sleep(TICK);
            }
            fetch.join().unwrap()
        });
        let mut cpu = taken();
        cpu.iter_mut().for_each(|(name, taken)| *taken -= before.get(name).unwrap_or(&0.0));
        let news = said.all() - first;
        let rate = news as f64 / began.elapsed().as_secs_f64();
        self.wait_for_all(*said);
        Round { wall, cpu, rate }
    }

    fn say_next(&self, said: &mut Said) {
        let tag = said.all();
        match self.kinds[tag as usize % self.kinds.len()] {
            Kind::ToB => {
                self.a.say(self.b.id, tag);
                said.to_b += 1;
            }
            Kind::ToC => {
                self.b.say(self.c.id, tag);
                said.to_c += 1;
            }
            Kind::Call => {
                self.a.call(tag);
                said.calls += 1;
            }
        }
    }

    /// How many of what was said has come where it should, and was acknowledged.
    fn arrived(&self) -> [u64; 6] {
        let [a, b, c] = [&self.a, &self.b, &self.c].map(|host| &host.counts);
        let counters = [&b.texts, &a.delivered, &c.texts, &b.delivered, &b.calls, &c.calls];
        counters.map(|counter| counter.load(Ordering::Relaxed))
    }

    fn wait_for_all(&self, said: Said) {
        let Said { to_b, to_c, calls } = said;
        let (wanted, began) = ([to_b, to_b, to_c, to_c, calls, calls], Instant::now());
        while self.arrived() != wanted {
            assert!(began.elapsed() < PATIENCE, "{:?} of {wanted:?} have come", self.arrived());
            sleep(Duration::from_millis(1));
        }
    }
}

fn serve(host: &Host, file: &Path) -> Arc<Manifest> {
    let options = Options { links: Links::Keep, hasher: &AtOnce };
    let Prepared { manifest, layers, sources, .. } =
        prepare(&[file.to_owned()], &options, None, &Monitor::new()).unwrap();
    let top = &sources.tops()[0];
    let roots = vec![RealDisk::open_root(top.folder()).unwrap()];
    let tops = vec![SourceTop { root: 0, name: Some(RelPath::to_owned(top.name())) }];
    let identities = sources.identities();
    let source = Source::new(Arc::clone(&manifest), roots, tops, identities, Arc::new(AtOnce)).unwrap();
    host.handle.register(SERVED, Arc::new(Share::Serving(source)));
    let share = Served::new(SERVED, SECRET, Arc::clone(&manifest), Arc::new(layers));
    host.handle.command(Command::Share(share)).unwrap();
    manifest
}

fn receiving(folder: &Path, manifest: Arc<Manifest>) -> Receiving<RealDisk> {
    let disk = RealDisk::open_root(folder).unwrap();
    let survey = Survey::take(&disk, Arc::clone(&manifest), Selection::All, Vec::new()).unwrap();
    let plan = survey.decide(&disk, OnConflict::Fail, OnImpossible::Fail).unwrap().unwrap();
    let options = StagingOptions {
        manifest,
        selection: Selection::All,
        plan,
        trust: TrustDisk::No,
        holder: Holder::default(),
        hasher: Arc::new(AtOnce),
    };
    Receiving::opened(Staging::open(disk, options).unwrap())
}

/// Processor seconds by what threads are called, without numbers.
type Taken = BTreeMap<String, f64>;

/// What the threads of this process have taken so far. Those that fetch have ended before they are looked at, and do little.
fn taken() -> Taken {
    let mut taken = Taken::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let folder = task.unwrap().path();
        let read = |file| std::fs::read_to_string(folder.join(file));
        // It may end just now.
        let (Ok(name), Ok(times)) = (read("comm"), read("schedstat")) else { continue };
        let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        let nanos: f64 = times.split(' ').next().unwrap().parse().unwrap();
        *taken.entry(name.to_owned()).or_default() += nanos / 1e9;
    }
    taken
}

/// The sum over all rounds.
fn sum(rounds: &[Round]) -> Taken {
    let mut sum = Taken::new();
    for (name, taken) in rounds.iter().flat_map(|round| &round.cpu) {
        *sum.entry(name.clone()).or_default() += taken;
    }
    sum
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn tell(name: &str, rounds: &[Round], mib: usize) {
    let walls: Vec<String> = rounds.iter().map(|round| format!("{:.2}", round.wall)).collect();
    let wall = median(rounds, |round| round.wall);
    println!(
        "{name}: {wall:.3} s, {:.0} MB/s; {:.2} processor seconds (rounds: {})",
        (mib << 20) as f64 / wall / 1e6,
        median(rounds, |round| round.cpu.values().sum()),
        walls.join(" ")
    );
}

/// What messages cost, thread by thread: the difference of the sums.
fn tell_costs(silent: &Taken, talking: &Taken, messages: f64) {
    let cost = |name: &str, taken: f64| 1e6 * (taken - silent.get(name).unwrap_or(&0.0)) / messages;
    let costs = talking.iter().map(|(name, taken)| (name, cost(name, *taken)));
    let parts: Vec<String> = costs.clone().map(|(name, cost)| format!("{name} {cost:.0}")).collect();
    let all: f64 = costs.map(|(_, cost)| cost).sum();
    println!("{all:.0} µs of processor for each: {}", parts.join(", "));
}

fn main() -> ExitCode {
    let number = |place: usize, default: usize| {
        std::env::args().nth(place).map_or(default, |text| text.parse().unwrap())
    };
    let (mib, rounds, rate) = (number(1, 2048), number(2, 7), number(3, 1_000) as u64);
    let kinds = Kind::named(std::env::args().nth(4).as_deref().unwrap_or("all"));
    let (world, mut said) = (World::new(mib, kinds), Said::default());
    let mut shares = (2..).map(ShareId);
    let mut round = |rate, said: &mut Said| world.round(shares.next().unwrap(), rate, said);
    // The first touch of memory costs more than all else.
    let _warm = round(0, &mut said);
    let (mut silent, mut talking) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        silent.push(round(0, &mut said));
        talking.push(round(rate, &mut said));
    }
    tell("silent ", &silent, mib);
    tell("talking", &talking, mib);
    let ratio = |(off, on): (&Round, &Round)| Round { wall: on.wall / off.wall, ..on.clone() };
    let ratios: Vec<Round> = silent.iter().zip(&talking).map(ratio).collect();
    let lost = [&world.a, &world.b].map(|host| host.counts.lost.load(Ordering::Relaxed));
    println!(
        "{} messages, {:.0} a second; of {said:?} arrived {:?}, lost {lost:?}",
        said.all(),
        median(&talking, |round| round.rate),
        world.arrived(),
    );
    tell_costs(&sum(&silent), &sum(&talking), said.all() as f64);
    let slower = 100.0 * (median(&talking, |r| r.wall) / median(&silent, |r| r.wall) - 1.0);
    let by_pairs = 100.0 * (median(&ratios, |r| r.wall) - 1.0);
    println!(
        "with them the transfer takes {slower:+.1} % (median of pairs {by_pairs:+.1} %); at most 5 % should be"
    );
    ExitCode::SUCCESS
}
