//! How fast whole nodes move bytes over loopback, and what it costs to hand a job to a worker and back.
//!
//! `cargo bench -p truecopy-mio [-- GIB]`. Storage is memory that is read, hashed and overwritten: sockets, TLS, hash
//! and the loop remain.
#![allow(clippy::expect_used, reason = "a benchmark that cannot run ends")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truecopy_mio::{Events, Handle, Listen, Reactor, ReactorConfig};
use truecopy_protocol::Candidate;
use truecopy_protocol::content::geometry::{ChunkSize, Shape};
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::input::{Command, Fetch, PeerHint, Share};
use truecopy_protocol::job::{
    Checkpoint, Commit, Land, Open, Opened, Outcome, Read, Rehash, StorageError, Trust,
};
use truecopy_protocol::output::Event;
use truecopy_protocol::{AccessSecret, Hash, NodeId, ShareId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::store::Storage;

const SHARE: ShareId = ShareId(1);
const SECRET: AccessSecret = AccessSecret([1; 32]);

/// Every file has the same bytes.
struct Bytes(Vec<u8>);

impl Storage for Bytes {
    fn open(&self, _: &Open) -> Result<Opened, StorageError> {
        Ok(Opened { claims: Vec::new(), trust: Trust::Recheck, settled: Vec::new() })
    }

    fn read(&self, job: &mut Read) -> Result<(), StorageError> {
        let mut at = 0;
        for extent in &job.extents {
            let (start, len) = (extent.offset as usize, extent.len as usize);
            job.buf.space_mut()[at..at + len].copy_from_slice(&self.0[start..start + len]);
            at += len;
        }
        job.buf.set_filled(at);
        Ok(())
    }

    fn land(&self, job: &Land) -> Result<Vec<Hash>, StorageError> {
        let mut rest = job.buf.filled();
        let hashes = job.extents.iter().map(|land| {
            let (bytes, tail) = rest.split_at(land.extent.len as usize);
            rest = tail;
            subtree(&OneByOne, bytes, land.height)
        });
        Ok(hashes.collect())
    }

    fn rehash(&self, _: &Rehash) -> Result<Hash, StorageError> {
        Err(StorageError::Unsupported)
    }

    fn checkpoint(&self, _: &Checkpoint) -> Result<(), StorageError> {
        Ok(())
    }

    fn commit(&self, _: &Commit) -> Result<Outcome, StorageError> {
        Ok(Outcome::default())
    }
}

/// Equal files of one chunk each, `total` bytes together.
fn share(total: u64) -> (Arc<Manifest>, Arc<Bytes>) {
    let chunk = ChunkSize::for_share(total);
    let size = chunk.bytes().min(total);
    let bytes: Vec<u8> = (0..size).map(|at| (at * 31 + (at >> 8)) as u8).collect();
    let root = subtree(&OneByOne, &bytes, Shape { size, chunk }.height());
    let mut builder = ManifestBuilder::new("bench");
    for number in 0..total / size {
        let mtime = Mtime { seconds: 0, nanos: 0 };
        let kind = OwnedKind::File(FileEntry { size, root, mode: 0o644, mtime });
        builder.push(RelPathBuf::new(format!("bench/{number:08}").into()).expect("a name"), kind);
    }
    (Arc::new(builder.finish(chunk).expect("a manifest")), Arc::new(Bytes(bytes)))
}

fn start() -> (Handle, Events, NodeId) {
    let key = KeyPair::generate().expect("randomness");
    let id = key.node_id();
    let mut config = ReactorConfig::new(key, [0; 32]);
    config.listen = vec![Listen::At(SocketAddr::from(([127, 0, 0, 1], 0)))];
    let (reactor, handle, events) = Reactor::new(config).expect("a reactor");
    reactor.spawn().expect("a thread");
    (handle, events, id)
}

fn until(events: &Events, mut wanted: impl FnMut(&Event) -> bool) {
    loop {
        let event = events.recv_timeout(Duration::from_secs(120)).expect("it happens");
        if wanted(&event) {
            return;
        }
    }
}

fn transfer(total: u64) -> Duration {
    let (manifest, bytes) = share(total);
    let (sender, _sender_events, id) = start();
    let (receiver, events, _) = start();
    sender.register(SHARE, Arc::clone(&bytes) as Arc<dyn Storage>);
    let spec = Share::new(SHARE, SECRET, Arc::clone(&manifest), Arc::new(layers(&manifest)));
    sender.command(Command::Share(spec)).expect("it runs");
    let begun = Instant::now();
    let peers = vec![PeerHint { key: Some(id), addresses: vec![Candidate::Tcp(sender.addresses()[0])] }];
    let content = manifest.content_id();
    let fetch = Fetch::new(SHARE, content, SECRET, peers);
    receiver.command(Command::Fetch(fetch)).expect("it runs");
    until(&events, |event| matches!(event, Event::Offer { .. }));
    receiver.register(SHARE, bytes);
    receiver.command(Command::accept(SHARE, Selection::All)).expect("it runs");
    until(&events, |event| matches!(event, Event::Completed { .. }));
    let took = begun.elapsed();
    sender.stop();
    receiver.stop();
    took
}

fn layers(manifest: &Arc<Manifest>) -> Layers {
    Layers::new(Arc::clone(manifest), Vec::new()).expect("every file is one chunk")
}

/// Seconds of processor time of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() {
    let gib = std::env::args().skip(1).find_map(|arg| arg.parse::<u64>().ok()).unwrap_or(1);
    for _ in 0..3 {
        let before = cpu();
        let took = transfer(gib << 30).as_secs_f64();
        let total = (gib << 30) as f64;
        println!(
            "{gib} GiB: {:.2} GB/s, {:.2} processor seconds a GiB, both sides together",
            total / took / 1e9,
            (cpu() - before) / gib as f64
        );
    }
    let took = transfer(1 << 18).as_secs_f64();
    println!("256 KiB, from dial to commit: {:.1} ms", took * 1e3);
}
