//! What a seeder gives to one peer of a crowd at a time: each chunk leaves it once before it leaves it twice, for the peers
//! give it to each other ("super-seeding", BEP 16). Whoever passes nothing on is not served while others wait.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::bits::Bits;
use crate::{ConnId, Now};

/// Others wait so long for a chunk that is on its way to one.
const LENT: Duration = Duration::from_secs(20);
/// Chunks lent to one peer at most: who asks for more keeps nobody from them.
const OUT_MAX: usize = 16;
/// Chunks that a peer was given first and has not passed on: from here on others come before it.
const OWED_MAX: usize = 4;

/// Chunks that are on their way to one peer.
#[derive(Debug, Default)]
pub(crate) struct Lending {
    /// Chunks that some peer said it has.
    seen: Bits,
    out: BTreeMap<u32, (ConnId, Now)>,
    /// Chunks that came to the peer which they were lent to, and that no other has yet.
    kept: BTreeMap<u32, ConnId>,
    /// Who was told to ask for something else meanwhile.
    refused: BTreeMap<u32, BTreeSet<ConnId>>,
}

/// Whom to tell that a chunk can be asked for again.
pub(crate) type Again = (u32, BTreeSet<ConnId>);

impl Lending {
    pub(crate) fn new(chunks: u32) -> Self {
        Self { seen: Bits::new(chunks), ..Self::default() }
    }

    /// How many chunks there are.
    pub(crate) const fn chunks(&self) -> u32 {
        self.seen.len()
    }

    /// Whether some peer has a chunk: then anybody is given it.
    pub(crate) fn is_seen(&self, chunk: u32) -> bool {
        self.seen.contains(chunk)
    }

    /// Whether a peer that asks for a chunk is given it.
    pub(crate) fn ask(&mut self, chunk: u32, by: ConnId, now: Now) -> bool {
        if self.is_seen(chunk) {
            return true;
        }
        match self.out.get(&chunk) {
            Some((of, until)) if *of != by && now < *until => {
                self.refused.entry(chunk).or_default().insert(by);
                false
            }
            _ => {
                if self.out.values().filter(|(of, _)| *of == by).count() < OUT_MAX {
                    self.out.insert(chunk, (by, now + LENT));
                }
                true
            }
        }
    }

    /// A peer has a chunk.
    pub(crate) fn seen(&mut self, chunk: u32, at: ConnId) -> Option<Again> {
        let is_news = self.seen.insert(chunk);
        let lent = self.out.remove(&chunk).map(|(of, _)| of);
        if is_news && lent == Some(at) {
            self.kept.insert(chunk, at);
        } else if self.kept.get(&chunk).is_some_and(|of| *of != at) {
            self.kept.remove(&chunk);
        }
        self.again(chunk)
    }

    /// Whether a peer has so much that it alone was given and that nobody has from it, that others come first.
    pub(crate) fn owes(&self, conn: ConnId) -> bool {
        self.kept.values().filter(|of| **of == conn).count() >= OWED_MAX
    }

    /// All peers that [`owe`](Self::owes).
    pub(crate) fn debtors(&self) -> BTreeSet<ConnId> {
        let mut kept: BTreeMap<ConnId, usize> = BTreeMap::new();
        self.kept.values().for_each(|of| *kept.entry(*of).or_default() += 1);
        kept.into_iter().filter(|(_, count)| *count >= OWED_MAX).map(|(of, _)| of).collect()
    }

    /// A peer is not served any more.
    pub(crate) fn choked(&mut self, conn: ConnId) -> Vec<Again> {
        self.free(|(of, _)| *of == conn)
    }

    /// A peer is gone.
    pub(crate) fn gone(&mut self, conn: ConnId) -> Vec<Again> {
        self.kept.retain(|_, of| *of != conn);
        self.choked(conn)
    }

    /// What was lent for too long.
    pub(crate) fn expired(&mut self, now: Now) -> Vec<Again> {
        self.free(|(_, until)| *until <= now)
    }

    fn free(&mut self, is: impl Fn(&(ConnId, Now)) -> bool) -> Vec<Again> {
        let free: Vec<u32> = self.out.iter().filter(|(_, lent)| is(lent)).map(|(chunk, _)| *chunk).collect();
        for chunk in &free {
            self.out.remove(chunk);
        }
        free.into_iter().filter_map(|chunk| self.again(chunk)).collect()
    }

    fn again(&mut self, chunk: u32) -> Option<Again> {
        self.refused.remove(&chunk).map(|conns| (chunk, conns))
    }
}

#[cfg(test)]
mod tests;
