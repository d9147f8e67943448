//! The journal of a staging: which chunks are verified, how far they are durable, and what a commit has in hand.
//!
//! Records are chained by their checksums, each over the one before it: a torn tail, or the rest of an older journal
//! beneath it, is never read as a record.

mod replay;

use std::io;

use serde::{Deserialize, Serialize};
use truecopy_protocol::ContentId;
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::tree::leaf;
use truecopy_protocol::job::{Claim, StorageError};

pub(super) use self::replay::{Known, Replay, Standing};
use super::error::{again, fail};
use super::hashing::write_all;
use crate::disk::{Disk, OpenMode};

const VERSION: u16 = 1;
const BODY_MAX: u32 = 64 * 1024 * 1024;
const CLAIMS_MAX: usize = 4096;
/// Length and checksum.
const FRAME: u64 = 4 + 8;

type Chain = [u8; 8];

/// What a commit has in hand: these entries were complete and durable in staging when this was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Planned {
    /// Top-level names that are placed under another: the first entry, and the name.
    pub(super) names: Vec<(u32, Vec<u8>)>,
    /// Runs of entries, first to one after the last.
    pub(super) entries: Vec<(u32, u32)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Record {
    Begin {
        version: u16,
        content: ContentId,
        boot: [u8; 16],
    },
    /// Opened again.
    Boot([u8; 16]),
    Claims(Vec<Claim>),
    /// A sync begins. If its end is not told, it may have failed, and the system may think clean what is not.
    Syncing,
    /// Claims in records before this number are durable, but for those of an earlier boot.
    Synced {
        upto: u64,
    },
    /// A sync failed: no claim that is not durable yet can be believed.
    Revoked,
    Planned(Planned),
}

/// An open journal, at its end.
#[derive(Debug)]
pub(super) struct Journal<F> {
    file: F,
    end: u64,
    chain: Chain,
    records: u64,
}

impl<F: Send + Sync> Journal<F> {
    /// Starts a new journal in place of whatever is there.
    pub(super) fn begin<D: Disk<File = F>>(
        disk: &D,
        path: RelPath<'_>,
        content: ContentId,
    ) -> io::Result<Self> {
        let file = match again(|| disk.open(path, OpenMode::Create)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                again(|| disk.open(path, OpenMode::Update))?
            }
            opened => opened?,
        };
        again(|| disk.set_len(&file, 0))?;
        let mut journal = Self { file, end: 0, chain: Chain::default(), records: 0 };
        journal.append(disk, &Record::Begin { version: VERSION, content, boot: disk.boot_id() })?;
        journal.sync(disk)?;
        Ok(journal)
    }

    /// Goes on with a journal that was replayed: cuts a torn tail and notes the boot.
    pub(super) fn resume<D: Disk<File = F>>(
        disk: &D,
        path: RelPath<'_>,
        replay: &Replay,
    ) -> io::Result<Self> {
        let file = again(|| disk.open(path, OpenMode::Update))?;
        again(|| disk.set_len(&file, replay.end))?;
        let mut journal = Self { file, end: replay.end, chain: replay.chain, records: replay.records };
        journal.append(disk, &Record::Boot(disk.boot_id()))?;
        Ok(journal)
    }

    pub(super) fn claims<D: Disk<File = F>>(&mut self, disk: &D, claims: &[Claim]) -> io::Result<()> {
        claims.chunks(CLAIMS_MAX).try_for_each(|some| self.append(disk, &Record::Claims(some.to_vec())))
    }

    pub(super) fn syncing<D: Disk<File = F>>(&mut self, disk: &D) -> io::Result<()> {
        self.append(disk, &Record::Syncing)
    }

    pub(super) fn synced<D: Disk<File = F>>(&mut self, disk: &D, upto: u64) -> io::Result<()> {
        self.append(disk, &Record::Synced { upto })
    }

    pub(super) fn revoked<D: Disk<File = F>>(&mut self, disk: &D) -> io::Result<()> {
        self.append(disk, &Record::Revoked)
    }

    pub(super) fn planned<D: Disk<File = F>>(&mut self, disk: &D, planned: Planned) -> io::Result<()> {
        self.append(disk, &Record::Planned(planned))
    }

    /// The number of the next record.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn sync<D: Disk<File = F>>(&self, disk: &D) -> io::Result<()> {
        again(|| disk.sync_file(&self.file))
    }

    fn append<D: Disk<File = F>>(&mut self, disk: &D, record: &Record) -> io::Result<()> {
        let body = postcard::to_allocvec(record).map_err(|_| fail(StorageError::Unsupported))?;
        let len = u32::try_from(body.len()).ok().filter(|len| *len <= BODY_MAX);
        let len = len.ok_or_else(|| fail(StorageError::Unsupported))?;
        let chain = next_chain(self.chain, &body);
        let frame = [&len.to_le_bytes()[..], &chain, &body].concat();
        // A write that fails half-way leaves a torn tail, which the next one overwrites.
        write_all(disk, &self.file, &frame, self.end)?;
        self.end += frame.len() as u64;
        self.chain = chain;
        self.records += 1;
        Ok(())
    }
}

fn next_chain(before: Chain, body: &[u8]) -> Chain {
    let mut chain = Chain::default();
    chain.copy_from_slice(&leaf(&[&before, body].concat()).0[..8]);
    chain
}
