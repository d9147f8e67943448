//! From computed hashes to claims that last: rechecks, checkpoints, progress.

use alloc::vec::Vec;

use super::Node;
use super::fetch::Stage;
use super::jobs::Pending;
use crate::job::{Claim, Durability, StorageError};
use crate::output::{Event, Failure, Output};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::transfer::Place;
use crate::timers::Timer;
use crate::{BlobId, Hash, ShareId};

/// Claims are synced after so many bytes at the latest, or 2 % of what is wanted if that is more.
const SYNC_MIN: u64 = 16 << 20;

/// Checkpoint jobs on their way, and what they leave to do.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) written: u32,
    pub(super) synced: u32,
    pub(super) unsynced_bytes: u64,
    due: Due,
}

/// Whether the time for a sync has come while another checkpoint was on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    #[default]
    Later,
    Now,
}

impl Node {
    pub(super) fn recheck_done(&mut self, share: ShareId, place: Place, result: Result<Hash, StorageError>) {
        let Some(transfer) = self.running(share) else { return };
        transfer.rechecked(place, result.ok());
        let over = !transfer.is_rechecking();
        if over && !self.conns_of(share).is_empty() {
            self.event(Event::Fetching { share });
        }
        self.fill(share);
        self.advance(share);
    }

    /// What follows from the state of the chunks: rechecks, claims, the commit.
    pub(super) fn advance(&mut self, share: ShareId) {
        let rehashes_max = self.config.rehashes_max;
        while let Some(place) = self.running(share).and_then(|transfer| transfer.recheck(rehashes_max)) {
            let range = place.shape.chunk_range(u64::from(place.within));
            let pending = Pending::Recheck { share, place };
            let blob = BlobId::of(place.entry);
            let job = self.jobs.rehash(share, blob, range, place.shape.chunk_height(), pending);
            self.outputs.push_back(Output::Job(job));
        }
        if self.running(share).is_some() {
            self.timers.arm(Timer::Progress(share), self.now + self.config.progress_interval);
            self.claim(share);
            self.has_news(share);
            self.maybe_commit(share);
        }
    }

    /// Writes what was proven; syncs it every so often. A sync waits for the writes before it, so that it covers them;
    /// writes do not wait for a sync.
    fn claim(&mut self, share: ShareId) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Running(_, transfer) = &mut fetch.stage else { return };
        let state = &mut fetch.checkpoints;
        if state.written > 0 {
            return;
        }
        let claims = transfer.take_claims();
        let bytes = state.unsynced_bytes + transfer.claimed_bytes(&claims);
        let step = (transfer.progress.wanted / 50).max(SYNC_MIN);
        let due = bytes >= step || (state.due == Due::Now && bytes > 0);
        #[cfg(planted)]
        let due = due || is(Bug::EagerSyncs) && bytes > 0;
        if due && state.synced == 0 {
            state.synced += 1;
            state.unsynced_bytes = 0;
            state.due = Due::Later;
            self.checkpoint(share, claims, Durability::Synced);
        } else if !claims.is_empty() {
            state.written += 1;
            state.unsynced_bytes = bytes;
            self.checkpoint(share, claims, Durability::Written);
        }
    }

    fn checkpoint(&mut self, share: ShareId, claims: Vec<Claim>, durability: Durability) {
        let job = self.jobs.checkpoint(share, claims, durability);
        self.outputs.push_back(Output::Job(job));
        self.timers.arm(Timer::Checkpoint(share), self.now + self.config.checkpoint_interval);
    }

    pub(super) fn checkpoint_due(&mut self, share: ShareId) {
        if let Some(fetch) = self.fetches.get_mut(&share) {
            fetch.checkpoints.due = Due::Now;
        }
        self.claim(share);
    }

    pub(super) fn checkpoint_done(
        &mut self,
        share: ShareId,
        durability: Durability,
        result: Result<(), StorageError>,
    ) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        match durability {
            Durability::Written => fetch.checkpoints.written -= 1,
            Durability::Synced => fetch.checkpoints.synced -= 1,
        }
        match result {
            Ok(()) => self.advance(share),
            Err(error) => self.fail(share, Failure::Storage(error)),
        }
    }

    pub(super) fn tell_progress(&mut self, share: ShareId) {
        self.tell_uploads(share);
        self.tell_peer_states(share);
        if let Some(transfer) = self.running(share) {
            let progress = transfer.progress;
            self.event(Event::Progress { share, progress });
            // Who has nothing left to do may do what others are slow at.
            self.fill(share);
        }
    }
}
