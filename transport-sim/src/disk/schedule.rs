//! Faults that come at a stated call, as a plan can hold them.

use std::io;

use serde::{Deserialize, Serialize};
use truecopy_protocol::content::name::RelPathBuf;

use super::faults::Lasting;

/// Kinds of calls, each counted from 1 over the life of a disk, all its processes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    /// All of the following together.
    Any,
    /// `open`, whatever the mode.
    Open,
    /// `read_at`.
    Read,
    /// `write_at`.
    Write,
    /// `allocate` and `set_len`.
    Resize,
    /// `sync_file`, `sync_dir` and `sync_all`.
    Sync,
    /// `metadata`, `identity` and `free_space`.
    Metadata,
    /// `set_attributes`.
    SetAttributes,
    /// `list`.
    List,
    /// `create_dir` and `create_symlink`.
    Create,
    /// `read_link`.
    ReadLink,
    /// `rename`.
    Rename,
    /// `remove_file` and `remove_dir`.
    Remove,
    /// `lock`.
    Lock,
}

impl CallKind {
    pub(super) const COUNT: usize = Self::Lock as usize + 1;
}

/// With what a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The device fails.
    Device,
    /// `StorageFull`.
    NoSpace,
    /// `QuotaExceeded`.
    Quota,
    /// `ReadOnlyFilesystem`.
    ReadOnly,
    /// `NotFound`: another program took the file away.
    NotFound,
    /// `PermissionDenied`: another program holds it, or rights were changed.
    Denied,
    /// `WouldBlock`: of a lock, that another holds it.
    Locked,
    /// `Interrupted`.
    Interrupted,
}

impl From<Failure> for io::ErrorKind {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Device => Self::Other,
            Failure::NoSpace => Self::StorageFull,
            Failure::Quota => Self::QuotaExceeded,
            Failure::ReadOnly => Self::ReadOnlyFilesystem,
            Failure::NotFound => Self::NotFound,
            Failure::Denied => Self::PermissionDenied,
            Failure::Locked => Self::WouldBlock,
            Failure::Interrupted => Self::Interrupted,
        }
    }
}

/// What an edit does with the time of modification. The time of change always moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mtime {
    /// It moves, as it should.
    Moved,
    /// The other program sets it back to what it was.
    Restored,
}

/// What another program does with a file (D11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum Edit {
    /// Changes every one of some bytes; the length stays.
    Overwrite {
        /// The first of them.
        offset: u64,
        /// How many; fewer at the end of the file.
        len: u64,
        /// What the time of modification tells of it.
        mtime: Mtime,
    },
    /// Cuts or extends it to a length.
    Resize {
        /// The new length in bytes, other than before.
        len: u64,
    },
    /// Puts another file under its name, with drawn bytes.
    Replace {
        /// Its length in bytes.
        len: u64,
    },
    /// Removes it.
    Remove,
}

/// One fault at a stated call. Numbers of calls start with 1, see [`CallKind`].
///
/// A fault that cannot happen at its call (the call fails otherwise, the named file is not there or has no such byte)
/// happens at the first later one where it can. A path that is none names no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DiskFault {
    /// A call fails and does nothing (D3, D13). A sync that fails also makes the kernel forget what it covered (D7).
    Error {
        /// Which calls are counted.
        call: CallKind,
        /// Which of them fails.
        at: u64,
        /// With what.
        error: Failure,
        /// Alone, or all that follow too.
        lasting: Lasting,
    },
    /// A read gives less than there is (D1).
    ShortRead {
        /// Which read.
        at: u64,
        /// Bytes that it gives at most, at least 1.
        len: u64,
    },
    /// A write takes less than it is given (D1).
    ShortWrite {
        /// Which write.
        at: u64,
        /// Bytes that it takes at most, at least 1.
        len: u64,
    },
    /// The disk is smaller, until it is healed (D2).
    NoSpace {
        /// Bytes that all files together may take.
        space: u64,
    },
    /// A sync says it is done and is not (D7).
    LyingSync {
        /// Which sync.
        at: u64,
        /// Alone, or all that follow too.
        lasting: Lasting,
    },
    /// A write is reported as done and lands elsewhere, durably; where it should be, the old bytes stay (D8).
    MisdirectedWrite {
        /// Which write.
        at: u64,
        /// In which file it lands; none: in its own.
        path: Option<String>,
        /// Where in it. What would land beyond its end lands nowhere.
        offset: u64,
    },
    /// A read gives the bytes of elsewhere (D8); zeros for those beyond the end there.
    MisdirectedRead {
        /// Which read.
        at: u64,
        /// Of which file; none: of its own.
        path: Option<String>,
        /// From where in it.
        offset: u64,
    },
    /// Bits of one byte are flipped, durably and without a trace in the times (D9).
    Rot {
        /// Which calls are counted.
        call: CallKind,
        /// Before which of them.
        at: u64,
        /// Of which file.
        path: String,
        /// Which byte.
        offset: u64,
        /// Which bits.
        mask: u8,
    },
    /// Another program does something with a file (D11, D13).
    Edit {
        /// Which calls are counted.
        call: CallKind,
        /// Before which of them.
        at: u64,
        /// Which file.
        path: String,
        /// What it does.
        #[serde(flatten)]
        edit: Edit,
    },
    /// Another program holds the lock of a file and does not let go until the disk is healed or the power is lost (D13).
    StaleLock {
        /// From which lock call on.
        at: u64,
        /// Of which file.
        path: String,
    },
}

/// The path that a fault names.
pub(super) fn named(path: &str) -> Option<RelPathBuf> {
    RelPathBuf::new(path.as_bytes().to_vec()).ok()
}

impl DiskFault {
    /// From which call of which kind on it may come; none: it holds at once.
    pub(super) const fn trigger(&self) -> Option<(CallKind, u64)> {
        Some(match self {
            Self::Error { call, at, .. } | Self::Rot { call, at, .. } | Self::Edit { call, at, .. } => {
                (*call, *at)
            }
            Self::ShortRead { at, .. } | Self::MisdirectedRead { at, .. } => (CallKind::Read, *at),
            Self::ShortWrite { at, .. } | Self::MisdirectedWrite { at, .. } => (CallKind::Write, *at),
            Self::LyingSync { at, .. } => (CallKind::Sync, *at),
            Self::StaleLock { at, .. } => (CallKind::Lock, *at),
            Self::NoSpace { .. } => return None,
        })
    }

    pub(super) const fn lasting(&self) -> Lasting {
        match self {
            Self::Error { lasting, .. } | Self::LyingSync { lasting, .. } => *lasting,
            _ => Lasting::Once,
        }
    }
}
