//! What a manifest may ask of whoever reads it, and why one is refused.

use crate::EntryIndex;
use crate::content::name::BadPath;

/// Bytes of one file at most: its blocks are counted in 32 bits.
pub const FILE_MAX: u64 = 1 << 46;
/// Bytes of all files together stay below this, so that no sum of sizes can wrap, in
/// whatever order an encoding names them.
pub const TOTAL_MAX: u64 = (1 << 60) - 1;
/// Bytes of a symbolic link's target at most.
pub const TARGET_MAX: usize = 4096;

/// What a reader is ready to take. [`FILE_MAX`] and [`TOTAL_MAX`] hold beside it, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestLimits {
    /// Bytes of the encoding.
    pub bytes_max: u32,
    /// Entries.
    pub entries_max: u32,
    /// Bytes of all files together.
    pub total_max: u64,
}

impl Default for ManifestLimits {
    /// 64 MiB, 4 million entries, any total.
    fn default() -> Self {
        Self { bytes_max: 64 << 20, entries_max: 4_000_000, total_max: TOTAL_MAX }
    }
}

/// Why the target of a symbolic link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It starts at the root of the file system.
    #[error("it is absolute")]
    Absolute,
    /// It leaves the top-level folder that the link lies in; so does every target of a top-level link.
    #[error("it leads out of its folder")]
    Outside,
    /// Empty, an empty name, `.`, a `..` that does not lead, a NUL byte, or a name that is too long.
    #[error("it has {0}")]
    Name(BadPath),
    /// Longer than [`TARGET_MAX`].
    #[error("it is too long")]
    TooLong,
}

/// Why a manifest is refused. An [`EntryIndex`] is the position of the offending entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The encoding is longer than the limit.
    #[error("the manifest has {len} bytes, more than the limit of {max}")]
    TooLarge {
        /// Its bytes.
        len: u64,
        /// The limit.
        max: u32,
    },
    /// Made by a version that this one does not know.
    #[error("the manifest has the unknown version {0}")]
    Version(u8),
    /// The header is cut, or not its only encoding.
    #[error("the header of the manifest is malformed")]
    Header,
    /// The share's name is no single valid name.
    #[error("the name of the share is refused: {0}")]
    Name(BadPath),
    /// More entries than the limit.
    #[error("the manifest has {count} entries, more than the limit of {max}")]
    TooManyEntries {
        /// Its entries.
        count: u64,
        /// The limit.
        max: u32,
    },
    /// More bytes in all files together than the limit.
    #[error("the files are together larger than the limit of {0} bytes")]
    TotalTooLarge(u64),
    /// The files have more chunks than 32 bits can count.
    #[error("the files have too many chunks")]
    TooManyChunks,
    /// The chunk size (log2) is not the one that belongs to the total size.
    #[error("chunk size 2^{0} does not belong to this total size")]
    ChunkSize(u8),
    /// Bytes follow the last entry.
    #[error("bytes follow the last entry")]
    Trailing,
    /// An entry is cut, or not its only encoding.
    #[error("entry {} is malformed", .0.0)]
    Malformed(EntryIndex),
    /// A path that is refused everywhere.
    #[error("the path of entry {} is refused: {why}", entry.0)]
    Path {
        /// Which entry.
        entry: EntryIndex,
        /// What is wrong.
        why: BadPath,
    },
    /// The same path as the entry before.
    #[error("entry {} repeats the path of the entry before", .0.0)]
    Duplicate(EntryIndex),
    /// It should stand before its predecessor.
    #[error("entry {} is not in order", .0.0)]
    Unsorted(EntryIndex),
    /// It lies under a file, a link, or a directory that was said to be empty.
    #[error("entry {} lies under an entry that holds nothing", .0.0)]
    Under(EntryIndex),
    /// A file larger than [`FILE_MAX`].
    #[error("the file of entry {} is too large", .0.0)]
    FileTooLarge(EntryIndex),
    /// An empty file whose root is not all zero.
    #[error("entry {} is empty but has a root", .0.0)]
    EmptyRoot(EntryIndex),
    /// Mode bits beyond `rwxrwxrwx`.
    #[error("entry {} has mode bits beyond rwxrwxrwx", .0.0)]
    Mode(EntryIndex),
    /// A second with more than 10^9 nanoseconds.
    #[error("entry {} has an impossible time", .0.0)]
    Time(EntryIndex),
    /// A symbolic link that could lead out.
    #[error("the link target of entry {} is refused: {why}", entry.0)]
    Target {
        /// Which entry.
        entry: EntryIndex,
        /// What is wrong.
        why: BadTarget,
    },
}
