//! What goes wrong by chance, and what a power loss does.

use std::io;

use serde::{Deserialize, Serialize};

/// How long an injected fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasting {
    /// One call fails.
    Once,
    /// Every call from then on fails.
    Sticky,
}

/// An error at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectedError {
    /// Which call fails, counted as by [`FaultyDisk::calls`](super::FaultyDisk::calls): the first is 1.
    pub call: u64,
    /// With what.
    pub kind: io::ErrorKind,
    /// For how long.
    pub lasting: Lasting,
}

/// What a power loss does with what was not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtPowerLoss {
    /// Any part of it is lost, whatever was done first (D4, D6, D10).
    #[default]
    AnySubset,
    /// All of it is lost.
    Lost,
    /// Nothing is lost.
    Kept,
}

/// The faults that come by chance, each a knob of its own with draws of its own. The default has none but those of a
/// power loss.
///
/// What is drawn for the n-th call of a kind depends on nothing but the seed, the knob, and n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Faults {
    /// Reads and writes that move only a part, in a thousand (D1).
    pub short_permille: u16,
    /// Calls that are `Interrupted` before they do anything, in a thousand.
    pub interrupted_permille: u16,
    /// Syncs that say they are done and are not, in a thousand: a drive that lies (D7).
    pub lying_sync_permille: u16,
    /// Bytes that all files together may take; none: no limit (D2).
    pub space_max: Option<u64>,
    /// Unsynced sectors that a power loss leaves part old and part new, in a thousand (D5).
    pub torn_permille: u16,
    /// What a power loss does with bytes, lengths and attributes (D4, D6).
    pub unsynced_data: AtPowerLoss,
    /// What a power loss does with names (D10).
    pub unsynced_names: AtPowerLoss,
    /// One error, once or from then on. More of them, and by kind of call:
    /// [`DiskFault::Error`](super::DiskFault::Error).
    #[serde(skip)]
    pub error: Option<InjectedError>,
}
