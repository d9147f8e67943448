//! The chunks of a share that is being fetched. Each is in exactly one state:
//!
//! ```text
//! unwanted
//! recheck ──hash──▶ computed ──compare──▶ verified
//!                      ▲  │
//! missing ─▶ active ───┘  └──wrong──▶ missing
//! ```

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::hashes::{ChunkHash, FileHashes};
use crate::content::geometry::{BLOCK, SPAN_BLOCKS, Shape};
use crate::content::layers::Layers;
use crate::content::manifest::{EntryKind, Manifest};
use crate::content::selection::Selection;
use crate::content::tree;
use crate::job::{Claim, Opened, Trust};
use crate::output::Progress;
use crate::wire::{BlockRun, HashRange};
use crate::{BlobId, ChunkIndex, ConnId, EntryIndex, Hash};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    Unwanted,
    Recheck,
    Missing,
    Active,
    /// Its hash is computed and cannot be compared yet.
    Computed,
    /// The peer was told that it is wrong; what its disk says is awaited.
    Questioned,
    Verified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpanState {
    Loose,
    Asked,
    Landing,
    Landed(Hash),
}

#[derive(Debug)]
struct Active {
    spans: Vec<SpanState>,
    /// Whose bytes these are.
    from: BTreeSet<ConnId>,
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

    fn first_span(&self) -> u32 {
        self.within * self.shape.chunk.spans()
    }

    /// The bytes of one of its spans, by the span's number within the chunk.
    fn run(&self, span: u32) -> BlockRun {
        let span = self.first_span() + span;
        let range = self.shape.span_range(u64::from(span));
        // At most 16 blocks, and file sizes are limited so that block numbers fit.
        let count = (range.end - range.start).div_ceil(BLOCK) as u32;
        BlockRun { blob: BlobId::of(self.entry).0, block: span * SPAN_BLOCKS, count }
    }
}

/// What came of a computed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is right (others of the same file may have become so too).
    Verified,
    /// It cannot be compared before hashes of its file are there.
    Unproven,
    /// It is wrong; the bytes came from these connections.
    Wrong { place: Place, from: BTreeSet<ConnId> },
    /// It is wrong, and was on our disk before this run: it is fetched again.
    Rotten,
}

#[derive(Debug)]
pub(crate) struct Transfer {
    manifest: Arc<Manifest>,
    layers: Option<Arc<Layers>>,
    states: Vec<ChunkState>,
    active: BTreeMap<u32, Active>,
    /// Spans of active chunks that nobody was asked for.
    loose: BTreeSet<(u32, u32)>,
    files: BTreeMap<EntryIndex, FileHashes>,
    /// No missing chunk lies before it.
    cursor: u32,
    /// Claims of earlier runs that must be hashed again.
    rechecks: Vec<Claim>,
    rechecking: u32,
    /// Wanted chunks that are not verified.
    open: u32,
    /// Chunks in state `Missing`.
    missing: u32,
    /// How often a chunk came wrong.
    wrong: BTreeMap<u32, u32>,
    claims: Vec<Claim>,
    pub(crate) progress: Progress,
}

impl Transfer {
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        layers: Option<Arc<Layers>>,
        selection: &Selection,
        opened: &Opened,
    ) -> Self {
        let mut transfer = Self {
            states: alloc::vec![ChunkState::Unwanted; manifest.chunk_count() as usize],
            manifest,
            layers,
            active: BTreeMap::new(),
            loose: BTreeSet::new(),
            files: BTreeMap::new(),
            cursor: 0,
            rechecks: Vec::new(),
            rechecking: 0,
            open: 0,
            missing: 0,
            wrong: BTreeMap::new(),
            claims: Vec::new(),
            progress: Progress::default(),
        };
        transfer.want(selection, &opened.settled);
        transfer.claimed(opened);
        transfer
    }

    fn want(&mut self, selection: &Selection, settled: &[EntryIndex]) {
        for (index, entry) in self.manifest.entries() {
            let EntryKind::File(file) = entry.kind else { continue };
            if !selection.contains(index) {
                continue;
            }
            self.progress.wanted += file.size;
            if settled.binary_search(&index).is_ok() {
                self.progress.verified += file.size;
                continue;
            }
            let chunks = self.manifest.chunks_of(index);
            self.open += chunks.end - chunks.start;
            self.missing += chunks.end - chunks.start;
            self.states[chunks.start as usize..chunks.end as usize].fill(ChunkState::Missing);
        }
    }

    fn claimed(&mut self, opened: &Opened) {
        for claim in &opened.claims {
            let Some(place) = self.place(claim.chunk.0) else { continue };
            if self.states[place.chunk as usize] != ChunkState::Missing {
                continue;
            }
            self.missing -= 1;
            match opened.trust {
                Trust::Recheck => {
                    self.states[place.chunk as usize] = ChunkState::Recheck;
                    self.progress.to_recheck += place.bytes();
                    self.rechecks.push(*claim);
                }
                Trust::Trusted => {
                    self.states[place.chunk as usize] = ChunkState::Computed;
                    // A hash that is wrong makes the chunk missing again, which is what it is.
                    let _rotten_is_missing = self.compare(place, claim.hash, BTreeSet::new());
                }
            }
        }
        // Taken from the end: the first chunks first.
        self.rechecks.reverse();
    }

    /// Whether everything wanted is verified.
    pub(crate) const fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// Whether there is something that a peer could still be asked for.
    pub(crate) fn is_hungry(&self) -> bool {
        !self.loose.is_empty() || self.missing > 0
    }

    /// Whether only earlier runs' bytes are left to look at.
    pub(crate) fn is_rechecking(&self) -> bool {
        self.rechecking > 0 || !self.rechecks.is_empty()
    }

    pub(crate) fn place(&self, chunk: u32) -> Option<Place> {
        let (entry, within) = self.manifest.locate(ChunkIndex(chunk))?;
        Some(Place { chunk, entry, within, shape: self.manifest.shape(entry)? })
    }

    /// The chunk and the span within it that a run of blocks of a file lies in.
    pub(crate) fn position(&self, run: BlockRun) -> Option<(Place, u32)> {
        let entry = BlobId(run.blob).entry()?;
        let shape = self.manifest.shape(entry)?;
        let span = run.block / SPAN_BLOCKS;
        let within = span / shape.chunk.spans();
        let chunk = self.manifest.chunks_of(entry).start + within;
        Some((Place { chunk, entry, within, shape }, span % shape.chunk.spans()))
    }

    /// The next span to ask of a peer that has the chunks that `has` says.
    pub(crate) fn pick(&mut self, active_max: u32, has: impl Fn(u32) -> bool) -> Option<BlockRun> {
        let loose = self.loose.iter().copied().find(|(chunk, _)| has(*chunk));
        let (chunk, span) = match loose {
            Some(found) => found,
            None => (self.activate(active_max, &has)?, 0),
        };
        self.loose.remove(&(chunk, span));
        let run = self.place(chunk)?.run(span);
        self.active.get_mut(&chunk)?.spans[span as usize] = SpanState::Asked;
        Some(run)
    }

    fn activate(&mut self, active_max: u32, has: impl Fn(u32) -> bool) -> Option<u32> {
        if self.missing == 0 || self.active.len() >= active_max as usize {
            return None;
        }
        while self.states.get(self.cursor as usize).is_some_and(|state| *state != ChunkState::Missing) {
            self.cursor += 1;
        }
        let ahead = self.states.get(self.cursor as usize..)?;
        let found = ahead
            .iter()
            .zip(self.cursor..)
            .find(|(state, chunk)| **state == ChunkState::Missing && has(*chunk))
            .map(|(_, chunk)| chunk)?;
        let place = self.place(found)?;
        let spans = place.shape.chunk_spans(u64::from(place.within));
        // At most 16 spans.
        let count = (spans.end - spans.start) as u32;
        self.states[found as usize] = ChunkState::Active;
        self.missing -= 1;
        let spans = alloc::vec![SpanState::Loose; count as usize];
        self.active.insert(found, Active { spans, from: BTreeSet::new() });
        self.loose.extend((0..count).map(|span| (found, span)));
        Some(found)
    }

    /// A span will not come from the peer that was asked.
    pub(crate) fn unask(&mut self, run: BlockRun) {
        self.set_span(run, SpanState::Asked, SpanState::Loose);
        if let Some((place, span)) = self.position(run)
            && self.span(place.chunk, span) == Some(SpanState::Loose)
        {
            self.loose.insert((place.chunk, span));
        }
    }

    /// A span is here and goes to the disk. Returns its chunk's height and, for a file of one span, its hash.
    pub(crate) fn landing(&mut self, run: BlockRun, from: ConnId) -> Option<(u8, Option<Hash>)> {
        let (place, _) = self.position(run)?;
        self.set_span(run, SpanState::Asked, SpanState::Landing);
        self.active.get_mut(&place.chunk)?.from.insert(from);
        let whole = place.shape.spans() == 1;
        let root = if whole { self.root(place.entry) } else { None };
        Some((place.shape.span_height(), root))
    }

    /// A span's bytes are staged, and this is the hash of its subtree. Tells when its chunk is whole.
    pub(crate) fn landed(&mut self, run: BlockRun, hash: Hash) -> Option<Checked> {
        let (place, _) = self.position(run)?;
        self.set_span(run, SpanState::Landing, SpanState::Landed(hash));
        let active = self.active.get(&place.chunk)?;
        let hashes: Vec<Hash> = active
            .spans
            .iter()
            .filter_map(|span| match span {
                SpanState::Landed(hash) => Some(*hash),
                SpanState::Loose | SpanState::Asked | SpanState::Landing => None,
            })
            .collect();
        if hashes.len() < active.spans.len() {
            return None;
        }
        let (level, height) = (place.shape.span_height(), place.shape.chunk_height());
        let chunk_hash = tree::fold(hashes, level, height - level);
        let from = self.active.remove(&place.chunk)?.from;
        self.states[place.chunk as usize] = ChunkState::Computed;
        Some(self.compare(place, chunk_hash, from))
    }

    /// Bytes of an earlier run to hash again: place, bytes, height.
    pub(crate) fn recheck(&mut self, at_once_max: u32) -> Option<Place> {
        if self.rechecking >= at_once_max {
            return None;
        }
        let claim = self.rechecks.pop()?;
        self.rechecking += 1;
        self.place(claim.chunk.0)
    }

    /// An earlier run's chunk has this hash now; `None`: it cannot be read.
    pub(crate) fn rechecked(&mut self, place: Place, hash: Option<Hash>) -> Checked {
        self.rechecking -= 1;
        self.progress.to_recheck -= place.bytes();
        self.progress.rechecked += place.bytes();
        if let Some(hash) = hash {
            self.states[place.chunk as usize] = ChunkState::Computed;
            self.compare(place, hash, BTreeSet::new())
        } else {
            self.lose(place.chunk);
            Checked::Rotten
        }
    }

    fn compare(&mut self, place: Place, hash: Hash, from: BTreeSet<ConnId>) -> Checked {
        match self.expected(place) {
            Some(expected) if expected == hash => {
                self.verify(place, hash);
                Checked::Verified
            }
            Some(_) if from.is_empty() => {
                self.lose(place.chunk);
                Checked::Rotten
            }
            Some(_) => {
                *self.wrong.entry(place.chunk).or_default() += 1;
                self.states[place.chunk as usize] = ChunkState::Questioned;
                Checked::Wrong { place, from }
            }
            None => {
                self.file(place).set(place.within, ChunkHash::Computed(hash));
                self.settle(place.entry)
            }
        }
    }

    /// If all hashes of a file are there and lead to its root, they are right without anybody's proof.
    fn settle(&mut self, entry: EntryIndex) -> Checked {
        let (Some(shape), Some(root)) = (self.manifest.shape(entry), self.root(entry)) else {
            return Checked::Unproven;
        };
        let Some(file) = self.files.get(&entry) else { return Checked::Unproven };
        if !file.lead_to(&root, shape.chunk_height(), shape.height()) {
            return Checked::Unproven;
        }
        for chunk in self.manifest.chunks_of(entry) {
            self.verify_computed(chunk);
        }
        Checked::Verified
    }

    fn verify_computed(&mut self, chunk: u32) {
        let Some(place) = self.place(chunk) else { return };
        let Some(ChunkHash::Computed(hash)) = self.files.get(&place.entry).map(|file| file.get(place.within))
        else {
            return;
        };
        if self.states[chunk as usize] == ChunkState::Computed {
            self.verify(place, hash);
        }
    }

    /// Hashes that lead to the root have come. Returns the chunks that turned out wrong.
    pub(crate) fn proven(&mut self, range: HashRange, hashes: &[Hash]) -> Vec<Place> {
        let Some(entry) = BlobId(range.blob).entry() else { return Vec::new() };
        let first = self.manifest.chunks_of(entry).start + range.first;
        let mut wrong = Vec::new();
        for (hash, chunk) in hashes.iter().zip(first..) {
            let Some(place) = self.place(chunk) else { break };
            let known = self.file(place).get(place.within);
            self.file(place).set(place.within, ChunkHash::Proven(*hash));
            match known {
                ChunkHash::Computed(ours) if self.states[chunk as usize] == ChunkState::Computed => {
                    if ours == *hash {
                        self.verify(place, ours);
                    } else {
                        *self.wrong.entry(chunk).or_default() += 1;
                        self.lose(chunk);
                        wrong.push(place);
                    }
                }
                ChunkHash::Unknown | ChunkHash::Computed(_) | ChunkHash::Proven(_) => {}
            }
        }
        self.file_mut(entry, |file| file.answered(range.first));
        wrong
    }

    /// The hash range to ask for so that a chunk can be compared; none if nothing is missing or it was asked.
    pub(crate) fn ask_hashes(&mut self, run: BlockRun) -> Option<HashRange> {
        let (place, _) = self.position(run)?;
        self.ask_hashes_of(place)
    }

    /// As `ask_hashes`, for a place.
    pub(crate) fn ask_hashes_of(&mut self, place: Place) -> Option<HashRange> {
        if self.expected(place).is_some() {
            return None;
        }
        let first = self.file(place).ask(place.within)?;
        Some(HashRange { blob: BlobId::of(place.entry).0, first })
    }

    /// Places whose hash waits for a proof that nobody was asked for: after a peer was lost.
    pub(crate) fn unproven(&self) -> Vec<Place> {
        self.states
            .iter()
            .zip(0..)
            .filter(|(state, _)| **state == ChunkState::Computed)
            .filter_map(|(_, chunk)| self.place(chunk))
            .collect()
    }

    /// The peer that was asked for hashes is gone.
    pub(crate) fn unask_hashes(&mut self, range: HashRange) {
        if let Some(entry) = BlobId(range.blob).entry() {
            self.file_mut(entry, |file| file.unask(range.first));
        }
    }

    /// How often a chunk came wrong.
    pub(crate) fn wrong(&self, chunk: u32) -> u32 {
        self.wrong.get(&chunk).copied().unwrap_or(0)
    }

    /// A questioned chunk is asked for again.
    pub(crate) fn again(&mut self, chunk: u32) {
        if self.states.get(chunk as usize) == Some(&ChunkState::Questioned) {
            self.lose(chunk);
        }
    }

    /// All questioned chunks are asked for again: whoever was questioned is gone.
    pub(crate) fn all_again(&mut self) {
        for chunk in self.wrong.keys().copied().collect::<Vec<_>>() {
            self.again(chunk);
        }
    }

    /// Whether chunks were verified since the last `take_claims`.
    pub(crate) const fn has_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Chunks verified since the last call.
    pub(crate) fn take_claims(&mut self) -> Vec<Claim> {
        core::mem::take(&mut self.claims)
    }

    fn verify(&mut self, place: Place, hash: Hash) {
        self.states[place.chunk as usize] = ChunkState::Verified;
        self.open -= 1;
        self.progress.verified += place.bytes();
        self.claims.push(Claim { chunk: ChunkIndex(place.chunk), hash });
        self.wrong.remove(&place.chunk);
    }

    fn lose(&mut self, chunk: u32) {
        self.states[chunk as usize] = ChunkState::Missing;
        self.missing += 1;
        self.cursor = self.cursor.min(chunk);
        if let Some(place) = self.place(chunk)
            && let Some(file) = self.files.get_mut(&place.entry)
            && matches!(file.get(place.within), ChunkHash::Computed(_))
        {
            file.set(place.within, ChunkHash::Unknown);
        }
    }

    fn expected(&self, place: Place) -> Option<Hash> {
        if place.shape.chunks() == 1 {
            return self.root(place.entry);
        }
        if let Some(layers) = &self.layers {
            return layers.chunk_hash(ChunkIndex(place.chunk));
        }
        match self.files.get(&place.entry)?.get(place.within) {
            ChunkHash::Proven(hash) => Some(hash),
            ChunkHash::Unknown | ChunkHash::Computed(_) => None,
        }
    }

    fn root(&self, entry: EntryIndex) -> Option<Hash> {
        match self.manifest.entry(entry)?.kind {
            EntryKind::File(file) => Some(file.root),
            EntryKind::Directory | EntryKind::Symlink { .. } => None,
        }
    }

    fn file(&mut self, place: Place) -> &mut FileHashes {
        // Files are limited so that their chunks fit.
        self.files.entry(place.entry).or_insert_with(|| FileHashes::new(place.shape.chunks() as u32))
    }

    fn file_mut(&mut self, entry: EntryIndex, change: impl FnOnce(&mut FileHashes)) {
        if let Some(file) = self.files.get_mut(&entry) {
            change(file);
        }
    }

    fn span(&self, chunk: u32, span: u32) -> Option<SpanState> {
        self.active.get(&chunk)?.spans.get(span as usize).copied()
    }

    fn set_span(&mut self, run: BlockRun, from: SpanState, to: SpanState) {
        if let Some((place, span)) = self.position(run)
            && let Some(active) = self.active.get_mut(&place.chunk)
            && let Some(slot) = active.spans.get_mut(span as usize)
            && *slot == from
        {
            *slot = to;
        }
    }
}
