//! A share that is fetched, and beside its storage the chunks that the core has proven: for a picture of them, for serving
//! them afterwards without hashing again, and for reading them out before all is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::job::{
    Checkpoint, Claim, Commit, Extent, Land, Open, Opened, Outcome, Read, Rehash, StorageError, Trust,
};
use truecopy_protocol::{EntryIndex, Hash};
use truecopy_transport::store::{Share, Storage};

use crate::record::Disk;

/// Storage that remembers what was proven.
pub struct Witness {
    share: Arc<Share<Disk>>,
    seen: Mutex<BTreeMap<u32, Hash>>,
    more: Condvar,
}

/// The hashes of chunks that were proven in this run.
#[derive(Clone, Debug, Default)]
pub struct Proven(BTreeMap<u32, Hash>);

impl Witness {
    /// Nothing is proven yet.
    pub fn new(share: Arc<Share<Disk>>) -> Self {
        Self { share, seen: Mutex::default(), more: Condvar::new() }
    }

    /// What an earlier storage of the share in this run has proven stays proven.
    pub fn after(share: Arc<Share<Disk>>, before: &Proven) -> Self {
        Self { share, seen: Mutex::new(before.0.clone()), more: Condvar::new() }
    }

    /// What is proven, for the next storage of the share.
    pub fn proven(&self) -> Proven {
        Proven(self.seen().clone())
    }

    /// The storage itself.
    pub const fn share(&self) -> &Arc<Share<Disk>> {
        &self.share
    }

    /// The hashes of all chunks of a file; none if one was not proven in this run.
    pub fn layer(&self, manifest: &Manifest, entry: EntryIndex) -> Option<Vec<Hash>> {
        let seen = self.seen();
        manifest.chunks_of(entry).map(|chunk| seen.get(&chunk).copied()).collect()
    }

    /// How many chunks of each of so many equal stretches of the share are proven, and how many there are.
    pub fn map(&self, chunks: u32, cells: u32) -> Vec<(u32, u32)> {
        let cells = cells.clamp(1, chunks.max(1));
        let start = |cell: u32| (u64::from(cell) * u64::from(chunks) / u64::from(cells)) as u32;
        let seen = self.seen();
        (0..cells)
            .map(|cell| {
                let stretch = start(cell)..start(cell + 1);
                (seen.range(stretch.clone()).count() as u32, stretch.len() as u32)
            })
            .collect()
    }

    /// Waits until a chunk is proven, or for so long; whether it is.
    pub fn waits_for(&self, chunk: u32, patience: Duration) -> bool {
        let missing = |seen: &mut BTreeMap<u32, Hash>| !seen.contains_key(&chunk);
        let waited = self.more.wait_timeout_while(self.seen(), patience, missing);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Reads bytes that lie in proven chunks.
    ///
    /// # Errors
    /// What the host says.
    pub fn read_proven(&self, extent: Extent, space: &mut [u8]) -> Result<(), StorageError> {
        match &*self.share {
            Share::Receiving(receiving) => {
                receiving.staging().ok_or(StorageError::Unsupported)?.read(&[extent], space)
            }
            Share::Serving(source) => source.read(&[extent], space),
        }
    }

    fn saw(&self, claims: &[Claim]) {
        let mut seen = self.seen();
        seen.extend(claims.iter().map(|claim| (claim.chunk.0, claim.hash)));
        drop(seen);
        self.more.notify_all();
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<u32, Hash>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Witness {
    fn open(&self, job: &Open) -> Result<Opened, StorageError> {
        let opened = self.share.open(job)?;
        // The others are hashed again first, and claimed then.
        if opened.trust == Trust::Trusted {
            self.saw(&opened.claims);
        }
        Ok(opened)
    }

    fn read(&self, job: &mut Read) -> Result<(), StorageError> {
        self.share.read(job)
    }

    fn land(&self, job: &Land) -> Result<Vec<Hash>, StorageError> {
        self.share.land(job)
    }

    fn rehash(&self, job: &Rehash) -> Result<Hash, StorageError> {
        self.share.rehash(job)
    }

    fn checkpoint(&self, job: &Checkpoint) -> Result<(), StorageError> {
        self.share.checkpoint(job)?;
        self.saw(&job.claims);
        Ok(())
    }

    fn commit(&self, job: &Commit) -> Result<Outcome, StorageError> {
        self.share.commit(job)
    }
}
