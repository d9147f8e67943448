//! Taking a staging away.

use std::io::{self, ErrorKind};
use std::sync::PoisonError;

use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::job::StorageError;

use super::error::{again, allow, fail, if_there, staged_error};
use super::layout::{Layout, path};
use super::staging::Staging;
use crate::disk::{Disk, FileKind};

impl<D: Disk> Staging<D> {
    /// Removes the staging and everything verified in it, and lets go of the lock.
    ///
    /// # Errors
    /// The host's; what is left can be discarded again.
    pub fn discard(self) -> Result<(), StorageError> {
        self.remove_staging().map_err(staged_error)
    }

    pub(super) fn remove_staging(&self) -> io::Result<()> {
        self.handles.close_all();
        remove(&self.disk, &self.layout)?;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

/// Removes a staging that is held. The journal goes before the lock: without it, what is left is no claim.
pub(super) fn remove<D: Disk>(disk: &D, layout: &Layout) -> io::Result<()> {
    remove_tree(disk, layout.tree()?.as_path())?;
    for part in [layout.manifest()?, layout.journal()?, layout.lock()?] {
        allow(again(|| disk.remove_file(part.as_path())), ErrorKind::NotFound)?;
    }
    allow(again(|| disk.remove_dir(layout.folder())), ErrorKind::NotFound)?;
    again(|| disk.sync_dir(None))
}

/// Removes whatever stands at a path and below it; links themselves, never what they point to.
pub(super) fn remove_tree<D: Disk>(disk: &D, root: RelPath<'_>) -> io::Result<()> {
    let Some(found) = if_there(again(|| disk.metadata(root)))? else { return Ok(()) };
    if found.kind != FileKind::Directory {
        return allow(again(|| disk.remove_file(root)), ErrorKind::NotFound);
    }
    for name in again(|| disk.list(Some(root)))? {
        let below = path([root.as_bytes(), b"/", &name].concat())?;
        match again(|| disk.remove_file(below.as_path())) {
            // A folder says one or the other; files, of which there are many, are spared the look.
            Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::PermissionDenied) => {
                match again(|| disk.metadata(below.as_path()))?.kind {
                    FileKind::Directory => remove_tree(disk, below.as_path())?,
                    _ => return Err(fail(StorageError::Denied)),
                }
            }
            removed => allow(removed, ErrorKind::NotFound)?,
        }
    }
    allow(again(|| disk.remove_dir(root)), ErrorKind::NotFound)
}
