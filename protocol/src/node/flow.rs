//! The flow of blocks in: asking, assembling, landing, comparing, claiming.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::fetch::{Stage, Will};
use super::jobs::Pending;
use super::{Node, Purpose, Reading};
use crate::content::geometry::{BLOCK, Shape};
use crate::content::manifest::EntryKind;
use crate::job::{Durability, Extent, LandExtent, StorageError};
use crate::output::{Event, Failure, Fault, Output};
use crate::swarm::download::{Batch, Download};
use crate::swarm::offer;
use crate::swarm::transfer::{Checked, Place, Transfer};
use crate::swarm::upload::run_len;
use crate::timers::Timer;
use crate::wire::{BlockRun, BlocksHead, Corrupt, Hashes, Message};
use crate::{BlobId, ConnId, Hash, ShareId};

/// `Land` jobs below which a small batch need not wait for more.
const LANDS_BUSY: u32 = 2;
/// Free buffers below which reading is paused: one connection's delivery takes two at most.
const SPANS_LOW: usize = 4;
/// Free buffers above which it goes on.
const SPANS_HIGH: usize = 8;
/// A chunk that came wrong so often is the source's fault.
const WRONG_MAX: u32 = 2;

impl Node {
    pub(super) fn running(&mut self, share: ShareId) -> Option<&mut Transfer> {
        match self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage) {
            Some(Stage::Running(_, transfer)) => Some(transfer),
            _ => None,
        }
    }

    /// Asks every source of a share for as much as its window takes.
    pub(super) fn fill(&mut self, share: ShareId) {
        for id in self.conns_of(share) {
            self.ask(share, id);
        }
    }

    fn ask(&mut self, share: ShareId, id: ConnId) {
        let (now, config) = (self.now, &self.config);
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        if fetch.will == Will::Pause {
            return;
        }
        let Stage::Running(_, transfer) = &mut fetch.stage else { return };
        let Some(Purpose::Downloads(_, download)) = self.conns.get_mut(&id).map(|conn| &mut conn.purpose)
        else {
            return;
        };
        let mut messages = Vec::new();
        while transfer.is_hungry() && download.has_room(config) {
            let Some(run) = transfer.pick(config.active_chunks_max, |chunk| download.has(chunk)) else {
                break;
            };
            let Some((place, _)) = transfer.position(run) else { break };
            let Some(len) = run_len(&place.shape, run) else { break };
            if let Some(range) = transfer.ask_hashes(run) {
                download.ask_hashes(range, now);
                messages.push(Message::HashRequest(range));
            }
            download.ask(run, len, now);
            messages.push(Message::Request(run));
        }
        if !messages.is_empty() {
            self.with_session(id, |session| messages.iter().for_each(|message| session.send(message)));
        }
    }

    pub(super) fn unask(&mut self, share: ShareId, run: BlockRun) {
        if let Some(transfer) = self.running(share) {
            transfer.unask(run);
        }
        self.fill(share);
    }

    pub(super) fn blocks_begin(&mut self, id: ConnId, head: BlocksHead) -> Result<(), Fault> {
        let Some(Purpose::Downloads(share, download)) = self.conns.get_mut(&id).map(|conn| &mut conn.purpose)
        else {
            return Err(Fault::OutOfTurn);
        };
        let share = *share;
        let begins = download.incoming().is_none();
        download.begin(head)?;
        if !begins || head.blob == BlobId::MANIFEST.0 {
            return Ok(());
        }
        let len = download.incoming().map_or(0, |(_, _, len)| len);
        if download.must_flush(len)
            && let Some(batch) = download.batch.take()
        {
            self.land(share, id, batch);
        }
        // Borrowed anew: landing needed the node.
        if let Some(Purpose::Downloads(_, download)) = self.conns.get_mut(&id).map(|conn| &mut conn.purpose)
            && download.batch.is_none()
        {
            download.batch = Some(Batch { buf: self.pool.take(), runs: Vec::new() });
        }
        Ok(())
    }

    pub(super) fn payload(&mut self, id: ConnId, bytes: &[u8]) -> Result<(), Fault> {
        let (now, config) = (self.now, &self.config);
        let Some(Purpose::Downloads(share, download)) = self.conns.get_mut(&id).map(|conn| &mut conn.purpose)
        else {
            return Err(Fault::OutOfTurn);
        };
        let share = *share;
        let Some((run, at, _)) = download.incoming() else { return Err(Fault::Unasked) };
        let whole = download.advance(bytes.len(), now, config);
        if run.blob == BlobId::MANIFEST.0 {
            return self.manifest_payload(share, id, at, bytes, whole.is_some().then_some(run));
        }
        if let Some(batch) = &mut download.batch {
            batch.buf.append(bytes);
            if let Some(whole) = whole {
                batch.runs.push(whole);
            }
        }
        if let Some(transfer) = self.running(share) {
            transfer.progress.received += bytes.len() as u64;
        }
        if whole.is_some() {
            self.whole_run(share, id);
        }
        Ok(())
    }

    fn whole_run(&mut self, share: ShareId, id: ConnId) {
        let busy = self.fetches.get(&share).is_some_and(|fetch| fetch.lands >= LANDS_BUSY);
        if let Some(download) = self.download(id)
            && (download.is_full() || !busy)
            && let Some(batch) = download.take_batch()
        {
            self.land(share, id, batch);
        }
        self.ask(share, id);
    }

    fn manifest_payload(
        &mut self,
        share: ShareId,
        id: ConnId,
        at: u64,
        bytes: &[u8],
        whole: Option<BlockRun>,
    ) -> Result<(), Fault> {
        let Some(Stage::Manifest(from, manifest)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        else {
            // It was asked for before the share went on without it.
            return Ok(());
        };
        if *from == id {
            manifest.fill(at, bytes);
            if let Some(run) = whole {
                manifest.came(run);
                self.check_manifest(share)?;
            }
        }
        Ok(())
    }

    /// Hands whole runs to the disk.
    fn land(&mut self, share: ShareId, id: ConnId, batch: Batch) {
        let Some(fetch) = self.fetches.get_mut(&share) else {
            self.pool.put(batch.buf);
            return;
        };
        let Stage::Running(_, transfer) = &mut fetch.stage else {
            self.pool.put(batch.buf);
            return;
        };
        let extents: Vec<LandExtent> = batch
            .runs
            .iter()
            .filter_map(|(run, len)| {
                let (height, expected) = transfer.landing(*run, id)?;
                let offset = u64::from(run.block) * BLOCK;
                Some(LandExtent {
                    extent: Extent { blob: BlobId(run.blob), offset, len: *len },
                    height,
                    expected,
                })
            })
            .collect();
        debug_assert_eq!(extents.len(), batch.runs.len());
        fetch.lands += 1;
        let job = self.jobs.land(share, extents, batch.buf, batch.runs);
        self.outputs.push_back(Output::Job(job));
    }

    pub(super) fn land_done(
        &mut self,
        share: ShareId,
        runs: &[(BlockRun, u32)],
        result: Result<Vec<Hash>, StorageError>,
    ) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        fetch.lands -= 1;
        let transfer = match &mut fetch.stage {
            Stage::Running(_, transfer) | Stage::Ending(Some((_, transfer)), _) => transfer,
            _ => return self.maybe_ended(share),
        };
        let hashes = match result {
            Ok(hashes) => hashes,
            Err(error) => {
                self.fail(share, Failure::Storage(error));
                self.maybe_ended(share);
                return;
            }
        };
        let mut wrong = Vec::new();
        let mut unproven = Vec::new();
        for ((run, _), hash) in runs.iter().zip(&hashes) {
            match transfer.landed(*run, *hash) {
                None | Some(Checked::Verified | Checked::Rotten) => {}
                Some(Checked::Unproven) => unproven.extend(transfer.position(*run).map(|(place, _)| place)),
                Some(Checked::Wrong { place, from }) => wrong.push((place, from)),
            }
        }
        for (place, from) in wrong {
            self.came_wrong(share, place, &from);
        }
        self.ask_proofs(share, unproven);
        self.flush_batches(share);
        self.advance(share);
        self.maybe_ended(share);
    }

    /// Batches that waited for a job to join need not wait any longer.
    fn flush_batches(&mut self, share: ShareId) {
        if self.fetches.get(&share).is_none_or(|fetch| fetch.lands >= LANDS_BUSY) {
            return;
        }
        for id in self.conns_of(share) {
            if let Some(batch) = self.download(id).and_then(Download::take_batch) {
                self.land(share, id, batch);
            }
        }
    }

    /// A chunk's bytes are wrong: the source is asked to look at its disk, once; then it is the one who is wrong.
    fn came_wrong(&mut self, share: ShareId, place: Place, from: &BTreeSet<ConnId>) {
        let Some(transfer) = self.running(share) else { return };
        let sole = if from.len() == 1 { from.first().copied() } else { None };
        let times = transfer.wrong(place.chunk);
        let corrupt = Corrupt { blob: BlobId::of(place.entry).0, chunk: place.within };
        let Some(id) = sole.filter(|id| self.download(*id).is_some()) else {
            if let Some(transfer) = self.running(share) {
                transfer.again(place.chunk);
            }
            for id in from.iter().filter(|_| times > WRONG_MAX) {
                self.misbehaved(*id, Fault::BadBytes);
            }
            return self.fill(share);
        };
        if times < WRONG_MAX {
            self.with_session(id, |session| session.send(&Message::Corrupt(corrupt)));
        } else {
            if let Some(transfer) = self.running(share) {
                transfer.again(place.chunk);
            }
            self.misbehaved(id, Fault::BadBytes);
        }
    }

    fn ask_proofs(&mut self, share: ShareId, places: Vec<Place>) {
        let now = self.now;
        let Some(source) = self.conns_of(share).into_iter().find(|id| self.download(*id).is_some()) else {
            return;
        };
        for place in places {
            let Some(range) = self.running(share).and_then(|transfer| transfer.ask_hashes_of(place)) else {
                continue;
            };
            if let Some(download) = self.download(source) {
                download.ask_hashes(range, now);
            }
            self.with_session(source, |session| session.send(&Message::HashRequest(range)));
        }
    }

    pub(super) fn hashes_came(&mut self, share: ShareId, id: ConnId, hashes: &Hashes) -> Result<(), Fault> {
        let now = self.now;
        if let Some(download) = self.download(id) {
            download.hashes_came(hashes.range, now)?;
        }
        let Some(fetch) = self.fetches.get_mut(&share) else { return Ok(()) };
        if hashes.range.blob == BlobId::MANIFEST.0 {
            if let Stage::Manifest(_, manifest) = &mut fetch.stage {
                manifest.proven(hashes)?;
            }
            return self.check_manifest(share);
        }
        let Stage::Running(manifest, transfer) = &mut fetch.stage else { return Ok(()) };
        let entry = BlobId(hashes.range.blob).entry().ok_or(Fault::Unasked)?;
        let shape: Shape = manifest.shape(entry).ok_or(Fault::Unasked)?;
        let Some(EntryKind::File(file)) = manifest.entry(entry).map(|entry| entry.kind) else {
            return Err(Fault::Unasked);
        };
        offer::check(&shape, &file.root, hashes)?;
        let wrong = transfer.proven(hashes.range, &hashes.hashes);
        let stubborn = wrong.iter().any(|place| transfer.wrong(place.chunk) > WRONG_MAX);
        if stubborn {
            return Err(Fault::BadBytes);
        }
        self.fill(share);
        self.advance(share);
        Ok(())
    }

    /// A connection is gone: what it owed is asked of others, whole runs still land.
    pub(super) fn reclaim(&mut self, share: ShareId, id: ConnId, mut download: Download) {
        let (owed, ranges, batch) = download.end();
        if let Some(batch) = batch {
            if batch.runs.is_empty() {
                self.pool.put(batch.buf);
            } else {
                self.land(share, id, batch);
            }
        }
        let mut unproven = Vec::new();
        if let Some(transfer) = self.running(share) {
            owed.into_iter().for_each(|run| transfer.unask(run));
            ranges.into_iter().for_each(|range| transfer.unask_hashes(range));
            transfer.all_again();
            unproven = transfer.unproven();
        }
        self.ask_proofs(share, unproven);
        self.fill(share);
    }

    pub(super) fn recheck_done(&mut self, share: ShareId, place: Place, result: Result<Hash, StorageError>) {
        let Some(transfer) = self.running(share) else {
            self.maybe_ended(share);
            return;
        };
        if transfer.rechecked(place, result.ok()) == Checked::Unproven {
            self.ask_proofs(share, alloc::vec![place]);
        }
        if self.running(share).is_some_and(|transfer| !transfer.is_rechecking())
            && !self.conns_of(share).is_empty()
        {
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
        self.timers.arm(Timer::Progress(share), self.now + self.config.progress_interval);
        self.claim(share);
        self.maybe_commit(share);
    }

    /// Writes what was proven; syncs it every so often.
    fn claim(&mut self, share: ShareId) {
        const SYNC_MIN: u64 = 16 << 20;
        let now = self.now;
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Running(_, transfer) = &mut fetch.stage else { return };
        let state = &mut fetch.checkpoints;
        if state.written == 0 {
            let claims = transfer.take_claims();
            if !claims.is_empty() {
                state.written += 1;
                let bytes: u64 = claims
                    .iter()
                    .filter_map(|claim| transfer.place(claim.chunk.0))
                    .map(|place| place.bytes())
                    .sum();
                state.unsynced_bytes += bytes;
                let job = self.jobs.checkpoint(share, claims, Durability::Written);
                self.outputs.push_back(Output::Job(job));
                self.timers.arm(Timer::Checkpoint(share), now + self.config.checkpoint_interval);
            }
        }
        let step = (transfer.progress.wanted / 50).max(SYNC_MIN);
        if state.unsynced_bytes >= step {
            self.sync(share);
        }
    }

    fn sync(&mut self, share: ShareId) {
        let now = self.now;
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let state = &mut fetch.checkpoints;
        if state.synced > 0 || state.unsynced_bytes == 0 || !matches!(fetch.stage, Stage::Running(..)) {
            return;
        }
        state.synced += 1;
        state.unsynced_bytes = 0;
        state.last_sync = now;
        let job = self.jobs.checkpoint(share, Vec::new(), Durability::Synced);
        self.outputs.push_back(Output::Job(job));
    }

    pub(super) fn checkpoint_due(&mut self, share: ShareId) {
        self.sync(share);
        if self.fetches.get(&share).is_some_and(|fetch| fetch.checkpoints.unsynced_bytes > 0) {
            self.timers.set(Timer::Checkpoint(share), self.now + self.config.checkpoint_interval);
        }
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
        self.maybe_ended(share);
    }

    pub(super) fn tell_progress(&mut self, share: ShareId) {
        self.tell_uploads(share);
        if let Some(transfer) = self.running(share) {
            let progress = transfer.progress;
            self.event(Event::Progress { share, progress });
        }
    }

    /// Reading stops before buffers run out, and goes on when there are some again.
    pub(super) fn relieve_pressure(&mut self) {
        let left = self.pool.left();
        let (from, to) = match left {
            low if low < SPANS_LOW => (Reading::Open, Reading::Paused),
            high if high >= SPANS_HIGH => (Reading::Paused, Reading::Open),
            _ => return,
        };
        for (id, conn) in &mut self.conns {
            let Purpose::Downloads(_, download) = &mut conn.purpose else { continue };
            if conn.reading != from {
                continue;
            }
            conn.reading = to;
            self.outputs.push_back(match to {
                Reading::Paused => Output::Pause { conn: *id },
                Reading::Open => {
                    conn.session.unpaused(self.now);
                    download.unpaused(self.now);
                    Output::Resume { conn: *id }
                }
            });
        }
    }
}
