//! From staging to the final names. A crash at any point leaves a staging whose next commit goes on.
//!
//! Complete the tree (attributes, empty files and folders, links last) → make it durable → write down what is in
//! hand, durably → move, each name whole or not at all → make the names durable → remove the staging.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::PoisonError;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::{Entry, EntryKind, FileEntry};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::job::{Outcome, StorageError};
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};

use super::attributes::is_refusal;
use super::checkpoint::folders_of;
use super::error::{again, allow, fail, if_there, staged_error, storage_error};
use super::journal::Planned;
use super::plan::Placing;
use super::staging::Staging;
use super::targets::{Target, stands};
use super::touched::SINGLE_SYNCS_MAX;
use crate::disk::{Disk, FileKind, Taken};

impl<D: Disk> Staging<D> {
    /// Puts every wanted entry under its final name, durably, and removes the staging. Once done it says the same
    /// again.
    ///
    /// # Errors
    /// `Conflict` if a name was taken meanwhile, `Vanished` or `Changed` if a staged file is not there in full, else
    /// the host's. What is placed stays placed and what is staged stays staged: a later commit goes on.
    pub fn commit(&self) -> Result<Outcome, StorageError> {
        if let Some(outcome) = self.outcome.get() {
            return Ok(*outcome);
        }
        self.complete().map_err(staged_error)?;
        let outcome = self.place_all().map_err(storage_error)?;
        // All is placed and durable; what cannot be cleared away now is litter, not a failure.
        let _ = self.remove_staging();
        Ok(*self.outcome.get_or_init(|| outcome))
    }

    /// Makes the staged tree whole and durable.
    fn complete(&self) -> io::Result<()> {
        self.check_health()?;
        self.handles.close_all();
        let mut folders = BTreeSet::new();
        for (index, entry) in self.manifest.entries().filter(|(index, _)| self.is_ours(*index)) {
            let staged = self.layout.staged(entry.path)?;
            match entry.kind {
                EntryKind::File(file) => self.complete_file(index, &entry, &file, staged.as_path())?,
                EntryKind::Directory => {
                    self.make_folders(staged.as_path())?;
                    allow(again(|| self.disk.create_dir(staged.as_path(), 0o777)), ErrorKind::AlreadyExists)?;
                }
                EntryKind::Symlink { .. } => {}
            }
            if !matches!(entry.kind, EntryKind::File(_)) && folders.len() <= SINGLE_SYNCS_MAX {
                folders_of(staged.as_path(), &mut folders);
            }
        }
        for (index, entry) in self.manifest.entries().filter(|(index, _)| self.is_ours(*index)) {
            if let EntryKind::Symlink { target } = entry.kind {
                self.make_link(index, self.layout.staged(entry.path)?.as_path(), target)?;
            }
        }
        #[cfg(planted)]
        if is(Bug::NoSync) {
            return Ok(());
        }
        self.sync_all_claims()?;
        let synced = if folders.len() > SINGLE_SYNCS_MAX {
            again(|| self.disk.sync_all())
        } else {
            self.sync_folders(&folders)
        };
        self.believe(synced)
    }

    fn complete_file(
        &self,
        index: EntryIndex,
        entry: &Entry<'_>,
        file: &FileEntry,
        staged: RelPath<'_>,
    ) -> io::Result<()> {
        let Some(found) = if_there(again(|| self.disk.metadata(staged)))? else {
            return match file.size {
                0 => {
                    let made = self.make(staged)?;
                    self.finish(index, &made, file)?;
                    self.touch(index);
                    Ok(())
                }
                // A commit of this run that failed half-way has placed it.
                _ if stands(&self.disk, entry, self.final_path(index, entry)?.as_path())? => Ok(()),
                _ => Err(fail(StorageError::Vanished)),
            };
        };
        if found.kind != FileKind::File || found.identity.size != file.size {
            return Err(fail(StorageError::Changed));
        }
        if !self.finished.lock().unwrap_or_else(PoisonError::into_inner).contains(&index) {
            self.finish(index, &self.open_staged(staged)?, file)?;
            self.touch(index);
        }
        Ok(())
    }

    fn touch(&self, index: EntryIndex) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).add(index);
    }

    fn make_link(&self, index: EntryIndex, staged: RelPath<'_>, target: &[u8]) -> io::Result<()> {
        self.make_folders(staged)?;
        match again(|| self.disk.create_symlink(staged, target)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if again(|| self.disk.read_link(staged))? == target {
                    Ok(())
                } else {
                    Err(fail(StorageError::Changed))
                }
            }
            Err(error) if is_refusal(&error) => {
                let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(at) = losses.links.binary_search(&index) {
                    losses.links.insert(at, index);
                }
                Ok(())
            }
            made => made,
        }
    }

    fn is_lost_link(&self, index: EntryIndex) -> bool {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).links.binary_search(&index).is_ok()
    }

    fn place_all(&self) -> io::Result<Outcome> {
        {
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.planned(&self.disk, self.planned())?;
            journal.sync(&self.disk)?;
        }
        let mut moved = Moved::default();
        self.note_placed(&mut moved)?;
        for (target, placing) in self.plan.targets.iter().zip(&self.plan.placing) {
            if !target.entries.clone().any(|index| self.is_ours(EntryIndex(index))) {
                continue;
            }
            match placing {
                Placing::Whole => self.place_whole(target, &mut moved)?,
                Placing::Merge => self.merge(target, &mut moved)?,
            }
        }
        self.sync_moved(&moved)?;
        Ok(self.count())
    }

    /// What an earlier run has placed may not be durable yet: its end may have come before its sync, or its sync failed.
    fn note_placed(&self, moved: &mut Moved) -> io::Result<()> {
        for target in &self.plan.targets {
            let placed = |index: &EntryIndex| self.plan.placed.binary_search(index).is_ok();
            for index in target.entries.clone().map(EntryIndex).filter(placed) {
                let Some(entry) = self.manifest.entry(index) else { continue };
                moved.note(self.layout.staged(entry.path)?.as_path());
                moved.note(target.place(entry.path)?.as_path());
            }
        }
        Ok(())
    }

    /// Everything that is ours or was placed for us before: complete and durable, so that what has left the staging
    /// stands under its final name.
    fn planned(&self) -> Planned {
        let mut planned = Planned::default();
        for target in &self.plan.targets {
            if let Some(name) = &target.renamed {
                planned.names.push((target.entries.start, name.as_path().as_bytes().to_vec()));
            }
        }
        for index in 0..self.manifest.len() {
            let entry = EntryIndex(index);
            if self.is_ours(entry) || self.plan.placed.binary_search(&entry).is_ok() {
                match planned.entries.last_mut() {
                    Some(run) if run.1 == index => run.1 += 1,
                    _ => planned.entries.push((index, index + 1)),
                }
            }
        }
        planned
    }

    fn place_whole(&self, target: &Target, moved: &mut Moved) -> io::Result<()> {
        let Some(first) = self.manifest.entry(EntryIndex(target.entries.start)) else { return Ok(()) };
        let top = RelPath::new(super::targets::top_name(first.path))
            .map_err(|_| fail(StorageError::Unsupported))?;
        let staged = self.layout.staged(top)?;
        if self.is_resumed {
            self.prune(target)?;
        }
        let name = target.name(&self.manifest)?;
        match again(|| self.disk.rename(staged.as_path(), name, Taken::Refuse)) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_placed(target)? => {}
            done => done?,
        }
        moved.note(staged.as_path());
        moved.note(name);
        Ok(())
    }

    /// Removes what an earlier run staged and this one does not want, so that it does not ride along half-done.
    fn prune(&self, target: &Target) -> io::Result<()> {
        for index in target.entries.clone().map(EntryIndex).filter(|index| !self.is_ours(*index)) {
            if let Some(entry) = self.manifest.entry(index) {
                let staged = self.layout.staged(entry.path)?;
                super::cleanup::remove_tree(&self.disk, staged.as_path())?;
            }
        }
        Ok(())
    }

    fn is_placed(&self, target: &Target) -> io::Result<bool> {
        for index in target.entries.clone().map(EntryIndex).filter(|index| self.is_ours(*index)) {
            let Some(entry) = self.manifest.entry(index) else { continue };
            let place = target.place(entry.path)?;
            if !self.is_lost_link(index) && !stands(&self.disk, &entry, place.as_path())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn merge(&self, target: &Target, moved: &mut Moved) -> io::Result<()> {
        // Links last, here too.
        for links in [false, true] {
            for index in target.entries.clone().map(EntryIndex).filter(|index| self.is_ours(*index)) {
                let Some(entry) = self.manifest.entry(index) else { continue };
                if matches!(entry.kind, EntryKind::Symlink { .. }) == links && !self.is_lost_link(index) {
                    self.merge_entry(target, index, &entry, moved)?;
                }
            }
        }
        Ok(())
    }

    fn merge_entry(
        &self,
        target: &Target,
        index: EntryIndex,
        entry: &Entry<'_>,
        moved: &mut Moved,
    ) -> io::Result<()> {
        let (staged, place) = (self.layout.staged(entry.path)?, target.place(entry.path)?);
        if matches!(entry.kind, EntryKind::Directory) {
            self.make_folders(place.as_path())?;
            allow(again(|| self.disk.create_dir(place.as_path(), 0o777)), ErrorKind::AlreadyExists)?;
            moved.note(place.as_path());
            return if stands(&self.disk, entry, place.as_path())? {
                Ok(())
            } else {
                Err(fail(StorageError::Conflict))
            };
        }
        let taken = if self.plan.replaces(index) { Taken::Replace } else { Taken::Refuse };
        let rename = || again(|| self.disk.rename(staged.as_path(), place.as_path(), taken));
        let renamed = match rename() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if if_there(again(|| self.disk.metadata(staged.as_path())))?.is_some() {
                    self.make_folders(place.as_path())?;
                    rename()
                } else if stands(&self.disk, entry, place.as_path())? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            done => done,
        };
        moved.note(staged.as_path());
        moved.note(place.as_path());
        renamed
    }

    fn sync_moved(&self, moved: &Moved) -> io::Result<()> {
        #[cfg(planted)]
        if is(Bug::NoSync) {
            return Ok(());
        }
        if !moved.any {
            return Ok(());
        }
        if moved.folders.len() > SINGLE_SYNCS_MAX {
            return again(|| self.disk.sync_all());
        }
        // Those below a folder that was moved whole are gone from here, and were synced before.
        for folder in &moved.folders {
            if let Some(FileKind::Directory) =
                if_there(again(|| self.disk.metadata(folder.as_path())))?.map(|m| m.kind)
            {
                again(|| self.disk.sync_dir(Some(folder.as_path())))?;
            }
        }
        again(|| self.disk.sync_dir(None))
    }

    fn count(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for (index, entry) in self.manifest.entries().filter(|(index, _)| self.selection.contains(*index)) {
            if self.plan.left_out.binary_search(&index).is_ok() || self.is_lost_link(index) {
                outcome.skipped += 1;
            } else if let EntryKind::File(file) = entry.kind {
                outcome.bytes += file.size;
                if self.plan.already.binary_search(&index).is_ok() {
                    outcome.already += 1;
                } else {
                    outcome.placed += 1;
                }
            }
        }
        outcome
    }
}

/// The folders in which names changed; beyond the limit only that they are many counts.
#[derive(Default)]
struct Moved {
    any: bool,
    folders: BTreeSet<RelPathBuf>,
}

impl Moved {
    fn note(&mut self, path: RelPath<'_>) {
        self.any = true;
        if self.folders.len() <= SINGLE_SYNCS_MAX {
            folders_of(path, &mut self.folders);
        }
    }
}
