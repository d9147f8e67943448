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
