//! A look at the destination before bytes move: what is free, what is there already, what stands in the way.

use std::io;
use std::sync::Arc;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::{Entry, EntryKind, Manifest};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::LeafHasher;
use truecopy_protocol::job::StorageError;

use super::error::{again, if_there, storage_error};
use super::hashing::hash_range;
use super::journal::Replay;
use super::layout::Layout;
use super::plan::{Conflict, ConflictReason, Placing};
use super::targets::{Target, placed_before, stands, targets, top_name};
use crate::disk::{Disk, FileKind, OpenMode};

/// What was found. Then [`check_next`](Self::check_next) tells identical files from others, and
/// [`decide`](Self::decide) makes a plan.
#[derive(Clone, Debug)]
pub struct Survey {
    pub(super) manifest: Arc<Manifest>,
    pub(super) selection: Selection,
    pub(super) layout: Layout,
    pub(super) targets: Vec<Target>,
    pub(super) placing: Vec<Placing>,
    pub(super) placed: Vec<EntryIndex>,
    pub(super) already: Vec<EntryIndex>,
    pub(super) candidates: Vec<EntryIndex>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) impossible: Vec<EntryIndex>,
    free: Option<u64>,
}

impl Survey {
    /// Looks at the destination. `impossible` are the entries (ascending) whose names cannot exist here: see
    /// [`impossible_entries`](super::impossible_entries).
    ///
    /// # Errors
    /// What the disk says. A name in the way is not an error but a conflict.
    pub fn take<D: Disk>(
        disk: &D,
        manifest: Arc<Manifest>,
        selection: Selection,
        impossible: Vec<EntryIndex>,
    ) -> Result<Self, StorageError> {
        Self::look(disk, manifest, selection, impossible).map_err(storage_error)
    }

    fn look<D: Disk>(
        disk: &D,
        manifest: Arc<Manifest>,
        selection: Selection,
        impossible: Vec<EntryIndex>,
    ) -> io::Result<Self> {
        let layout = Layout::of(manifest.content_id())?;
        let mut targets = targets(&manifest);
        let mut placed = Vec::new();
        if let Some(replay) = Replay::read(disk, layout.journal()?.as_path())?
            && replay.content == manifest.content_id()
            && let Some(planned) = &replay.planned
        {
            placed = placed_before(disk, &manifest, &layout, &mut targets, planned)?;
        }
        let free = again(|| disk.free_space())?;
        let impossible = with_reserved(&manifest, &targets, impossible);
        let mut survey = Self {
            manifest,
            selection,
            layout,
            placing: vec![Placing::Whole; targets.len()],
            targets,
            placed,
            already: Vec::new(),
            candidates: Vec::new(),
            conflicts: Vec::new(),
            impossible,
            free,
        };
        for number in 0..survey.targets.len() {
            survey.look_at(disk, number)?;
        }
        Ok(survey)
    }

    /// What stands in the way, as far as is known: files of equal size count only once they were checked.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Entries whose names cannot exist here.
    pub fn impossible(&self) -> &[EntryIndex] {
        &self.impossible
    }

    /// Files of equal size that still have to be compared.
    pub fn candidates(&self) -> &[EntryIndex] {
        &self.candidates
    }

    /// Entries that stand there already, identical.
    pub fn already(&self) -> &[EntryIndex] {
        &self.already
    }

    /// Bytes free in the destination; none if unknown.
    pub fn free_space(&self) -> Option<u64> {
        self.free
    }

    /// Hashes the next candidate and settles it. Returns it; none when all are settled.
    ///
    /// # Errors
    /// What the disk says while reading; the candidate stays.
    pub fn check_next<D: Disk>(
        &mut self,
        disk: &D,
        hasher: &dyn LeafHasher,
    ) -> Result<Option<EntryIndex>, StorageError> {
        let Some(&index) = self.candidates.last() else { return Ok(None) };
        let identical = self.is_identical(disk, hasher, index).map_err(storage_error)?;
        self.candidates.pop();
        if identical {
            self.already.push(index);
        } else if let Some(entry) = self.manifest.entry(index) {
            let path = self.place(index, entry.path).map_err(storage_error)?;
            self.conflicts.push(Conflict { first: index, count: 1, path, reason: ConflictReason::Differs });
        }
        Ok(Some(index))
    }

    /// Settles all candidates.
    ///
    /// # Errors
    /// What the disk says while reading.
    pub fn check_all<D: Disk>(&mut self, disk: &D, hasher: &dyn LeafHasher) -> Result<(), StorageError> {
        while self.check_next(disk, hasher)?.is_some() {}
        Ok(())
    }

    fn is_identical<D: Disk>(
        &self,
        disk: &D,
        hasher: &dyn LeafHasher,
        index: EntryIndex,
    ) -> io::Result<bool> {
        let Some(entry) = self.manifest.entry(index) else { return Ok(false) };
        let (EntryKind::File(file), Some(shape)) = (entry.kind, self.manifest.shape(index)) else {
            return Ok(false);
        };
        let place = self.place(index, entry.path)?;
        let opened = match if_there(again(|| disk.open(place.as_path(), OpenMode::Read))) {
            Ok(Some(opened)) => opened,
            // Gone, or not ours to read: it is not known to be the same.
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            Err(error) => return Err(error),
        };
        if again(|| disk.identity(&opened))?.size != file.size {
            return Ok(false);
        }
        Ok(hash_range(disk, &opened, hasher, 0..file.size, shape.height())? == file.root)
    }

    fn place(&self, index: EntryIndex, path: RelPath<'_>) -> io::Result<RelPathBuf> {
        super::targets::target_of(&self.targets, index)
            .map_or_else(|| Ok(path.to_owned()), |target| target.place(path))
    }

    fn look_at<D: Disk>(&mut self, disk: &D, number: usize) -> io::Result<()> {
        let manifest = Arc::clone(&self.manifest);
        let target = self.targets[number].clone();
        let name = target.name(&manifest)?;
        let Some(found) = if_there(again(|| disk.metadata(name)))? else { return Ok(()) };
        self.placing[number] = Placing::Merge;
        if !target.entries.clone().map(EntryIndex).any(|index| self.wants(index)) {
            return Ok(());
        }
        let first = manifest.entry(EntryIndex(target.entries.start));
        let is_folder = first
            .is_some_and(|entry| entry.path.parent().is_some() || matches!(entry.kind, EntryKind::Directory));
        if is_folder && found.kind != FileKind::Directory {
            let (first, count) = (EntryIndex(target.entries.start), target.entries.len() as u32);
            let path = name.to_owned();
            self.conflicts.push(Conflict { first, count, path, reason: ConflictReason::NoFolder });
            return Ok(());
        }
        // A folder known to be missing: nothing below it needs a look.
        let mut missing: Option<RelPathBuf> = None;
        for index in target.entries.clone().map(EntryIndex) {
            let Some(entry) = manifest.entry(index) else { continue };
            if !self.wants(index) {
                continue;
            }
            let place = target.place(entry.path)?;
            if missing.as_ref().is_some_and(|folder| is_below(place.as_path(), folder.as_path())) {
                continue;
            }
            self.look_at_entry(disk, index, &entry, place.as_path(), &mut missing)?;
        }
        Ok(())
    }

    fn wants(&self, index: EntryIndex) -> bool {
        self.selection.contains(index)
            && self.placed.binary_search(&index).is_err()
            && self.impossible.binary_search(&index).is_err()
    }

    fn look_at_entry<D: Disk>(
        &mut self,
        disk: &D,
        index: EntryIndex,
        entry: &Entry<'_>,
        place: RelPath<'_>,
        missing: &mut Option<RelPathBuf>,
    ) -> io::Result<()> {
        let found = match if_there(again(|| disk.metadata(place))) {
            Ok(Some(found)) => found,
            Ok(None) => {
                *missing = first_missing(disk, place)?;
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                self.conflict(index, place, ConflictReason::NoFolder);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match (entry.kind, found.kind) {
            (EntryKind::File(file), FileKind::File) if file.size == found.identity.size && file.size > 0 => {
                self.candidates.push(index);
            }
            _ if stands(disk, entry, place)? => self.already.push(index),
            (EntryKind::Directory, _) => self.conflict(index, place, ConflictReason::NoFolder),
            (EntryKind::File(_), FileKind::Symlink) => self.conflict(index, place, ConflictReason::Link),
            (_, FileKind::File | FileKind::Symlink) => self.conflict(index, place, ConflictReason::Differs),
            (_, FileKind::Directory) => self.conflict(index, place, ConflictReason::Folder),
            (_, FileKind::Other) => self.conflict(index, place, ConflictReason::Special),
        }
        Ok(())
    }

    fn conflict(&mut self, first: EntryIndex, place: RelPath<'_>, reason: ConflictReason) {
        self.conflicts.push(Conflict { first, count: 1, path: place.to_owned(), reason });
    }
}

/// Adds what would lie in a staging, ours or that of another share.
fn with_reserved(
    manifest: &Manifest,
    targets: &[Target],
    mut impossible: Vec<EntryIndex>,
) -> Vec<EntryIndex> {
    let reserved = |target: &&Target| {
        let first = manifest.entry(EntryIndex(target.entries.start));
        first.is_some_and(|entry| Layout::is_reserved(top_name(entry.path)))
    };
    for target in targets.iter().filter(reserved) {
        impossible.extend(target.entries.clone().map(EntryIndex));
    }
    impossible.sort_unstable();
    impossible.dedup();
    impossible
}

fn is_below(path: RelPath<'_>, folder: RelPath<'_>) -> bool {
    path.as_bytes().strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn first_missing<D: Disk>(disk: &D, path: RelPath<'_>) -> io::Result<Option<RelPathBuf>> {
    let Some(parent) = path.parent() else { return Ok(None) };
    for folder in parent.prefixes() {
        if if_there(again(|| disk.metadata(folder)))?.is_none() {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}
