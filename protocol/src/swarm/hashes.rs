//! What is known of the chunk hashes of files that have more than one chunk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range as Span;

use crate::Hash;
use crate::content::geometry::Shape;
use crate::content::tree::{self, HASHES_MAX, Layer, RANGE_HEIGHT_MAX};
use crate::output::Fault;
use crate::wire::Hashes;

/// What is known of one chunk's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkHash {
    Unknown,
    /// Our bytes gave it; whether it is right is not known yet.
    Computed(Hash),
    /// It leads to the root.
    Proven(Hash),
}

/// How far a range of hashes is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Range {
    Wanted,
    Asked,
    /// With what proves it.
    Answered(Vec<Hash>),
}

/// The chunk hashes of one file.
#[derive(Debug)]
pub(crate) struct FileHashes {
    chunks: Vec<ChunkHash>,
    unknown: usize,
    ranges: BTreeMap<u32, Range>,
}

/// The range of a blob's chunk hashes that a request for `first` means (PROTOCOL §5.6); none if there is none.
pub(crate) fn range_at(shape: &Shape, first: u32) -> Option<tree::HashRange> {
    if shape.chunks() < 2 {
        return None;
    }
    let slots = 1 << (shape.height() - shape.chunk_height()).min(RANGE_HEIGHT_MAX);
    Layer::chunks(shape).range(u64::from(first), slots)
}

/// Whether hashes of a range of a blob's chunk hashes lead to its root.
pub(crate) fn check(shape: &Shape, root: &Hash, hashes: &Hashes) -> Result<(), Fault> {
    let range = range_at(shape, hashes.range.first).ok_or(Fault::BadProof)?;
    tree::check(root, &range, &hashes.hashes, &hashes.proof).map_err(|_| Fault::BadProof)
}

impl FileHashes {
    pub(crate) fn new(chunks: u32) -> Self {
        Self {
            chunks: alloc::vec![ChunkHash::Unknown; chunks as usize],
            unknown: chunks as usize,
            ranges: BTreeMap::new(),
        }
    }

    /// Keeps what is right: hashes of these chunks, and those that lead to the root; nothing is asked for any more.
    pub(crate) fn keep(&mut self, is_right: impl Fn(u32) -> bool) {
        for chunk in 0..self.chunks.len() as u32 {
            match self.get(chunk) {
                ChunkHash::Computed(hash) if is_right(chunk) => self.set(chunk, ChunkHash::Proven(hash)),
                ChunkHash::Computed(_) => self.set(chunk, ChunkHash::Unknown),
                ChunkHash::Unknown | ChunkHash::Proven(_) => {}
            }
        }
        self.ranges.retain(|_, range| matches!(range, Range::Answered(_)));
    }

    pub(crate) fn get(&self, chunk: u32) -> ChunkHash {
        self.chunks.get(chunk as usize).copied().unwrap_or(ChunkHash::Unknown)
    }

    pub(crate) fn set(&mut self, chunk: u32, hash: ChunkHash) {
        if let Some(slot) = self.chunks.get_mut(chunk as usize) {
            match (*slot == ChunkHash::Unknown, hash == ChunkHash::Unknown) {
                (true, false) => self.unknown -= 1,
                (false, true) => self.unknown += 1,
                _ => {}
            }
            *slot = hash;
        }
    }

    /// This chunk's hash is needed. Returns the range to ask for, unless that is known already.
    pub(crate) fn want(&mut self, chunk: u32) -> Option<u32> {
        let first = chunk - chunk % HASHES_MAX;
        if self.ranges.contains_key(&first) {
            return None;
        }
        self.ranges.insert(first, Range::Wanted);
        Some(first)
    }

    pub(crate) fn asked(&mut self, first: u32) {
        self.ranges.insert(first, Range::Asked);
    }

    /// The peer that was asked is gone. Says whether the range is wanted again.
    pub(crate) fn unask(&mut self, first: u32) -> bool {
        match self.ranges.get_mut(&first) {
            Some(range @ Range::Asked) => {
                *range = Range::Wanted;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn answered(&mut self, first: u32, proof: Vec<Hash>) {
        self.ranges.insert(first, Range::Answered(proof));
    }

    /// The hashes of a range and what proves them, if they are known: because they were proven to us, or because all
    /// hashes of the file are.
    pub(crate) fn prove(&self, range: &tree::HashRange) -> Option<(Vec<Hash>, Vec<Hash>)> {
        let first = range.first() as usize;
        let hashes = self.known(first..first + range.hashes())?;
        if let Some(Range::Answered(proof)) = self.ranges.get(&(first as u32)) {
            return Some((hashes, proof.clone()));
        }
        Some((hashes, tree::prove(&self.known(0..self.chunks.len())?, range)))
    }

    fn known(&self, chunks: Span<usize>) -> Option<Vec<Hash>> {
        let hash = |hash: &ChunkHash| match hash {
            ChunkHash::Unknown => None,
            ChunkHash::Computed(hash) | ChunkHash::Proven(hash) => Some(*hash),
        };
        self.chunks.get(chunks)?.iter().map(hash).collect()
    }

    /// Whether all hashes, proven or only computed, lead to the root: then all are right.
    pub(crate) fn lead_to(&self, root: &Hash, level: u8, height: u8) -> bool {
        if self.unknown > 0 {
            return false;
        }
        let Some(hashes) = self.known(0..self.chunks.len()) else { return false };
        tree::fold(hashes, level, height - level) == *root
    }
}
