//! What the core itself costs: codec, and two nodes in one loop without disk, hash or network.
//!
//! `cargo bench -p truecopy-protocol --bench core`

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truecopy_protocol::content::geometry::{BLOCK, ChunkSize, SPAN, Shape};
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, subtree};
use truecopy_protocol::input::{Command, Fetch, Input, Path, PeerHint, READ_MAX, Share};
use truecopy_protocol::job::{AnnounceError, Done, Job, Opened, Outcome, Signature, Trust, Verdict};
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::wire::{BlockRun, Decoder, HashRange, Hashes, Item, Message};
use truecopy_protocol::{
    AccessSecret, Candidate, Config, ConnId, EntryIndex, Hash, Node, NodeId, Now, ShareId,
};

const SHARE: ShareId = ShareId(0);
const SECRET: AccessSecret = AccessSecret::PUBLIC;

/// The median of several runs, in seconds.
fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn codec() {
    let hashes = vec![Hash([7; 32]); 512];
    let message = Message::Hashes(Hashes { range: HashRange { blob: 1, first: 0 }, hashes, proof: vec![] });
    let request = Message::Request(BlockRun { blob: 70_000, block: 16, count: 16 });
    for (name, message, count) in [("hashes", &message, 2_000), ("request", &request, 500_000)] {
        let mut bytes = Vec::new();
        let encode = median(|| {
            bytes.clear();
            (0..count).for_each(|_| black_box(message).encode(&mut bytes));
        });
        let decode = median(|| {
            let (mut decoder, mut found) = (Decoder::default(), 0);
            for run in bytes.chunks(READ_MAX) {
                let mut run = run;
                while let Some(Item::Message(message)) = decoder.next(&mut run).unwrap() {
                    found += 1;
                    black_box(message);
                }
            }
            assert_eq!(found, count);
        });
        let (mb, each) = (bytes.len() as f64 / 1e6, 1e9 / f64::from(count));
        println!(
            "codec {name}: encode {:.0} MB/s ({:.0} ns each), decode {:.0} MB/s ({:.0} ns each)",
            mb / encode,
            encode * each,
            mb / decode,
            decode * each
        );
    }
}

/// Files of zeros: one hash for all spans of a kind, so that hashing costs nothing.
struct Zeros {
    manifest: Arc<Manifest>,
    layers: Arc<Layers>,
    hashes: BTreeMap<(u32, u8), Hash>,
}

impl Zeros {
    fn new(count: u32, size: u64) -> Self {
        let chunk = ChunkSize::for_share(u64::from(count) * size);
        let shape = Shape { size, chunk };
        let zeros = vec![0; SPAN as usize];
        let (mut builder, mut hashes) = (RootBuilder::with_chunks(shape), BTreeMap::new());
        for span in 0..shape.spans() {
            let range = shape.span_range(span);
            let (len, height) = ((range.end - range.start) as u32, shape.span_height());
            let hash = || subtree(&OneByOne, &zeros[..len as usize], height);
            builder.push(*hashes.entry((len, height)).or_insert_with(hash));
        }
        let (root, layer) = builder.finish();
        let mut manifest = ManifestBuilder::new("bench");
        let mut parts = BTreeMap::new();
        for file in 0..count {
            let mtime = Mtime { seconds: 0, nanos: 0 };
            let path = RelPathBuf::new(format!("folder/file-{file:08}").into_bytes()).unwrap();
            manifest.push(path, OwnedKind::File(FileEntry { size, root, mode: 0o644, mtime }));
            if layer.len() > 1 {
                parts.insert(EntryIndex(file), layer.clone());
            }
        }
        let manifest = Arc::new(manifest.finish(chunk).unwrap());
        let layers = Arc::new(Layers::assemble(Arc::clone(&manifest), parts).unwrap());
        Self { manifest, layers, hashes }
    }

    fn work(&self, job: Job) -> Done {
        match job {
            Job::Open(job) => job.done(Ok(Opened { claims: vec![], trust: Trust::Recheck, settled: vec![] })),
            Job::Read(mut job) => {
                let len: u32 = job.extents.iter().map(|extent| extent.len).sum();
                job.buf.set_filled(len as usize);
                job.done(Ok(()))
            }
            Job::Land(job) => {
                let hashes =
                    job.extents.iter().map(|land| self.hashes[&(land.extent.len, land.height)]).collect();
                job.done(Ok(hashes))
            }
            Job::Rehash(job) => {
                let hash = self.layers.hashes()[job.blob.0 as usize];
                job.done(Ok(hash))
            }
            Job::Checkpoint(job) => job.done(Ok(())),
            Job::Commit(job) => job.done(Ok(Outcome::default())),
            Job::Sign(job) => job.done(Signature([7; 64])),
            Job::Verify(job) => job.done(Verdict::Genuine),
            Job::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
        }
    }

    /// From the first word to the last; the time it took.
    fn transfer(&self) -> Duration {
        let mut nodes = [1, 2].map(|id| Node::new(Config::default(), [id; 32], Now::ZERO));
        let ids = [1, 2].map(|id| NodeId([id; 32]));
        let (manifest, layers) = (Arc::clone(&self.manifest), Arc::clone(&self.layers));
        let content = manifest.content_id();
        let share = Share::new(SHARE, SECRET, manifest, layers);
        let address: Candidate = "127.0.0.1:1".parse().unwrap();
        let peers = vec![PeerHint { key: None, addresses: vec![address] }];
        let fetch = Fetch::new(SHARE, content, SECRET, peers);
        let start = Instant::now();
        let mut now = Now::ZERO;
        let mut todo = [VecDeque::new(), VecDeque::new()];
        let handle =
            |nodes: &mut [Node; 2], todo: &mut [VecDeque<Output>; 2], me: usize, now, input: Input<'_>| {
                nodes[me].handle(now, input);
                while let Some(output) = nodes[me].poll() {
                    todo[me].push_back(output);
                }
            };
        handle(&mut nodes, &mut todo, 0, now, Input::Command(Command::Share(share)));
        handle(&mut nodes, &mut todo, 1, now, Input::Command(Command::Fetch(fetch)));
        let (mut links, mut wire) = ([None; 2], Vec::with_capacity(64 * 1024));
        loop {
            now += Duration::from_micros(50);
            for me in [0, 1] {
                while let Some(output) = todo[me].pop_front() {
                    match output {
                        Output::Dial { conn, .. } => {
                            links = [Some(ConnId(1)), Some(conn)];
                            for (host, role) in [(0, Role::Responder), (1, Role::Initiator)] {
                                let conn = links[host].unwrap();
                                let (local, peer, path) = (ids[host], ids[1 - host], Path::Memory);
                                let input = Input::Connected { conn, role, local, peer, path };
                                handle(&mut nodes, &mut todo, host, now, input);
                            }
                        }
                        Output::Job(job) => {
                            let done = self.work(job);
                            handle(&mut nodes, &mut todo, me, now, Input::Done(done));
                        }
                        Output::Event(Event::Offer { share, .. }) => {
                            let accept = Command::accept(share, Selection::All);
                            handle(&mut nodes, &mut todo, me, now, Input::Command(accept));
                        }
                        Output::Event(Event::Completed { .. }) => return start.elapsed(),
                        Output::Event(Event::Failed { why, .. }) => panic!("{why:?}"),
                        _ => {}
                    }
                }
                let (Some(from), Some(to)) = (links[me], links[1 - me]) else { continue };
                wire.clear();
                nodes[me].sendable(from, 64 * 1024).iter().for_each(|run| wire.extend_from_slice(run));
                if wire.is_empty() {
                    continue;
                }
                handle(&mut nodes, &mut todo, me, now, Input::Sent { conn: from, len: wire.len() });
                for bytes in wire.chunks(READ_MAX) {
                    handle(&mut nodes, &mut todo, 1 - me, now, Input::Received { conn: to, bytes });
                }
            }
        }
    }
}

fn main() {
    codec();
    let total: u64 = 256 << 20;
    let one = Zeros::new(1, total);
    let seconds = median(|| {
        black_box(one.transfer());
    });
    let spans = (total / SPAN) as f64;
    println!(
        "core loop, one file of 256 MiB: {:.2} GB/s, {:.0} ns a span (two copies of it included)",
        total as f64 / 1e9 / seconds,
        seconds * 1e9 / spans
    );
    for count in [1_000, 10_000, 100_000] {
        let files = Zeros::new(count, BLOCK / 4);
        let seconds = median(|| {
            black_box(files.transfer());
        });
        println!(
            "core loop, {count} files of 4 KiB: {seconds:.3} s, {:.0} ns a file",
            seconds * 1e9 / f64::from(count)
        );
    }
}
