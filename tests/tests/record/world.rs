//! Two nodes in one loop, no sockets, no disk; what enters and leaves the receiver's or the sender's core is recorded.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use truecopy_protocol::Candidate;
use truecopy_protocol::content::geometry::{ChunkSize, Shape};
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::input::{Command, Fetch, Input, LinkLoss, Path, PeerHint, Share};
use truecopy_protocol::job::{AnnounceError, Done, Job, Opened, Outcome, Signature, Trust, Verdict};
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{
    AccessSecret, BlobId, Config, ConnId, EntryIndex, Node, NodeId, Now, ShareId, UnixTime,
};
use truecopy_transport::record::{Recorder, Recording, Start, Tap};

pub(crate) const SHARE: ShareId = ShareId(0);
/// Stands all over the files, and must stand nowhere in a recording.
pub(crate) const MARKER: &[u8] = b"PAYLOAD-MARKER-7";
pub(crate) const SECRET: AccessSecret = AccessSecret(*b"an access secret, 32 bytes long!");
/// Files and their sizes: each one chunk at most; an empty one, small ones, and many that make it last.
fn files() -> Vec<(String, usize)> {
    let odd = [("a/big", 256 * 1024), ("a/empty", 0), ("b", 40_000), ("c", 16), ("d", 200_000)];
    let many = (10..30).map(|n| (format!("many/{n:04}"), 250_000 - n));
    odd.map(|(name, len)| (name.to_owned(), len)).into_iter().chain(many).collect()
}

/// A file in memory that several may write to.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn start(side: u8) -> Start {
    Start { program: "test".into(), config: Config::default(), seed: [side; 32], now: Now::ZERO }
}

/// One side: a node, files in memory, and the tap.
struct Host {
    node: Node,
    id: NodeId,
    files: BTreeMap<BlobId, Vec<u8>>,
    todo: VecDeque<Output>,
    recorder: Recorder,
}

impl Host {
    fn new(side: u8, recording: &Recording) -> Self {
        let start = start(side);
        let node = Node::new(start.config, start.seed, start.now);
        let (files, todo) = (BTreeMap::new(), VecDeque::new());
        Self { node, id: NodeId([side; 32]), files, todo, recorder: recording.recorder() }
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.recorder.input(now, &input, &self.node);
        self.node.handle(now, input);
        while let Some(output) = self.node.poll() {
            self.recorder.output(&output);
            self.todo.push_back(output);
        }
    }

    fn work(&mut self, job: Job) -> Done {
        match job {
            Job::Open(job) => job.done(Ok(Opened { claims: vec![], trust: Trust::Recheck, settled: vec![] })),
            Job::Read(mut job) => {
                let mut at = 0;
                for extent in job.extents.clone() {
                    let bytes = &self.files[&extent.blob][extent.offset as usize..][..extent.len as usize];
                    job.buf.space_mut()[at..at + bytes.len()].copy_from_slice(bytes);
                    at += bytes.len();
                }
                job.buf.set_filled(at);
                job.done(Ok(()))
            }
            Job::Land(job) => {
                let (mut rest, mut hashes) = (job.buf.filled(), vec![]);
                for land in &job.extents {
                    let (bytes, tail) = rest.split_at(land.extent.len as usize);
                    rest = tail;
                    hashes.push(subtree(&OneByOne, bytes, land.height));
                    let file = self.files.entry(land.extent.blob).or_default();
                    let at = land.extent.offset as usize;
                    file.resize(file.len().max(at + bytes.len()), 0);
                    file[at..at + bytes.len()].copy_from_slice(bytes);
                }
                job.done(Ok(hashes))
            }
            Job::Rehash(job) => {
                let bytes = &self.files[&job.blob][job.range.start as usize..job.range.end as usize];
                let hash = subtree(&OneByOne, bytes, job.height);
                job.done(Ok(hash))
            }
            Job::Checkpoint(job) => job.done(Ok(())),
            Job::Commit(job) => job.done(Ok(Outcome { placed: 5, ..Outcome::default() })),
            Job::Sign(job) => job.done(Signature([7; 64])),
            Job::Verify(job) => job.done(Verdict::Genuine),
            Job::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
        }
    }
}

fn content(len: usize) -> Vec<u8> {
    MARKER.iter().copied().cycle().take(len).collect()
}

fn manifest() -> Manifest {
    let total: usize = files().iter().map(|(_, len)| len).sum();
    let chunk = ChunkSize::for_share(total as u64);
    let mut builder = ManifestBuilder::new("shared");
    for (name, len) in files() {
        let size = len as u64;
        let root = match len {
            0 => truecopy_protocol::Hash::ZERO,
            _ => subtree(&OneByOne, &content(len), Shape { size, chunk }.height()),
        };
        let mtime = Mtime { seconds: 0, nanos: 0 };
        let file = FileEntry { size, root, mode: 0o644, mtime };
        builder.push(RelPathBuf::new(name.into()).unwrap(), OwnedKind::File(file));
    }
    builder.finish(chunk).unwrap()
}

/// A link: cut into pieces of this size on its way.
pub(crate) struct World {
    hosts: [Host; 2],
    links: [Option<ConnId>; 2],
    piece: usize,
    now: Now,
}

impl World {
    /// A sender (0) and a receiver (1), each recorded to its own recording.
    pub(crate) fn new(recordings: &[Recording; 2], piece: usize, receivers_secret: AccessSecret) -> Self {
        let mut hosts = [Host::new(1, &recordings[0]), Host::new(2, &recordings[1])];
        let manifest = Arc::new(manifest());
        let layers = Arc::new(Layers::new(Arc::clone(&manifest), Vec::new()).unwrap());
        for (at, (_, len)) in files().iter().enumerate() {
            hosts[0].files.insert(BlobId::of(EntryIndex(at as u32)), content(*len));
        }
        let announce = Command::Announce { share: SHARE, content: manifest.content_id(), secret: SECRET };
        let share = Share::new(SHARE, SECRET, Arc::clone(&manifest), layers);
        let address = Candidate::from(std::net::SocketAddr::from(([192, 0, 2, 1], 1)));
        let peers = vec![PeerHint { key: Some(hosts[0].id), addresses: vec![address] }];
        let fetch = Fetch::new(SHARE, manifest.content_id(), receivers_secret, peers);
        for host in &mut hosts {
            host.handle(Now::ZERO, Input::Clock(UnixTime(1_700_000_000)));
        }
        hosts[0].handle(Now::ZERO, Input::Command(announce));
        hosts[0].handle(Now::ZERO, Input::Command(Command::Share(share)));
        hosts[1].handle(Now::ZERO, Input::Command(Command::Fetch(fetch)));
        Self { hosts, links: [None, None], piece, now: Now::ZERO }
    }

    /// Goes on until an event of the receiver says so.
    pub(crate) fn run(&mut self, mut until: impl FnMut(&Event) -> bool) {
        for _ in 0..2_000_000 {
            self.now += Duration::from_millis(1);
            for me in [0, 1] {
                while let Some(output) = self.hosts[me].todo.pop_front() {
                    if let Output::Event(event) = &output
                        && me == 1
                        && until(event)
                    {
                        self.hosts[me].todo.push_front(output);
                        return;
                    }
                    self.act(me, output);
                }
                self.carry(me);
                if self.hosts[me].node.wake().is_some_and(|(at, _)| at <= self.now) {
                    self.hosts[me].handle(self.now, Input::Timeout);
                }
            }
        }
        panic!("it never came to that");
    }

    fn act(&mut self, me: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Dial { conn, .. } => {
                self.links = [Some(ConnId(conn.0 - (1 << 63))), Some(conn)];
                let ids = [self.hosts[0].id, self.hosts[1].id];
                for (host, role) in [(0, Role::Responder), (1, Role::Initiator)] {
                    let (conn, local, peer) = (self.links[host].unwrap(), ids[host], ids[1 - host]);
                    let input = Input::Connected { conn, role, local, peer, path: Path::Memory };
                    self.hosts[host].handle(now, input);
                }
            }
            Output::Job(job) => {
                let done = self.hosts[me].work(job);
                self.hosts[me].handle(now, Input::Done(done));
            }
            Output::Event(Event::Offer { share, .. }) => {
                let command = Command::accept(share, Selection::All);
                self.hosts[me].handle(now, Input::Command(command));
            }
            Output::Event(_)
            | Output::Flush { .. }
            | Output::Hangup { .. }
            | Output::Pause { .. }
            | Output::Resume { .. } => {}
        }
    }

    /// Whatever one side has to send, the other receives, cut anew.
    fn carry(&mut self, me: usize) {
        let (Some(from), Some(to)) = (self.links[me], self.links[1 - me]) else { return };
        let bytes = self.hosts[me].node.sendable(from, self.piece).concat();
        if bytes.is_empty() {
            return;
        }
        self.hosts[me].handle(self.now, Input::Sent { conn: from, len: bytes.len() });
        self.hosts[1 - me].handle(self.now, Input::Received { conn: to, bytes: &bytes });
    }

    /// The link breaks.
    pub(crate) fn cut(&mut self) {
        for me in [0, 1] {
            if let Some(conn) = self.links[me].take() {
                self.hosts[me].handle(self.now, Input::Disconnected { conn, why: LinkLoss::Cut });
            }
        }
    }

    /// The sender's user ends the share; what is to be said is said.
    pub(crate) fn end(&mut self) {
        let end = Command::End { share: SHARE, reason: Reason::Leaving };
        self.hosts[0].handle(self.now, Input::Command(end));
        for _ in 0..100 {
            self.carry(0);
            self.carry(1);
        }
        self.cut();
    }

    /// What the receiver has of the files, compared with what they are.
    pub(crate) fn is_intact(&self) -> bool {
        files().iter().enumerate().all(|(at, (_, len))| {
            let staged = self.hosts[1].files.get(&BlobId::of(EntryIndex(at as u32)));
            staged.map_or(*len == 0, |staged| *staged == content(*len))
        })
    }

    /// Ends both recordings in good order.
    pub(crate) fn finish(self) {
        for host in self.hosts {
            host.recorder.finish();
        }
    }
}

/// A transfer with a broken link in its midst; the recordings of sender and receiver.
pub(crate) fn transfer(piece: usize) -> [Vec<u8>; 2] {
    let sinks = [Sink::default(), Sink::default()];
    let recordings = [record(&sinks[0], 1), record(&sinks[1], 2)];
    let mut world = World::new(&recordings, piece, SECRET);
    world.run(|event| matches!(event, Event::Progress { progress, .. } if progress.verified > 0));
    world.cut();
    world.run(|event| matches!(event, Event::Completed { .. }));
    assert!(world.is_intact());
    world.end();
    world.finish();
    sinks.map(|sink| sink.bytes())
}

pub(crate) fn record(sink: &Sink, side: u8) -> Recording {
    Recording::start(sink.clone(), &start(side), |error| panic!("{error}"))
}
