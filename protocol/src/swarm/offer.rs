//! The manifest on its way: blob 0, checked span by span against the root that the ContentId names.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::Hash;
use crate::content::geometry::{ChunkSize, SPAN_BLOCKS, Shape};
use crate::content::tree::{self, HASHES_MAX, Layer};
use crate::output::Fault;
use crate::wire::{BlockRun, HashRange, Hashes, Info};

/// A manifest that one peer sends.
#[derive(Debug)]
pub(crate) struct ManifestFetch {
    shape: Shape,
    root: Hash,
    bytes: Vec<u8>,
    /// Proven span hashes by number, for manifests of more than one span.
    hashes: Vec<Option<Hash>>,
    asked: u32,
    asked_ranges: u32,
    came: BTreeSet<u32>,
    checked: u32,
}

impl ManifestFetch {
    /// `info` has been held against the ContentId and the size limit.
    pub(crate) fn new(info: Info) -> Self {
        let shape = Shape { size: info.size, chunk: ChunkSize::MIN };
        Self {
            shape,
            root: info.root,
            bytes: Vec::new(),
            // In proportion to the size, which is limited.
            hashes: alloc::vec![None; shape.chunks() as usize],
            asked: 0,
            asked_ranges: 0,
            came: BTreeSet::new(),
            checked: 0,
        }
    }

    /// The next request for hashes.
    pub(crate) fn ask_hashes(&mut self) -> Option<HashRange> {
        let first = self.asked_ranges * HASHES_MAX;
        if self.shape.chunks() <= 1 || u64::from(first) >= self.shape.chunks() {
            return None;
        }
        self.asked_ranges += 1;
        Some(HashRange { blob: 0, first })
    }

    /// The next request for bytes.
    pub(crate) fn ask(&mut self) -> Option<(BlockRun, u32)> {
        let range = self.shape.span_range(u64::from(self.asked));
        if range.is_empty() {
            return None;
        }
        // At most a span.
        let len = (range.end - range.start) as u32;
        let run = BlockRun { blob: 0, block: self.asked * SPAN_BLOCKS, count: len.div_ceil(16 * 1024) };
        self.asked += 1;
        Some((run, len))
    }

    /// Hashes have come.
    pub(crate) fn proven(&mut self, hashes: &Hashes) -> Result<(), Fault> {
        check(&self.shape, &self.root, hashes)?;
        for (slot, hash) in self.hashes.iter_mut().skip(hashes.range.first as usize).zip(&hashes.hashes) {
            *slot = Some(*hash);
        }
        Ok(())
    }

    /// Bytes have come, at this offset of the manifest. Memory grows no further than what was asked for.
    pub(crate) fn fill(&mut self, offset: u64, run: &[u8]) {
        let at = offset as usize;
        if self.bytes.len() < at + run.len() {
            self.bytes.resize(at + run.len(), 0);
        }
        self.bytes[at..at + run.len()].copy_from_slice(run);
    }

    /// A whole span has come.
    pub(crate) fn came(&mut self, run: BlockRun) {
        self.came.insert(run.block / SPAN_BLOCKS);
    }

    /// Checks what can be checked. The bytes, once all of them are there and right.
    pub(crate) fn finish(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        while let Some(span) = self.came.first().copied() {
            let expected = match self.hashes.get(span as usize) {
                _ if self.shape.chunks() == 1 => self.root,
                Some(Some(hash)) => *hash,
                _ => return Ok(None),
            };
            let range = self.shape.span_range(u64::from(span));
            let bytes = &self.bytes[range.start as usize..range.end as usize];
            if tree::subtree(&tree::OneByOne, bytes, self.shape.span_height()) != expected {
                return Err(Fault::BadManifest);
            }
            self.came.remove(&span);
            self.checked += 1;
        }
        if u64::from(self.checked) < self.shape.spans() {
            return Ok(None);
        }
        debug_assert_eq!(self.bytes.len() as u64, self.shape.size);
        Ok(Some(core::mem::take(&mut self.bytes)))
    }
}

/// The range of chunk hashes that begins at `first`; none if none does.
pub(crate) fn range_of(shape: &Shape, first: u32) -> Option<tree::HashRange> {
    let layer = Layer::chunks(shape);
    let number = first.is_multiple_of(HASHES_MAX).then_some((first / HASHES_MAX) as usize)?;
    layer.ranges().nth(number)
}

/// Whether hashes of a range of a blob's chunk layer lead to its root.
pub(crate) fn check(shape: &Shape, root: &Hash, hashes: &Hashes) -> Result<(), Fault> {
    let range = range_of(shape, hashes.range.first).ok_or(Fault::BadProof)?;
    tree::check(root, &range, &hashes.hashes, &hashes.proof).map_err(|_| Fault::BadProof)
}
