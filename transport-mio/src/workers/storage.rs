//! What does the storage work of a share, and where it is found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use truecopy_protocol::job::{Checkpoint, Commit, Land, Open, Opened, Outcome, Read, Rehash, StorageError};
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

/// The storages of all shares. Clones share one table.
#[derive(Clone, Default)]
pub(crate) struct Stores(Arc<RwLock<BTreeMap<ShareId, Arc<dyn Storage>>>>);

impl Stores {
    pub(crate) fn register(&self, share: ShareId, storage: Arc<dyn Storage>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(share, storage);
    }

    pub(crate) fn release(&self, share: ShareId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&share);
    }

    pub(crate) fn find(&self, share: ShareId) -> Option<Arc<dyn Storage>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&share).cloned()
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}
