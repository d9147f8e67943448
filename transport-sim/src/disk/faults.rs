//! What goes wrong, and when.

use std::io;

/// How long an injected error lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The faults of a disk. The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Reads and writes that move only a part, in a thousand.
    pub short_permille: u16,
    /// Calls that are `Interrupted` before they do anything, in a thousand.
    pub interrupted_permille: u16,
    /// Syncs that say they are done and are not, in a thousand: a drive that lies.
    pub lying_sync_permille: u16,
    /// Bytes that all files together may take; none: no limit.
    pub space_max: Option<u64>,
    /// One error, once or from then on.
    pub error: Option<InjectedError>,
}
