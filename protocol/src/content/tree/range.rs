//! Runs of hashes of one layer, and the proof that they belong under a root. PROTOCOL §3.2.
//!
//! A range of layer `level` covers 2^k neighbouring hashes and starts at a multiple of 2^k; the last may be shorter,
//! for the layer ends there. What travels: the hashes of the range from left to right, then the uncles from the
//! lowest up: at every height from `level + k` to below the root, the sibling of the subtree that holds the range.
//! A sibling that lies wholly beyond the end of the layer is padding: it is computed, and not sent. Both counts
//! follow from the range alone, so any other count is refused.

use alloc::vec::Vec;

use super::{fold, node, padding};
use crate::Hash;
use crate::content::geometry::Shape;

/// Hashes of one range at most: 2^[`RANGE_HEIGHT_MAX`].
pub const HASHES_MAX: u32 = 1 << RANGE_HEIGHT_MAX;
/// log2 of [`HASHES_MAX`].
pub const RANGE_HEIGHT_MAX: u8 = 9;

/// All hashes at one level of a blob's tree that are not padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    len: u64,
    level: u8,
    height: u8,
}

impl Layer {
    /// The layer at `level` above the blocks; none above the root.
    pub fn new(shape: &Shape, level: u8) -> Option<Self> {
        let height = shape.height();
        (level <= height).then(|| Self { len: shape.blocks().div_ceil(1 << level), level, height })
    }

    /// The layer of the chunks.
    pub fn chunks(shape: &Shape) -> Self {
        Self { len: shape.chunks(), level: shape.chunk_height(), height: shape.height() }
    }

    /// Hashes of the layer.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has none: only the empty blob's.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its level above the blocks.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The range of `count` slots from `first` on.
    ///
    /// None unless `count` is a power of two up to [`HASHES_MAX`] and no wider than the tree, and `first` is a
    /// multiple of it within the layer.
    pub fn range(&self, first: u64, count: u32) -> Option<HashRange> {
        if !count.is_power_of_two() || first >= self.len || !first.is_multiple_of(u64::from(count)) {
            return None;
        }
        // At most 31.
        let height = count.trailing_zeros() as u8;
        (height <= self.range_height_max()).then_some(HashRange { layer: *self, first, height })
    }

    /// The fewest ranges that together are the layer, from left to right.
    pub fn ranges(&self) -> impl Iterator<Item = HashRange> {
        let (layer, height) = (*self, self.range_height_max());
        (0..self.len.div_ceil(1 << height)).map(move |i| HashRange { layer, first: i << height, height })
    }

    fn range_height_max(&self) -> u8 {
        (self.height - self.level).min(RANGE_HEIGHT_MAX)
    }
}

/// A range that is aligned and lies in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    layer: Layer,
    first: u64,
    /// log2 of its slots.
    height: u8,
}

/// Where a sibling of the path from a range to the root comes from.
enum Sibling {
    /// To the left, at this index of its level.
    Left(u64),
    /// To the right, at this index of its level.
    Right(u64),
    /// To the right, wholly beyond the end.
    Padding,
}

impl HashRange {
    /// The layer.
    pub const fn layer(&self) -> Layer {
        self.layer
    }

    /// The position of its first hash in the layer.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Its slots: a power of two.
    pub const fn slots(&self) -> u32 {
        1 << self.height
    }

    /// The hashes that travel: its slots, or fewer where the layer ends.
    pub fn hashes(&self) -> usize {
        // At most HASHES_MAX.
        (self.layer.len - self.first).min(u64::from(self.slots())) as usize
    }

    /// The uncles that travel.
    pub fn uncles(&self) -> usize {
        self.siblings().filter(|(_, sibling)| !matches!(sibling, Sibling::Padding)).count()
    }

    /// The siblings on the way up, each with its height above the layer.
    fn siblings(&self) -> impl Iterator<Item = (u8, Sibling)> {
        let range = *self;
        (range.height..range.layer.height - range.layer.level).map(move |up| {
            let at = range.first >> up;
            let sibling = match at & 1 {
                1 => Sibling::Left(at - 1),
                _ if (at + 1) << up >= range.layer.len => Sibling::Padding,
                _ => Sibling::Right(at + 1),
            };
            (up, sibling)
        })
    }
}

/// Why hashes are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Not as many hashes as the range has.
    #[error("a range of hashes has the wrong length")]
    Hashes,
    /// Not as many uncles as the range needs.
    #[error("the proof of a range of hashes has the wrong length")]
    Uncles,
    /// They do not lead to the root.
    #[error("hashes do not lead to the root")]
    Root,
}

/// Checks that `hashes` are this range of the blob with this root.
///
/// # Errors
/// [`BadProof`]; whoever sent it lied.
pub fn check(root: &Hash, range: &HashRange, hashes: &[Hash], uncles: &[Hash]) -> Result<(), BadProof> {
    if hashes.len() != range.hashes() {
        return Err(BadProof::Hashes);
    }
    if uncles.len() != range.uncles() {
        return Err(BadProof::Uncles);
    }
    let mut pad = padding(range.layer.level + range.height);
    let mut hash = fold(hashes.to_vec(), range.layer.level, range.height);
    let mut uncles = uncles.iter();
    for (_, sibling) in range.siblings() {
        hash = match sibling {
            Sibling::Left(_) => node(uncles.next().ok_or(BadProof::Uncles)?, &hash),
            Sibling::Right(_) => node(&hash, uncles.next().ok_or(BadProof::Uncles)?),
            Sibling::Padding => node(&hash, &pad),
        };
        pad = node(&pad, &pad);
    }
    if hash == *root { Ok(()) } else { Err(BadProof::Root) }
}

/// The uncles of a range, hashing the whole layer once. For several proofs of one layer make a [`Ladder`].
pub fn prove(hashes: &[Hash], range: &HashRange) -> Vec<Hash> {
    Ladder::new(range.layer, hashes).prove(hashes, range)
}

/// The upper levels of a layer's tree, one hash for every 256 of the layer: a proof then costs at most 512 hashes.
#[derive(Clone, Debug)]
pub struct Ladder {
    layer: Layer,
    /// The levels from `RANGE_HEIGHT_MAX` above the layer up to the root's children.
    rungs: Vec<Vec<Hash>>,
}

impl Ladder {
    /// Hashes the layer once.
    pub fn new(layer: Layer, hashes: &[Hash]) -> Self {
        debug_assert_eq!(hashes.len() as u64, layer.len);
        let top = layer.height - layer.level;
        let mut rungs: Vec<Vec<Hash>> = Vec::new();
        for up in RANGE_HEIGHT_MAX..top {
            let (below, level, step) = match rungs.last() {
                Some(rung) => (rung.as_slice(), layer.level + up - 1, 1),
                None => (hashes, layer.level, RANGE_HEIGHT_MAX),
            };
            let rung = below.chunks(1 << step).map(|part| fold(part.to_vec(), level, step)).collect();
            rungs.push(rung);
        }
        Self { layer, rungs }
    }

    /// The uncles of a range of the same layer, given the same hashes.
    pub fn prove(&self, hashes: &[Hash], range: &HashRange) -> Vec<Hash> {
        debug_assert_eq!(self.layer, range.layer);
        let sibling = |(up, sibling)| match sibling {
            Sibling::Left(at) | Sibling::Right(at) => self.at(hashes, up, at as usize),
            Sibling::Padding => None,
        };
        range.siblings().filter_map(sibling).collect()
    }

    fn at(&self, hashes: &[Hash], up: u8, at: usize) -> Option<Hash> {
        if let Some(rung) = up.checked_sub(RANGE_HEIGHT_MAX) {
            return self.rungs.get(usize::from(rung))?.get(at).copied();
        }
        let part = hashes.get(at << up..((at + 1) << up).min(hashes.len()))?;
        Some(fold(part.to_vec(), self.layer.level, up))
    }
}
