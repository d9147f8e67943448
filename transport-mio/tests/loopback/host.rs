//! One side of a transfer: a reactor on its own thread, files in memory, and what it said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use truecopy_mio::{Events, Handle, Listen, Reactor, ReactorConfig};
use truecopy_protocol::Candidate;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::input::{Command, Fetch, PeerHint, Share};
use truecopy_protocol::job::{
    Checkpoint, Claim, Commit, Land, Open, Opened, Outcome, Read, Rehash, StorageError, Trust,
};
use truecopy_protocol::output::Event;
use truecopy_protocol::{AccessSecret, BlobId, ContentId, Hash, NodeId, ShareId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::store::Storage;

use super::content::Content;

pub(crate) const SHARE: ShareId = ShareId(7);
pub(crate) const SECRET: AccessSecret = AccessSecret([9; 32]);
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a memory does when bytes land.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Landing {
    #[default]
    Works,
    Panics,
}

/// Storage in memory that counts.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) files: Mutex<BTreeMap<BlobId, Vec<u8>>>,
    pub(crate) claims: Mutex<Vec<Claim>>,
    pub(crate) read: AtomicU64,
    pub(crate) landed: AtomicU64,
    pub(crate) landing: Landing,
}

impl Memory {
    pub(crate) fn of(content: &Content) -> Arc<Self> {
        Arc::new(Self { files: Mutex::new(content.files.clone()), ..Self::default() })
    }
}

impl Storage for Memory {
    fn open(&self, _: &Open) -> Result<Opened, StorageError> {
        let claims = self.claims.lock().unwrap().clone();
        Ok(Opened { claims, trust: Trust::Recheck, settled: vec![] })
    }

    fn read(&self, job: &mut Read) -> Result<(), StorageError> {
        let files = self.files.lock().unwrap();
        let mut at = 0;
        for extent in &job.extents {
            let (start, len) = (extent.offset as usize, extent.len as usize);
            job.buf.space_mut()[at..at + len].copy_from_slice(&files[&extent.blob][start..start + len]);
            at += len;
        }
        job.buf.set_filled(at);
        self.read.fetch_add(at as u64, Ordering::Relaxed);
        Ok(())
    }

    fn land(&self, job: &Land) -> Result<Vec<Hash>, StorageError> {
        assert_eq!(self.landing, Landing::Works, "a planted bug");
        let (mut rest, mut hashes) = (job.buf.filled(), Vec::new());
        for land in &job.extents {
            let (bytes, tail) = rest.split_at(land.extent.len as usize);
            rest = tail;
            hashes.push(subtree(&OneByOne, bytes, land.height));
            let mut files = self.files.lock().unwrap();
            let (file, at) = (files.entry(land.extent.blob).or_default(), land.extent.offset as usize);
            file.resize(file.len().max(at + bytes.len()), 0);
            file[at..at + bytes.len()].copy_from_slice(bytes);
        }
        self.landed.fetch_add(job.buf.filled().len() as u64, Ordering::Relaxed);
        Ok(hashes)
    }

    fn rehash(&self, job: &Rehash) -> Result<Hash, StorageError> {
        let files = self.files.lock().unwrap();
        let file = files.get(&job.blob).ok_or(StorageError::Vanished)?;
        let bytes =
            file.get(job.range.start as usize..job.range.end as usize).ok_or(StorageError::Changed)?;
        Ok(subtree(&OneByOne, bytes, job.height))
    }

    fn checkpoint(&self, job: &Checkpoint) -> Result<(), StorageError> {
        self.claims.lock().unwrap().extend(&job.claims);
        Ok(())
    }

    fn commit(&self, _: &Commit) -> Result<Outcome, StorageError> {
        let files = self.files.lock().unwrap();
        let bytes = files.values().map(|file| file.len() as u64).sum();
        Ok(Outcome { placed: files.len() as u64, bytes, ..Outcome::default() })
    }
}

/// A running node.
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) handle: Handle,
    pub(crate) events: Events,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// A configuration that listens on loopback, on any port.
pub(crate) fn config() -> ReactorConfig {
    let mut config = ReactorConfig::new(KeyPair::generate().unwrap(), [1; 32]);
    config.listen = vec![Listen::At(SocketAddr::from(([127, 0, 0, 1], 0)))];
    config
}

impl Host {
    pub(crate) fn start(config: ReactorConfig) -> Self {
        let id = config.keys[0].node_id();
        let (reactor, handle, events) = Reactor::new(config).unwrap();
        let thread = Some(reactor.spawn().unwrap());
        Self { id, handle, events, thread }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    pub(crate) fn serve(&self, content: &Content) -> Arc<Memory> {
        let memory = Memory::of(content);
        self.handle.register(SHARE, Arc::clone(&memory) as Arc<dyn Storage>);
        let (manifest, layers) = (Arc::clone(&content.manifest), Arc::clone(&content.layers));
        self.handle.command(Command::Share(Share::new(SHARE, SECRET, manifest, layers))).unwrap();
        memory
    }

    /// Asks for the content at one address; the offer is not accepted yet.
    pub(crate) fn seek(&self, content: &Content, key: Option<NodeId>, address: Candidate) {
        self.seek_id(content.manifest.content_id(), key, address);
    }

    /// The same for content of which only the name is known.
    pub(crate) fn seek_id(&self, content: ContentId, key: Option<NodeId>, address: Candidate) {
        self.seek_among(content, vec![PeerHint { key, addresses: vec![address] }]);
    }

    /// The same from peers that are known, or from nobody yet.
    pub(crate) fn seek_among(&self, content: ContentId, peers: Vec<PeerHint>) {
        let fetch = Fetch::new(SHARE, content, SECRET, peers);
        self.handle.command(Command::Fetch(fetch)).unwrap();
    }

    /// Waits for the offer and accepts it.
    pub(crate) fn accept(&self, memory: &Arc<Memory>) -> Arc<Manifest> {
        let manifest = self.until(|event| match event {
            Event::Offer { manifest, .. } => Some(Arc::clone(manifest)),
            _ => None,
        });
        self.handle.register(SHARE, Arc::clone(memory) as Arc<dyn Storage>);
        self.handle.command(Command::accept(SHARE, Selection::All)).unwrap();
        manifest
    }

    pub(crate) fn fetch(&self, content: &Content, from: &Self) -> Arc<Memory> {
        let memory = Arc::new(Memory::default());
        self.seek(content, Some(from.id), Candidate::Tcp(from.address()));
        self.accept(&memory);
        memory
    }

    /// Waits for an event.
    pub(crate) fn until<T>(&self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).expect("it happens in time");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    pub(crate) fn completed(&self) -> Outcome {
        self.until(|event| match event {
            Event::Completed { outcome, .. } => Some(*outcome),
            Event::Failed { why, .. } => panic!("failed: {why:?}"),
            _ => None,
        })
    }

    /// Cuts everything, as if the process had ended.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the loop does not panic").expect("the loop does not fail");
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}
