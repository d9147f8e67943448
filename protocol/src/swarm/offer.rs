//! The manifest on its way: blob 0, checked span by span against the root that the ContentId names.
//!
//! One source at a time sends it; what was checked stays when that source is lost.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::hashes;
use crate::Hash;
use crate::content::geometry::{BLOCK, ChunkSize, SPAN_BLOCKS, Shape};
use crate::content::tree::{self, HASHES_MAX};
use crate::output::Fault;
use crate::wire::{BlockRun, HashRange, Hashes, Info};

/// Numbers from 0 on that are asked for in order, and again if the answer is lost.
#[derive(Debug, Default)]
struct Asking {
    next: u32,
    open: BTreeSet<u32>,
    again: BTreeSet<u32>,
}

impl Asking {
    fn ask(&mut self, end: u64) -> Option<u32> {
        let number = match self.again.pop_first() {
            Some(number) => number,
            None if u64::from(self.next) < end => {
                self.next += 1;
                self.next - 1
            }
            None => return None,
        };
        self.open.insert(number);
        Some(number)
    }

    fn lost(&mut self) {
        self.again.append(&mut self.open);
    }
}

/// A manifest on its way.
#[derive(Debug)]
pub(crate) struct ManifestFetch {
    shape: Shape,
    root: Hash,
    bytes: Vec<u8>,
    /// Proven span hashes by number, for manifests of more than one span.
    hashes: Vec<Option<Hash>>,
    spans: Asking,
    ranges: Asking,
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
            spans: Asking::default(),
            ranges: Asking::default(),
            came: BTreeSet::new(),
            checked: 0,
        }
    }

    /// The next request for hashes.
    pub(crate) fn ask_hashes(&mut self) -> Option<HashRange> {
        if self.shape.chunks() <= 1 {
            return None;
        }
        let range = self.ranges.ask(self.shape.chunks().div_ceil(u64::from(HASHES_MAX)))?;
        Some(HashRange { blob: 0, first: range * HASHES_MAX })
    }

    /// The next request for bytes.
    pub(crate) fn ask(&mut self) -> Option<(BlockRun, u32)> {
        let span = self.spans.ask(self.shape.spans())?;
        let range = self.shape.span_range(u64::from(span));
        // At most a span.
        let len = (range.end - range.start) as u32;
        let count = len.div_ceil(BLOCK as u32);
        Some((BlockRun { blob: 0, block: span * SPAN_BLOCKS, count }, len))
    }

    /// The source is gone: what it owes, and what it sent unproven, is asked of the next.
    pub(crate) fn lost(&mut self) {
        self.came.clear();
        self.spans.lost();
        self.ranges.lost();
    }

    /// Hashes have come.
    pub(crate) fn proven(&mut self, hashes: &Hashes) -> Result<(), Fault> {
        hashes::check(&self.shape, &self.root, hashes)?;
        self.ranges.open.remove(&(hashes.range.first / HASHES_MAX));
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
        let alone = self.shape.chunks() == 1;
        let known = |span: &u32| alone || self.hashes.get(*span as usize).is_some_and(Option::is_some);
        let ready: Vec<u32> = self.came.iter().copied().filter(known).collect();
        for span in ready {
            let expected = if alone { Some(self.root) } else { self.hashes[span as usize] };
            let range = self.shape.span_range(u64::from(span));
            let bytes = &self.bytes[range.start as usize..range.end as usize];
            if Some(tree::subtree(&tree::OneByOne, bytes, self.shape.span_height())) != expected {
                return Err(Fault::BadManifest);
            }
            self.came.remove(&span);
            self.spans.open.remove(&span);
            self.checked += 1;
        }
        if u64::from(self.checked) < self.shape.spans() {
            return Ok(None);
        }
        debug_assert_eq!(self.bytes.len() as u64, self.shape.size);
        Ok(Some(core::mem::take(&mut self.bytes)))
    }
}
