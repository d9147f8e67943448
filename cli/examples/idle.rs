//! What `truecopy seed` takes while many peers of a swarm are connected and nobody wants anything: memory, processor.
//!
//! ```text
//! cargo run --release -p truecopy --example idle -- [PEERS [SECONDS]]
//! ```
//! The seeder is a child, the real program; the peers are whole nodes with real channels in this process, which is not
//! measured. Each fetches the share, has it at once (its bytes are known here), and stays as a source.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{self, Afterwards, Fetch, Input, LinkLoss, Path, PeerHint, Swarming};
use truecopy_protocol::job::{AnnounceError, Claim, Done, Job, Opened, Outcome, Trust, Verdict};
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::{Candidate, ChunkIndex, Config, ConnId, EntryIndex, Hash, Node, Now, ShareId};
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::channel::tls::{Tls, TlsConfig, provider};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::link::{self, After, Link};
use truecopy_transport::pump::Flow;
use truecopy_transport::stream::Stream;

/// The first argument of the child.
const PROGRAM: &str = "program";
const SHARE: ShareId = ShareId(0);
/// Peers that shake hands at once: one source may have no more half-open connections.
const AT_ONCE: usize = 8;
/// Between two looks at all peers.
const PAUSE: Duration = Duration::from_millis(20);
/// Until the last words of the beginning are said.
const SETTLING: Duration = Duration::from_secs(15);

struct Tcp(TcpStream);

impl Stream for Tcp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// A node and whoever works for it.
struct Desk {
    node: Node,
    key: KeyPair,
    began: Instant,
    /// The only connection.
    conn: Option<ConnId>,
    /// The hash of the only chunk.
    hash: Option<Hash>,
    paused: BTreeSet<ConnId>,
    dialled: Vec<ConnId>,
    lost: bool,
    has_all: bool,
}

impl Desk {
    fn obey(&mut self, output: Output) {
        match output {
            Output::Dial { conn, .. } => self.dialled.push(conn),
            // Those that were dialled in vain.
            Output::Hangup { conn, .. } if Some(conn) != self.conn => {}
            Output::Hangup { why, .. } => panic!("a peer hangs up: {why:?}"),
            Output::Flush { .. } => {}
            Output::Pause { conn } => drop(self.paused.insert(conn)),
            Output::Resume { conn } => drop(self.paused.remove(&conn)),
            Output::Job(job) => {
                let done = self.work(job);
                link::Door::feed(self, Input::Done(done));
            }
            Output::Event(Event::Offer { manifest, .. }) => {
                self.hash = manifest.file(EntryIndex(0)).map(|file| file.root);
                let accept = input::Command::accept(SHARE, Selection::All);
                link::Door::feed(self, Input::Command(accept));
            }
            Output::Event(Event::Completed { .. }) => self.has_all = true,
            Output::Event(Event::Failed { why, .. }) => panic!("a peer fails: {why:?}"),
            Output::Event(_) => {}
        }
    }

    fn work(&self, job: Job) -> Done {
        match job {
            Job::Open(job) => {
                let claims = vec![Claim { chunk: ChunkIndex(0), hash: self.hash.unwrap() }];
                job.done(Ok(Opened { claims, trust: Trust::Trusted, settled: vec![] }))
            }
            Job::Checkpoint(job) => job.done(Ok(())),
            Job::Commit(job) => job.done(Ok(Outcome::default())),
            Job::Sign(job) => {
                let signature = self.key.sign(&job.statement);
                job.done(signature)
            }
            Job::Verify(job) => job.done(Verdict::Genuine),
            Job::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
            Job::Read(_) | Job::Land(_) | Job::Rehash(_) => panic!("nothing moves"),
        }
    }
}

impl link::Door for Desk {
    fn now(&self) -> Now {
        Now::ZERO + self.began.elapsed()
    }

    fn feed(&mut self, input: Input<'_>) {
        self.node.handle(link::Door::now(self), input);
        while let Some(output) = self.node.poll() {
            self.obey(output);
        }
    }

    fn flow(&self, conn: ConnId) -> Flow {
        if self.paused.contains(&conn) { Flow::Pause } else { Flow::Continue }
    }

    fn visit(&self, conn: ConnId, max: usize, take: &mut dyn FnMut(&[u8])) {
        self.node.sendable(conn, max).into_iter().for_each(take);
    }

    fn disconnected(&mut self, conn: ConnId, why: LinkLoss) {
        self.lost = true;
        link::Door::feed(self, Input::Disconnected { conn, why });
    }
}

struct Peer {
    desk: Desk,
    link: Link<Tcp, Tls>,
}

impl Peer {
    fn connect(ticket: &Ticket, at: SocketAddr, began: Instant, (seed, pool): (u64, &Pool)) -> Self {
        let key = KeyPair::generate().unwrap();
        let tls = TlsConfig::with(&key, Arc::new(provider()), pool.clone()).unwrap();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let node = Node::new(Config::default(), bytes, Now::ZERO);
        let (paused, dialled) = (BTreeSet::new(), Vec::new());
        let mut desk =
            Desk { node, key, began, conn: None, hash: None, paused, dialled, lost: false, has_all: false };
        let hint = PeerHint { key: Some(ticket.node), addresses: vec![Candidate::Tcp(at)] };
        let fetch = Fetch {
            swarm: Swarming::On,
            port: Some(9),
            afterwards: Afterwards::Seed,
            ..Fetch::new(SHARE, ticket.content, ticket.secret, vec![hint])
        };
        link::Door::feed(&mut desk, Input::Command(input::Command::Fetch(fetch)));
        let conn = desk.dialled.remove(0);
        desk.conn = Some(conn);
        let stream = TcpStream::connect(at).unwrap();
        stream.set_nonblocking(true).unwrap();
        let channel = tls.connect(Some(ticket.node)).unwrap();
        let deadline = link::Door::now(&desk) + Duration::from_secs(10);
        let link = Link::new(conn, Role::Initiator, Path::Tcp(at), Tcp(stream), channel, deadline);
        Self { desk, link }
    }

    fn turn(&mut self) {
        if self.desk.node.wake().is_some_and(|(at, _)| at <= link::Door::now(&self.desk)) {
            link::Door::feed(&mut self.desk, Input::Timeout);
        }
        // Others that it hears of are not there.
        for conn in std::mem::take(&mut self.desk.dialled) {
            link::Door::feed(&mut self.desk, Input::Disconnected { conn, why: LinkLoss::Unreachable });
        }
        self.link.readable();
        self.link.writable();
        while self.link.turn(&mut self.desk) == After::Again {}
        assert!(!self.desk.lost, "a peer was sent away");
    }
}

/// What a process has taken.
#[derive(Clone, Copy)]
struct Taken {
    resident_kib: u64,
    /// Of that, what no file is behind.
    own_kib: u64,
    cpu: f64,
    wakes: u64,
}

impl Taken {
    fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |status: &str, name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
        };
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let wakes = tasks.map(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
            field(&status, "voluntary_ctxt_switches:")
        });
        Self {
            resident_kib: field(&status, "VmRSS:"),
            own_kib: field(&status, "RssAnon:"),
            cpu: ticks / 100.0,
            wakes: wakes.sum(),
        }
    }
}

struct Seeder {
    child: Child,
    ticket: Ticket,
    _home: tempfile::TempDir,
}

impl Seeder {
    fn start(peers: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, vec![7; 100_000]).unwrap();
        let most = (peers + 8).to_string();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([PROGRAM, "seed", "-q", "--listen", "127.0.0.1:0", "--peers-max", &most])
            .arg(&file)
            .env("TRUECOPY_HOME", home.path().join("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ticket = Ticket::parse(line.trim()).unwrap();
        Self { child, ticket, _home: home }
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(count: usize, time: Duration) {
    truecopy::descriptors::allow(count as u64 + 64);
    let seeder = Seeder::start(count);
    let process = seeder.child.id();
    let address = seeder.ticket.addresses.iter().find_map(|address| match address {
        Candidate::Tcp(address) => Some(*address),
        _ => None,
    });
    let (address, pool, began) = (address.unwrap(), Pool::default(), Instant::now());
    sleep(Duration::from_millis(500));
    let before = Taken::of(process);
    let mut peers: Vec<Peer> = Vec::new();
    while peers.len() < count || !peers.iter().all(|peer| peer.desk.has_all) {
        let on_the_way = peers.iter().filter(|peer| !peer.desk.has_all).count();
        if peers.len() < count && on_the_way < AT_ONCE {
            let which = (peers.len() as u64, &pool);
            peers.push(Peer::connect(&seeder.ticket, address, began, which));
        }
        let first = peers.len().saturating_sub(4 * AT_ONCE);
        // Those before say nothing but that they are alive.
        let all = if peers.len().is_multiple_of(64) || peers.len() == count { 0 } else { first };
        peers[all..].iter_mut().for_each(Peer::turn);
    }
    println!("{count} peers came in {:.1} s", began.elapsed().as_secs_f64());
    let mut go_on = |time: Duration| {
        let began = Instant::now();
        while began.elapsed() < time {
            peers.iter_mut().for_each(Peer::turn);
            sleep(PAUSE);
        }
        began.elapsed().as_secs_f64()
    };
    let coming = Taken::of(process).cpu - before.cpu;
    go_on(SETTLING);
    let from = Taken::of(process);
    let seconds = go_on(time);
    let to = Taken::of(process);
    println!(
        "resident {:.1} MiB ({:.1} of it its own; {:.1} and {:.1} without peers): {:.1} KiB a peer",
        to.resident_kib as f64 / 1024.0,
        to.own_kib as f64 / 1024.0,
        before.resident_kib as f64 / 1024.0,
        before.own_kib as f64 / 1024.0,
        to.resident_kib.saturating_sub(before.resident_kib) as f64 / count as f64
    );
    println!(
        "over {seconds:.0} s: {:.2} % of one core, {:.0} wakes a second; {:.1} ms of processor for each that came",
        100.0 * (to.cpu - from.cpu) / seconds,
        to.wakes.saturating_sub(from.wakes) as f64 / seconds,
        1e3 * coming / count as f64
    );
}

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == PROGRAM) {
        arguments.remove(1);
        return truecopy::run::run(arguments).into();
    }
    let number = |place: usize, default: u64| {
        arguments.get(place).map_or(default, |text| text.to_str().unwrap().parse().unwrap())
    };
    let (count, seconds) = (number(1, 1_000), number(2, 60));
    measure(count as usize, Duration::from_secs(seconds));
    ExitCode::SUCCESS
}
