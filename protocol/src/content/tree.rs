//! The SHA-256 hash tree over 16 KiB blocks, exactly BitTorrent v2's (BEP 52). PROTOCOL §3.2.
//!
//! Leaves and inner nodes are hashed alike, so a root never stands without its size: height and leaf count are
//! computed from the size, and padding is computed, never received.

mod range;

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::Hash;
use crate::content::geometry::{BLOCK, Shape};

pub use range::{BadProof, HASHES_MAX, HashRange, Ladder, Layer, RANGE_HEIGHT_MAX, check, prove};

/// The hash of a block.
pub fn leaf(block: &[u8]) -> Hash {
    Hash(Sha256::digest(block).into())
}

/// The hash of two children.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(&left.0);
    both[32..].copy_from_slice(&right.0);
    Hash(Sha256::digest(both).into())
}

/// The root of a subtree of `height` whose blocks all lie beyond the end.
pub fn padding(height: u8) -> Hash {
    (0..height).fold(Hash::ZERO, |below, _| node(&below, &below))
}

/// Folds `hashes`, which stand at `level` above the blocks, up by `height` levels to one hash, padding on the right.
///
/// `hashes` must not be more than `2^height`; the empty slice gives padding.
pub fn fold(mut hashes: Vec<Hash>, level: u8, height: u8) -> Hash {
    debug_assert!(hashes.len() as u64 <= 1 << height);
    let mut pad = padding(level);
    for _ in 0..height {
        let half = hashes.len().div_ceil(2);
        for i in 0..half {
            let right = hashes.get(2 * i + 1).unwrap_or(&pad);
            hashes[i] = node(&hashes[2 * i], right);
        }
        hashes.truncate(half);
        pad = node(&pad, &pad);
    }
    hashes.first().copied().unwrap_or(pad)
}

/// Hashes blocks: the seam where several leaves at a time can be hashed at once.
pub trait LeafHasher: Send + Sync {
    /// Appends the hash of every block of `bytes` (all whole but the last) to `leaves`.
    fn leaves(&self, bytes: &[u8], leaves: &mut Vec<Hash>);
}

/// One leaf after another.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneByOne;

impl LeafHasher for OneByOne {
    fn leaves(&self, bytes: &[u8], leaves: &mut Vec<Hash>) {
        leaves.extend(bytes.chunks(BLOCK as usize).map(leaf));
    }
}

/// The root of the subtree of `height` over `bytes`, whole blocks from a block boundary on.
pub fn subtree(hasher: &dyn LeafHasher, bytes: &[u8], height: u8) -> Hash {
    let mut leaves = Vec::with_capacity(bytes.len().div_ceil(BLOCK as usize));
    hasher.leaves(bytes, &mut leaves);
    fold(leaves, 0, height)
}

/// Makes a blob's root of the roots of its spans, given in order, in memory that grows with the tree's height only.
#[derive(Clone, Debug)]
pub struct RootBuilder {
    shape: Shape,
    /// Finished subtrees, from left to right, each lower than the one before.
    stack: Vec<(u8, Hash)>,
    spans: u64,
    /// The chunk layer, if it is kept.
    chunks: Option<Vec<Hash>>,
}

impl RootBuilder {
    /// A builder for a blob of this shape that keeps only the root.
    pub const fn new(shape: Shape) -> Self {
        Self { shape, stack: Vec::new(), spans: 0, chunks: None }
    }

    /// A builder that also keeps the hash of every chunk: 32 bytes a chunk.
    pub const fn with_chunks(shape: Shape) -> Self {
        Self { shape, stack: Vec::new(), spans: 0, chunks: Some(Vec::new()) }
    }

    /// Takes the root of the next span: a subtree of `shape.span_height()`, padded if it is the last.
    pub fn push(&mut self, span: Hash) {
        self.spans += 1;
        let (mut level, mut hash) = (self.shape.span_height(), span);
        self.record(level, hash);
        while let Some((_, left)) = self.stack.pop_if(|(left, _)| *left == level) {
            hash = node(&left, &hash);
            level += 1;
            self.record(level, hash);
        }
        self.stack.push((level, hash));
    }

    /// Spans taken so far.
    pub const fn spans(&self) -> u64 {
        self.spans
    }

    /// The root; without the layer.
    pub fn root(self) -> Hash {
        self.finish().0
    }

    /// The root, and the chunk layer if it was kept. A blob of one chunk has its root as the only hash of its layer.
    ///
    /// Spans that were not given count as padding; the empty blob has the root [`Hash::ZERO`].
    pub fn finish(mut self) -> (Hash, Vec<Hash>) {
        debug_assert_eq!(self.spans, self.shape.spans());
        let Some((mut level, mut hash)) = self.stack.pop() else {
            return (padding(self.shape.height()), Vec::new());
        };
        while level < self.shape.height() || !self.stack.is_empty() {
            hash = match self.stack.pop_if(|(left, _)| *left == level) {
                Some((_, left)) => node(&left, &hash),
                None => node(&hash, &padding(level)),
            };
            level += 1;
            self.record(level, hash);
        }
        (hash, self.chunks.unwrap_or_default())
    }

    fn record(&mut self, level: u8, hash: Hash) {
        if level == self.shape.chunk_height()
            && let Some(chunks) = &mut self.chunks
        {
            chunks.push(hash);
        }
    }
}
