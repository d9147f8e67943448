//! How often each fault came.

/// How often each fault really happened, so that a test can tell that it met it. Zeros in the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Reads that gave less than there was (D1).
    pub short_reads: u64,
    /// Writes that took less than they were given and there was space for (D1).
    pub short_writes: u64,
    /// Calls that were `Interrupted`.
    pub interrupted: u64,
    /// Writes and reservations that were refused or cut because the disk was full (D2).
    pub no_space: u64,
    /// Injected errors of all kinds (D3, D13).
    pub errors: u64,
    /// Of them, those that said that there is no such file (D13).
    pub not_found: u64,
    /// Of them, those that said that it is not permitted (D13).
    pub denied: u64,
    /// Locks that were refused although no process of ours held them (D13).
    pub stale_locks: u64,
    /// Calls at which the machine was stopped.
    pub stops: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Unsynced sectors that power losses kept (D4).
    pub kept_sectors: u64,
    /// Unsynced sectors that power losses took (D4).
    pub lost_sectors: u64,
    /// Unsynced lengths of files that power losses took (D4).
    pub lost_sizes: u64,
    /// Sectors that became part old and part new at a power loss (D5).
    pub torn_sectors: u64,
    /// Power losses that kept a write and lost an earlier one (D6).
    pub reordered: u64,
    /// Syncs that said they were done and were not (D7).
    pub lying_syncs: u64,
    /// Syncs that failed, after which what they covered is forgotten (D7).
    pub failed_syncs: u64,
    /// Writes that landed elsewhere (D8).
    pub misdirected_writes: u64,
    /// Reads that gave the bytes of elsewhere (D8).
    pub misdirected_reads: u64,
    /// Bytes that rotted (D9).
    pub rotten_bytes: u64,
    /// Changes of names that power losses took (D10).
    pub lost_names: u64,
    /// Of them, renames (D10).
    pub lost_renames: u64,
    /// Edits by other programs (D11).
    pub edits: u64,
}

impl DiskCounts {
    /// Every count with its name in coverage tables.
    pub fn each(&self, see: &mut dyn FnMut(&'static str, u64)) {
        see("disk-short-read", self.short_reads);
        see("disk-short-write", self.short_writes);
        see("disk-interrupted", self.interrupted);
        see("disk-no-space", self.no_space);
        see("disk-error", self.errors);
        see("disk-not-found", self.not_found);
        see("disk-denied", self.denied);
        see("disk-stale-lock", self.stale_locks);
        see("disk-lost-sector", self.lost_sectors);
        see("disk-kept-sector", self.kept_sectors);
        see("disk-lost-size", self.lost_sizes);
        see("disk-torn-sector", self.torn_sectors);
        see("disk-reordered", self.reordered);
        see("disk-lying-sync", self.lying_syncs);
        see("disk-failed-sync", self.failed_syncs);
        see("disk-misdirected-write", self.misdirected_writes);
        see("disk-misdirected-read", self.misdirected_reads);
        see("disk-rotten-byte", self.rotten_bytes);
        see("disk-lost-name", self.lost_names);
        see("disk-lost-rename", self.lost_renames);
        see("disk-edit", self.edits);
    }
}
