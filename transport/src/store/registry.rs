//! Which share is where, and the doing of storage jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use truecopy_protocol::ShareId;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::{Done, Job, Opened, StorageError};

use super::source::Source;
use super::staging::{Staging, StagingOptions};
use crate::disk::Disk;

/// A share that is fetched: its staging is opened by the core's first job for it.
pub struct Receiving<D: Disk> {
    waiting: Mutex<Option<(D, StagingOptions)>>,
    staging: OnceLock<Staging<D>>,
}

impl<D: Disk> Receiving<D> {
    /// A share to be fetched into a destination. The options' selection gives way to that of the core's job.
    pub fn new(disk: D, options: StagingOptions) -> Self {
        Self { waiting: Mutex::new(Some((disk, options))), staging: OnceLock::new() }
    }

    /// A share whose staging is open already (to say who holds it before the core is asked).
    pub fn opened(staging: Staging<D>) -> Self {
        Self { waiting: Mutex::new(None), staging: OnceLock::from(staging) }
    }

    /// The staging, once it is open.
    pub fn staging(&self) -> Option<&Staging<D>> {
        self.staging.get()
    }

    /// Opens the staging, or says again what it held when it was opened.
    ///
    /// # Errors
    /// Why it cannot be opened; `Unsupported` for a second try after an error.
    pub fn open(&self, selection: Selection) -> Result<Opened, StorageError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((disk, mut options)) = waiting.take() {
            options.selection = selection;
            // A second try needs the driver's hand: it alone can make another plan or wait for the holder.
            let staging = Staging::open(disk, options).map_err(StorageError::from)?;
            return Ok(self.staging.get_or_init(|| staging).opened().clone());
        }
        drop(waiting);
        self.staging.get().map(|staging| staging.opened().clone()).ok_or(StorageError::Unsupported)
    }
}

/// What a share is to this process.
pub enum Share<D: Disk> {
    /// It is fetched.
    Receiving(Box<Receiving<D>>),
    /// It is served from where it lies.
    Serving(Source<D>),
}

/// The shares of a process.
pub struct Registry<D: Disk> {
    shares: RwLock<BTreeMap<ShareId, Arc<Share<D>>>>,
}

impl<D: Disk> Default for Registry<D> {
    fn default() -> Self {
        Self { shares: RwLock::default() }
    }
}

impl<D: Disk> Registry<D> {
    /// Adds a share, in place of one of the same id. Returns it.
    pub fn insert(&self, id: ShareId, share: Share<D>) -> Arc<Share<D>> {
        let share = Arc::new(share);
        self.shares.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&share));
        share
    }

    /// The share of this id.
    pub fn get(&self, id: ShareId) -> Option<Arc<Share<D>>> {
        self.shares.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Takes a share out; jobs that are under way end with it.
    pub fn remove(&self, id: ShareId) -> Option<Arc<Share<D>>> {
        self.shares.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

impl<D: Disk> Share<D> {
    fn staging(&self) -> Result<&Staging<D>, StorageError> {
        match self {
            Self::Receiving(receiving) => receiving.staging().ok_or(StorageError::Unsupported),
            Self::Serving(_) => Err(StorageError::Unsupported),
        }
    }
}

/// Does a storage job. What is no work for a store comes back.
///
/// # Errors
/// The job itself, if it is a `Sign` or a `Verify`.
#[expect(clippy::result_large_err, reason = "a job that is not ours goes back as it came")]
pub fn run<D: Disk>(job: Job, registry: &Registry<D>) -> Result<Done, Job> {
    Ok(match job {
        Job::Open(job) => {
            let result = on(registry, job.share, |share| match share {
                Share::Receiving(receiving) => receiving.open(job.selection.clone()),
                Share::Serving(_) => Err(StorageError::Unsupported),
            });
            job.done(result)
        }
        Job::Read(mut job) => {
            let len = job.extents.iter().map(|extent| extent.len as usize).sum();
            let (extents, buf) = (&job.extents, &mut job.buf);
            let result = on(registry, job.share, |share| match share {
                Share::Receiving(_) => share.staging()?.read(extents, buf.space_mut()),
                Share::Serving(source) => source.read(extents, buf.space_mut()),
            });
            job.buf.set_filled(if result.is_ok() { len } else { 0 });
            job.done(result)
        }
        Job::Land(job) => {
            let result =
                on(registry, job.share, |share| share.staging()?.land(&job.extents, job.buf.filled()));
            job.done(result)
        }
        Job::Rehash(job) => {
            let (blob, range, height) = (job.blob, job.range.clone(), job.height);
            let result = on(registry, job.share, |share| match share {
                Share::Receiving(_) => share.staging()?.rehash(blob, range, height),
                Share::Serving(source) => source.rehash(blob, range, height),
            });
            job.done(result)
        }
        Job::Checkpoint(job) => {
            let result =
                on(registry, job.share, |share| share.staging()?.checkpoint(&job.claims, job.durability));
            job.done(result)
        }
        Job::Commit(job) => {
            let result = on(registry, job.share, |share| share.staging()?.commit());
            job.done(result)
        }
        Job::Sign(_) | Job::Verify(_) => return Err(job),
    })
}

fn on<D: Disk, T>(
    registry: &Registry<D>,
    id: ShareId,
    act: impl FnOnce(&Share<D>) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    act(&*registry.get(id).ok_or(StorageError::Unsupported)?)
}
