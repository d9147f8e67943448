//! Shares that we serve: greeting receivers, reading what they ask for, looking at our own disk when told to.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::jobs::Pending;
use super::{Conn, Node, Purpose};
use crate::content::geometry::BLOCK;
use crate::content::layers::Layers;
use crate::content::manifest::Manifest;
use crate::content::tree::{self, Ladder};
use crate::input::Share;
use crate::job::{Extent, StorageError};
use crate::output::{Event, Fault, Output, Pausing, Refusal};
use crate::session::{Payload, Piece, ShareKey};
use crate::swarm::hashes::range_at;
use crate::swarm::upload::Upload;
use crate::timers::Timer;
use crate::wire::{
    BlockRun, ChunkRange, Corrupt, HashRange, Hashes, Info, Message, Preparing, Receipt, Reject, RejectWhy,
};
use crate::{AccessSecret, BlobId, ChunkIndex, ConnId, ContentId, EntryIndex, Hash, ShareId};

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

#[derive(Clone, Debug)]
struct Ready {
    manifest: Arc<Manifest>,
    layers: Arc<Layers>,
    /// The chunk hashes of the manifest itself.
    own_layer: Arc<[Hash]>,
}

/// Looks at our own disk that one peer may cause at once.
const REHASHES_MAX: u32 = 2;
/// `Read` jobs of one peer at once.
const READS_MAX: u32 = 2;

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
        serving.state = State::Ready(Ready { manifest: spec.manifest, layers: spec.layers, own_layer });
        for id in self.conns_of(spec.share) {
            self.greet_receiver(spec.share, id);
        }
    }

    /// Tells a receiver what there is.
    pub(super) fn greet_receiver(&mut self, share: ShareId, id: ConnId) {
        let Some(serving) = self.serving.get(&share) else { return };
        let messages: Vec<Message> = match &serving.state {
            State::Preparing { done, total } => {
                alloc::vec![Message::Preparing(Preparing { done: *done, total: *total })]
            }
            State::Ready(ready) => {
                let identity = ready.manifest.identity();
                let all = ChunkRange { first: 0, count: ready.manifest.chunk_count() };
                alloc::vec![
                    Message::Info(Info { size: identity.size, root: identity.root }),
                    Message::Have(alloc::vec![all]),
                ]
            }
        };
        self.with_session(id, |session| messages.iter().for_each(|message| session.send(message)));
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
            // Receivers may say what they have; with one source nobody asks them for it.
            Message::Have(_) => Ok(()),
            _ => Err(Fault::OutOfTurn),
        }
    }

    fn peer_paused(&mut self, share: ShareId, id: ConnId, now: Pausing) {
        if self.upload(id).is_some_and(|upload| upload.pause(now)) {
            self.event(Event::PeerPaused { share, conn: id, now });
        }
    }

    fn ready(&self, share: ShareId) -> Result<Ready, Fault> {
        match self.serving.get(&share).map(|serving| &serving.state) {
            Some(State::Ready(ready)) => Ok(ready.clone()),
            Some(State::Preparing { .. }) | None => Err(Fault::OutOfTurn),
        }
    }

    fn upload(&mut self, id: ConnId) -> Option<&mut Upload> {
        match self.conns.get_mut(&id).map(|conn| &mut conn.purpose) {
            Some(Purpose::Uploads(_, upload)) => Some(upload),
            Some(Purpose::Strange(_) | Purpose::Downloads(..) | Purpose::Leaving(_)) | None => None,
        }
    }

    fn requested(&mut self, share: ShareId, id: ConnId, run: BlockRun) -> Result<(), Fault> {
        let ready = self.ready(share)?;
        let requests_max = self.config.requests_max;
        if let Some(upload) = self.upload(id) {
            upload.ask(run, &ready.manifest, requests_max)?;
        }
        self.feed_upload(id);
        Ok(())
    }

    /// Reads ahead for one receiver, unless others have waited longer for buffers.
    pub(super) fn feed_upload(&mut self, id: ConnId) {
        if self.starving.is_empty() {
            self.feed(id);
        } else if !self.starving.contains(&id) {
            self.starving.push_back(id);
        }
    }

    /// Reads ahead for one receiver, as far as its share of the buffers goes.
    fn feed(&mut self, id: ConnId) {
        let uploads =
            self.conns.values().filter(|conn| matches!(conn.purpose, Purpose::Uploads(..))).count() as u32;
        let fair = (self.config.spans_max - self.config.spans_reserved) / uploads.max(1);
        let spans_max = fair.clamp(1, self.config.upload_spans_max);
        loop {
            let left = self.pool.left();
            let reserved = self.config.spans_reserved as usize;
            let holding = self.conns.values().filter(|conn| held_by(conn) > 0).count();
            let Some(conn) = self.conns.get(&id) else { return };
            let held = held_by(conn);
            let Purpose::Uploads(share, upload) = &conn.purpose else { return };
            if upload.is_empty() || held >= spans_max || upload.reads >= READS_MAX {
                return;
            }
            // A second buffer is taken only if every receiver that may come still finds its first, however long this
            // one lets us wait. What it holds comes back to it.
            if held > 0 && left + holding <= reserved + self.config.conns_max as usize {
                return;
            }
            if left <= reserved {
                self.starving.push_back(id);
                return;
            }
            let share = *share;
            let Ok(ready) = self.ready(share) else { return };
            let Some(upload) = self.upload(id) else { return };
            let runs = upload.next(&ready.manifest);
            self.answer(share, id, &ready, runs);
        }
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
        if let Some(upload) = self.upload(id) {
            upload.reads += 1;
        }
        let extents = runs.iter().map(|(run, len)| extent(*run, *len)).collect();
        let buf = self.pool.take();
        let job = self.jobs.read(share, extents, buf, Pending::Read { share, conn: id, runs });
        self.outputs.push_back(Output::Job(job));
    }

    /// Buffers are free again: those who found none come first.
    pub(super) fn feed_starving(&mut self) {
        while self.pool.left() > self.config.spans_reserved as usize {
            let Some(id) = self.starving.pop_front() else { return };
            self.feed(id);
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
        let (shape, layer): (_, &[Hash]) = match blob.entry() {
            None => (ready.manifest.identity().shape(), &ready.own_layer),
            Some(entry) => (
                ready.manifest.shape(entry).ok_or(Fault::BadRequest)?,
                ready.layers.layer(entry).ok_or(Fault::BadRequest)?,
            ),
        };
        let asked = range_at(&shape, range.first).ok_or(Fault::BadRequest)?;
        let first = range.first as usize;
        let hashes = layer[first..first + asked.hashes()].to_vec();
        let proof = if asked.hashes() == layer.len() {
            Vec::new()
        } else {
            let Some(serving) = self.serving.get_mut(&share) else { return Ok(()) };
            let ladder = serving.ladders.entry(blob).or_insert_with(|| Ladder::new(asked.layer(), layer));
            ladder.prove(layer, &asked)
        };
        self.with_session(id, |session| session.send(&Message::Hashes(Hashes { range, hashes, proof })));
        Ok(())
    }

    /// A receiver says that a chunk of ours is wrong: we look at our own disk.
    fn question_self(&mut self, share: ShareId, id: ConnId, corrupt: Corrupt) -> Result<(), Fault> {
        let ready = self.ready(share)?;
        let entry = BlobId(corrupt.blob).entry().ok_or(Fault::BadRequest)?;
        let shape = ready.manifest.shape(entry).ok_or(Fault::BadRequest)?;
        let range = shape.chunk_range(u64::from(corrupt.chunk));
        let Some(upload) = self.upload(id) else { return Ok(()) };
        if range.is_empty() {
            return Err(Fault::BadRequest);
        }
        if upload.rehashes >= REHASHES_MAX {
            return Err(Fault::Flood);
        }
        upload.rehashes += 1;
        let pending = Pending::Question { share, conn: id, corrupt };
        let job = self.jobs.rehash(share, BlobId(corrupt.blob), range, shape.chunk_height(), pending);
        self.outputs.push_back(Output::Job(job));
        Ok(())
    }

    pub(super) fn questioned(
        &mut self,
        share: ShareId,
        id: ConnId,
        corrupt: Corrupt,
        result: Result<Hash, StorageError>,
    ) {
        if let Some(upload) = self.upload(id) {
            upload.rehashes -= 1;
        }
        let Ok(ready) = self.ready(share) else { return };
        let Some(entry) = BlobId(corrupt.blob).entry() else { return };
        let expected = expected_hash(&ready, entry, corrupt.chunk);
        let error = match result {
            Ok(hash) if Some(hash) == expected => {
                self.with_session(id, |session| session.send(&Message::Intact(corrupt)));
                return;
            }
            Ok(_) => StorageError::Changed,
            Err(error) => error,
        };
        let run = BlockRun { blob: corrupt.blob, block: 0, count: 0 };
        let reject = Reject { run, why: reject_why(error) };
        self.with_session(id, |session| session.send(&Message::Reject(reject)));
        self.event(Event::SourceBroken { share, entry, why: error });
    }

    fn receipt(&mut self, share: ShareId, id: ConnId, receipt: Receipt) -> Result<(), Fault> {
        if let Some(upload) = self.upload(id) {
            upload.receipt()?;
        }
        let (Some(conn), Some(serving)) = (self.conns.get(&id), self.serving.get(&share)) else {
            return Ok(());
        };
        let session = &conn.session;
        let statement = super::ending::statement(
            serving.content,
            &receipt,
            session.peer,
            session.local,
            session.our_nonce(),
        );
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
            if let Purpose::Uploads(of, upload) = &mut conn.purpose
                && *of == share
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
    pub(super) fn unserve(&mut self, share: ShareId, reason: crate::wire::Reason) {
        let Some(serving) = self.serving.remove(&share) else { return };
        self.discoveries.remove(&serving.key.discovery());
        self.timers.cancel(Timer::Progress(share));
        self.unserved.insert(share, (serving.key, reason));
        for id in self.conns_of(share) {
            self.dismiss(id, reason);
        }
        self.maybe_ended(share);
    }
}

/// Buffers that are read into or wait to be sent for one receiver.
fn held_by(conn: &Conn) -> u32 {
    match &conn.purpose {
        Purpose::Uploads(_, upload) => conn.session.outbox.loans() as u32 + upload.reads,
        Purpose::Strange(_) | Purpose::Downloads(..) | Purpose::Leaving(_) => 0,
    }
}

fn expected_hash(ready: &Ready, entry: EntryIndex, within: u32) -> Option<Hash> {
    let chunks = ready.manifest.chunks_of(entry);
    let chunk = chunks.start.checked_add(within).filter(|chunk| *chunk < chunks.end)?;
    ready.layers.chunk_hash(ChunkIndex(chunk))
}

/// The chunk hashes of a manifest.
fn own_layer(manifest: &Manifest) -> Vec<Hash> {
    let shape = manifest.identity().shape();
    let chunks = manifest.encoded().chunks(shape.chunk.bytes() as usize);
    chunks.map(|chunk| tree::subtree(&tree::OneByOne, chunk, shape.chunk_height())).collect()
}

const fn reject_why(error: StorageError) -> RejectWhy {
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
