//! Where entries end up: the top-level names of a share, perhaps under another name.

use std::io;
use std::ops::Range;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::{Entry, EntryKind, Manifest};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};

use super::error::{again, if_there};
use super::journal::Planned;
use super::layout::{Layout, path};
use crate::disk::{Disk, FileKind};

/// One top-level name of the share and the entries under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) entries: Range<u32>,
    /// The name in the destination, if it is another one.
    pub(super) renamed: Option<RelPathBuf>,
}

/// The top-level names of a share, in its order.
pub(super) fn targets(manifest: &Manifest) -> Vec<Target> {
    let mut found: Vec<Target> = Vec::new();
    let mut last: &[u8] = b"";
    for (index, entry) in manifest.entries() {
        let top = top_name(entry.path);
        match found.last_mut() {
            Some(target) if top == last => target.entries.end = index.0 + 1,
            _ => found.push(Target { entries: index.0..index.0 + 1, renamed: None }),
        }
        last = top;
    }
    found
}

impl Target {
    /// The name in the destination.
    pub(super) fn name<'a>(&'a self, manifest: &'a Manifest) -> io::Result<RelPath<'a>> {
        match &self.renamed {
            Some(name) => Ok(name.as_path()),
            None => {
                let entry = manifest.entry(EntryIndex(self.entries.start));
                let first = entry.map(|entry| top_name(entry.path)).unwrap_or_default();
                RelPath::new(first).map_err(|_| io::ErrorKind::InvalidFilename.into())
            }
        }
    }

    /// The final path of one of its entries.
    pub(super) fn place(&self, entry: RelPath<'_>) -> io::Result<RelPathBuf> {
        let Some(name) = &self.renamed else { return Ok(entry.to_owned()) };
        let rest = &entry.as_bytes()[top_name(entry).len()..];
        path([name.as_path().as_bytes(), rest].concat())
    }
}

/// The target that an entry belongs to.
pub(super) fn target_of(targets: &[Target], entry: EntryIndex) -> Option<&Target> {
    let at = targets.partition_point(|target| target.entries.end <= entry.0);
    targets.get(at).filter(|target| target.entries.contains(&entry.0))
}

pub(super) fn top_name(path: RelPath<'_>) -> &[u8] {
    path.names().next().unwrap_or_default()
}

/// Whether an entry stands at `place`: its kind, its size, its target. Content is not looked at.
pub(super) fn stands<D: Disk>(disk: &D, entry: &Entry<'_>, place: RelPath<'_>) -> io::Result<bool> {
    let found = match if_there(again(|| disk.metadata(place))) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        found => found?,
    };
    let Some(found) = found else { return Ok(false) };
    Ok(match (entry.kind, found.kind) {
        (EntryKind::File(file), FileKind::File) => found.identity.size == file.size,
        (EntryKind::Directory, FileKind::Directory) => true,
        (EntryKind::Symlink { target }, FileKind::Symlink) => again(|| disk.read_link(place))? == target,
        _ => false,
    })
}

/// What an interrupted commit has placed already: names, and the entries that have left the staging for them.
pub(super) fn placed_before<D: Disk>(
    disk: &D,
    manifest: &Manifest,
    layout: &Layout,
    targets: &mut [Target],
    planned: &Planned,
) -> io::Result<Vec<EntryIndex>> {
    for (first, name) in &planned.names {
        if let Some(target) = targets.iter_mut().find(|target| target.entries.start == *first) {
            target.renamed = RelPathBuf::new(name.clone()).ok();
        }
    }
    let mut placed = Vec::new();
    for index in planned.entries.iter().flat_map(|(first, end)| *first..(*end).min(manifest.len())) {
        let index = EntryIndex(index);
        let (Some(entry), Some(target)) = (manifest.entry(index), target_of(targets, index)) else {
            continue;
        };
        let staged = layout.staged(entry.path)?;
        let has_left = if_there(again(|| disk.metadata(staged.as_path())))?.is_none();
        if has_left && stands(disk, &entry, target.place(entry.path)?.as_path())? {
            placed.push(index);
        }
    }
    // A top-level name of which nothing was placed under the other name is free to choose again.
    for target in targets {
        let at = placed.partition_point(|index| index.0 < target.entries.start);
        if placed.get(at).is_none_or(|index| index.0 >= target.entries.end) {
            target.renamed = None;
        }
    }
    Ok(placed)
}
