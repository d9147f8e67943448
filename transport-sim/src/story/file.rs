//! The file of the story, and what has become of it at the other end.

use std::ops::Range;

use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{self, ChunkSize, SPAN, Shape};
use truecopy_protocol::content::tree::{self, OneByOne, RootBuilder};

use crate::content::{self, Origin};

/// Bytes of a block, and of what the old program sends at once.
pub const BLOCK: usize = geometry::BLOCK as usize;

/// Bytes of the file.
pub const SIZE: usize = 24 * BLOCK;

/// The file: every byte is a function of its offset.
pub(super) fn truth() -> Vec<u8> {
    content::bytes(0, 0, 0, SIZE)
}

/// The root of these bytes, as a manifest states it.
pub(super) fn root(bytes: &[u8]) -> Hash {
    let shape = Shape { size: bytes.len() as u64, chunk: ChunkSize::MIN };
    let mut builder = RootBuilder::new(shape);
    for span in bytes.chunks(SPAN as usize) {
        builder.push(tree::subtree(&OneByOne, span, shape.span_height()));
    }
    builder.root()
}

/// A run of bytes at the receiver, and where in the sender's file they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Offsets at the receiver.
    pub at: Range<u64>,
    /// Where the first of them comes from.
    pub from: Origin,
}

impl Region {
    /// Offsets in the sender's file, if the bytes are from there.
    pub fn source(&self) -> Option<Range<u64>> {
        match self.from {
            Origin::File { offset, .. } => Some(offset..offset + (self.at.end - self.at.start)),
            Origin::Zeros | Origin::Unknown => None,
        }
    }

    /// Whether they are where they should be.
    pub fn is_right(&self) -> bool {
        self.source().is_some_and(|source| source == self.at)
    }
}

/// Tells of every byte of a received file where it comes from.
pub(super) fn regions(got: &[u8], truth: &[u8]) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    let mut at = 0;
    while at < got.len() {
        let right = truth.get(at..).is_some_and(|rest| rest.starts_with(&got[at..got.len().min(at + 8)]));
        let from = if right {
            Origin::File { file: 0, version: 0, offset: at as u64 }
        } else {
            content::origin(&got[at..got.len().min(at + 24)])
        };
        let len = match from {
            Origin::File { offset, .. } => {
                let source = usize::try_from(offset).ok().and_then(|offset| truth.get(offset..));
                let same = source.unwrap_or_default().iter().zip(&got[at..]).take_while(|(a, b)| a == b);
                same.count()
            }
            Origin::Zeros => got[at..].iter().take_while(|byte| **byte == 0).count(),
            Origin::Unknown => 1,
        };
        let len = len.max(1);
        match regions.last_mut() {
            Some(last) if from == Origin::Unknown && last.from == Origin::Unknown => {
                last.at.end += len as u64;
            }
            _ => regions.push(Region { at: at as u64..(at + len) as u64, from }),
        }
        at += len;
    }
    regions
}

/// Bytes of the sender's file that stand nowhere at the receiver.
pub(super) fn missing(regions: &[Region]) -> Vec<Range<u64>> {
    let mut here: Vec<Range<u64>> = regions.iter().filter_map(Region::source).collect();
    here.sort_by_key(|range| range.start);
    let (mut missing, mut next) = (Vec::new(), 0);
    for range in here {
        if range.start > next {
            missing.push(next..range.start);
        }
        next = next.max(range.end);
    }
    if next < SIZE as u64 {
        missing.push(next..SIZE as u64);
    }
    missing
}
