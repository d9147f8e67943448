//! The flow of blocks in: asking, assembling, landing, comparing.

use alloc::vec::Vec;

use super::Node;
use super::exchange::{Conn, Reading};
use super::fetch::{Stage, Will};
use crate::config::{SPANS_HIGH, SPANS_LOW};
use crate::content::geometry::{BLOCK, Shape};
use crate::job::{Extent, LandExtent, StorageError};
use crate::output::{Failure, Fault, Output};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::download::{Batch, Choking, Download, EXTENTS_MAX, Incoming, Told, Use};
use crate::swarm::hashes::check;
use crate::swarm::transfer::{Checked, Origin, Place, Sentence, Transfer};
use crate::swarm::upload::run_len;
use crate::wire::{BlockRun, BlocksHead, Corrupt, Hashes, Message};
use crate::{BlobId, ConnId, Hash, ShareId};

fn downloading(conn: &mut Conn) -> Option<(ShareId, &mut Download)> {
    let (share, exchange) = conn.exchange_mut()?;
    Some((share, exchange.download.as_mut()?))
}

/// `Land` jobs below which a small batch need not wait for more.
const LANDS_BUSY: u32 = 2;

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

    /// Asks one source for as much as its window takes, if it is its turn.
    pub(super) fn ask(&mut self, share: ShareId, id: ConnId) {
        let may_begin = self.may_begin(id);
        let (now, config) = (self.now, &self.config);
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Running(_, transfer) = &mut fetch.stage else { return };
        let Some(download) = self.conns.get_mut(&id).and_then(Conn::download_mut) else { return };
        if fetch.will == Will::Pause || download.told() < Told::Have {
            return;
        }
        let mut messages = Vec::new();
        let mut is_through = false;
        loop {
            while download.has_room_for_hashes()
                && let Some(range) = transfer.pick_hashes(download.have())
            {
                if download.ask_hashes(range, now) {
                    messages.push(Message::HashRequest(range));
                }
            }
            if download.choking() == Choking::Choked {
                break;
            }
            if download.is_cancelling() || !transfer.is_hungry() || !download.has_room(config) {
                is_through = !transfer.is_hungry() && download.is_free();
                break;
            }
            if !may_begin {
                if !self.waiting.contains(&id) {
                    self.waiting.push_back(id);
                }
                break;
            }
            let last = download.last();
            let picked = transfer.pick(id, config.active_chunks_max, download.have_mut(), last);
            let Some((place, run)) = picked else { break };
            let Some(len) = run_len(&place.shape, run) else { break };
            download.ask(run, len, now);
            download.asked_of(place.chunk);
            messages.push(Message::Request(run));
        }
        if !messages.is_empty() {
            self.with_session(id, |session| messages.iter().for_each(|message| session.send(message)));
        } else if is_through && self.take_over(share, id) {
            self.ask(share, id);
        }
    }

    /// Whether a source may be asked for blocks: each that is holds a buffer, and only so many are reserved.
    fn may_begin(&self, id: ConnId) -> bool {
        let busy = |conn: &Conn| conn.download().is_some_and(Download::is_busy);
        self.conns.get(&id).is_some_and(busy)
            || self.conns.values().filter(|conn| busy(conn)).count() < self.config.sources_max()
    }

    /// Sources that waited for their turn.
    pub(super) fn ask_waiting(&mut self) {
        for _ in 0..self.waiting.len() {
            let Some(id) = self.waiting.pop_front() else { return };
            if let Some(share) = self.conns.get(&id).and_then(|conn| conn.purpose.share()) {
                self.ask(share, id);
            }
            if self.waiting.back() == Some(&id) {
                // Still no turn for anybody: it keeps its place.
                self.waiting.rotate_right(1);
                return;
            }
        }
    }

    /// Extents of a batch: many more if buffers are scarce, so that one delivery never takes more than a few.
    fn extents_max(&self) -> usize {
        if self.pool.left() > SPANS_LOW { EXTENTS_MAX } else { usize::MAX }
    }

    pub(super) fn blocks_begin(&mut self, id: ConnId, head: BlocksHead) -> Result<(), Fault> {
        let extents_max = self.extents_max();
        let (share, download) = self.conns.get_mut(&id).and_then(downloading).ok_or(Fault::OutOfTurn)?;
        let begins = download.incoming().is_none();
        download.begin(head)?;
        if !begins || head.blob == BlobId::MANIFEST.0 {
            return Ok(());
        }
        let Some(Incoming { len, use_for: Use::Wanted, .. }) = download.incoming() else {
            // It was taken back too late.
            if let Some(transfer) = self.running(share) {
                transfer.throw_span();
            }
            return Ok(());
        };
        if download.must_flush(len, extents_max)
            && let Some(batch) = download.batch.take()
        {
            self.land(share, id, batch);
        }
        // Borrowed anew: landing needed the node.
        if let Some(download) = self.conns.get_mut(&id).and_then(Conn::download_mut)
            && download.batch.is_none()
        {
            download.batch = Some(Batch { buf: self.pool.take(), runs: Vec::new() });
        }
        Ok(())
    }

    pub(super) fn payload(&mut self, id: ConnId, bytes: &[u8]) -> Result<(), Fault> {
        let (now, config) = (self.now, &self.config);
        let (share, download) = self.conns.get_mut(&id).and_then(downloading).ok_or(Fault::OutOfTurn)?;
        let Some(Incoming { run, at, use_for, .. }) = download.incoming() else { return Err(Fault::Unasked) };
        let whole = download.advance(bytes.len(), now, config);
        if run.blob == BlobId::MANIFEST.0 {
            return self.manifest_payload(share, id, at, bytes, whole.is_some().then_some(run));
        }
        if let Some(batch) = download.batch.as_mut().filter(|_| use_for == Use::Wanted) {
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
        } else if use_for == Use::Cancelled {
            // It may have been the last answer that it was left alone for.
            self.ask(share, id);
        }
        Ok(())
    }

    fn whole_run(&mut self, share: ShareId, id: ConnId) {
        let busy = self.fetches.get(&share).is_some_and(|fetch| fetch.lands >= LANDS_BUSY);
        let extents_max = self.extents_max();
        self.settled(share, id);
        if let Some(download) = self.download(id)
            && (download.is_full(extents_max) || !busy)
            && let Some(batch) = download.take_batch()
        {
            self.land(share, id, batch);
        }
        self.ask(share, id);
    }

    /// Hands whole runs to the disk.
    pub(super) fn land(&mut self, share: ShareId, id: ConnId, batch: Batch) {
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
        let (Stage::Running(_, transfer)
        | Stage::Reconsidering(_, transfer)
        | Stage::Ending(Some(transfer), _)) = &mut fetch.stage
        else {
            return;
        };
        let hashes = match result {
            Ok(hashes) => hashes,
            Err(error) => return self.fail(share, Failure::Storage(error)),
        };
        assert_eq!(hashes.len(), runs.len(), "a land job is answered with one hash an extent");
        let mut wrong = Vec::new();
        for ((run, _), hash) in runs.iter().zip(&hashes) {
            if let Some(Checked::Wrong { place, from }) = transfer.landed(*run, *hash) {
                wrong.push((place, from));
            }
        }
        let all_right = wrong.is_empty();
        for (place, from) in wrong {
            self.came_wrong(share, place, &from);
        }
        self.name_culprits(share);
        if !all_right {
            self.fill(share);
        }
        self.flush_batches(share);
        self.advance(share);
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
    fn came_wrong(&mut self, share: ShareId, place: Place, from: &Origin) {
        let (Some(fetch), conns) = (self.fetches.get_mut(&share), &self.conns) else { return };
        let Stage::Running(_, transfer) = &mut fetch.stage else { return };
        let is_here = |id: ConnId| conns.get(&id).and_then(Conn::exchange).is_some_and(|(of, _)| of == share);
        match transfer.judge(place.chunk, from, is_here) {
            Sentence::Doubt(id) => self.ask_doubts(share, id),
            Sentence::Again => {}
            Sentence::Guilty(guilty) => {
                guilty.into_iter().for_each(|id| self.misbehaved(id, Fault::BadBytes))
            }
        }
    }

    /// Peers that sent wrong spans of a chunk that came right now: each is asked to look at its disk, once; then it is
    /// the one who is wrong.
    fn name_culprits(&mut self, share: ShareId) {
        let culprits = self.running(share).map(Transfer::take_culprits).unwrap_or_default();
        for (id, chunk) in culprits {
            match self.download(id).map(Download::strike) {
                Some(1) => {
                    if let Some(transfer) = self.running(share) {
                        transfer.doubt(id, chunk);
                    }
                    self.ask_doubts(share, id);
                }
                Some(_) => self.misbehaved(id, Fault::BadBytes),
                None => {}
            }
        }
    }

    /// Asks a source to look at its disk, a few chunks at a time.
    pub(super) fn ask_doubts(&mut self, share: ShareId, id: ConnId) {
        let now = self.now;
        let mut messages = Vec::new();
        let Some(Stage::Running(_, transfer)) = self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        else {
            return;
        };
        let Some(download) = self.conns.get_mut(&id).and_then(Conn::download_mut) else { return };
        while download.has_room_for_doubt()
            && let Some(place) = transfer.pick_doubt(id)
        {
            let corrupt = Corrupt { blob: BlobId::of(place.entry).0, chunk: place.within };
            if download.doubt(corrupt.blob, corrupt.chunk, now) {
                messages.push(Message::Corrupt(corrupt));
            }
        }
        self.with_session(id, |session| messages.iter().for_each(|message| session.send(message)));
    }

    pub(super) fn hashes_came(&mut self, share: ShareId, id: ConnId, hashes: &Hashes) -> Result<(), Fault> {
        let now = self.now;
        if let Some(download) = self.download(id) {
            download.hashes_came(hashes.range, now)?;
        }
        if hashes.range.blob == BlobId::MANIFEST.0 {
            return self.manifest_hashes(share, id, hashes);
        }
        let Some(fetch) = self.fetches.get_mut(&share) else { return Ok(()) };
        let Stage::Running(manifest, transfer) = &mut fetch.stage else { return Ok(()) };
        let entry = BlobId(hashes.range.blob).entry().ok_or(Fault::Unasked)?;
        let file = manifest.file(entry).ok_or(Fault::Unasked)?;
        let shape = Shape { size: file.size, chunk: manifest.chunk_size() };
        if let Err(fault) = check(&shape, &file.root, hashes) {
            // They are still needed, and others may have them.
            transfer.unask_hashes(hashes.range);
            return Err(fault);
        }
        for (place, from) in transfer.proven(hashes) {
            self.came_wrong(share, place, &from);
        }
        self.name_culprits(share);
        self.fill(share);
        self.advance(share);
        Ok(())
    }

    /// A connection is gone: what it owed is asked of others, whole runs still land.
    pub(super) fn reclaim(&mut self, share: ShareId, id: ConnId, mut download: Download) {
        let (owed, ranges, batch) = download.end();
        #[cfg(planted)]
        let owed = if is(Bug::OwedForgotten) { Vec::new() } else { owed };
        if let Some(batch) = batch {
            if batch.runs.is_empty() {
                self.pool.put(batch.buf);
            } else {
                self.land(share, id, batch);
            }
        }
        if let Some(transfer) = self.running(share) {
            owed.into_iter().for_each(|run| transfer.unask(run));
            ranges.into_iter().for_each(|range| transfer.unask_hashes(range));
            transfer.source_gone(id);
            if let Some(bits) = download.have().bits() {
                bits.runs()
                    .flat_map(|(first, count)| first..first + count)
                    .for_each(|of| transfer.unseen(of));
            }
            #[cfg(planted)]
            if is(Bug::EndIsComplete) {
                transfer.believe_all();
            }
        }
        self.offerer_gone(share, id);
        self.fill(share);
        #[cfg(planted)]
        if is(Bug::EndIsComplete) {
            self.advance(share);
        }
    }

    /// Reading stops before buffers run out, and goes on when there are some again.
    pub(super) fn relieve_pressure(&mut self) {
        let left = self.pool.left();
        let (from, to) = match left {
            low if low < SPANS_LOW => (Reading::Open, Reading::Paused),
            // Nearly always nobody is: all of many connections are not looked at after each input.
            high if high >= SPANS_HIGH && self.reading == Reading::Paused => (Reading::Paused, Reading::Open),
            _ => return,
        };
        self.reading = to;
        for (id, conn) in &mut self.conns {
            // Only what is received takes buffers.
            if conn.reading != from || (to == Reading::Paused && conn.download().is_none()) {
                continue;
            }
            conn.reading = to;
            self.outputs.push_back(match to {
                Reading::Paused => Output::Pause { conn: *id },
                Reading::Open => {
                    conn.session.unpaused(self.now);
                    if let Some(download) = conn.download_mut() {
                        download.unpaused(self.now);
                    }
                    Output::Resume { conn: *id }
                }
            });
        }
    }
}
