//! The store does the storage work of real shares.

use truecopy_protocol::Hash;
use truecopy_protocol::job::{Checkpoint, Commit, Land, Open, Opened, Outcome, Read, Rehash, StorageError};
use truecopy_transport::disk::Disk;
use truecopy_transport::store::{Share, Staging};

use super::Storage;

/// The staging of a share that is fetched and opened.
fn staging<D: Disk>(share: &Share<D>) -> Result<&Staging<D>, StorageError> {
    match share {
        Share::Receiving(receiving) => receiving.staging().ok_or(StorageError::Unsupported),
        Share::Serving(_) => Err(StorageError::Unsupported),
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
        match self {
            Self::Receiving(_) => staging(self)?.read(&job.extents, job.buf.space_mut())?,
            Self::Serving(source) => source.read(&job.extents, job.buf.space_mut())?,
        }
        job.buf.set_filled(len);
        Ok(())
    }

    fn land(&self, job: &Land) -> Result<Vec<Hash>, StorageError> {
        staging(self)?.land(&job.extents, job.buf.filled())
    }

    fn rehash(&self, job: &Rehash) -> Result<Hash, StorageError> {
        match self {
            Self::Receiving(_) => staging(self)?.rehash(job.blob, job.range.clone(), job.height),
            Self::Serving(source) => source.rehash(job.blob, job.range.clone(), job.height),
        }
    }

    fn checkpoint(&self, job: &Checkpoint) -> Result<(), StorageError> {
        staging(self)?.checkpoint(&job.claims, job.durability)
    }

    fn commit(&self, _: &Commit) -> Result<Outcome, StorageError> {
        staging(self)?.commit()
    }
}
