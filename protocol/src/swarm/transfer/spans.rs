//! Spans of the chunks in work: who is asked for which, and when a chunk is whole.

use alloc::vec::Vec;

use super::{Checked, ChunkState, Place, Transfer};
use crate::content::geometry::SPAN_BLOCKS;
use crate::content::tree;
use crate::swarm::have::Have;
use crate::wire::BlockRun;
use crate::{BlobId, ConnId, Hash};

/// Files below this are asked for in runs.
const SMALL: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpanState {
    Loose,
    Asked,
    Landing,
    Landed(Hash),
}

#[derive(Debug)]
pub(super) struct Active {
    spans: Vec<SpanState>,
    /// Whose bytes these are, span by span.
    by: Vec<Option<ConnId>>,
    /// A chunk that came wrong before is asked of one source alone, so that a liar is found.
    only: Option<ConnId>,
}

impl Transfer {
    /// The chunk and the span within it that a run of blocks of a file lies in.
    pub(crate) fn position(&self, run: BlockRun) -> Option<(Place, u32)> {
        let entry = BlobId(run.blob).entry()?;
        let shape = self.manifest.shape(entry)?;
        let span = run.block / SPAN_BLOCKS;
        let within = span / shape.chunk.spans();
        let chunk = self.manifest.chunks_of(entry).start + within;
        Some((Place { chunk, entry, within, shape }, span % shape.chunk.spans()))
    }

    /// Whether there is something that a peer could still be asked for.
    pub(crate) fn is_hungry(&self) -> bool {
        !self.loose.is_empty() || self.queue.missing() > 0
    }

    /// Whether something is still to come from peers, asked for or not.
    pub(crate) fn is_owed(&self) -> bool {
        self.is_hungry() || !self.active.is_empty()
    }

    /// The next span to ask of this peer, which has these chunks. At most `wide_max` chunks of several spans are in work
    /// at once. `after`: the chunk that it was asked for last.
    pub(crate) fn pick(
        &mut self,
        id: ConnId,
        wide_max: u32,
        have: &mut Have,
        after: Option<u32>,
    ) -> Option<(Place, BlockRun)> {
        let free = |chunk: u32| {
            let only = self.active.get(&chunk).and_then(|active| active.only);
            have.contains(chunk) && only.is_none_or(|only| only == id)
        };
        let loose = self.loose.iter().copied().find(|(chunk, _)| free(*chunk));
        let (chunk, span) = match loose {
            Some(found) => found,
            None => (self.activate(wide_max, have, after)?, 0),
        };
        self.loose.remove(&(chunk, span));
        let place = self.place(chunk)?;
        let suspect = self.wrong.contains_key(&chunk);
        let active = self.active.get_mut(&chunk)?;
        active.spans[span as usize] = SpanState::Asked;
        active.only = suspect.then_some(id);
        if place.shape.chunks() > 1 {
            self.want_hashes(place);
        }
        Some((place, place.run(span)))
    }

    fn activate(&mut self, wide_max: u32, have: &mut Have, after: Option<u32>) -> Option<u32> {
        // Of small files the next one is as good as any, and lies beside it on both disks.
        let after = after.filter(|chunk| self.place(*chunk).is_some_and(|place| place.bytes() < SMALL));
        let picked = self.queue.pick(have, after);
        #[cfg(planted)]
        let picked = self.last_missing(have).or(picked);
        let found = picked?;
        let count = self.place(found)?.spans();
        if count > 1 {
            if self.wide >= wide_max && !self.abandon() {
                return None;
            }
            self.wide += 1;
        }
        self.states[found as usize] = ChunkState::Active;
        self.queue.remove(found);
        let spans = alloc::vec![SpanState::Loose; count as usize];
        self.active.insert(found, Active { spans, by: alloc::vec![None; count as usize], only: None });
        self.loose.extend((0..count).map(|span| (found, span)));
        Some(found)
    }

    /// Gives up a chunk of which nothing is on its way, so that another can be begun: those who had the rest may be gone.
    fn abandon(&mut self) -> bool {
        let idle = |span: &SpanState| matches!(span, SpanState::Loose | SpanState::Landed(_));
        let found = self.active.iter().find(|(_, active)| active.spans.iter().all(idle)).map(|(of, _)| *of);
        found.inspect(|chunk| self.deactivate(*chunk)).is_some()
    }

    fn deactivate(&mut self, chunk: u32) {
        if let Some(active) = self.active.remove(&chunk) {
            for span in 0..active.spans.len() as u32 {
                self.loose.remove(&(chunk, span));
            }
            self.wide -= u32::from(active.spans.len() > 1);
            self.set_missing(chunk);
        }
    }

    /// A span will not come from the peer that was asked.
    pub(crate) fn unask(&mut self, run: BlockRun) {
        let Some((place, span)) = self.position(run) else { return };
        let Some(active) = self.active.get_mut(&place.chunk) else { return };
        active.only = None;
        if active.spans.get(span as usize) == Some(&SpanState::Asked) {
            active.spans[span as usize] = SpanState::Loose;
            self.loose.insert((place.chunk, span));
        }
        // Who takes it up begins anew: perhaps another chunk is rarer by now.
        if active.spans.iter().all(|state| *state == SpanState::Loose) {
            self.deactivate(place.chunk);
        }
    }

    /// No chunk is kept for this source any more.
    pub(super) fn free_from(&mut self, id: ConnId) {
        for active in self.active.values_mut() {
            active.only.take_if(|only| *only == id);
        }
    }

    /// A span is here and goes to the disk. Returns its height and, for a file of one span, its hash.
    pub(crate) fn landing(&mut self, run: BlockRun, from: ConnId) -> Option<(u8, Option<Hash>)> {
        let (place, span) = self.position(run)?;
        let active = self.active.get_mut(&place.chunk)?;
        *active.spans.get_mut(span as usize).filter(|state| **state == SpanState::Asked)? =
            SpanState::Landing;
        active.by[span as usize] = Some(from);
        let alone = place.shape.spans() == 1;
        let root = if alone { self.root(place.entry) } else { None };
        Some((place.shape.span_height(), root))
    }

    /// A span's bytes are staged, and this is the hash of its subtree. Tells when its chunk is whole.
    pub(crate) fn landed(&mut self, run: BlockRun, hash: Hash) -> Option<Checked> {
        let (place, span) = self.position(run)?;
        let active = self.active.get_mut(&place.chunk)?;
        *active.spans.get_mut(span as usize).filter(|state| **state == SpanState::Landing)? =
            SpanState::Landed(hash);
        let landed = |span: &SpanState| match span {
            SpanState::Landed(hash) => Some(*hash),
            SpanState::Loose | SpanState::Asked | SpanState::Landing => None,
        };
        let hashes: Vec<Hash> = active.spans.iter().map_while(landed).collect();
        if hashes.len() < active.spans.len() {
            return None;
        }
        let origin = hashes.iter().copied().zip(active.by.iter().copied().flatten()).collect();
        if hashes.len() > 1 {
            self.wide -= 1;
        }
        let (level, height) = (place.shape.span_height(), place.shape.chunk_height());
        let chunk_hash = tree::fold(hashes, level, height - level);
        self.active.remove(&place.chunk);
        self.states[place.chunk as usize] = ChunkState::Computed;
        #[cfg(planted)]
        self.tell_early(place);
        Some(self.compare(place, chunk_hash, origin))
    }
}
