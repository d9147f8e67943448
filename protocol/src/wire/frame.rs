//! The frame: length, tag, body. PROTOCOL §4.1.

use crate::content::geometry::SPAN;

/// Bytes before a body: the body's length (u32, little-endian) and the tag (u16, little-endian).
pub const HEADER: usize = 6;
/// Bytes of the body of a control message at most.
pub const BODY_MAX: usize = 64 * 1024;
/// Bytes before the payload in the body of `blocks`: blob and first block, u32 little-endian each.
pub(crate) const BLOCKS_HEAD: usize = 8;
/// Bytes of the body of `blocks` at most.
pub(crate) const BLOCKS_BODY_MAX: usize = BLOCKS_HEAD + SPAN as usize;

/// A peer's bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A body longer than its tag allows.
    #[error("a frame of {0} bytes is too long")]
    TooLong(u32),
    /// A `blocks` frame without payload or head.
    #[error("a frame of blocks without bytes")]
    Empty,
    /// An even tag that this version does not know.
    #[error("message {0} is unknown and must not be skipped")]
    UnknownTag(u16),
    /// A body that does not decode.
    #[error("the body of message {0} does not decode")]
    BadBody(u16),
}

/// What stands before the payload of a `blocks` frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlocksHead {
    /// The blob.
    pub blob: u32,
    /// The first block.
    pub block: u32,
    /// Bytes of payload.
    pub len: u32,
}

impl BlocksHead {
    /// Header and head as they precede the payload.
    pub fn encode(self) -> [u8; HEADER + BLOCKS_HEAD] {
        let mut bytes = [0; HEADER + BLOCKS_HEAD];
        // A payload is at most a span, so the sum fits.
        bytes[..4].copy_from_slice(&(self.len + BLOCKS_HEAD as u32).to_le_bytes());
        bytes[4..6].copy_from_slice(&super::message::tag::BLOCKS.to_le_bytes());
        bytes[6..10].copy_from_slice(&self.blob.to_le_bytes());
        bytes[10..14].copy_from_slice(&self.block.to_le_bytes());
        bytes
    }
}
