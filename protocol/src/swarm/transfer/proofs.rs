//! Comparing what came with what must have come, and what follows if it differs.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{ChunkState, Origin, Place, Transfer};
use crate::content::tree::{self, HASHES_MAX};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::hashes::{ChunkHash, FileHashes, range_at};
use crate::swarm::have::Have;
use crate::wire::{HashRange, Hashes};
use crate::{BlobId, ChunkIndex, ConnId, EntryIndex, Hash};

/// A chunk that came wrong so often is nobody's bad luck.
const WRONG_MAX: u32 = 8;

/// What came of a computed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is right (others of the same file may have become so too).
    Verified,
    /// It cannot be compared before hashes of its file are there.
    Unproven,
    /// It is wrong; its spans came from these connections.
    Wrong { place: Place, from: Origin },
    /// It is wrong, and was on our disk before this run: it is fetched again.
    Rotten,
}

/// How often a chunk came wrong, who alone sent it when it last did, and what several sent together.
#[derive(Debug, Default)]
pub(super) struct Record {
    times: u32,
    asked: Option<ConnId>,
    together: Vec<Origin>,
}

impl Record {
    /// Now that the chunk is right: who sent spans that were not what they are now.
    pub(super) fn culprits(&self, right: &Origin) -> BTreeSet<ConnId> {
        let pairs = self.together.iter().flat_map(|wrong| wrong.iter().zip(right));
        pairs.filter(|((wrong, _), (right, _))| wrong != right).map(|((_, from), _)| *from).collect()
    }
}

/// What follows from wrong bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// The one who sent them is asked to look at its disk.
    Doubt(ConnId),
    /// It is not known whose they were: asked for again, of one source alone.
    Again,
    /// They have sent wrong bytes after they said that theirs are right.
    Guilty(BTreeSet<ConnId>),
}

impl Transfer {
    pub(super) fn compare(&mut self, place: Place, hash: Hash, from: Origin) -> Checked {
        match self.expected(place) {
            #[cfg(planted)]
            Some(_) if is(Bug::LastUnchecked) && u64::from(place.within) + 1 == place.shape.chunks() => {
                self.verify(place, hash, &from);
                Checked::Verified
            }
            Some(expected) if expected == hash => {
                self.verify(place, hash, &from);
                Checked::Verified
            }
            Some(_) if from.is_empty() => {
                self.lose(place.chunk);
                Checked::Rotten
            }
            Some(_) => {
                self.states[place.chunk as usize] = ChunkState::Questioned;
                Checked::Wrong { place, from }
            }
            None => {
                self.file(place).set(place.within, ChunkHash::Computed(hash));
                self.unproven.insert(place.chunk, from);
                self.want_hashes(place);
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
        if self.states[chunk as usize] == ChunkState::Computed
            && let Some(place) = self.place(chunk)
            && let ChunkHash::Computed(hash) = self.file(place).get(place.within)
        {
            let origin = self.unproven.remove(&chunk).unwrap_or_default();
            self.verify(place, hash, &origin);
        }
    }

    /// Hashes that lead to the root have come. Returns the chunks that turned out wrong, and whose bytes they were.
    pub(crate) fn proven(&mut self, came: &Hashes) -> Vec<(Place, Origin)> {
        let Hashes { range, hashes, proof } = came;
        let mut wrong = Vec::new();
        for (hash, within) in hashes.iter().zip(range.first..) {
            let Some(place) = self.chunk_of(range.blob, within).and_then(|chunk| self.place(chunk)) else {
                break;
            };
            let known = self.file(place).get(place.within);
            self.file(place).set(place.within, ChunkHash::Proven(*hash));
            if let ChunkHash::Computed(ours) = known
                && let Some(from) = self.unproven.remove(&place.chunk)
                && let Checked::Wrong { place, from } = self.compare(place, ours, from)
            {
                wrong.push((place, from));
            }
        }
        if let Some(file) = BlobId(range.blob).entry().and_then(|entry| self.files.get_mut(&entry)) {
            file.answered(range.first, proof.clone());
        }
        wrong
    }

    /// The hashes that a chunk must be compared with are asked for, if they are not known.
    pub(super) fn want_hashes(&mut self, place: Place) {
        if self.expected(place).is_none()
            && let Some(first) = self.file(place).want(place.within)
        {
            self.ranges.insert(HashRange { blob: BlobId::of(place.entry).0, first });
        }
    }

    /// The next hashes to ask of a peer that has these chunks: whoever has a chunk has what proves it.
    pub(crate) fn pick_hashes(&mut self, have: &Have) -> Option<HashRange> {
        let knows = |range: &&HashRange| {
            let chunks = BlobId(range.blob).entry().map(|entry| self.manifest.chunks_of(entry));
            chunks.is_some_and(|chunks| {
                let first = chunks.start + range.first;
                let end = chunks.end.min(first + HASHES_MAX);
                have.next(first).is_some_and(|chunk| chunk < end)
            })
        };
        let range = *self.ranges.iter().find(knows)?;
        self.ranges.remove(&range);
        if let Some(file) = BlobId(range.blob).entry().and_then(|entry| self.files.get_mut(&entry)) {
            file.asked(range.first);
        }
        Some(range)
    }

    /// The peer that was asked for hashes is gone.
    pub(crate) fn unask_hashes(&mut self, range: HashRange) {
        if let Some(file) = BlobId(range.blob).entry().and_then(|entry| self.files.get_mut(&entry))
            && file.unask(range.first)
        {
            self.ranges.insert(range);
        }
    }

    /// What follows from a chunk that came wrong. Unless it is a doubt, the chunk is missing again.
    pub(crate) fn judge(
        &mut self,
        chunk: u32,
        origin: &Origin,
        is_here: impl Fn(ConnId) -> bool,
    ) -> Sentence {
        let from: BTreeSet<ConnId> = origin.iter().map(|(_, id)| *id).collect();
        #[cfg(planted)]
        if is(Bug::BannedAtOnce) {
            self.again(chunk);
            return Sentence::Guilty(from);
        }
        let record = self.wrong.entry(chunk).or_default();
        record.times += 1;
        let alone = from.first().copied().filter(|id| from.len() == 1 && is_here(*id));
        let sentence = match alone {
            Some(id) if record.asked == Some(id) || record.times >= WRONG_MAX => Sentence::Guilty(from),
            Some(id) => {
                record.asked = Some(id);
                self.doubts.insert((id, chunk));
                return Sentence::Doubt(id);
            }
            None if record.times >= WRONG_MAX => Sentence::Guilty(from),
            None => {
                record.together.push(origin.clone());
                Sentence::Again
            }
        };
        self.again(chunk);
        sentence
    }

    /// This source is to look at its disk: it sent wrong spans of a chunk.
    pub(crate) fn doubt(&mut self, id: ConnId, chunk: u32) {
        self.doubts.insert((id, chunk));
    }

    /// The next chunk whose source is to look at its disk.
    pub(crate) fn pick_doubt(&mut self, id: ConnId) -> Option<Place> {
        let (_, chunk) = *self.doubts.range((id, 0)..=(id, u32::MAX)).next()?;
        self.doubts.remove(&(id, chunk));
        self.place(chunk)
    }

    /// Whether a chunk came wrong before: it is left to one source.
    pub(crate) fn is_suspect(&self, chunk: u32) -> bool {
        self.wrong.contains_key(&chunk)
    }

    /// A questioned chunk is asked for again.
    pub(crate) fn again(&mut self, chunk: u32) {
        if self.states.get(chunk as usize) == Some(&ChunkState::Questioned) {
            self.lose(chunk);
        }
    }

    /// A source is gone: what it was asked about its disk will not be answered, and what was kept for it is free.
    pub(crate) fn source_gone(&mut self, id: ConnId) {
        self.free_from(id);
        self.doubts.retain(|(of, _)| *of != id);
        let its = self.wrong.iter().filter(|(_, record)| record.asked == Some(id)).map(|(chunk, _)| *chunk);
        for chunk in its.collect::<Vec<_>>() {
            self.again(chunk);
        }
    }

    /// Chunk hashes of a range and what proves them, if we have them: for every range in which a chunk is verified.
    pub(crate) fn hashes_of(&self, range: HashRange) -> Option<Hashes> {
        let entry = BlobId(range.blob).entry()?;
        let shape = self.manifest.shape(entry)?;
        let asked = range_at(&shape, range.first)?;
        let (hashes, proof) = match &self.layers {
            Some(layers) => {
                let layer = layers.layer(entry)?;
                let first = range.first as usize;
                (layer.get(first..first + asked.hashes())?.to_vec(), tree::prove(layer, &asked))
            }
            None => self.files.get(&entry)?.prove(&asked)?,
        };
        Some(Hashes { range, hashes, proof })
    }

    /// The hash that a chunk of ours must have.
    pub(crate) fn expected_of(&self, chunk: u32) -> Option<Hash> {
        self.place(chunk).and_then(|place| self.expected(place))
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

    fn file(&mut self, place: Place) -> &mut FileHashes {
        // Files are limited so that their chunks fit.
        self.files.entry(place.entry).or_insert_with(|| FileHashes::new(place.shape.chunks() as u32))
    }
}
