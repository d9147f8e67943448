//! Shares that we serve: greeting receivers, reading what they ask for, looking at our own disk when told to.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Node;
use super::exchange::{Conn, Exchange};
use super::fetch::{Fetching, Stage};
use super::jobs::Pending;
use super::ready::{Ready, own_layer};
use crate::content::geometry::BLOCK;
use crate::content::selection::Selection;
use crate::content::tree::{self, Ladder};
use crate::input::Share;
use crate::job::{Extent, StorageError};
use crate::output::{Event, Fault, Output, Pausing, Refusal};
use crate::session::{Payload, Piece, ShareKey};
use crate::swarm::circle::Circle;
use crate::swarm::download::{Choking, Interest};
use crate::swarm::hashes::range_at;
use crate::swarm::have;
use crate::swarm::lending::Lending;
use crate::swarm::transfer::Transfer;
use crate::swarm::upload::Upload;
use crate::timers::Timer;
use crate::wire::{
    BlockRun, HashRange, Hashes, Info, Message, Preparing, Reason, Receipt, Reject, RejectWhy,
};
use crate::{AccessSecret, BlobId, ConnId, ContentId, Hash, ShareId};

/// A share that is served or will be.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) key: ShareKey,
    content: ContentId,
    state: State,
    /// The upper levels of layers that were asked for, of blobs with more than one range of hashes.
    ladders: BTreeMap<BlobId, Ladder>,
}

#[derive(Debug)]
enum State {
    Preparing { done: u64, total: u64 },
    Ready(Ready),
}

/// `Read` jobs of one peer at once.
const READS_MAX: u32 = 2;
/// Spans read ahead for each of several receivers.
const SPANS_AHEAD: u32 = 2;

impl Node {
    pub(super) fn announce(&mut self, share: ShareId, content: ContentId, secret: AccessSecret) {
        let key = ShareKey::new(content, secret);
        if self.is_taken(share) || self.discoveries.contains_key(&key.discovery()) {
            return self.refuse(share, Refusal::Duplicate);
        }
        self.discoveries.insert(key.discovery(), share);
        let state = State::Preparing { done: 0, total: 0 };
        self.serving.insert(share, Serving { key, content, state, ladders: BTreeMap::new() });
    }

    pub(super) fn preparing(&mut self, share: ShareId, done: u64, total: u64) {
        match self.serving.get_mut(&share).map(|serving| &mut serving.state) {
            Some(state @ State::Preparing { .. }) => *state = State::Preparing { done, total },
            Some(State::Ready(_)) => return self.refuse(share, Refusal::NotNow),
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        for id in self.conns_of(share) {
            self.with_session(id, |session| session.send(&Message::Preparing(Preparing { done, total })));
        }
    }

    pub(super) fn share(&mut self, spec: Share) {
        if self.fetches.contains_key(&spec.share) {
            return self.seed(spec);
        }
        let content = spec.manifest.content_id();
        if !self.serving.contains_key(&spec.share) {
            self.announce(spec.share, content, spec.secret);
        }
        let Some(serving) = self.serving.get_mut(&spec.share) else { return };
        let announced = serving.key.discovery() == ShareKey::new(content, spec.secret).discovery();
        let layers_fit = spec.layers.manifest().content_id() == content;
        if !announced || !layers_fit || matches!(serving.state, State::Ready(_)) {
            return self.refuse(spec.share, Refusal::NotNow);
        }
        let own_layer = own_layer(&spec.manifest).into();
        let (layers, chunks, held) = (Some(spec.layers), spec.manifest.chunk_count(), Arc::new(spec.held));
        serving.state = State::Ready(Ready { manifest: spec.manifest, layers, own_layer, held });
        let mut circle = Circle::new(spec.swarm, spec.port);
        circle.lending = Lending::new(chunks);
        self.circles.insert(spec.share, circle);
        self.arm_swarm(spec.share);
        for id in self.conns_of(spec.share) {
            self.greet(spec.share, id);
        }
    }

    /// What was fetched is served from its place from now on; its connections stay.
    fn seed(&mut self, spec: Share) {
        let share = spec.share;
        let content = spec.manifest.content_id();
        let fits = |fetch: &Fetching| {
            matches!(fetch.stage, Stage::Placed(Some(_)))
                && fetch.content == content
                && spec.layers.manifest().content_id() == content
        };
        // No job but that of a receipt can be on its way now.
        if !self.fetches.get(&share).is_some_and(fits) {
            return self.refuse(share, Refusal::NotNow);
        }
        let Some(fetch) = self.fetches.remove(&share) else { return };
        if let Some(circle) = self.circles.get_mut(&share) {
            circle.lending = Lending::new(spec.manifest.chunk_count());
        }
        let own_layer = fetch.own_layer.unwrap_or_else(|| own_layer(&spec.manifest).into());
        let (layers, held) = (Some(spec.layers), Arc::new(spec.held));
        let ready = Ready { manifest: spec.manifest, layers, own_layer, held };
        // What was there before it was fetched was not told.
        let told = ready.ranges();
        let state = State::Ready(ready);
        self.discoveries.entry(fetch.key.discovery()).or_insert(share);
        self.serving.insert(share, Serving { key: fetch.key, content, state, ladders: BTreeMap::new() });
        for id in self.open_of(share) {
            if self.takes_part(id) {
                self.with_session(id, |session| {
                    told.iter().for_each(|ranges| session.send(&Message::Have(ranges.clone())));
                });
            }
            self.feed_upload(id);
        }
    }

    /// Bytes that a share which is served lacks.
    pub(super) fn not_held(&self, share: ShareId) -> Option<u64> {
        match &self.serving.get(&share)?.state {
            State::Ready(ready) => Some(ready.left()),
            State::Preparing { .. } => None,
        }
    }

    /// What a peer is told of a share first.
    pub(super) fn stock(&self, share: ShareId) -> Vec<Message> {
        let (manifest, told) = match self.serving.get(&share).map(|serving| &serving.state) {
            Some(State::Preparing { done, total }) => {
                return alloc::vec![Message::Preparing(Preparing { done: *done, total: *total })];
            }
            Some(State::Ready(ready)) => (&ready.manifest, ready.ranges()),
            None => {
                let fetch = self.fetches.get(&share);
                let Some(manifest) = fetch.and_then(Fetching::manifest) else { return Vec::new() };
                let transfer = fetch.and_then(Fetching::transfer);
                let told = transfer.map(|transfer| have::messages(transfer.verified()));
                (manifest, told.unwrap_or_else(|| alloc::vec![Vec::new()]))
            }
        };
        let identity = manifest.identity();
        let info = Message::Info(Info { size: identity.size, root: identity.root });
        core::iter::once(info).chain(told.into_iter().map(Message::Have)).collect()
    }

    pub(super) fn serve_message(
        &mut self,
        share: ShareId,
        id: ConnId,
        message: Message,
    ) -> Result<(), Fault> {
        match message {
            Message::Request(run) => self.requested(share, id, run),
            Message::Cancel(run) => {
                if self.upload(id).is_some_and(|upload| upload.cancel(run)) {
                    let reject = Reject { run, why: RejectWhy::Cancelled };
                    self.with_session(id, |session| session.send(&Message::Reject(reject)));
                }
                Ok(())
            }
            Message::HashRequest(range) => self.hashes_requested(share, id, range),
            Message::Corrupt(corrupt) => self.question_self(share, id, corrupt),
            Message::Receipt(receipt) => self.receipt(share, id, receipt),
            Message::Paused => {
                self.peer_paused(share, id, Pausing::Paused);
                Ok(())
            }
            Message::Resumed => {
                self.peer_paused(share, id, Pausing::Resumed);
                Ok(())
            }
            Message::Interested => {
                self.peer_interest(id, Interest::Interested);
                Ok(())
            }
            Message::NotInterested => {
                self.peer_interest(id, Interest::NotInterested);
                Ok(())
            }
            _ => Err(Fault::OutOfTurn),
        }
    }

    fn peer_paused(&mut self, share: ShareId, id: ConnId, now: Pausing) {
        if self.upload(id).is_some_and(|upload| upload.pause(now)) {
            self.event(Event::PeerPaused { share, conn: id, now });
        }
    }

    pub(super) fn ready(&self, share: ShareId) -> Result<Ready, Fault> {
        match self.serving.get(&share).map(|serving| &serving.state) {
            Some(State::Ready(ready)) => Ok(ready.clone()),
            Some(State::Preparing { .. }) => Err(Fault::OutOfTurn),
            None => self.ready_part(share).ok_or(Fault::OutOfTurn),
        }
    }

    /// What there is of a share that is being fetched.
    fn ready_part(&self, share: ShareId) -> Option<Ready> {
        let fetch = self.fetches.get(&share)?;
        let (manifest, own_layer) = (fetch.manifest()?, fetch.own_layer.as_ref()?);
        let (manifest, own_layer) = (Arc::clone(manifest), Arc::clone(own_layer));
        Some(Ready { manifest, layers: None, own_layer, held: Arc::new(Selection::All) })
    }

    /// Whether files of the share may be read just now: not while they are put in their places.
    fn may_read(&self, share: ShareId) -> bool {
        self.serving.contains_key(&share) || self.fetches.get(&share).is_some_and(Fetching::may_read)
    }

    /// Whether we have the blocks of a request.
    fn has(&self, share: ShareId, ready: &Ready, run: BlockRun) -> bool {
        let Some(entry) = BlobId(run.blob).entry() else { return true };
        let Some(fetch) = self.fetches.get(&share) else { return ready.held.contains(entry) };
        let of = |transfer: &Transfer| {
            transfer.position(run).is_some_and(|(place, _)| transfer.verified().contains(place.chunk))
        };
        fetch.given().is_some_and(of)
    }

    pub(super) fn upload(&mut self, id: ConnId) -> Option<&mut Upload> {
        self.conns.get_mut(&id)?.upload_mut()
    }

    fn requested(&mut self, share: ShareId, id: ConnId, run: BlockRun) -> Result<(), Fault> {
        let ready = self.ready(share)?;
        let (requests_max, has) = (self.config.requests_max, self.has(share, &ready, run));
        let Some(upload) = self.upload(id) else { return Ok(()) };
        upload.ask(run, &ready.manifest, requests_max)?;
        let is_choked = upload.choking == Choking::Choked && run.blob != BlobId::MANIFEST.0;
        let has = has && (is_choked || self.may_lend(share, id, &ready.manifest, run));
        let Some(upload) = self.upload(id) else { return Ok(()) };
        if is_choked || !has {
            upload.cancel(run);
            let why = if is_choked { RejectWhy::Choked } else { RejectWhy::Absent };
            self.with_session(id, |session| session.send(&Message::Reject(Reject { run, why })));
            return Ok(());
        }
        self.feed_upload(id);
        Ok(())
    }

    /// Reads ahead for one receiver, unless others have waited longer for buffers.
    pub(super) fn feed_upload(&mut self, id: ConnId) {
        // The manifest takes no buffer, and is little.
        let asks_manifest = self.upload(id).is_some_and(|upload| upload.asks_manifest());
        if self.starving.is_empty() || asks_manifest {
            self.feed(id);
        } else if !self.starving.contains(&id) {
            self.starving.push_back(id);
        }
    }

    /// Reads ahead for one receiver, as far as its share of the buffers goes.
    fn feed(&mut self, id: ConnId) {
        let mut spans_max = None;
        loop {
            let left = self.pool.left();
            let reserved = self.config.spans_reserved as usize;
            let Some(conn) = self.conns.get(&id) else { return };
            let held = held_by(conn);
            let Some((share, Exchange { upload: Some(upload), .. })) = conn.exchange() else { return };
            if upload.is_empty() || upload.reads >= READS_MAX {
                return;
            }
            let asks_manifest = upload.asks_manifest();
            if upload.is_spent() && !asks_manifest {
                return;
            }
            // A second buffer is taken only if every receiver that may come still finds its first, however long this
            // one lets us wait. What it holds comes back to it. For a first one nobody need be counted.
            if held > 0
                && (held >= *spans_max.get_or_insert_with(|| self.spans_each())
                    || left + self.holding() <= reserved + self.config.conns_max as usize)
            {
                return;
            }
            let waits = self.waits_for_line(id);
            if waits && held > 0 {
                // It goes on when what it has is gone.
                return;
            }
            if left <= reserved || waits {
                if !self.starving.contains(&id) {
                    self.starving.push_back(id);
                }
                return;
            }
            let Ok(ready) = self.ready(share) else { return };
            if !self.may_read(share) && !asks_manifest {
                return;
            }
            let Some(upload) = self.upload(id) else { return };
            let runs = upload.next(&ready.manifest);
            self.answer(share, id, &ready, runs);
        }
    }

    /// Buffers that each receiver may have.
    fn spans_each(&self) -> u32 {
        let uploads =
            self.conns.values().filter(|conn| conn.upload().is_some_and(Upload::is_served)).count() as u32;
        let fair = (self.config.spans_max - self.config.spans_reserved) / uploads.max(1);
        // What is read can be taken back no more: to many little is read ahead.
        let ahead = if uploads > 1 { SPANS_AHEAD } else { self.config.upload_spans_max };
        fair.clamp(1, self.config.upload_spans_max.min(ahead))
    }

    /// Receivers that have buffers.
    fn holding(&self) -> usize {
        self.conns.values().filter(|conn| held_by(conn) > 0).count()
    }

    fn answer(&mut self, share: ShareId, id: ConnId, ready: &Ready, runs: Vec<(BlockRun, u32)>) {
        if let [(run, len)] = runs[..]
            && run.blob == BlobId::MANIFEST.0
        {
            let start = u64::from(run.block) * BLOCK;
            let bytes = ready.manifest.encoded().slice(start as usize..start as usize + len as usize);
            let piece = Piece { blob: run.blob, block: run.block, len: len as usize };
            self.with_session(id, |session| session.outbox.lend(Payload::Shared(bytes), &[piece]));
            return;
        }
        if runs.is_empty() {
            return;
        }
        let now = self.now;
        let is_first = self.conns.get(&id).is_some_and(|conn| held_by(conn) == 0);
        if let Some(upload) = self.upload(id) {
            if is_first {
                upload.begun = now;
            }
            upload.reads += 1;
            upload.spend(runs.iter().map(|(_, len)| u64::from(*len)).sum());
        }
        let extents = runs.iter().map(|(run, len)| extent(*run, *len)).collect();
        let buf = self.pool.take();
        let job = self.jobs.read(share, extents, buf, Pending::Read { share, conn: id, runs });
        self.outputs.push_back(Output::Job(job));
    }

    /// Buffers are free again: those who found none come first.
    pub(super) fn feed_starving(&mut self) {
        for _ in 0..self.starving.len() {
            if self.pool.left() <= self.config.spans_reserved as usize {
                return;
            }
            let Some(id) = self.starving.pop_front() else { return };
            if self.waits_for_line(id) {
                self.starving.push_back(id);
            } else {
                self.feed(id);
            }
        }
    }

    pub(super) fn read_done(
        &mut self,
        share: ShareId,
        id: ConnId,
        runs: &[(BlockRun, u32)],
        buf: crate::job::SpanBuf,
        result: Result<(), StorageError>,
    ) {
        let Some(upload) = self.upload(id) else {
            self.pool.put(buf);
            return;
        };
        upload.reads -= 1;
        match result {
            Ok(()) => {
                let pieces: Vec<Piece> = runs
                    .iter()
                    .map(|(run, len)| Piece { blob: run.blob, block: run.block, len: *len as usize })
                    .collect();
                self.with_session(id, |session| session.outbox.lend(Payload::Pooled(buf), &pieces));
            }
            Err(error) => {
                self.pool.put(buf);
                self.source_broken(share, id, runs, error);
            }
        }
        self.feed_upload(id);
    }

    fn source_broken(&mut self, share: ShareId, id: ConnId, runs: &[(BlockRun, u32)], error: StorageError) {
        let why = reject_why(error);
        for (run, _) in runs {
            self.with_session(id, |session| session.send(&Message::Reject(Reject { run: *run, why })));
        }
        if let Some(entry) = runs.first().and_then(|(run, _)| BlobId(run.blob).entry()) {
            self.event(Event::SourceBroken { share, entry, why: error });
        }
    }

    fn hashes_requested(&mut self, share: ShareId, id: ConnId, range: HashRange) -> Result<(), Fault> {
        let ready = self.ready(share)?;
        let blob = BlobId(range.blob);
        let (shape, layer): (_, &[Hash]) = match (blob.entry(), &ready.layers) {
            (None, _) => (ready.manifest.identity().shape(), &ready.own_layer),
            (Some(entry), Some(layers)) => (
                ready.manifest.shape(entry).ok_or(Fault::BadRequest)?,
                layers.layer(entry).ok_or(Fault::BadRequest)?,
            ),
            (Some(_), None) => {
                let transfer = self.fetches.get(&share).and_then(Fetching::transfer);
                let hashes = transfer.and_then(|transfer| transfer.hashes_of(range));
                let hashes = hashes.ok_or(Fault::BadRequest)?;
                self.with_session(id, |session| session.send(&Message::Hashes(hashes)));
                return Ok(());
            }
        };
        let asked = range_at(&shape, range.first).ok_or(Fault::BadRequest)?;
        let first = range.first as usize;
        let hashes = layer[first..first + asked.hashes()].to_vec();
        let proof = if asked.hashes() == layer.len() {
            Vec::new()
        } else {
            match self.serving.get_mut(&share) {
                None => tree::prove(layer, &asked),
                Some(serving) => {
                    let begin = || Ladder::new(asked.layer(), layer);
                    serving.ladders.entry(blob).or_insert_with(begin).prove(layer, &asked)
                }
            }
        };
        self.with_session(id, |session| session.send(&Message::Hashes(Hashes { range, hashes, proof })));
        Ok(())
    }

    fn receipt(&mut self, share: ShareId, id: ConnId, receipt: Receipt) -> Result<(), Fault> {
        let Some(serving) = self.serving.get(&share) else {
            // To one who has not placed everything yet, or serves it no more: nobody checks it.
            return Ok(());
        };
        let content = serving.content;
        if let Some(upload) = self.upload(id) {
            upload.receipt()?;
        }
        let Some(conn) = self.conns.get(&id) else { return Ok(()) };
        let session = &conn.session;
        let statement =
            super::ending::statement(content, &receipt, session.peer, session.local, session.our_nonce());
        let peer = session.peer;
        let pending = Pending::Verify { share, conn: id, peer, receipt };
        let job = self.jobs.verify(peer, statement, receipt.signature, pending);
        self.outputs.push_back(Output::Job(job));
        Ok(())
    }

    /// A receipt is told; if its sender is gone meanwhile, that is told after it.
    pub(super) fn receipt_checked(&mut self, id: ConnId) {
        if let Some(upload) = self.upload(id) {
            upload.receipt_checked();
        }
        if let Some(down) = self.last_words.remove(&id) {
            self.event(down);
        }
    }

    /// Tells the user how much each receiver has been sent.
    pub(super) fn tell_uploads(&mut self, share: ShareId) {
        let mut events = Vec::new();
        for (id, conn) in &mut self.conns {
            if let Some((of, Exchange { upload: Some(upload), .. })) = conn.exchange_mut()
                && of == share
                && upload.told < upload.bytes
            {
                upload.told = upload.bytes;
                events.push(Event::Uploaded { share, conn: *id, bytes: upload.bytes });
            }
        }
        events.into_iter().for_each(|event| self.event(event));
    }

    pub(super) fn tell_upload(&mut self, share: ShareId, id: ConnId, upload: &Upload) {
        if upload.told < upload.bytes {
            self.event(Event::Uploaded { share, conn: id, bytes: upload.bytes });
        }
    }

    /// Ends a served share.
    pub(super) fn unserve(&mut self, share: ShareId, reason: Reason) {
        let Some(serving) = self.serving.remove(&share) else { return };
        self.discoveries.remove(&serving.key.discovery());
        self.timers.cancel(Timer::Progress(share));
        self.unserved.insert(share, (serving.key, reason));
        self.call_on_nobody(share);
        self.leave_swarm(share);
        for id in self.conns_of(share) {
            self.dismiss(id, reason);
        }
        self.announce_stopped(share);
        self.maybe_ended(share);
    }
}

/// Buffers that are read into or wait to be sent for one receiver.
pub(super) fn held_by(conn: &Conn) -> u32 {
    conn.upload().map_or(0, |upload| conn.session.outbox.loans() as u32 + upload.reads)
}

pub(super) const fn reject_why(error: StorageError) -> RejectWhy {
    match error {
        StorageError::Changed | StorageError::Vanished => RejectWhy::Changed,
        StorageError::NoSpace
        | StorageError::Denied
        | StorageError::Conflict
        | StorageError::Held
        | StorageError::Io
        | StorageError::Unsupported => RejectWhy::Unreadable,
    }
}

fn extent(run: BlockRun, len: u32) -> Extent {
    Extent { blob: BlobId(run.blob), offset: u64::from(run.block) * BLOCK, len }
}
