//! Which chunk is asked for next: the rarest first, random among equals (BEP 3 names it "rarest first").
//!
//! Missing chunks lie in one array, ordered by how many peers have them, the rarest last: a chunk moves to the next count
//! by one swap, and taking a rare one moves few others. A choice looks at a bounded number of chunks, however many there
//! are.

use alloc::vec::Vec;

use super::bits::Bits;
use super::have::Have;
use crate::input::Order;
#[cfg(planted)]
use crate::planted::{Bug, is};

/// Counts from here on are one.
const COUNTS: usize = 256;
/// Chunks looked at in order of rarity before others are drawn.
const LOOKS: u32 = 24;
/// Chunks drawn of those that a peer has, of which the rarest is taken.
const DRAWS: u32 = 12;
/// Not in the array.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Picker {
    policy: Order,
    missing: Bits,
    /// How often a chunk was missing from then on.
    additions: u64,
    /// Missing chunks by count of peers that have them, the highest first.
    order: Vec<u32>,
    /// Where each chunk is in `order`.
    place: Vec<u32>,
    /// Peers that have each chunk; those that have all are not counted.
    counts: Vec<u16>,
    /// `starts[n]`: where the chunks of count `n` start in `order`.
    starts: Vec<u32>,
    draws: Draws,
}

/// Draws that cost next to nothing (SplitMix64): a choice is made for every few blocks.
#[derive(Debug)]
struct Draws(u64);

impl Draws {
    const fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The upper half, scaled: below the bound.
        ((((word ^ (word >> 31)) >> 32) * bound as u64) >> 32) as u32
    }
}

impl Picker {
    /// No chunk of `chunks` is missing, and nobody has any.
    pub(crate) fn new(chunks: u32, policy: Order, seed: u64) -> Self {
        let is_by_rarity = policy == Order::RarestFirst;
        let all = if is_by_rarity { chunks as usize } else { 0 };
        Self {
            policy,
            missing: Bits::new(chunks),
            additions: 0,
            order: Vec::new(),
            place: alloc::vec![NOWHERE; all],
            counts: alloc::vec![0; all],
            starts: alloc::vec![0; COUNTS],
            draws: Draws(seed),
        }
    }

    /// Counts what is added from here on, so that no two sets are taken for each other.
    #[must_use]
    pub(crate) const fn counting_from(mut self, additions: u64) -> Self {
        self.additions = additions;
        self
    }

    /// Chunks that are missing.
    pub(crate) const fn missing(&self) -> u32 {
        self.missing.count()
    }

    /// Whether a chunk is missing.
    pub(crate) fn is_missing(&self, chunk: u32) -> bool {
        self.missing.contains(chunk)
    }

    /// Whether a peer has anything that is missing. It may look through all that both have: see [`Self::finds_any`].
    pub(crate) fn has_any(&self, have: &Have) -> bool {
        match have.bits() {
            None => have.is_all() && self.missing.count() > 0,
            Some(bits) => self.missing.next_common(bits, 0).is_some(),
        }
    }

    /// As [`Self::has_any`], for those who ask often: what was looked at in vain is remembered.
    pub(crate) fn finds_any(&self, have: &mut Have) -> bool {
        self.first(have).is_some()
    }

    fn first(&self, have: &mut Have) -> Option<u32> {
        if have.is_all() {
            self.missing.next(0)
        } else {
            have.next_missing((&self.missing, self.additions), 0)
        }
    }

    /// A chunk is missing.
    pub(crate) fn add(&mut self, chunk: u32) {
        if !self.missing.insert(chunk) {
            return;
        }
        self.additions += 1;
        if self.policy != Order::RarestFirst {
            return;
        }
        // A hole at the end of its count: the first of each rarer count moves to that count's end.
        let count = self.count(chunk);
        let mut hole = self.order.len() as u32;
        self.order.push(chunk);
        for of in 0..count {
            let first = self.starts[of];
            self.starts[of] += 1;
            if first < hole {
                self.put(self.order[first as usize], hole);
                hole = first;
            }
        }
        self.put(chunk, hole);
    }

    /// A chunk is no longer missing.
    pub(crate) fn remove(&mut self, chunk: u32) {
        if !self.missing.remove(chunk) || self.policy != Order::RarestFirst {
            return;
        }
        // The last of its count takes its place, and so does that of each rarer count.
        let (mut hole, rarest) = (self.place[chunk as usize], self.rarest());
        for of in (rarest..=self.count(chunk)).rev() {
            let last = self.end(of) - 1;
            if last != hole {
                self.put(self.order[last as usize], hole);
                hole = last;
            }
            if of > rarest {
                self.starts[of - 1] -= 1;
            }
        }
        // Nothing is rarer.
        self.starts[..rarest].iter_mut().for_each(|start| *start -= 1);
        self.order.pop();
        self.place[chunk as usize] = NOWHERE;
    }

    /// One more peer has a chunk.
    pub(crate) fn seen(&mut self, chunk: u32) {
        if self.policy != Order::RarestFirst {
            return;
        }
        let before = self.count(chunk);
        self.counts[chunk as usize] = self.counts[chunk as usize].saturating_add(1);
        if self.is_missing(chunk) && self.count(chunk) != before {
            self.swap(chunk, self.starts[before]);
            self.starts[before] += 1;
        }
    }

    /// One peer less has a chunk.
    pub(crate) fn unseen(&mut self, chunk: u32) {
        if self.policy != Order::RarestFirst {
            return;
        }
        let before = self.count(chunk);
        self.counts[chunk as usize] = self.counts[chunk as usize].saturating_sub(1);
        let now = self.count(chunk);
        if self.is_missing(chunk) && now != before {
            self.starts[now] -= 1;
            self.swap(chunk, self.starts[now]);
        }
    }

    /// The next chunk to ask of a peer that has these. `after`: what it was asked for last, if the chunk behind it should
    /// be preferred.
    pub(crate) fn pick(&mut self, have: &mut Have, after: Option<u32>) -> Option<u32> {
        if self.missing.count() == 0 {
            return None;
        }
        if self.policy != Order::RarestFirst {
            return self.first(have);
        }
        let rarest = self.rarest();
        let neighbour = after.and_then(|chunk| chunk.checked_add(1));
        if let Some(next) = neighbour.filter(|chunk| self.is_missing(*chunk) && have.contains(*chunk))
            && self.count(next) == rarest
        {
            return Some(next);
        }
        self.look(rarest, have).or_else(|| self.draw(have))
    }

    /// Looks at the rarest, from a random one on.
    fn look(&mut self, rarest: usize, have: &Have) -> Option<u32> {
        let all = self.order.len() as u32;
        let equals = all - self.starts[rarest];
        #[cfg(planted)]
        let (equals, all) = if is(Bug::LastOfCount) { (equals - 1, all - 1) } else { (equals, all) };
        #[cfg(planted)]
        if is(Bug::PickedUnheld) {
            return self.order.last().copied();
        }
        let start = self.draws.below(equals);
        let first = (start..equals).chain(0..start).take(LOOKS as usize);
        let then = equals..all.min(equals.saturating_add(LOOKS.saturating_sub(equals)));
        let last = self.order.len() - 1;
        first.chain(then).map(|at| self.order[last - at as usize]).find(|chunk| have.contains(*chunk))
    }

    /// Draws some of those that the peer has and takes the rarest of them.
    fn draw(&mut self, have: &mut Have) -> Option<u32> {
        let start = self.draws.below(self.place.len() as u32);
        let mut found: Option<u32> = None;
        let (mut at, mut wrapped) = (start, false);
        for _ in 0..DRAWS {
            let Some(chunk) = have.next_missing((&self.missing, self.additions), at) else {
                if wrapped {
                    break;
                }
                (at, wrapped) = (0, true);
                continue;
            };
            if wrapped && chunk >= start {
                break;
            }
            if found.is_none_or(|found| self.counts[chunk as usize] < self.counts[found as usize]) {
                found = Some(chunk);
            }
            at = chunk + 1;
        }
        found
    }

    fn count(&self, chunk: u32) -> usize {
        self.counts.get(chunk as usize).map_or(0, |count| usize::from(*count).min(COUNTS - 1))
    }

    /// The lowest count.
    fn rarest(&self) -> usize {
        self.order.last().map_or(0, |chunk| self.count(*chunk))
    }

    /// Where the chunks of a count end in `order`.
    fn end(&self, count: usize) -> u32 {
        if count == 0 { self.order.len() as u32 } else { self.starts[count - 1] }
    }

    fn put(&mut self, chunk: u32, at: u32) {
        self.order[at as usize] = chunk;
        self.place[chunk as usize] = at;
    }

    fn swap(&mut self, chunk: u32, with: u32) {
        let at = self.place[chunk as usize];
        let other = self.order[with as usize];
        self.put(other, at);
        self.put(chunk, with);
    }
}

#[cfg(test)]
mod tests;
