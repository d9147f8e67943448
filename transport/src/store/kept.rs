//! Chunks whose claims of an earlier run are synced and need not be written down again.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of chunks that only shrinks while the staging is open.
///
/// A claim that is written again counts only as much as its last record: revoked with it, though its bytes and the first
/// record are on the disk.
#[derive(Debug)]
pub(super) struct Kept(Vec<AtomicU64>);

impl Kept {
    /// These chunks, of so many.
    pub(super) fn of(chunks: impl Iterator<Item = u32>, count: u32) -> Self {
        let mut words = vec![0_u64; (count as usize).div_ceil(64)];
        for chunk in chunks.filter(|chunk| *chunk < count) {
            words[chunk as usize / 64] |= 1 << (chunk % 64);
        }
        Self(words.into_iter().map(AtomicU64::new).collect())
    }

    /// The chunk's bytes are about to be written: its claim begins anew.
    pub(super) fn forget(&self, chunk: u32) {
        if let Some(word) = self.0.get(chunk as usize / 64) {
            word.fetch_and(!(1 << (chunk % 64)), Ordering::SeqCst);
        }
    }

    pub(super) fn contains(&self, chunk: u32) -> bool {
        self.0
            .get(chunk as usize / 64)
            .is_some_and(|word| word.load(Ordering::SeqCst) >> (chunk % 64) & 1 == 1)
    }
}
