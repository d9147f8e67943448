//! A model of what a receiver has: every chunk climbs absent → received → claimed → written → synced, and falls only
//! when a process, a machine or a disk says so.

use std::collections::BTreeMap;

use truecopy_protocol::content::manifest::EntryKind;
use truecopy_protocol::job::{Claim, Durability, LandExtent, Opened, Trust};
use truecopy_protocol::output::Progress;
use truecopy_protocol::{BlobId, ChunkIndex, EntryIndex};

use super::{Checked, Finding, Oracle};
use crate::content::Content;

/// How far a chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing of it counts.
    #[default]
    Absent,
    /// The core claims it; the claim is on its way to the journal.
    Claimed,
    /// The claim is in the journal: survives the end of the process.
    Written,
    /// Data and claim are synced: survives the end of the machine.
    Synced,
}

/// What a receiver has, as seen from its jobs.
#[derive(Debug)]
pub struct Blocks {
    states: Vec<State>,
    /// Right bytes that landed in this process, by blob and offset.
    landed: BTreeMap<(u32, u64), u32>,
    /// Bytes of entries that needed no transfer.
    settled: u64,
    /// Bytes that this process has told as verified.
    told: u64,
    /// When each chunk was claimed first, for pictures.
    claimed_at: BTreeMap<u32, u64>,
}

impl Blocks {
    pub(crate) fn new(content: &Content) -> Self {
        Self {
            states: vec![State::Absent; content.manifest.chunk_count() as usize],
            landed: BTreeMap::new(),
            settled: 0,
            told: 0,
            claimed_at: BTreeMap::new(),
        }
    }

    /// The states of all chunks.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// When each chunk was claimed first: nanoseconds from the start of the run.
    pub const fn claimed_at(&self) -> &BTreeMap<u32, u64> {
        &self.claimed_at
    }

    /// Bytes land: those that are right count as received.
    pub(crate) fn land(&mut self, extents: &[LandExtent], bytes: &[u8], content: &Content) {
        let mut rest = bytes;
        for land in extents {
            let Some((run, after)) = rest.split_at_checked(land.extent.len as usize) else { return };
            rest = after;
            let at = land.extent.offset as usize;
            let truth = land.extent.blob.entry().and_then(|entry| content.truth(entry));
            if truth.and_then(|truth| truth.get(at..at + run.len())) == Some(run) {
                self.landed.insert((land.extent.blob.0, land.extent.offset), land.extent.len);
            }
        }
    }

    /// Whether all right bytes of a chunk came in this process, or were hashed again.
    pub(crate) fn has(&self, chunk: u32, content: &Content) -> bool {
        let Some((entry, offset, bytes)) = content.chunk(ChunkIndex(chunk)) else { return false };
        let (mut at, end, blob) = (offset, offset + bytes.len() as u64, BlobId::of(entry).0);
        while at < end {
            match self.landed.get(&(blob, at)) {
                Some(len) if *len > 0 => at += u64::from(*len),
                _ => return false,
            }
        }
        true
    }

    /// A run was hashed again.
    pub(crate) fn rehashed(&mut self, blob: BlobId, offset: u64, len: u64) {
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let step = (end - at).min(truecopy_protocol::content::geometry::SPAN);
            self.landed.insert((blob.0, at), step as u32);
            at += step;
        }
    }

    /// The core claims chunks.
    pub(crate) fn claimed(&mut self, now: u64, claims: &[Claim]) -> Checked {
        for claim in claims {
            let Some(state) = self.states.get_mut(claim.chunk.0 as usize) else {
                let text = format!("chunk {} is claimed; there is none", claim.chunk.0);
                return Err(Finding::new(Oracle::BlockState, "unknown chunk", text));
            };
            *state = (*state).max(State::Claimed);
            self.claimed_at.entry(claim.chunk.0).or_insert(now);
        }
        Ok(())
    }

    /// A checkpoint was answered well.
    pub(crate) fn checkpointed(&mut self, claims: &[Claim], durability: Durability) {
        for claim in claims {
            self.raise(claim.chunk, State::Written);
        }
        if durability == Durability::Synced {
            for state in &mut self.states {
                if *state == State::Written {
                    *state = State::Synced;
                }
            }
        }
    }

    fn raise(&mut self, chunk: ChunkIndex, to: State) {
        if let Some(state) = self.states.get_mut(chunk.0 as usize) {
            *state = (*state).max(to);
        }
    }

    /// A checkpoint failed: what was only written counts no more.
    pub(crate) fn revoked(&mut self) {
        self.fall(State::Synced);
    }

    fn fall(&mut self, kept: State) {
        for state in &mut self.states {
            if *state < kept {
                *state = State::Absent;
            }
        }
    }

    /// The process ended.
    pub(crate) fn killed(&mut self) {
        self.landed.clear();
        (self.settled, self.told) = (0, 0);
        self.fall(State::Written);
    }

    /// The machine ended. What was synced stays so; the claims of a new boot are only as good as the synced ones.
    pub(crate) fn power_lost(&mut self) {
        self.landed.clear();
        (self.settled, self.told) = (0, 0);
        self.fall(State::Synced);
    }

    /// A new process looks at what is there on a disk that is no witness: what it does not find is gone.
    pub(crate) fn opened_doubtfully(&mut self, opened: &Opened, content: &Content) {
        for (chunk, state) in (0..).map(ChunkIndex).zip(&mut self.states) {
            let is_settled =
                content.manifest.locate(chunk).is_some_and(|(entry, _)| opened.settled.contains(&entry));
            if !is_settled && opened.claims.iter().all(|claim| claim.chunk != chunk) {
                *state = State::Absent;
            }
        }
    }

    /// A new process looks at what is there: nothing that was kept may be missing (M1).
    pub(crate) fn opened(&mut self, opened: &Opened, content: &Content) -> Checked {
        let is_settled = |entry: &EntryIndex| opened.settled.binary_search(entry).is_ok();
        for (chunk, state) in (0..).map(ChunkIndex).zip(&self.states) {
            let Some((entry, _)) = content.manifest.locate(chunk) else { continue };
            let is_there = is_settled(&entry) || opened.claims.iter().any(|claim| claim.chunk == chunk);
            if *state >= State::Written && !is_there {
                let text = format!("chunk {} was {state:?} and is forgotten after a restart", chunk.0);
                return Err(Finding::new(Oracle::BlockState, "a kept chunk is forgotten", text));
            }
        }
        let size = |entry: &EntryIndex| match content.manifest.entry(*entry).map(|entry| entry.kind) {
            Some(EntryKind::File(file)) => file.size,
            _ => 0,
        };
        self.settled = opened.settled.iter().map(size).sum();
        if opened.trust == Trust::Trusted {
            for claim in &opened.claims {
                self.trust(claim.chunk, content);
            }
        }
        Ok(())
    }

    fn trust(&mut self, chunk: ChunkIndex, content: &Content) {
        if let Some((entry, offset, truth)) = content.chunk(chunk) {
            self.rehashed(BlobId::of(entry), offset, truth.len() as u64);
        }
    }

    /// What the user is told never exceeds what is right, and is never taken back (S6).
    pub(crate) fn progress(&mut self, progress: &Progress) -> Checked {
        let before = std::mem::replace(&mut self.told, progress.verified);
        if progress.verified < before {
            let text = format!("{before} bytes were told as verified, and then {}", progress.verified);
            return Err(Finding::new(Oracle::Progress, "verified bytes are taken back", text));
        }
        let right: u64 = self.landed.values().map(|len| u64::from(*len)).sum::<u64>() + self.settled;
        if progress.verified <= right {
            return Ok(());
        }
        let text = format!("{} bytes are told as verified, {right} are", progress.verified);
        Err(Finding::new(Oracle::Progress, "more told than verified", text))
    }
}
