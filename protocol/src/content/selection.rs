//! Which entries of a manifest are wanted.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::EntryIndex;

/// A set of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Every entry.
    All,
    /// These entries, ascending, without repeats.
    Some(Vec<EntryIndex>),
}

impl Selection {
    /// No entry.
    pub const fn none() -> Self {
        Self::Some(Vec::new())
    }

    /// The same in its one form: entries ascending and without repeats.
    #[must_use]
    pub fn normal(self) -> Self {
        match self {
            Self::All => Self::All,
            Self::Some(mut entries) => {
                entries.sort_unstable();
                entries.dedup();
                Self::Some(entries)
            }
        }
    }

    /// Whether the entry is wanted.
    pub fn contains(&self, entry: EntryIndex) -> bool {
        match self {
            Self::All => true,
            Self::Some(entries) => entries.binary_search(&entry).is_ok(),
        }
    }
}
