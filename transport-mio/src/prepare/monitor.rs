//! How far the work is, and the wish to end it: shared between the worker threads and whoever watches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters of a running preparation or check. Any thread may read them at any time.
#[derive(Debug, Default)]
pub struct Monitor {
    entries: AtomicU64,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    cancelled: AtomicBool,
}

/// A reading of a [`Monitor`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files, links and folders found so far.
    pub entries: u64,
    /// Bytes found so far.
    pub bytes_total: u64,
    /// Bytes hashed, or known from an earlier run.
    pub bytes_done: u64,
}

impl Monitor {
    /// A monitor at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to end soon with `Cancelled`.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            entries: self.entries.load(Relaxed),
            bytes_total: self.bytes_total.load(Relaxed),
            bytes_done: self.bytes_done.load(Relaxed),
        }
    }

    /// Whether it was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    /// So much more was found.
    pub fn found(&self, entries: u64, bytes: u64) {
        self.entries.fetch_add(entries, Relaxed);
        self.bytes_total.fetch_add(bytes, Relaxed);
    }

    /// So many more bytes were hashed.
    pub fn hashed(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Relaxed);
    }

    /// Starts the count of bytes anew, when a changed file sends the work back.
    pub(super) fn restart(&self, bytes_total: u64) {
        self.bytes_total.store(bytes_total, Relaxed);
        self.bytes_done.store(0, Relaxed);
    }
}
