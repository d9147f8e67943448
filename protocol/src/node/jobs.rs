//! Jobs on their way and what their completions mean.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use core::ops::Range;

use super::Node;
use crate::content::selection::Selection;
use crate::job::{
    Checkpoint, Claim, Commit, Done, Durability, Extent, Job, JobId, JobResult, Land, LandExtent, Open, Read,
    Rehash, Sign, Signature, SpanBuf, Verify,
};
use crate::output::Event;
use crate::swarm::transfer::Place;
use crate::wire::{BlockRun, Call, Corrupt, Receipt};
use crate::{BlobId, ConnId, NodeId, ShareId};

/// What a completion is for.
#[derive(Debug)]
pub(super) enum Pending {
    Open(ShareId),
    Read {
        share: ShareId,
        conn: ConnId,
        runs: Vec<(BlockRun, u32)>,
    },
    Land {
        share: ShareId,
        runs: Vec<(BlockRun, u32)>,
    },
    Recheck {
        share: ShareId,
        place: Place,
    },
    Question {
        share: ShareId,
        conn: ConnId,
        corrupt: Corrupt,
    },
    Checkpoint {
        share: ShareId,
        durability: Durability,
    },
    Commit(ShareId),
    Sign {
        share: ShareId,
        conn: ConnId,
        receipt: Receipt,
    },
    Verify {
        share: ShareId,
        conn: ConnId,
        peer: NodeId,
        receipt: Receipt,
    },
    Tracker {
        share: ShareId,
        number: usize,
    },
    /// A call of ours is to be signed.
    Call {
        room: ShareId,
        call: Call,
    },
    /// A call that came from this node is looked at.
    Heard {
        room: ShareId,
        from: NodeId,
        call: Call,
    },
}

impl Pending {
    /// The share that waits for it: none for a tracker, which may take its time.
    const fn share(&self) -> Option<ShareId> {
        match self {
            Self::Tracker { .. } => None,
            Self::Open(share)
            | Self::Commit(share)
            | Self::Read { share, .. }
            | Self::Land { share, .. }
            | Self::Recheck { share, .. }
            | Self::Question { share, .. }
            | Self::Checkpoint { share, .. }
            | Self::Sign { share, .. }
            | Self::Verify { share, .. }
            | Self::Call { room: share, .. }
            | Self::Heard { room: share, .. } => Some(*share),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Jobs {
    next: u64,
    pending: BTreeMap<JobId, Pending>,
    /// How many of them belong to each share.
    of_shares: BTreeMap<ShareId, usize>,
}

impl Jobs {
    pub(super) fn open(&self) -> usize {
        self.pending.len()
    }

    /// Jobs of one share that are not answered yet.
    pub(super) fn of(&self, share: ShareId) -> usize {
        self.of_shares.get(&share).copied().unwrap_or(0)
    }

    fn take(&mut self, id: JobId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        if let Some(share) = pending.share()
            && let Entry::Occupied(mut count) = self.of_shares.entry(share)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(pending)
    }

    pub(super) fn add(&mut self, pending: Pending) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        if let Some(share) = pending.share() {
            *self.of_shares.entry(share).or_default() += 1;
        }
        self.pending.insert(id, pending);
        id
    }

    pub(super) fn open_share(&mut self, share: ShareId, selection: Selection) -> Job {
        Job::Open(Open { id: self.add(Pending::Open(share)), share, selection })
    }

    pub(super) fn read(
        &mut self,
        share: ShareId,
        extents: Vec<Extent>,
        buf: SpanBuf,
        pending: Pending,
    ) -> Job {
        Job::Read(Read { id: self.add(pending), share, extents, buf })
    }

    pub(super) fn land(
        &mut self,
        share: ShareId,
        extents: Vec<LandExtent>,
        buf: SpanBuf,
        runs: Vec<(BlockRun, u32)>,
    ) -> Job {
        Job::Land(Land { id: self.add(Pending::Land { share, runs }), share, extents, buf })
    }

    pub(super) fn rehash(
        &mut self,
        share: ShareId,
        blob: BlobId,
        range: Range<u64>,
        height: u8,
        pending: Pending,
    ) -> Job {
        Job::Rehash(Rehash { id: self.add(pending), share, blob, range, height })
    }

    pub(super) fn checkpoint(&mut self, share: ShareId, claims: Vec<Claim>, durability: Durability) -> Job {
        let id = self.add(Pending::Checkpoint { share, durability });
        Job::Checkpoint(Checkpoint { id, share, claims, durability })
    }

    pub(super) fn commit(&mut self, share: ShareId) -> Job {
        Job::Commit(Commit { id: self.add(Pending::Commit(share)), share })
    }

    pub(super) fn sign(&mut self, signer: NodeId, statement: Vec<u8>, pending: Pending) -> Job {
        Job::Sign(Sign { id: self.add(pending), signer, statement })
    }

    pub(super) fn verify(
        &mut self,
        signer: NodeId,
        statement: Vec<u8>,
        halves: [[u8; 32]; 2],
        pending: Pending,
    ) -> Job {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&halves[0]);
        signature[32..].copy_from_slice(&halves[1]);
        Job::Verify(Verify { id: self.add(pending), signer, statement, signature: Signature(signature) })
    }
}

impl Node {
    /// A job is done. Its share or connection may be gone meanwhile; its buffer comes back in any case.
    ///
    /// # Panics
    /// If a completion answers no open job of this node, or with the result of another kind of job: faults of the
    /// driver that the types already make hard.
    pub(super) fn done(&mut self, done: Done) {
        let pending = self.jobs.take(done.id);
        let share = pending.as_ref().and_then(Pending::share);
        match (pending, done.result, done.buf) {
            (Some(Pending::Open(share)), JobResult::Open(result), None) => self.open_done(share, result),
            (Some(Pending::Read { share, conn, runs }), JobResult::Read(result), Some(buf)) => {
                self.read_done(share, conn, &runs, buf, result);
            }
            (Some(Pending::Land { share, runs }), JobResult::Land(result), Some(buf)) => {
                self.pool.put(buf);
                self.land_done(share, &runs, result);
            }
            (Some(Pending::Recheck { share, place }), JobResult::Rehash(result), None) => {
                self.recheck_done(share, place, result);
            }
            (Some(Pending::Question { share, conn, corrupt }), JobResult::Rehash(result), None) => {
                self.questioned(share, conn, corrupt, result);
            }
            (Some(Pending::Checkpoint { share, durability }), JobResult::Checkpoint(result), None) => {
                self.checkpoint_done(share, durability, result);
            }
            (Some(Pending::Commit(share)), JobResult::Commit(result), None) => {
                self.commit_done(share, result)
            }
            (Some(Pending::Sign { conn, receipt, .. }), JobResult::Sign(signature), None) => {
                self.sign_done(conn, Receipt { signature, ..receipt });
            }
            (Some(Pending::Verify { share, conn, peer, receipt }), JobResult::Verify(verdict), None) => {
                let Receipt { outcome, time, .. } = receipt;
                self.event(Event::Receipt { share, conn, peer, outcome, time, verdict });
                self.receipt_checked(conn);
            }
            (Some(Pending::Tracker { share, number }), JobResult::Announce(result), None) => {
                self.tracker_answered(share, number, result);
            }
            (Some(Pending::Call { room, call }), JobResult::Sign(signature), None) => {
                self.call_signed(room, Call { signature, ..call });
            }
            (Some(Pending::Heard { room, from, call }), JobResult::Verify(verdict), None) => {
                self.call_checked(room, from, call, verdict);
            }
            (pending, result, _) => panic!("completion {result:?} does not answer {pending:?}"),
        }
        if let Some(share) = share {
            self.maybe_ended(share);
            self.maybe_offer_again(share);
        }
    }
}
