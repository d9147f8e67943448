//! Reading a journal back: the valid prefix of its records, and what they add up to.

use std::collections::BTreeMap;
use std::io;

use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::{ContentId, Hash};

use super::{BODY_MAX, Chain, FRAME, Planned, Record, VERSION, next_chain};
use crate::disk::{Disk, OpenMode};
use crate::store::error::{again, if_there};
use crate::store::hashing::read_exact;

/// How far a claim is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Standing {
    /// On the disk.
    Synced,
    /// Written since this machine was started.
    Written,
    /// The same, but a sync of it may have failed: it must be written again before a sync of it can be believed.
    Doubtful,
    /// Written before it was started: perhaps lost.
    Stale,
}

/// A claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Known {
    pub(in crate::store) hash: Hash,
    pub(in crate::store) standing: Standing,
}

/// What a journal says.
#[derive(Debug)]
pub(in crate::store) struct Replay {
    pub(in crate::store) content: ContentId,
    pub(in crate::store) claims: BTreeMap<u32, Known>,
    pub(in crate::store) planned: Option<Planned>,
    pub(super) end: u64,
    pub(super) chain: Chain,
    pub(super) records: u64,
    boot: [u8; 16],
    is_syncing: bool,
    /// Claims that are only written: the record's number, and the chunk.
    written: Vec<(u64, u32)>,
}

impl Replay {
    /// Reads a journal; none if there is none, or none that ever began.
    pub(in crate::store) fn read<D: Disk>(disk: &D, path: RelPath<'_>) -> io::Result<Option<Self>> {
        let Some(file) = if_there(again(|| disk.open(path, OpenMode::Read)))? else { return Ok(None) };
        let len = again(|| disk.identity(&file))?.size;
        let mut at = 0;
        let mut chain = Chain::default();
        let mut replay: Option<Self> = None;
        while let Some((record, next, end)) = next_record(disk, &file, at..len, chain)? {
            (at, chain) = (end, next);
            match (&mut replay, record) {
                (None, Record::Begin { version: VERSION, content, boot }) => {
                    replay = Some(Self::new(content, boot))
                }
                (Some(replay), record) => replay.apply(record),
                (None, _) => return Ok(None),
            }
            if let Some(replay) = &mut replay {
                (replay.end, replay.chain) = (end, next);
                replay.records += 1;
            }
        }
        if let Some(replay) = &mut replay {
            replay.apply(Record::Boot(disk.boot_id()));
            replay.doubt();
        }
        Ok(replay)
    }

    const fn new(content: ContentId, boot: [u8; 16]) -> Self {
        Self {
            content,
            claims: BTreeMap::new(),
            planned: None,
            end: 0,
            chain: [0; 8],
            records: 0,
            boot,
            is_syncing: false,
            written: Vec::new(),
        }
    }

    /// The last process ended within a sync.
    fn doubt(&mut self) {
        if self.is_syncing {
            for known in self.claims.values_mut().filter(|known| known.standing == Standing::Written) {
                known.standing = Standing::Doubtful;
            }
        }
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Begin { .. } => {}
            Record::Boot(boot) if boot == self.boot => {}
            Record::Boot(boot) => {
                self.boot = boot;
                for (_, chunk) in self.written.drain(..) {
                    if let Some(known) = self.claims.get_mut(&chunk)
                        && matches!(known.standing, Standing::Written | Standing::Doubtful)
                    {
                        known.standing = Standing::Stale;
                    }
                }
            }
            Record::Claims(claims) => {
                for claim in claims {
                    let known = Known { hash: claim.hash, standing: Standing::Written };
                    self.claims.insert(claim.chunk.0, known);
                    self.written.push((self.records, claim.chunk.0));
                }
            }
            Record::Syncing => self.is_syncing = true,
            Record::Synced { upto } => {
                self.is_syncing = false;
                let claims = &mut self.claims;
                // A chunk that was claimed twice is durable with its last claim.
                let mut later = std::collections::BTreeSet::new();
                later.extend(
                    self.written.iter().filter(|(number, _)| *number >= upto).map(|(_, chunk)| *chunk),
                );
                self.written.retain(|(number, chunk)| {
                    if *number < upto
                        && !later.contains(chunk)
                        && let Some(known) = claims.get_mut(chunk)
                    {
                        known.standing = Standing::Synced;
                    }
                    *number >= upto
                });
            }
            Record::Revoked => {
                self.is_syncing = false;
                self.written.clear();
                self.claims.retain(|_, known| known.standing == Standing::Synced);
            }
            Record::Planned(planned) => self.planned = Some(planned),
        }
    }
}

/// The record at the start of `range`, the chain after it and where it ends; none if it is torn or not ours.
fn next_record<D: Disk>(
    disk: &D,
    file: &D::File,
    range: std::ops::Range<u64>,
    chain: Chain,
) -> io::Result<Option<(Record, Chain, u64)>> {
    let left = range.end.saturating_sub(range.start);
    if left < FRAME {
        return Ok(None);
    }
    let mut frame = [0; FRAME as usize];
    read_exact(disk, file, &mut frame, range.start)?;
    let len = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
    if len > BODY_MAX || u64::from(len) > left - FRAME {
        return Ok(None);
    }
    let mut body = vec![0; len as usize];
    read_exact(disk, file, &mut body, range.start + FRAME)?;
    let next = next_chain(chain, &body);
    let record = postcard::from_bytes(&body).ok().filter(|_| next == frame[4..]);
    Ok(record.map(|record| (record, next, range.start + FRAME + u64::from(len))))
}
