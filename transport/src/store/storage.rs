//! What does the storage work of a share, where it is found, and the doing of a job.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use truecopy_protocol::job::{
    Announce, Checkpoint, Commit, Done, Job, Land, Open, Opened, Outcome, Read, Rehash, Sign, StorageError,
    Verify,
};
use truecopy_protocol::{Hash, ShareId};

/// The storage of one share: a source that is served, or a staging that is filled. Called by several workers at once;
/// calls may take long. A panic inside counts as [`StorageError::Io`].
pub trait Storage: Send + Sync {
    /// See [`Open`].
    ///
    /// # Errors
    /// What the host says.
    fn open(&self, job: &Open) -> Result<Opened, StorageError>;

    /// See [`Read`]: fills the job's buffer.
    ///
    /// # Errors
    /// What the host says.
    fn read(&self, job: &mut Read) -> Result<(), StorageError>;

    /// See [`Land`]: one hash an extent.
    ///
    /// # Errors
    /// What the host says.
    fn land(&self, job: &Land) -> Result<Vec<Hash>, StorageError>;

    /// See [`Rehash`].
    ///
    /// # Errors
    /// What the host says.
    fn rehash(&self, job: &Rehash) -> Result<Hash, StorageError>;

    /// See [`Checkpoint`].
    ///
    /// # Errors
    /// What the host says.
    fn checkpoint(&self, job: &Checkpoint) -> Result<(), StorageError>;

    /// See [`Commit`].
    ///
    /// # Errors
    /// What the host says.
    fn commit(&self, job: &Commit) -> Result<Outcome, StorageError>;
}

/// The storages of all shares of a process. Clones share one table.
#[derive(Clone, Default)]
pub struct Registry(Arc<RwLock<BTreeMap<ShareId, Arc<dyn Storage>>>>);

/// What came of a job.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub enum Ran {
    /// It is done.
    Done(Done),
    /// No work for a store: whoever has the key must do it.
    Sign(Sign),
    /// No work for a store.
    Verify(Verify),
    /// No work for a store: whoever speaks with trackers must do it.
    Announce(Announce),
}

impl Registry {
    /// Adds a share's storage, in place of one of the same id.
    pub fn register(&self, share: ShareId, storage: Arc<dyn Storage>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(share, storage);
    }

    /// Takes it out; jobs that are under way end with it.
    pub fn release(&self, share: ShareId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&share);
    }

    fn find(&self, share: ShareId) -> Option<Arc<dyn Storage>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&share).cloned()
    }

    /// Does a storage job. What is work for a key comes back. Whatever happens inside, the job is answered.
    pub fn run(&self, job: Job) -> Ran {
        Ran::Done(match job {
            Job::Open(job) => {
                let result = self.on(job.share, |storage| storage.open(&job));
                job.done(result)
            }
            Job::Read(mut job) => {
                let result = self.on(job.share, |storage| storage.read(&mut job));
                job.done(result)
            }
            Job::Land(job) => {
                let result = self.on(job.share, |storage| storage.land(&job));
                job.done(result)
            }
            Job::Rehash(job) => {
                let result = self.on(job.share, |storage| storage.rehash(&job));
                job.done(result)
            }
            Job::Checkpoint(job) => {
                let result = self.on(job.share, |storage| storage.checkpoint(&job));
                job.done(result)
            }
            Job::Commit(job) => {
                let result = self.on(job.share, |storage| storage.commit(&job));
                job.done(result)
            }
            Job::Sign(job) => return Ran::Sign(job),
            Job::Verify(job) => return Ran::Verify(job),
            Job::Announce(job) => return Ran::Announce(job),
        })
    }

    fn on<T>(
        &self,
        share: ShareId,
        work: impl FnOnce(&dyn Storage) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let storage = self.find(share).ok_or(StorageError::Vanished)?;
        // A fault in a store must not hang the transfer that waits for its answer; the panic's own hook has told of it.
        catch_unwind(AssertUnwindSafe(|| work(&*storage))).unwrap_or(Err(StorageError::Io))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}
