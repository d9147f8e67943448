//! Which staged files were written since the last sync.

use std::collections::BTreeSet;

use truecopy_protocol::EntryIndex;

/// Above so many files one sync of the whole file system is cheaper.
pub(super) const SINGLE_SYNCS_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    These(BTreeSet<EntryIndex>),
    Many,
}

impl Default for Touched {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Touched {
    pub(super) fn add(&mut self, entry: EntryIndex) {
        if let Self::These(entries) = self {
            entries.insert(entry);
            if entries.len() > SINGLE_SYNCS_MAX {
                *self = Self::Many;
            }
        }
    }

    pub(super) fn add_all(&mut self, other: Self) {
        match other {
            Self::These(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            Self::Many => *self = Self::Many,
        }
    }
}
