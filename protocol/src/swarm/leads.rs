//! Where a peer may have something that is missing.
//!
//! Shortly before the end, or of a peer that has the same as we have, nearly every word of both sets is full of numbers
//! that the other has not: each choice would look through all of them.

use super::bits::Bits;

/// Where two sets, of which one grows and one shrinks, may have something in common: what was looked at in vain is not
/// looked at again.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    words: Bits,
    /// Additions to the set that shrinks, when these were made.
    additions: Option<u64>,
}

impl Leads {
    /// The set that grows has this number from now on.
    pub(crate) fn grown(&mut self, number: u32) {
        self.words.insert(number / u64::BITS);
    }

    /// The first number from `from` on that is in both sets. `additions`: how often something was added to the set that
    /// shrinks.
    pub(crate) fn next(
        &mut self,
        grows: &Bits,
        (shrinks, additions): (&Bits, u64),
        from: u32,
    ) -> Option<u32> {
        if self.additions != Some(additions) {
            *self = Self { words: grows.occupied(), additions: Some(additions) };
        }
        let mut at = from / u64::BITS;
        loop {
            let word = self.words.next(at)?;
            let first = if word == at { from } else { 0 };
            let common = grows.common(shrinks, word as usize, first);
            if common != 0 {
                return Some(word * u64::BITS + common.trailing_zeros());
            }
            if grows.common(shrinks, word as usize, 0) == 0 {
                self.words.remove(word);
            }
            at = word + 1;
        }
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.words.memory()
    }
}

#[cfg(test)]
mod tests;
