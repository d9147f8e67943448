//! How a run of bytes divides into blocks, spans and chunks. Arithmetic only (PROTOCOL §3.1).

use core::ops::Range;

use serde::{Deserialize, Serialize};

/// Bytes of a block, the leaf of the hash tree.
pub const BLOCK: u64 = 16 * 1024;
/// Blocks of a span.
pub const SPAN_BLOCKS: u32 = 16;
/// Bytes of a span, the unit of reading, landing and buffering.
pub const SPAN: u64 = BLOCK * SPAN_BLOCKS as u64;
/// log2 of the blocks of a span.
pub const SPAN_HEIGHT: u8 = 4;

/// The size of a chunk of one share: 256 KiB to 4 MiB, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ChunkSize(u8);

/// A chunk size outside 2^18 to 2^22.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chunk size 2^{0} is not between 2^18 and 2^22")]
pub struct BadChunkSize(pub u8);

impl TryFrom<u8> for ChunkSize {
    type Error = BadChunkSize;

    fn try_from(log2: u8) -> Result<Self, BadChunkSize> {
        if (Self::MIN.0..=Self::MAX.0).contains(&log2) { Ok(Self(log2)) } else { Err(BadChunkSize(log2)) }
    }
}

impl From<ChunkSize> for u8 {
    fn from(size: ChunkSize) -> Self {
        size.0
    }
}

impl ChunkSize {
    /// 256 KiB: one span.
    pub const MIN: Self = Self(18);
    /// 4 MiB.
    pub const MAX: Self = Self(22);
    /// About so many chunks a share has at most while the chunk size can still grow.
    const CHUNKS_GOAL: u64 = 4096;

    /// The chunk size of a share of `total` bytes.
    pub fn for_share(total: u64) -> Self {
        let ideal = (total / Self::CHUNKS_GOAL).max(1).next_power_of_two();
        let log2 = ideal.trailing_zeros().clamp(u32::from(Self::MIN.0), u32::from(Self::MAX.0));
        // The clamp keeps it within 18..=22.
        Self(log2 as u8)
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.0
    }

    /// The height of a whole chunk's tree above its blocks: log2 of its blocks.
    pub const fn height(self) -> u8 {
        self.0 - 14
    }

    /// Spans of a whole chunk.
    pub const fn spans(self) -> u32 {
        1 << (self.0 - 18)
    }
}

/// The size of a blob and the chunk size it is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of the blob.
    pub size: u64,
    /// Its chunk size.
    pub chunk: ChunkSize,
}

impl Shape {
    /// Blocks of the blob: none if it is empty.
    pub const fn blocks(&self) -> u64 {
        self.size.div_ceil(BLOCK)
    }

    /// Spans of the blob.
    pub const fn spans(&self) -> u64 {
        self.size.div_ceil(SPAN)
    }

    /// Chunks of the blob.
    pub const fn chunks(&self) -> u64 {
        self.size.div_ceil(self.chunk.bytes())
    }

    /// The height of the whole tree above the blocks: log2 of the blocks, rounded up.
    pub const fn height(&self) -> u8 {
        // At most 64, which fits.
        match self.blocks() {
            0 | 1 => 0,
            n => n.next_power_of_two().trailing_zeros() as u8,
        }
    }

    /// The height of the subtree over one span: natural if the blob is no larger than a span.
    pub const fn span_height(&self) -> u8 {
        let height = self.height();
        if height < SPAN_HEIGHT { height } else { SPAN_HEIGHT }
    }

    /// The height of the subtree over one chunk: natural if the blob is no larger than a chunk.
    pub const fn chunk_height(&self) -> u8 {
        let (height, full) = (self.height(), self.chunk.height());
        if height < full { height } else { full }
    }

    /// The bytes of block `index`, shorter for the last; empty beyond the end.
    pub fn block_range(&self, index: u64) -> Range<u64> {
        self.clip(index, BLOCK)
    }

    /// The bytes of span `index`.
    pub fn span_range(&self, index: u64) -> Range<u64> {
        self.clip(index, SPAN)
    }

    /// The bytes of chunk `index` of this blob.
    pub fn chunk_range(&self, index: u64) -> Range<u64> {
        self.clip(index, self.chunk.bytes())
    }

    /// The spans of chunk `index` of this blob.
    pub fn chunk_spans(&self, index: u64) -> Range<u64> {
        let first = index * u64::from(self.chunk.spans());
        first..(first + u64::from(self.chunk.spans())).min(self.spans())
    }

    fn clip(&self, index: u64, unit: u64) -> Range<u64> {
        let start = index.saturating_mul(unit).min(self.size);
        start..start.saturating_add(unit).min(self.size)
    }
}
