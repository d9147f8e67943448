//! Making claims last: data first, then the record that speaks of it.

use std::collections::BTreeSet;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::job::{Claim, Durability, StorageError};
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};

use super::error::{again, fail, staged_error};
use super::staging::Staging;
use super::touched::Touched;
use crate::disk::Disk;

impl<D: Disk> Staging<D> {
    /// Appends claims to the journal; `Synced` makes them and all earlier ones durable, data before record. Chunks
    /// can land meanwhile.
    ///
    /// # Errors
    /// The host's. After a sync has failed nothing unsynced is believed any more: every later checkpoint and commit
    /// of this run is `Io`, and the next run fetches what was not synced again.
    pub fn checkpoint(&self, claims: &[Claim], durability: Durability) -> Result<(), StorageError> {
        self.checkpoint_all(claims, durability).map_err(staged_error)
    }

    fn checkpoint_all(&self, claims: &[Claim], durability: Durability) -> io::Result<()> {
        self.check_health()?;
        self.append_claims(claims)?;
        match durability {
            Durability::Written => Ok(()),
            #[cfg(planted)]
            Durability::Synced if is(Bug::ClaimsFirst) => self.sync_claims_first(),
            Durability::Synced => self.sync_all_claims(),
        }
    }

    fn append_claims(&self, claims: &[Claim]) -> io::Result<()> {
        let held = std::mem::take(&mut self.stale.lock().unwrap_or_else(PoisonError::into_inner).held);
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.claims(&self.disk, &held)?;
        let news: Vec<Claim> =
            claims.iter().filter(|claim| !self.kept.contains(claim.chunk.0)).copied().collect();
        journal.claims(&self.disk, &news)
    }

    /// One at a time: a second one would find nothing touched and speak for data that the first has not synced yet.
    pub(super) fn sync_all_claims(&self) -> io::Result<()> {
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_health()?;
        let upto = {
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.syncing(&self.disk)?;
            journal.records()
        };
        self.sync_touched()?;
        let file = {
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.synced(&self.disk, upto)?;
            journal.file()
        };
        // A sync may take long: claims that are written meanwhile do not wait for it.
        self.believe(again(|| self.disk.sync_file(&file)))
    }

    /// Syncs what was written since the last time.
    fn sync_touched(&self) -> io::Result<()> {
        let taken = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        match &taken {
            Touched::Many => self.believe(again(|| self.disk.sync_all())),
            Touched::These(entries) => {
                let opened =
                    entries.iter().map(|entry| self.open_touched(*entry)).collect::<io::Result<Vec<_>>>();
                let (files, folders) = match opened {
                    Ok(opened) => self.split(opened)?,
                    Err(error) => {
                        self.touched.lock().unwrap_or_else(PoisonError::into_inner).add_all(taken);
                        return Err(error);
                    }
                };
                let files = files.iter().try_for_each(|file| again(|| self.disk.sync_file(file)));
                self.believe(files.and_then(|()| self.sync_folders(&folders)))
            }
        }
    }

    fn open_touched(&self, entry: EntryIndex) -> io::Result<(RelPathBuf, D::File)> {
        let known = self.manifest.entry(entry).ok_or_else(|| fail(StorageError::Unsupported))?;
        let staged = self.layout.staged(known.path)?;
        let file = self.open_staged(staged.as_path())?;
        Ok((staged, file))
    }

    fn split(&self, opened: Vec<(RelPathBuf, D::File)>) -> io::Result<(Vec<D::File>, BTreeSet<RelPathBuf>)> {
        let mut folders = BTreeSet::new();
        let files = opened.into_iter().map(|(staged, file)| {
            folders_of(staged.as_path(), &mut folders);
            file
        });
        Ok((files.collect(), folders))
    }

    pub(super) fn sync_folders(&self, folders: &BTreeSet<RelPathBuf>) -> io::Result<()> {
        folders.iter().try_for_each(|folder| again(|| self.disk.sync_dir(Some(folder.as_path()))))
    }

    /// Passes a sync's result on; after a failure nothing that was not synced before counts any more.
    pub(super) fn believe(&self, synced: io::Result<()>) -> io::Result<()> {
        #[cfg(planted)]
        let synced = if is(Bug::SyncBelieved) { Ok(()) } else { synced };
        if synced.is_err() && !self.is_broken.swap(true, Ordering::SeqCst) {
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            // If this fails too, the error below is all that can be said.
            let _ = journal.revoked(&self.disk).and_then(|()| journal.sync(&self.disk));
        }
        synced
    }

    pub(super) fn check_health(&self) -> io::Result<()> {
        if self.is_broken.load(Ordering::SeqCst) { Err(fail(StorageError::Io)) } else { Ok(()) }
    }
}

/// Adds the folders that a path lies in.
pub(super) fn folders_of(path: RelPath<'_>, folders: &mut BTreeSet<RelPathBuf>) {
    if let Some(parent) = path.parent() {
        folders.extend(parent.prefixes().map(RelPath::to_owned));
    }
}
