//! Comparing what came with what must have come, and what follows if it differs.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{ChunkState, Place, Transfer};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::hashes::{ChunkHash, FileHashes};
use crate::wire::HashRange;
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
    /// It is wrong; the bytes came from these connections.
    Wrong { place: Place, from: BTreeSet<ConnId> },
    /// It is wrong, and was on our disk before this run: it is fetched again.
    Rotten,
}

/// How often a chunk came wrong, and who alone sent it when it last did.
#[derive(Debug, Default)]
pub(super) struct Record {
    times: u32,
    asked: Option<ConnId>,
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
    pub(super) fn compare(&mut self, place: Place, hash: Hash, from: BTreeSet<ConnId>) -> Checked {
        match self.expected(place) {
            #[cfg(planted)]
            Some(_) if is(Bug::LastUnchecked) && u64::from(place.within) + 1 == place.shape.chunks() => {
                self.verify(place, hash);
                Checked::Verified
            }
            Some(expected) if expected == hash => {
                self.verify(place, hash);
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
            self.verify(place, hash);
        }
    }

    /// Hashes that lead to the root have come. Returns the chunks that turned out wrong, and whose bytes they were.
    pub(crate) fn proven(&mut self, range: HashRange, hashes: &[Hash]) -> Vec<(Place, BTreeSet<ConnId>)> {
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
            file.answered(range.first);
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

    /// The next hashes to ask for.
    pub(crate) fn pick_hashes(&mut self) -> Option<HashRange> {
        let range = self.ranges.pop_first()?;
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
        from: &BTreeSet<ConnId>,
        is_here: impl Fn(ConnId) -> bool,
    ) -> Sentence {
        #[cfg(planted)]
        if is(Bug::BannedAtOnce) {
            self.again(chunk);
            return Sentence::Guilty(from.clone());
        }
        let record = self.wrong.entry(chunk).or_default();
        record.times += 1;
        let alone = from.first().copied().filter(|id| from.len() == 1 && is_here(*id));
        let sentence = match alone {
            Some(id) if record.asked == Some(id) || record.times >= WRONG_MAX => {
                Sentence::Guilty(from.clone())
            }
            Some(id) => {
                record.asked = Some(id);
                self.doubts.insert((id, chunk));
                return Sentence::Doubt(id);
            }
            None if record.times >= WRONG_MAX => Sentence::Guilty(from.clone()),
            None => Sentence::Again,
        };
        self.again(chunk);
        sentence
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
