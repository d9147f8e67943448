//! What is decided before bytes move.

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::name::RelPathBuf;

use super::targets::Target;

/// What to do where something else stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Place nothing.
    Fail,
    /// Leave those entries out.
    Skip,
    /// Put the whole top-level name under a free one: `name (2)`, `stem (2).ext`.
    Rename,
    /// Put files and links over files and links. Folders are never replaced, nor by anything.
    Replace,
}

/// What to do with names that this file system cannot hold, or would confuse with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnImpossible {
    /// Place nothing.
    Fail,
    /// Leave those entries out.
    Skip,
}

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The first entry that it concerns.
    pub first: EntryIndex,
    /// How many entries it concerns, from the first on.
    pub count: u32,
    /// What stands in the way, relative to the destination.
    pub path: RelPathBuf,
    /// Why it does.
    pub reason: ConflictReason,
}

/// Why something stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictReason {
    /// A file with other content, or a link with another target.
    Differs,
    /// A link where a file is to go. It is never followed.
    Link,
    /// A folder where a file or a link is to go.
    Folder,
    /// A device, a pipe or a socket.
    Special,
    /// A file or a link where a folder must be.
    NoFolder,
    /// The name cannot exist here.
    Impossible,
}

impl ConflictReason {
    /// Whether [`OnConflict::Replace`] can put an entry there.
    pub(super) const fn is_replaceable(self) -> bool {
        matches!(self, Self::Differs | Self::Link)
    }
}

/// How a top-level name is put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// It is free: one rename.
    Whole,
    /// Something stands there: entry by entry.
    Merge,
}

/// What goes where. Made by [`Survey::decide`](super::Survey::decide).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) placing: Vec<Placing>,
    pub(super) placed: Vec<EntryIndex>,
    pub(super) already: Vec<EntryIndex>,
    pub(super) left_out: Vec<EntryIndex>,
    pub(super) replace: Vec<EntryIndex>,
    pub(super) needed: u64,
}

impl Plan {
    /// Entries that stand in the destination already, identical and verified.
    pub fn already(&self) -> &[EntryIndex] {
        &self.already
    }

    /// Entries that an interrupted commit has placed before.
    pub fn placed(&self) -> &[EntryIndex] {
        &self.placed
    }

    /// Entries that are left out.
    pub fn left_out(&self) -> &[EntryIndex] {
        &self.left_out
    }

    /// Entries that are put over others.
    pub fn replaced(&self) -> &[EntryIndex] {
        &self.replace
    }

    /// The top-level names that get another one: the first entry under it, and the new name.
    pub fn renamed(&self) -> impl Iterator<Item = (EntryIndex, &RelPathBuf)> {
        self.targets
            .iter()
            .filter_map(|target| Some((EntryIndex(target.entries.start), target.renamed.as_ref()?)))
    }

    /// Bytes that the transfer will still write here.
    pub fn needed(&self) -> u64 {
        self.needed
    }

    /// Entries that need no transfer, ascending.
    pub fn settled(&self) -> Vec<EntryIndex> {
        let mut settled = [&self.placed[..], &self.already, &self.left_out].concat();
        settled.sort_unstable();
        settled.dedup();
        settled
    }

    pub(super) fn replaces(&self, entry: EntryIndex) -> bool {
        self.replace.binary_search(&entry).is_ok()
    }
}
