//! A set of chunk numbers: a bit each, and above it a bit for each word that is not empty, so that what two sets have in
//! common is found without looking at what neither has.

use alloc::vec::Vec;

const WORD: usize = u64::BITS as usize;

/// Numbers below a length that is given once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    /// Bit `n`: word `n` is not empty.
    summary: Vec<u64>,
    len: u32,
    count: u32,
}

impl Bits {
    /// No number below `len`.
    pub(crate) fn new(len: u32) -> Self {
        let words = (len as usize).div_ceil(WORD);
        Self { words: alloc::vec![0; words], summary: alloc::vec![0; words.div_ceil(WORD)], len, count: 0 }
    }

    /// How many numbers are in it.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Numbers are below this.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Whether every number below the length is in it.
    pub(crate) const fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        (self.words.len() + self.summary.len()) * size_of::<u64>()
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let (word, bit) = split(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a number; whether it was not in it. Numbers beyond the length are none.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        if number >= self.len || self.contains(number) {
            return false;
        }
        let (word, bit) = split(number);
        self.words[word] |= bit;
        self.summary[word / WORD] |= 1 << (word % WORD);
        self.count += 1;
        true
    }

    /// Takes a number out; whether it was in it.
    pub(crate) fn remove(&mut self, number: u32) -> bool {
        if !self.contains(number) {
            return false;
        }
        let (word, bit) = split(number);
        self.words[word] &= !bit;
        if self.words[word] == 0 {
            self.summary[word / WORD] &= !(1 << (word % WORD));
        }
        self.count -= 1;
        true
    }

    /// The first number from `from` on that is in both sets.
    pub(crate) fn next_common(&self, other: &Self, from: u32) -> Option<u32> {
        let (first, _) = split(from);
        let of_word = |word: usize, mask: u64| {
            let common = self.words.get(word)? & other.words.get(word)? & mask;
            (common != 0).then(|| (word * WORD) as u32 + common.trailing_zeros())
        };
        if let Some(found) = of_word(first, u64::MAX << (from as usize % WORD)) {
            return Some(found);
        }
        let mut word = first + 1;
        while let (Some(ours), Some(theirs)) = (self.summary.get(word / WORD), other.summary.get(word / WORD))
        {
            let common = ours & theirs & (u64::MAX << (word % WORD));
            if common == 0 {
                word = (word / WORD + 1) * WORD;
                continue;
            }
            word = word / WORD * WORD + common.trailing_zeros() as usize;
            if let Some(found) = of_word(word, u64::MAX) {
                return Some(found);
            }
            word += 1;
        }
        None
    }

    /// The first number from `from` on that is in it.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        self.next_common(self, from)
    }

    /// The words that are not empty.
    pub(crate) fn occupied(&self) -> Self {
        let mut words = Self::new(self.words.len() as u32);
        words.words.clone_from(&self.summary);
        for (at, word) in words.words.iter().enumerate().filter(|(_, word)| **word != 0) {
            words.summary[at / WORD] |= 1 << (at % WORD);
            words.count += word.count_ones();
        }
        words
    }

    /// The numbers of one word from `from` on that are in both sets, as bits of it.
    pub(crate) fn common(&self, other: &Self, word: usize, from: u32) -> u64 {
        let (Some(ours), Some(theirs)) = (self.words.get(word), other.words.get(word)) else { return 0 };
        let mask = if word == from as usize / WORD { u64::MAX << (from as usize % WORD) } else { u64::MAX };
        ours & theirs & mask
    }

    /// Its numbers as runs of first and count, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let first = self.next(at)?;
            let mut end = first + 1;
            while self.contains(end) {
                end += 1;
            }
            at = end;
            Some((first, end - first))
        })
    }
}

const fn split(number: u32) -> (usize, u64) {
    (number as usize / WORD, 1 << (number as usize % WORD))
}

#[cfg(test)]
mod tests;
