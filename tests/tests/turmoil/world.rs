//! A sender, its receivers, and the network between them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use truecopy_protocol::{Candidate, Config};
use truecopy_sim::disk::{Faults, FaultyDisk};
use truecopy_transport::disk::FileKind;
use truecopy_transport::keys::KeyPair;
use turmoil::{Builder, Sim};

use crate::content::Content;
use crate::door::Door;
use crate::host::{Host, PORT, Setup};
use crate::program::{Program, Receiver, Sender, files, put};
use crate::secure::Secure;
use crate::trace::Trace;

/// Which host a name means today.
pub(crate) type Directory = Rc<RefCell<BTreeMap<String, String>>>;

/// The name that receivers dial.
pub(crate) const SENDER: &str = "sender.example";

/// Simulated time in which a thing must happen that a story waits for.
const LIMIT: Duration = Duration::from_secs(600);

/// The seeds of a story: a few, or `TRUECOPY_TEST_SEEDS` times as many.
pub(crate) fn seeds(few: u64) -> Range<u64> {
    let times = std::env::var("TRUECOPY_TEST_SEEDS").map_or(1, |times| times.parse().unwrap());
    0..few * times
}

/// What the network and the sockets are like, and what is moved.
#[derive(Clone)]
pub(crate) struct Weather {
    pub(crate) latency_ms: (u64, u64),
    /// Bytes of one call of a socket at most.
    pub(crate) call_max: usize,
    pub(crate) sizes: &'static [usize],
    pub(crate) config: Config,
}

impl Weather {
    /// A few megabytes over a fair network, with nodes that soon lose their patience.
    pub(crate) fn fair() -> Self {
        let seconds = Duration::from_secs;
        let config = Config {
            window_min: 128 << 10,
            window_max: 512 << 10,
            dial_timeout: seconds(5),
            handshake_timeout: seconds(5),
            ping_after: seconds(1),
            silence_max: seconds(4),
            stall_max: seconds(4),
            unread_max: seconds(6),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_millis(500),
            checkpoint_interval: seconds(1),
            progress_interval: Duration::from_millis(10),
            ..Config::default()
        };
        Self { latency_ms: (1, 30), call_max: 8192, sizes: &[4_000_000, 0, 1, 16_384, 300_000], config }
    }
}

/// How processes end when their host crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process is killed; its disk stays as it is.
    Kill,
    /// The power is lost, and with it what was not synced.
    PowerLoss,
}

struct Party {
    key: Rc<KeyPair>,
    disk: FaultyDisk,
}

pub(crate) struct World<S> {
    seed: u64,
    weather: Weather,
    sim: Sim<'static>,
    pub(crate) trace: Trace,
    directory: Directory,
    content: Arc<Content>,
    sender: Party,
    receivers: BTreeMap<String, Party>,
    crash: Rc<Cell<Crash>>,
    secure: PhantomData<S>,
}

fn party(number: u8, seed: u64) -> Party {
    let key = Rc::new(KeyPair::from_seed([number; 32].into()));
    let faults = Faults { short_permille: 100, interrupted_permille: 50, ..Faults::default() };
    Party { key, disk: FaultyDisk::new(seed ^ u64::from(number) << 32, faults) }
}

impl<S: Secure + 'static> World<S> {
    /// A world with a sender on the host `sender`, which the name [`SENDER`] means.
    pub(crate) fn new(seed: u64, weather: Weather) -> Self {
        let mut builder = Builder::new();
        builder
            .rng_seed(seed)
            .epoch(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .tick_duration(Duration::from_millis(10))
            .min_message_latency(Duration::from_millis(weather.latency_ms.0))
            .max_message_latency(Duration::from_millis(weather.latency_ms.1));
        if seed % 2 == 1 {
            builder.enable_random_order();
        }
        let content = Arc::new(Content::new(weather.sizes));
        let sender = party(1, seed);
        put(&content, &sender.disk);
        let mut world = Self {
            seed,
            weather,
            sim: builder.build(),
            trace: Trace::default(),
            directory: Directory::default(),
            content,
            sender,
            receivers: BTreeMap::new(),
            crash: Rc::new(Cell::new(Crash::Kill)),
            secure: PhantomData,
        };
        world.send_from("sender");
        world
    }

    /// Starts the sender's program on a host, which its name means from now on.
    pub(crate) fn send_from(&mut self, host: &str) {
        self.directory.borrow_mut().insert(SENDER.to_owned(), host.to_owned());
        let (key, disk) = (Rc::clone(&self.sender.key), self.sender.disk.clone());
        let content = Arc::clone(&self.content);
        self.start(host, key, disk, move |disk| Sender { content: Arc::clone(&content), disk });
    }

    /// Starts a receiver on a host of its own.
    pub(crate) fn receive_at(&mut self, host: &str) {
        let party = party(self.receivers.len() as u8 + 2, self.seed);
        let (content, from) = (self.content.manifest.content_id(), self.sender.key.node_id());
        let at: Candidate = format!("{SENDER}:{PORT}").parse().unwrap();
        let (key, disk) = (Rc::clone(&party.key), party.disk.clone());
        self.start(host, key, disk, move |disk| Receiver { content, from, at: at.clone(), disk });
        self.receivers.insert(host.to_owned(), party);
    }

    fn start<P: Program + 'static>(
        &mut self,
        name: &str,
        key: Rc<KeyPair>,
        disk: FaultyDisk,
        program: impl Fn(FaultyDisk) -> P + 'static,
    ) {
        let (seed, config, call_max) = (self.seed, self.weather.config.clone(), self.weather.call_max);
        let (directory, trace, crash) = (self.directory.clone(), self.trace.clone(), self.crash.clone());
        let (host, program) = (name.to_owned(), Rc::new(program));
        self.sim.host(name, move || {
            let disk = match crash.get() {
                Crash::Kill => disk.restart(),
                Crash::PowerLoss => disk.power_cycle(),
            };
            let (name, directory, trace) = (host.clone(), directory.clone(), trace.clone());
            let (key, config, program) = (Rc::clone(&key), config.clone(), Rc::clone(&program));
            async move {
                // No process is like the one before.
                let seed = seed ^ (turmoil::sim_elapsed().map_or(0, |at| at.as_millis() as u64) << 16);
                let secure = S::of(&key);
                let door = Door::new(config, seed, key);
                let setup = Setup { name, seed, call_max, directory, trace };
                Host::run(setup, secure, program(disk), door).await
            }
        });
    }

    /// Bytes of the share.
    pub(crate) fn total(&self) -> u64 {
        self.content.len()
    }

    /// The network, for a story to harm.
    pub(crate) fn network(&self) -> &Sim<'static> {
        &self.sim
    }

    /// Ends a host's processes; [`Self::bounce`] starts them again.
    pub(crate) fn crash(&mut self, host: &str, crash: Crash) {
        self.crash.set(crash);
        self.sim.crash(host);
    }

    pub(crate) fn bounce(&mut self, host: &str) {
        self.sim.bounce(host);
    }

    pub(crate) fn verified(&self, host: &str) -> u64 {
        self.trace.said(host).progress.verified
    }

    /// One turn of the clock; what stands under a final name is right at any time.
    fn step(&mut self) {
        self.sim.step().unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        for (host, party) in &self.receivers {
            for (path, kind) in party.disk.paths() {
                if kind == FileKind::File && !path.as_path().as_bytes().starts_with(b".truecopy-") {
                    let found = party.disk.content(path.as_path()).unwrap();
                    let is_right = files(&self.content).any(|(at, bytes)| at == path && bytes == found);
                    assert!(is_right, "seed {}: {path:?} of {host} is wrong", self.seed);
                }
            }
        }
    }

    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let limit = self.sim.elapsed() + LIMIT;
        while !holds(self) {
            assert!(self.sim.elapsed() < limit, "seed {}: {what}: it never came to that", self.seed);
            self.step();
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step();
        }
    }

    /// Waits until every receiver has everything and `sender` its receipts; the digest of all that happened.
    #[track_caller]
    pub(crate) fn finish(&mut self, sender: &str) -> u64 {
        self.until("all is received", |world| {
            let receipts = world.trace.said(sender).receipts;
            let is_done = |(host, party): (&String, &Party)| {
                world.trace.said(host).is_completed && receipts.contains(&party.key.node_id())
            };
            world.receivers.iter().all(is_done)
        });
        for (host, party) in &self.receivers {
            for (path, bytes) in files(&self.content) {
                let found = party.disk.content(path.as_path());
                assert!(found.as_deref() == Some(bytes), "seed {}: {path:?} of {host}", self.seed);
            }
        }
        self.trace.digest()
    }
}

impl<S> Drop for World<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed of this world is {}", self.seed);
        }
    }
}
