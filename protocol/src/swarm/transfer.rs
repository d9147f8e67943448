//! The chunks of a share that is being fetched. Each is in exactly one state:
//!
//! ```text
//! unwanted
//! recheck ──hash──▶ computed ──compare──▶ verified
//!                      ▲  │
//! missing ─▶ active ───┘  └──wrong──▶ questioned ─▶ missing
//! ```

#[cfg(planted)]
mod planted;
mod proofs;
mod spans;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(crate) use proofs::{Checked, Sentence};

use super::bits::Bits;
use super::hashes::{ChunkHash, FileHashes};
use super::have::Have;
use super::queue::Queue;
use crate::content::geometry::{BLOCK, SPAN, SPAN_BLOCKS, Shape};
use crate::content::layers::Layers;
use crate::content::manifest::{EntryKind, Manifest};
use crate::content::selection::Selection;
use crate::input::Order;
use crate::job::{Claim, Opened, Trust};
use crate::output::Progress;
use crate::wire::{BlockRun, HashRange};
use crate::{BlobId, ChunkIndex, ConnId, EntryIndex, Hash};
use proofs::Record;
use spans::Active;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    Unwanted,
    Recheck,
    Missing,
    Active,
    /// Its hash is computed and cannot be compared yet.
    Computed,
    /// It came wrong; what its source's disk says is awaited.
    Questioned,
    Verified,
}

/// A chunk and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chunk: u32,
    pub(crate) entry: EntryIndex,
    /// The chunk within its file.
    pub(crate) within: u32,
    pub(crate) shape: Shape,
}

impl Place {
    pub(crate) fn bytes(&self) -> u64 {
        let range = self.shape.chunk_range(u64::from(self.within));
        range.end - range.start
    }

    fn spans(&self) -> u32 {
        let spans = self.shape.chunk_spans(u64::from(self.within));
        // At most 16.
        (spans.end - spans.start) as u32
    }

    /// The bytes of one of its spans, by the span's number within the chunk.
    fn run(&self, span: u32) -> BlockRun {
        let span = self.within * self.shape.chunk.spans() + span;
        let range = self.shape.span_range(u64::from(span));
        // At most 16 blocks, and file sizes are limited so that block numbers fit.
        let count = (range.end - range.start).div_ceil(BLOCK) as u32;
        BlockRun { blob: BlobId::of(self.entry).0, block: span * SPAN_BLOCKS, count }
    }
}

/// The spans of a chunk, by hash and by who sent them; empty for what was on our disk.
pub(crate) type Origin = Vec<(Hash, ConnId)>;

/// What of a share is wanted, and what of that before all else.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) wanted: Selection,
    pub(crate) first: Selection,
}

/// In which order chunks are asked for, and what decides among equals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordering {
    pub(crate) order: Order,
    pub(crate) seed: u64,
}

/// What an earlier transfer of this run had come to when the user changed the choice; nothing, if there was none.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// Chunks that it had verified.
    verified: Bits,
    /// The hashes that it knew.
    files: BTreeMap<EntryIndex, FileHashes>,
    /// Bytes that had come.
    received: u64,
}

impl Before {
    /// Whether there was an earlier transfer.
    pub(crate) const fn is_any(&self) -> bool {
        self.verified.len() > 0
    }
}

#[derive(Debug)]
pub(crate) struct Transfer {
    manifest: Arc<Manifest>,
    layers: Option<Arc<Layers>>,
    states: Vec<ChunkState>,
    active: BTreeMap<u32, Active>,
    /// Active chunks of more than one span.
    wide: u32,
    /// Spans of active chunks that nobody was asked for.
    loose: BTreeSet<(u32, u32)>,
    /// Chunks in state `Missing`, and who has them.
    queue: Queue,
    /// Claims of earlier runs that must be hashed again, the first one last.
    rechecks: Vec<Claim>,
    rechecking: u32,
    /// Wanted chunks that are not verified.
    open: u32,
    files: BTreeMap<EntryIndex, FileHashes>,
    /// Chunks in state `Computed`, and whose bytes they are; nobody's if they were on our disk.
    unproven: BTreeMap<u32, Origin>,
    /// Hashes that are needed and that nobody was asked for.
    ranges: BTreeSet<HashRange>,
    /// Chunks that came wrong before.
    wrong: BTreeMap<u32, Record>,
    /// Questions that are not put yet.
    doubts: BTreeSet<(ConnId, u32)>,
    /// Who sent spans that were found wrong when the chunk came right, and of which chunk.
    culprits: Vec<(ConnId, u32)>,
    claims: Vec<Claim>,
    /// Chunks verified since peers were last told.
    news: Vec<u32>,
    /// Chunks in state `Verified`.
    verified: Bits,
    /// Spans that had begun to come when another source was asked for them.
    thrown: u64,
    pub(crate) progress: Progress,
}

impl Transfer {
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        layers: Option<Arc<Layers>>,
        choice: &Choice,
        opened: &Opened,
        order: Ordering,
        before: Before,
    ) -> Self {
        let chunks = manifest.chunk_count();
        let first = first_chunks(&manifest, &choice.first);
        let mut transfer = Self {
            states: alloc::vec![ChunkState::Unwanted; chunks as usize],
            queue: Queue::new(chunks, first, order.order, order.seed),
            verified: Bits::new(chunks),
            manifest,
            layers,
            active: BTreeMap::new(),
            wide: 0,
            loose: BTreeSet::new(),
            rechecks: Vec::new(),
            rechecking: 0,
            open: 0,
            files: before.files,
            unproven: BTreeMap::new(),
            ranges: BTreeSet::new(),
            wrong: BTreeMap::new(),
            doubts: BTreeSet::new(),
            culprits: Vec::new(),
            claims: Vec::new(),
            news: Vec::new(),
            thrown: 0,
            progress: Progress { received: before.received, ..Progress::default() },
        };
        transfer.want(&choice.wanted, &opened.settled);
        transfer.claimed(opened, &before.verified);
        if before.verified.count() > 0 {
            // Peers hear of all that is there, once.
            transfer.news.clear();
        }
        transfer
    }

    fn want(&mut self, selection: &Selection, settled: &[EntryIndex]) {
        let manifest = Arc::clone(&self.manifest);
        for (index, entry) in manifest.entries() {
            let EntryKind::File(file) = entry.kind else { continue };
            if !selection.contains(index) {
                continue;
            }
            self.progress.wanted += file.size;
            if settled.binary_search(&index).is_ok() {
                self.progress.verified += file.size;
                continue;
            }
            let chunks = manifest.chunks_of(index);
            self.open += chunks.end - chunks.start;
            for chunk in chunks {
                self.set_missing(chunk);
            }
        }
    }

    fn claimed(&mut self, opened: &Opened, before: &Bits) {
        for claim in &opened.claims {
            let Some(place) = self.place(claim.chunk.0) else { continue };
            if self.states[place.chunk as usize] != ChunkState::Missing {
                continue;
            }
            self.queue.remove(place.chunk);
            match opened.trust {
                Trust::Recheck if !before.contains(place.chunk) => {
                    self.states[place.chunk as usize] = ChunkState::Recheck;
                    self.progress.to_recheck += place.bytes();
                    self.rechecks.push(*claim);
                }
                Trust::Recheck | Trust::Trusted => {
                    self.states[place.chunk as usize] = ChunkState::Computed;
                    // A hash that is wrong makes the chunk missing again, which is what it is.
                    let _rotten_is_missing = self.compare(place, claim.hash, Origin::new());
                }
            }
        }
        #[cfg(planted)]
        self.trust_lengths();
        // Taken from the end: the first chunks first.
        self.rechecks.reverse();
    }

    /// What the next transfer of the share need not find out again.
    pub(crate) fn into_before(self) -> Before {
        let Self { manifest, mut files, verified, progress, .. } = self;
        for (entry, file) in &mut files {
            let first = manifest.chunks_of(*entry).start;
            file.keep(|within| verified.contains(first + within));
        }
        Before { verified, files, received: progress.received }
    }

    /// Whether everything wanted is verified.
    pub(crate) const fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// Whether a peer that has these chunks could give something that is not verified yet, now or when others have
    /// failed.
    pub(crate) fn could_use(&self, have: &Have) -> bool {
        self.queue.has_any(have) || self.has_open(have)
    }

    /// Whether a peer that has these chunks has any that is wanted and not verified: then we are interested in it.
    pub(crate) fn is_interesting(&self, have: &mut Have) -> bool {
        self.queue.finds_any(have)
            || self.has_open(have)
            || self.unproven.keys().any(|chunk| have.contains(*chunk))
    }

    /// Whether one of these chunks is in work, or came wrong before. They are few.
    fn has_open(&self, have: &Have) -> bool {
        let open = |chunk: u32| {
            let state = self.states.get(chunk as usize);
            matches!(state, Some(ChunkState::Missing | ChunkState::Active | ChunkState::Questioned))
        };
        self.active.keys().chain(self.wrong.keys()).any(|chunk| open(*chunk) && have.contains(*chunk))
    }

    /// One more peer has a chunk.
    pub(crate) fn seen(&mut self, chunk: u32) {
        self.queue.seen(chunk);
    }

    /// One peer less has a chunk.
    pub(crate) fn unseen(&mut self, chunk: u32) {
        self.queue.unseen(chunk);
    }

    /// What peers can be given.
    pub(crate) const fn verified(&self) -> &Bits {
        &self.verified
    }

    /// Whether `take_news` would give some.
    pub(crate) const fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Chunks verified since the last call.
    pub(crate) fn take_news(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.news)
    }

    /// Peers that sent wrong spans, and of which chunk, found since the last call.
    pub(crate) fn take_culprits(&mut self) -> Vec<(ConnId, u32)> {
        core::mem::take(&mut self.culprits)
    }

    /// Whether another span may be thrown away: one, and of all that is wanted one in a hundred.
    pub(crate) const fn may_throw_span(&self) -> bool {
        const ONE: u64 = 1;
        self.thrown < ONE + self.progress.wanted / (100 * SPAN)
    }

    /// A span that has begun to come is asked of another.
    pub(crate) const fn throw_span(&mut self) {
        self.thrown += 1;
    }

    /// Whether only earlier runs' bytes are left to look at.
    pub(crate) fn is_rechecking(&self) -> bool {
        self.rechecking > 0 || !self.rechecks.is_empty()
    }

    pub(crate) fn place(&self, chunk: u32) -> Option<Place> {
        let (entry, within) = self.manifest.locate(ChunkIndex(chunk))?;
        Some(Place { chunk, entry, within, shape: self.manifest.shape(entry)? })
    }

    /// The chunk of a share that a chunk of a blob is.
    pub(crate) fn chunk_of(&self, blob: u32, within: u32) -> Option<u32> {
        let chunks = self.manifest.chunks_of(BlobId(blob).entry()?);
        chunks.start.checked_add(within).filter(|chunk| *chunk < chunks.end)
    }

    /// The next bytes of an earlier run to hash again.
    pub(crate) fn recheck(&mut self, at_once_max: u32) -> Option<Place> {
        if self.rechecking >= at_once_max {
            return None;
        }
        let place = self.rechecks.pop().and_then(|claim| self.place(claim.chunk.0))?;
        self.rechecking += 1;
        Some(place)
    }

    /// An earlier run's chunk has this hash now; `None`: it cannot be read.
    pub(crate) fn rechecked(&mut self, place: Place, hash: Option<Hash>) {
        self.rechecking -= 1;
        self.progress.to_recheck -= place.bytes();
        self.progress.rechecked += place.bytes();
        match hash {
            Some(hash) => {
                self.states[place.chunk as usize] = ChunkState::Computed;
                // Whatever is wrong here is missing; nobody is to blame.
                let _nobodys = self.compare(place, hash, Origin::new());
            }
            None => self.lose(place.chunk),
        }
    }

    /// Chunks verified since the last call.
    pub(crate) fn take_claims(&mut self) -> Vec<Claim> {
        core::mem::take(&mut self.claims)
    }

    /// Whether `take_claims` would give some.
    pub(crate) const fn has_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Bytes of the chunks that `take_claims` would give.
    pub(crate) fn claimed_bytes(&self, claims: &[Claim]) -> u64 {
        claims.iter().filter_map(|claim| self.place(claim.chunk.0)).map(|place| place.bytes()).sum()
    }

    fn verify(&mut self, place: Place, hash: Hash, origin: &Origin) {
        self.states[place.chunk as usize] = ChunkState::Verified;
        self.open -= 1;
        self.progress.verified += place.bytes();
        self.claims.push(Claim { chunk: ChunkIndex(place.chunk), hash });
        self.verified.insert(place.chunk);
        self.news.push(place.chunk);
        self.unproven.remove(&place.chunk);
        if let Some(record) = self.wrong.remove(&place.chunk) {
            let found = record.culprits(origin).into_iter().map(|id| (id, place.chunk));
            self.culprits.extend(found);
        }
    }

    fn set_missing(&mut self, chunk: u32) {
        self.states[chunk as usize] = ChunkState::Missing;
        self.queue.add(chunk);
    }

    fn lose(&mut self, chunk: u32) {
        self.set_missing(chunk);
        self.unproven.remove(&chunk);
        if let Some(place) = self.place(chunk)
            && let Some(file) = self.files.get_mut(&place.entry)
            && matches!(file.get(place.within), ChunkHash::Computed(_))
        {
            file.set(place.within, ChunkHash::Unknown);
        }
    }

    fn root(&self, entry: EntryIndex) -> Option<Hash> {
        self.manifest.file(entry).map(|file| file.root)
    }
}

/// The chunks of the files that come first.
fn first_chunks(manifest: &Manifest, first: &Selection) -> Bits {
    let mut chunks = Bits::new(manifest.chunk_count());
    if let Selection::Some(entries) = first {
        entries.iter().flat_map(|entry| manifest.chunks_of(*entry)).for_each(|chunk| {
            chunks.insert(chunk);
        });
    }
    chunks
}
