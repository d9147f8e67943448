//! Verified or yet unproven bytes into the staging; and back out of it.

use std::io;
use std::ops::Range;
use std::sync::PoisonError;

use truecopy_protocol::content::manifest::{Entry, EntryKind, FileEntry};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::subtree;
use truecopy_protocol::job::{Claim, Extent, LandExtent, StorageError};
use truecopy_protocol::{BlobId, ChunkIndex, EntryIndex, Hash};

use super::error::{again, fail, staged_error};
use super::hashing::{hash_range, read_exact, write_all};
use super::staging::Staging;
use super::targets::target_of;
use crate::disk::{Disk, OpenMode};

impl<D: Disk> Staging<D> {
    /// Hashes the extents, which lie one after another in `bytes`, and writes them to staging: all but those whose
    /// hash differs from the expected one, or, for a whole small file, from its root. Returns their hashes in order.
    ///
    /// # Errors
    /// The host's; what was written before stays. `Unsupported` for an extent that is not of a file of the share.
    pub fn land(&self, extents: &[LandExtent], bytes: &[u8]) -> Result<Vec<Hash>, StorageError> {
        self.land_all(extents, bytes).map_err(staged_error)
    }

    fn land_all(&self, extents: &[LandExtent], bytes: &[u8]) -> io::Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(extents.len());
        let mut written = Vec::new();
        let mut rest = bytes;
        #[cfg(planted)]
        let whole = bytes;
        let mut result = Ok(());
        for land in extents {
            let Some((bytes, after)) = rest.split_at_checked(land.extent.len as usize) else {
                return Err(fail(StorageError::Unsupported));
            };
            rest = after;
            let hash = subtree(&*self.hasher, bytes, land.height);
            hashes.push(hash);
            #[cfg(planted)]
            let bytes = super::planted::swapped(bytes, &hashes, extents, whole);
            if land.expected.is_none_or(|expected| expected == hash) && result.is_ok() {
                result = self.write_extent(land.extent, bytes, hash).map(|entry| written.push(entry));
            }
        }
        // After the writes: a sync that is under way has taken its list already, and must not be thought to cover these.
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        written.into_iter().for_each(|entry| touched.add(entry));
        result.map(|()| hashes)
    }

    fn write_extent(&self, extent: Extent, bytes: &[u8], hash: Hash) -> io::Result<EntryIndex> {
        let (index, entry, file) = self.file_entry(extent.blob)?;
        if extent.offset.checked_add(u64::from(extent.len)).is_none_or(|end| end > file.size) {
            return Err(fail(StorageError::Unsupported));
        }
        let staged = self.layout.staged(entry.path)?;
        let within = extent.offset / self.manifest.chunk_size().bytes();
        // A file has fewer chunks than a share.
        self.kept.forget(self.manifest.chunks_of(index).start + within as u32);
        #[cfg(planted)]
        let (extent, bytes) = self.misplaced(index, extent, bytes, file.size);
        if u64::from(extent.len) < file.size {
            let open = self.handle(index, staged.as_path(), file.size)?;
            write_all(&self.disk, &open, bytes, extent.offset)?;
        } else if hash == file.root {
            // Over a file of the same name in place: if it was right, no moment sees it wrong.
            let open = self.make(staged.as_path())?;
            write_all(&self.disk, &open, bytes, 0)?;
            if self.is_resumed && again(|| self.disk.identity(&open))?.size != file.size {
                again(|| self.disk.set_len(&open, file.size))?;
            }
            self.finish(index, &open, &file)?;
        }
        Ok(index)
    }

    /// Reads a run of whole blocks back and returns the hash of its subtree.
    ///
    /// # Errors
    /// The host's; `Vanished` or `Changed` if the file is gone, shorter or no longer ours.
    pub fn rehash(&self, blob: BlobId, range: Range<u64>, height: u8) -> Result<Hash, StorageError> {
        let hash = self.hash_staged(blob, range.clone(), height).map_err(staged_error)?;
        self.revive(blob, &range, hash);
        Ok(hash)
    }

    fn hash_staged(&self, blob: BlobId, range: Range<u64>, height: u8) -> io::Result<Hash> {
        let (index, entry, file) = self.file_entry(blob)?;
        if range.end > file.size {
            return Err(fail(StorageError::Unsupported));
        }
        let open = self.open_present(index, &entry)?;
        hash_range(&self.disk, &open, &*self.hasher, range, height)
    }

    /// Reads extents one after another into the start of `space`, wherever the files are by now.
    ///
    /// # Errors
    /// The host's; `Vanished` or `Changed` if a file is gone or shorter.
    pub fn read(&self, extents: &[Extent], space: &mut [u8]) -> Result<(), StorageError> {
        self.read_all(extents, space).map_err(staged_error)
    }

    fn read_all(&self, extents: &[Extent], mut space: &mut [u8]) -> io::Result<()> {
        for extent in extents {
            let (index, entry, _) = self.file_entry(extent.blob)?;
            let Some((buf, rest)) = space.split_at_mut_checked(extent.len as usize) else {
                return Err(fail(StorageError::Unsupported));
            };
            space = rest;
            let open = self.open_present(index, &entry)?;
            read_exact(&self.disk, &open, buf, extent.offset)?;
        }
        Ok(())
    }

    /// Opens a file where it lies: staged, or under its final name.
    fn open_present(&self, index: EntryIndex, entry: &Entry<'_>) -> io::Result<D::File> {
        let staged = self.layout.staged(entry.path)?;
        match self.open_staged(staged.as_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let place = self.final_path(index, entry)?;
                again(|| self.disk.open(place.as_path(), OpenMode::Read))
            }
            opened => opened,
        }
    }

    /// The final path of an entry.
    pub(super) fn final_path(&self, index: EntryIndex, entry: &Entry<'_>) -> io::Result<RelPathBuf> {
        target_of(&self.plan.targets, index)
            .map_or_else(|| Ok(entry.path.to_owned()), |target| target.place(entry.path))
    }

    fn file_entry(&self, blob: BlobId) -> io::Result<(EntryIndex, Entry<'_>, FileEntry)> {
        let index = blob.entry().ok_or_else(|| fail(StorageError::Unsupported))?;
        match self.manifest.entry(index) {
            Some(entry) => match entry.kind {
                EntryKind::File(file) => Ok((index, entry, file)),
                EntryKind::Directory | EntryKind::Symlink { .. } => Err(fail(StorageError::Unsupported)),
            },
            None => Err(fail(StorageError::Unsupported)),
        }
    }

    /// A stale claim that was hashed again and held is written anew with the next checkpoint.
    fn revive(&self, blob: BlobId, range: &Range<u64>, hash: Hash) {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if stale.waiting.is_empty() {
            return;
        }
        let Some(index) = blob.entry() else { return };
        let Some(shape) = self.manifest.shape(index) else { return };
        let within = range.start / shape.chunk.bytes();
        if shape.chunk_range(within) != *range {
            return;
        }
        let chunk = self.manifest.chunks_of(index).start + within as u32;
        if stale.waiting.get(&chunk) == Some(&hash) {
            stale.waiting.remove(&chunk);
            stale.held.push(Claim { chunk: ChunkIndex(chunk), hash });
        }
    }
}
