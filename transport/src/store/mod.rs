//! Where content comes from and where it goes: a [`Source`] serves files, a [`Staging`] takes chunks in, keeps a
//! journal of what is verified, and at the end puts everything under its final name. Over any [`Disk`](crate::disk).
//!
//! A transfer into a folder goes [`Survey`] → [`Plan`] → [`Staging`]: look, let the user choose, move bytes.
//! Until the commit everything lies in `.truecopy-<id>/` beside the destination's names, on the same file system:
//! `lock`, `manifest`, `journal`, and `tree/` with the files.

mod attributes;
mod checkpoint;
mod cleanup;
mod commit;
mod decide;
mod error;
mod handles;
mod hashing;
mod holder;
mod impossible;
mod journal;
mod kept;
mod land;
mod layout;
mod leftovers;
mod place;
mod plan;
#[cfg(planted)]
mod planted;
mod share;
mod source;
mod staging;
mod storage;
mod survey;
mod targets;
mod touched;

pub use attributes::Losses;
pub use error::{OpenError, storage_error};
pub use holder::Holder;
pub use impossible::impossible_entries;
pub use leftovers::{Held, Leftover, list_leftovers, remove_leftover, staged_manifest};
pub use plan::{Conflict, ConflictReason, OnConflict, OnImpossible, Plan};
pub use share::{Receiving, Share};
pub use source::{Source, SourceTop};
pub use staging::{Staging, StagingOptions, TrustDisk};
pub use storage::{Ran, Registry, Storage};
pub use survey::Survey;
