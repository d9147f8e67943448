//! Chunks that are missing: of files that shall come first, and of all others. Nothing of the others is asked of a peer
//! that has some of the first.

use super::bits::Bits;
use super::have::Have;
use super::picker::Picker;
use crate::input::Order;

/// Where the first set begins to count what was added to it: beyond what the other one comes to.
const FIRST: u64 = 1 << 63;

/// What is asked for before all else.
#[derive(Debug)]
struct First {
    chunks: Bits,
    picker: Picker,
}

#[derive(Debug)]
pub(crate) struct Queue {
    first: Option<First>,
    rest: Picker,
}

impl Queue {
    /// No chunk of `chunks` is missing. Those of `first` come before all others.
    pub(crate) fn new(chunks: u32, first: Bits, order: Order, seed: u64) -> Self {
        let is_any = first.count() > 0;
        // Peers remember of which set they have nothing: the two are told apart by their counts of additions.
        let picker = || Picker::new(chunks, order, !seed).counting_from(FIRST);
        let first = is_any.then(|| First { chunks: first, picker: picker() });
        Self { first, rest: Picker::new(chunks, order, seed) }
    }

    fn of(&mut self, chunk: u32) -> &mut Picker {
        match &mut self.first {
            Some(first) if first.chunks.contains(chunk) => &mut first.picker,
            _ => &mut self.rest,
        }
    }

    fn pickers(&self) -> impl Iterator<Item = &Picker> {
        self.first.iter().map(|first| &first.picker).chain([&self.rest])
    }

    /// Chunks that are missing.
    pub(crate) fn missing(&self) -> u32 {
        self.pickers().map(Picker::missing).sum()
    }

    /// Whether a peer has anything that is missing.
    pub(crate) fn has_any(&self, have: &Have) -> bool {
        self.pickers().any(|picker| picker.has_any(have))
    }

    /// As [`Picker::finds_any`].
    pub(crate) fn finds_any(&self, have: &mut Have) -> bool {
        self.pickers().any(|picker| picker.missing() > 0 && picker.finds_any(have))
    }

    /// A chunk is missing.
    pub(crate) fn add(&mut self, chunk: u32) {
        self.of(chunk).add(chunk);
    }

    /// A chunk is no longer missing.
    pub(crate) fn remove(&mut self, chunk: u32) {
        self.of(chunk).remove(chunk);
    }

    /// One more peer has a chunk.
    pub(crate) fn seen(&mut self, chunk: u32) {
        self.of(chunk).seen(chunk);
    }

    /// One peer less has a chunk.
    pub(crate) fn unseen(&mut self, chunk: u32) {
        self.of(chunk).unseen(chunk);
    }

    /// As [`Picker::pick`].
    pub(crate) fn pick(&mut self, have: &mut Have, after: Option<u32>) -> Option<u32> {
        let first = self.first.as_mut().filter(|first| first.picker.missing() > 0);
        let first = first.and_then(|first| first.picker.pick(have, after));
        first.or_else(|| self.rest.pick(have, after))
    }
}
