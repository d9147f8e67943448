//! A share on real or simulated disks: fetched into a staging, or served from where it lies.

use std::sync::{Mutex, OnceLock, PoisonError};

use truecopy_protocol::Hash;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::{Checkpoint, Commit, Land, Open, Opened, Outcome, Read, Rehash, StorageError};

use super::source::Source;
use super::staging::{Staging, StagingOptions};
use super::storage::Storage;
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

    fn open(&self, selection: Selection) -> Result<Opened, StorageError> {
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

impl<D: Disk> Share<D> {
    fn staging(&self) -> Result<&Staging<D>, StorageError> {
        match self {
            Self::Receiving(receiving) => receiving.staging().ok_or(StorageError::Unsupported),
            Self::Serving(_) => Err(StorageError::Unsupported),
        }
    }
}

impl<D: Disk> Storage for Share<D> {
    fn open(&self, job: &Open) -> Result<Opened, StorageError> {
        match self {
            Self::Receiving(receiving) => receiving.open(job.selection.clone()),
            Self::Serving(_) => Err(StorageError::Unsupported),
        }
    }

    fn read(&self, job: &mut Read) -> Result<(), StorageError> {
        let len = job.extents.iter().map(|extent| extent.len as usize).sum();
        let (extents, space) = (&job.extents, job.buf.space_mut());
        let result = match self {
            Self::Receiving(_) => self.staging()?.read(extents, space),
            Self::Serving(source) => source.read(extents, space),
        };
        job.buf.set_filled(if result.is_ok() { len } else { 0 });
        result
    }

    fn land(&self, job: &Land) -> Result<Vec<Hash>, StorageError> {
        self.staging()?.land(&job.extents, job.buf.filled())
    }

    fn rehash(&self, job: &Rehash) -> Result<Hash, StorageError> {
        let (blob, range, height) = (job.blob, job.range.clone(), job.height);
        match self {
            Self::Receiving(_) => self.staging()?.rehash(blob, range, height),
            Self::Serving(source) => source.rehash(blob, range, height),
        }
    }

    fn checkpoint(&self, job: &Checkpoint) -> Result<(), StorageError> {
        self.staging()?.checkpoint(&job.claims, job.durability)
    }

    fn commit(&self, _job: &Commit) -> Result<Outcome, StorageError> {
        self.staging()?.commit()
    }
}
