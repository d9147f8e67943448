//! What is known of the chunk hashes of files that have more than one chunk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::Hash;
use crate::content::tree::{self, HASHES_MAX};

/// What is known of one chunk's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkHash {
    Unknown,
    /// Our bytes gave it; whether it is right is not known yet.
    Computed(Hash),
    /// It leads to the root.
    Proven(Hash),
}

/// A request for a range of hashes, once per range until it is answered or its peer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    Asked,
    Answered,
}

/// The chunk hashes of one file.
#[derive(Debug)]
pub(crate) struct FileHashes {
    chunks: Vec<ChunkHash>,
    unknown: usize,
    ranges: BTreeMap<u32, Asking>,
}

impl FileHashes {
    pub(crate) fn new(chunks: u32) -> Self {
        Self {
            chunks: alloc::vec![ChunkHash::Unknown; chunks as usize],
            unknown: chunks as usize,
            ranges: BTreeMap::new(),
        }
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

    /// The range to ask for so that this chunk's hash becomes known; none if that was asked already.
    pub(crate) fn ask(&mut self, chunk: u32) -> Option<u32> {
        let first = chunk - chunk % HASHES_MAX;
        if self.ranges.contains_key(&first) {
            return None;
        }
        self.ranges.insert(first, Asking::Asked);
        Some(first)
    }

    /// The peer that was asked is gone or has answered with nothing.
    pub(crate) fn unask(&mut self, first: u32) {
        if self.ranges.get(&first) == Some(&Asking::Asked) {
            self.ranges.remove(&first);
        }
    }

    pub(crate) fn answered(&mut self, first: u32) {
        self.ranges.insert(first, Asking::Answered);
    }

    /// Whether all hashes, proven or only computed, lead to the root: then all are right.
    pub(crate) fn lead_to(&self, root: &Hash, level: u8, height: u8) -> bool {
        if self.unknown > 0 {
            return false;
        }
        let hashes = self
            .chunks
            .iter()
            .filter_map(|hash| match hash {
                ChunkHash::Unknown => None,
                ChunkHash::Computed(hash) | ChunkHash::Proven(hash) => Some(*hash),
            })
            .collect();
        tree::fold(hashes, level, height - level) == *root
    }
}
