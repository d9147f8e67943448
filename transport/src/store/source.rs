//! The serving side: the files as they were when they were hashed, or an error.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use truecopy_protocol::content::geometry::SPAN;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::LeafHasher;
use truecopy_protocol::job::{Extent, StorageError};
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};
use truecopy_protocol::{BlobId, EntryIndex, Hash};

use super::error::{again, fail, storage_error};
use super::handles::Handles;
use super::hashing::{hash_range, read_exact};
use super::targets::{Target, target_of, targets};
use crate::disk::{Disk, FileIdentity, OpenMode};

/// Where one top-level name of a share lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTop {
    /// Which of the source's disks holds it.
    pub root: u16,
    /// Its name there, if it is not its name in the share.
    pub name: Option<RelPathBuf>,
}

/// A [`FileIdentity`] in half the room: the device is that of the root, and the size stands in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recorded {
    device: u64,
    inode: u64,
    mtime: i64,
    ctime: i64,
}

impl Recorded {
    fn of(identity: &FileIdentity) -> Self {
        // Nanoseconds since 1970 fit until the year 2262; beyond, the low bits still tell states apart.
        Self {
            device: identity.device,
            inode: identity.inode,
            mtime: identity.mtime as i64,
            ctime: identity.ctime as i64,
        }
    }
}

/// The files of a share where they lie, with the state in which they were hashed.
pub struct Source<D: Disk> {
    manifest: Arc<Manifest>,
    roots: Vec<D>,
    targets: Vec<Target>,
    root_of: Vec<u16>,
    recorded: Vec<Recorded>,
    handles: Handles<D::File>,
    hasher: Arc<dyn LeafHasher>,
}

impl<D: Disk> Source<D> {
    /// A source of `manifest`: `tops` says where each of its top-level names lies, in their order; `identities` is
    /// the state of every entry when it was hashed (anything for what is no file).
    ///
    /// # Errors
    /// `Unsupported` if there are not as many tops or identities as the manifest has, or a root is out of range.
    pub fn new(
        manifest: Arc<Manifest>,
        roots: Vec<D>,
        tops: Vec<SourceTop>,
        identities: impl IntoIterator<Item = FileIdentity>,
        hasher: Arc<dyn LeafHasher>,
    ) -> Result<Self, StorageError> {
        let mut targets = targets(&manifest);
        let recorded: Vec<Recorded> =
            identities.into_iter().map(|identity| Recorded::of(&identity)).collect();
        let is_whole = recorded.len() == manifest.len() as usize && tops.len() == targets.len();
        if !is_whole || tops.iter().any(|top| usize::from(top.root) >= roots.len()) {
            return Err(StorageError::Unsupported);
        }
        let root_of = tops.iter().map(|top| top.root).collect();
        for (target, top) in targets.iter_mut().zip(tops) {
            target.renamed = top.name;
        }
        Ok(Self { manifest, roots, targets, root_of, recorded, handles: Handles::new(), hasher })
    }

    /// What is served.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Reads extents one after another into the start of `space`. The bytes are of the files as they were hashed:
    /// a file's state is compared before and after its bytes are read.
    ///
    /// # Errors
    /// `Changed` or `Vanished` if a file is not what it was; `Unsupported` for an extent that is not of a file of the
    /// share; else the host's.
    pub fn read(&self, extents: &[Extent], space: &mut [u8]) -> Result<(), StorageError> {
        let mut rest = space;
        for extent in extents {
            let Some((buf, after)) = rest.split_at_mut_checked(extent.len as usize) else {
                return Err(StorageError::Unsupported);
            };
            rest = after;
            let end = extent.offset.checked_add(u64::from(extent.len)).ok_or(StorageError::Unsupported)?;
            self.with_file(extent.blob, end, |disk, file| read_exact(disk, file, buf, extent.offset))
                .map_err(source_error)?;
        }
        Ok(())
    }

    /// Reads a run of whole blocks and returns the hash of its subtree.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn rehash(&self, blob: BlobId, range: Range<u64>, height: u8) -> Result<Hash, StorageError> {
        let hash = |disk: &D, file: &D::File| hash_range(disk, file, &*self.hasher, range.clone(), height);
        self.with_file(blob, range.end, hash).map_err(source_error)
    }

    fn with_file<T>(
        &self,
        blob: BlobId,
        end: u64,
        act: impl FnOnce(&D, &D::File) -> io::Result<T>,
    ) -> io::Result<T> {
        let unsupported = || fail(StorageError::Unsupported);
        let index = blob.entry().ok_or_else(unsupported)?;
        let size = self.manifest.file(index).ok_or_else(unsupported)?.size;
        if end > size {
            return Err(unsupported());
        }
        let disk = self.disk(index).ok_or_else(unsupported)?;
        let file = self.open(disk, index, size)?;
        self.check(disk, &file, index, size)?;
        let done = act(disk, &file)?;
        self.check(disk, &file, index, size)?;
        Ok(done)
    }

    fn disk(&self, index: EntryIndex) -> Option<&D> {
        let top = self.targets.partition_point(|target| target.entries.end <= index.0);
        self.roots.get(usize::from(*self.root_of.get(top)?))
    }

    /// Large files stay open for the next reads.
    fn open(&self, disk: &D, index: EntryIndex, size: u64) -> io::Result<Arc<D::File>> {
        if let Some(open) = self.handles.get(index.0) {
            return Ok(open);
        }
        let entry = self.manifest.entry(index).ok_or_else(|| fail(StorageError::Unsupported))?;
        let target = target_of(&self.targets, index).ok_or_else(|| fail(StorageError::Unsupported))?;
        let place = target.place(entry.path)?;
        let file = again(|| disk.open(place.as_path(), OpenMode::Read))?;
        Ok(if size > SPAN { self.handles.keep(index.0, file) } else { Arc::new(file) })
    }

    fn check(&self, disk: &D, file: &D::File, index: EntryIndex, size: u64) -> io::Result<()> {
        let now = again(|| disk.identity(file))?;
        let is_same = now.size == size && self.recorded.get(index.0 as usize) == Some(&Recorded::of(&now));
        #[cfg(planted)]
        let is_same = is_same || is(Bug::SourceUnchecked);
        if is_same { Ok(()) } else { Err(fail(StorageError::Changed)) }
    }
}

/// A link or a folder where the file was is a change, not a conflict.
fn source_error(error: io::Error) -> StorageError {
    match storage_error(error) {
        StorageError::Conflict => StorageError::Changed,
        error => error,
    }
}
