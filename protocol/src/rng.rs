//! The core's only randomness: a stream derived from the seed by SHA-256 in counter mode.
//!
//! Split by label, so that a new draw in one layer leaves the others' streams as they were. No secret derives from it:
//! seeds are in recordings.

use sha2::{Digest, Sha256};

/// A deterministic stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    seed: [u8; 32],
    counter: u64,
}

impl Rng {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// An independent stream for one layer.
    pub(crate) fn child(&self, label: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(label.as_bytes());
        Self::new(hash.finalize().into())
    }

    pub(crate) fn bytes32(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_le_bytes());
        self.counter += 1;
        hash.finalize().into()
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias is below 2^-32 for the small bounds used here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let bytes = self.bytes32();
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[..8]);
        u64::from_le_bytes(word).checked_rem(bound).unwrap_or(0)
    }
}
