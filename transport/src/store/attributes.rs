//! Modes and times, and what of them the destination could not take.

use std::io;
use std::sync::PoisonError;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::FileEntry;

use super::error::again;
use super::staging::Staging;
use crate::disk::Disk;

/// The owner may always read: what cannot be read cannot be verified.
const ALWAYS: u32 = 0o400;

/// What was dropped on the way into the destination, beside the entries that the plan left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Files whose permission bits differ from the source's: the umask, or `u+r` that is always kept.
    pub modes_changed: u64,
    /// Files whose mode or time the file system refused to take.
    pub attributes_refused: u64,
    /// Symbolic links that could not be made here, ascending.
    pub links: Vec<EntryIndex>,
}

impl<D: Disk> Staging<D> {
    /// What was dropped so far; whole after the commit.
    pub fn losses(&self) -> Losses {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives a complete file its final mode and time.
    pub(super) fn finish(&self, index: EntryIndex, file: &D::File, entry: &FileEntry) -> io::Result<()> {
        let wanted = u32::from(entry.mode);
        let mtime = i128::from(entry.mtime.seconds) * 1_000_000_000 + i128::from(entry.mtime.nanos);
        let set = again(|| self.disk.set_attributes(file, wanted | ALWAYS, Some(mtime)));
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = finished.insert(index);
        match set {
            Ok(given) => losses.modes_changed += u64::from(is_first && given != wanted),
            Err(error) if is_refusal(&error) => losses.attributes_refused += u64::from(is_first),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A file system without modes, times or links says so in one of these ways.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}
