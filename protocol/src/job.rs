//! Work that leaves the core: storage, CPU, signatures, words with trackers. A completion is made by consuming its job.
//!
//! Every job must be answered, with an error if it failed, in any order. Buffers travel with their job and
//! come back with its completion, so that nothing is allocated while a transfer runs.

mod announce;

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use crate::content::geometry::SPAN;
use crate::content::selection::Selection;
use crate::{BlobId, ChunkIndex, Hash, NodeId, ShareId};

pub use announce::{Announce, AnnounceError, AnnounceEvent, AnnounceReply, REPLY_PEERS_MAX, TrackerPeer};

/// A pooled buffer of one span (256 KiB) and how much of it is filled.
pub struct SpanBuf {
    bytes: Vec<u8>,
    filled: usize,
}

impl SpanBuf {
    /// A new, zeroed buffer. The core makes these, within `Config::spans_max`.
    pub(crate) fn new() -> Self {
        Self { bytes: alloc::vec![0; SPAN as usize], filled: 0 }
    }

    /// The filled bytes.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// The whole buffer, to read into.
    pub fn space_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Says how many bytes from the start are filled; clipped to a span.
    pub fn set_filled(&mut self, len: usize) {
        self.filled = len.min(self.bytes.len());
    }

    pub(crate) fn room(&self) -> usize {
        self.bytes.len() - self.filled
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        self.bytes[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }
}

impl fmt::Debug for SpanBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanBuf({} bytes)", self.filled)
    }
}

/// A run of bytes of one blob. Several lie one after another in one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Which file (never the manifest).
    pub blob: BlobId,
    /// Where in the file, in bytes; a multiple of a block.
    pub offset: u64,
    /// Bytes; at most a span.
    pub len: u32,
}

/// An extent to be hashed: whole blocks (the last may be short at the end of the blob).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandExtent {
    /// The bytes.
    pub extent: Extent,
    /// The height of the subtree to return: its blocks are padded to 2^height leaves.
    pub height: u8,
    /// The subtree's hash where it is known beforehand: bytes that differ are not written.
    pub expected: Option<Hash>,
}

/// A proven chunk, as it stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which chunk of the share.
    pub chunk: ChunkIndex,
    /// The root of its subtree.
    pub hash: Hash,
}

/// How sure a claim of an earlier run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// It must be hashed again before it counts.
    Recheck,
    /// The user said to trust the disk: it counts as it is.
    Trusted,
}

/// How far a checkpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// Appended to the journal: survives the end of the process.
    Written,
    /// Data synced, record appended, journal synced: survives the end of the machine.
    Synced,
}

/// What stands in the destination when a commit is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Files placed under their final names.
    pub placed: u64,
    /// Files that stood there already, identical and verified.
    pub already: u64,
    /// Entries left out: by conflict, or because they cannot exist here.
    pub skipped: u64,
    /// Bytes of the placed and already present files.
    pub bytes: u64,
}

/// Why the host could not do a job. Closed; the driver logs details beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum StorageError {
    /// No space is left, or a quota is reached.
    #[error("no space left on the device")]
    NoSpace,
    /// Permission denied, or a read-only file system.
    #[error("permission denied")]
    Denied,
    /// A source file is no longer the one that was hashed, or a staged file is no longer ours.
    #[error("the file was changed by another program")]
    Changed,
    /// A file or folder that must be there is gone.
    #[error("the file vanished")]
    Vanished,
    /// The destination's name was taken meanwhile.
    #[error("the name was taken meanwhile")]
    Conflict,
    /// Another process holds this share at this destination.
    #[error("another process holds it")]
    Held,
    /// The device reported an error.
    #[error("input/output error")]
    Io,
    /// A name or size that this file system cannot hold.
    #[error("the file system cannot hold this name or size")]
    Unsupported,
}

/// Which completion belongs to which job. Never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub(crate) u64);

/// Opens (or creates) the staging of a share and tells what is truly there.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Open {
    pub(crate) id: JobId,
    /// The share.
    pub share: ShareId,
    /// Which entries are wanted.
    pub selection: Selection,
}

/// Reads extents one after another into the buffer.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Read {
    pub(crate) id: JobId,
    /// The share, served from its source.
    pub share: ShareId,
    /// What to read; together at most a span.
    pub extents: Vec<Extent>,
    /// Where to; `set_filled` to the sum of the extents.
    pub buf: SpanBuf,
}

/// Hashes extents and writes them to staging.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Land {
    pub(crate) id: JobId,
    /// The share.
    pub share: ShareId,
    /// What the buffer holds, one after another.
    pub extents: Vec<LandExtent>,
    /// The bytes.
    pub buf: SpanBuf,
}

/// Reads a run of whole blocks back (from staging, or from a served source) and returns the hash of its subtree.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Rehash {
    pub(crate) id: JobId,
    /// The share.
    pub share: ShareId,
    /// Which file.
    pub blob: BlobId,
    /// Which bytes; may be larger than a span.
    pub range: Range<u64>,
    /// The height of the subtree.
    pub height: u8,
}

/// Makes claims last.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Checkpoint {
    pub(crate) id: JobId,
    /// The share.
    pub share: ShareId,
    /// Chunks proven since the last checkpoint job.
    pub claims: Vec<Claim>,
    /// How far to go; `Synced` covers all earlier claims too.
    pub durability: Durability,
}

/// Puts everything under its final name and makes it durable.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Commit {
    pub(crate) id: JobId,
    /// The share.
    pub share: ShareId,
}

/// Signs a statement with the key of this side of a connection.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Sign {
    pub(crate) id: JobId,
    /// Whose key: the local NodeId of the connection.
    pub signer: NodeId,
    /// The bytes to sign.
    pub statement: Vec<u8>,
}

/// Checks a signature.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub struct Verify {
    pub(crate) id: JobId,
    /// Whose signature it should be.
    pub signer: NodeId,
    /// The bytes signed.
    pub statement: Vec<u8>,
    /// The Ed25519 signature.
    pub signature: Signature,
}

/// An Ed25519 signature (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

/// Whether a signature held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is the signer's over exactly these bytes.
    Genuine,
    /// It is not.
    Forged,
}

/// Work for the driver.
#[derive(Debug)]
#[must_use = "every job must be answered"]
pub enum Job {
    /// See [`Open`].
    Open(Open),
    /// See [`Read`].
    Read(Read),
    /// See [`Land`].
    Land(Land),
    /// See [`Rehash`].
    Rehash(Rehash),
    /// See [`Checkpoint`].
    Checkpoint(Checkpoint),
    /// See [`Commit`].
    Commit(Commit),
    /// See [`Sign`].
    Sign(Sign),
    /// See [`Verify`].
    Verify(Verify),
    /// See [`Announce`].
    Announce(Announce),
}

/// The result of a job, as recordings keep it: without the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobResult {
    /// Claims of earlier runs, and what they are worth.
    Open(Result<Opened, StorageError>),
    /// The bytes are in the buffer.
    Read(Result<(), StorageError>),
    /// The subtree hash of each extent, in order. An extent whose hash differs from the expected one was not written.
    Land(Result<Vec<Hash>, StorageError>),
    /// The subtree hash.
    Rehash(Result<Hash, StorageError>),
    /// The claims last.
    Checkpoint(Result<(), StorageError>),
    /// Everything is placed.
    Commit(Result<Outcome, StorageError>),
    /// The signature, in two halves (serde's arrays end at 32).
    Sign([[u8; 32]; 2]),
    /// The verdict.
    Verify(Verdict),
    /// What the tracker said.
    Announce(Result<AnnounceReply, AnnounceError>),
}

/// What an opened staging holds of earlier runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Chunks claimed in the journal.
    pub claims: Vec<Claim>,
    /// What they are worth.
    pub trust: Trust,
    /// Entries that need no transfer: already at the destination, or left out by the plan. Sorted.
    pub settled: Vec<crate::EntryIndex>,
}

/// A completion. Only a job makes one.
#[derive(Debug)]
pub struct Done {
    pub(crate) id: JobId,
    pub(crate) buf: Option<SpanBuf>,
    pub(crate) result: JobResult,
}

impl Done {
    /// The job that this answers, for recordings.
    pub const fn id(&self) -> JobId {
        self.id
    }

    /// The result, for recordings.
    pub const fn result(&self) -> &JobResult {
        &self.result
    }
}

impl Job {
    /// Its name within the run, for recordings.
    pub const fn id(&self) -> JobId {
        match self {
            Self::Open(job) => job.id,
            Self::Read(job) => job.id,
            Self::Land(job) => job.id,
            Self::Rehash(job) => job.id,
            Self::Checkpoint(job) => job.id,
            Self::Commit(job) => job.id,
            Self::Sign(job) => job.id,
            Self::Verify(job) => job.id,
            Self::Announce(job) => job.id,
        }
    }

    /// Answers the job as it was answered in an earlier run. Bytes that were read then are whatever the buffer holds
    /// now: the core never looks at them.
    ///
    /// # Errors
    /// The job itself, if the result is not one of its kind.
    #[expect(clippy::result_large_err, reason = "the job must not be lost")]
    pub fn replay(self, result: JobResult) -> Result<Done, Self> {
        let id = self.id();
        let buf = match (self, &result) {
            (Self::Read(mut job), JobResult::Read(_)) => {
                let filled = job.extents.iter().map(|extent| u64::from(extent.len)).sum::<u64>();
                job.buf.set_filled(usize::try_from(filled).unwrap_or(usize::MAX));
                Some(job.buf)
            }
            (Self::Land(job), JobResult::Land(_)) => Some(job.buf),
            (Self::Open(_), JobResult::Open(_))
            | (Self::Rehash(_), JobResult::Rehash(_))
            | (Self::Checkpoint(_), JobResult::Checkpoint(_))
            | (Self::Commit(_), JobResult::Commit(_))
            | (Self::Sign(_), JobResult::Sign(_))
            | (Self::Verify(_), JobResult::Verify(_))
            | (Self::Announce(_), JobResult::Announce(_)) => None,
            (job, _) => return Err(job),
        };
        Ok(Done { id, buf, result })
    }
}

impl Open {
    /// Answers the job.
    pub fn done(self, result: Result<Opened, StorageError>) -> Done {
        Done { id: self.id, buf: None, result: JobResult::Open(result) }
    }
}

impl Read {
    /// Answers the job.
    pub fn done(self, result: Result<(), StorageError>) -> Done {
        Done { id: self.id, buf: Some(self.buf), result: JobResult::Read(result) }
    }
}

impl Land {
    /// Answers the job: one hash an extent.
    pub fn done(self, result: Result<Vec<Hash>, StorageError>) -> Done {
        Done { id: self.id, buf: Some(self.buf), result: JobResult::Land(result) }
    }
}

impl Rehash {
    /// Answers the job.
    pub fn done(self, result: Result<Hash, StorageError>) -> Done {
        Done { id: self.id, buf: None, result: JobResult::Rehash(result) }
    }
}

impl Checkpoint {
    /// Answers the job.
    pub fn done(self, result: Result<(), StorageError>) -> Done {
        Done { id: self.id, buf: None, result: JobResult::Checkpoint(result) }
    }
}

impl Commit {
    /// Answers the job.
    pub fn done(self, result: Result<Outcome, StorageError>) -> Done {
        Done { id: self.id, buf: None, result: JobResult::Commit(result) }
    }
}

impl Sign {
    /// Answers the job.
    pub fn done(self, signature: Signature) -> Done {
        let mut halves = [[0; 32]; 2];
        halves[0].copy_from_slice(&signature.0[..32]);
        halves[1].copy_from_slice(&signature.0[32..]);
        Done { id: self.id, buf: None, result: JobResult::Sign(halves) }
    }
}

impl Verify {
    /// Answers the job.
    pub fn done(self, verdict: Verdict) -> Done {
        Done { id: self.id, buf: None, result: JobResult::Verify(verdict) }
    }
}
