//! Making and opening staged files.

use std::io;
use std::sync::{Arc, PoisonError};

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::job::StorageError;

use super::error::{again, allow, fail};
use super::staging::Staging;
use crate::disk::{Disk, OpenMode};

impl<D: Disk> Staging<D> {
    /// Makes a staged file, or opens the one that is there.
    pub(super) fn make(&self, staged: RelPath<'_>) -> io::Result<D::File> {
        match again(|| self.disk.open(staged, OpenMode::Create)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.open_again(staged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folders(staged)?;
                match again(|| self.disk.open(staged, OpenMode::Create)) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.open_again(staged),
                    made => made,
                }
            }
            made => made,
        }
    }

    /// A file of an earlier run. One that already got its final mode may refuse us until the mode is ours again.
    fn open_again(&self, staged: RelPath<'_>) -> io::Result<D::File> {
        match again(|| self.disk.open(staged, OpenMode::Update)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let file = again(|| self.disk.open(staged, OpenMode::Read))?;
                again(|| self.disk.set_attributes(&file, 0o600, None))?;
                again(|| self.disk.open(staged, OpenMode::Update))
            }
            opened => opened,
        }
    }

    /// Makes the folders that a path lies in.
    pub(super) fn make_folders(&self, path: RelPath<'_>) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        for folder in parent.prefixes() {
            allow(again(|| self.disk.create_dir(folder, 0o777)), io::ErrorKind::AlreadyExists)?;
        }
        Ok(())
    }

    /// The open file of an entry, with its full length.
    pub(super) fn handle(
        &self,
        entry: EntryIndex,
        staged: RelPath<'_>,
        size: u64,
    ) -> io::Result<Arc<D::File>> {
        if let Some(open) = self.handles.get(entry.0) {
            return Ok(open);
        }
        // A second worker waits: to reserve the same space twice takes twice as long.
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = self.handles.get(entry.0) {
            return Ok(open);
        }
        let file = self.make(staged)?;
        if again(|| self.disk.identity(&file))?.size != size {
            again(|| self.disk.allocate(&file, size))?;
        }
        Ok(self.handles.keep(entry.0, file))
    }

    pub(super) fn open_staged(&self, staged: RelPath<'_>) -> io::Result<D::File> {
        again(|| self.disk.open(staged, OpenMode::Read)).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => fail(StorageError::Changed),
            _ => error,
        })
    }
}
