//! Spans of the chunks in work: who is asked for which, and when a chunk is whole.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Checked, ChunkState, Place, Transfer};
use crate::content::geometry::SPAN_BLOCKS;
use crate::content::tree;
use crate::wire::BlockRun;
use crate::{BlobId, ConnId, Hash};

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
    /// Whose bytes these are.
    from: BTreeSet<ConnId>,
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
        !self.loose.is_empty() || self.missing > 0
    }

    /// The next span to ask of this peer, which has the chunks that `has` says. At most `wide_max` chunks of several
    /// spans are in work at once.
    pub(crate) fn pick(
        &mut self,
        id: ConnId,
        wide_max: u32,
        has: impl Fn(u32) -> bool,
    ) -> Option<(Place, BlockRun)> {
        let free = |chunk: u32| {
            let only = self.active.get(&chunk).and_then(|active| active.only);
            has(chunk) && only.is_none_or(|only| only == id)
        };
        let loose = self.loose.iter().copied().find(|(chunk, _)| free(*chunk));
        let (chunk, span) = match loose {
            Some(found) => found,
            None => (self.activate(wide_max, &has)?, 0),
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

    fn activate(&mut self, wide_max: u32, has: impl Fn(u32) -> bool) -> Option<u32> {
        if self.missing == 0 {
            return None;
        }
        while self.states.get(self.cursor as usize).is_some_and(|state| *state != ChunkState::Missing) {
            self.cursor += 1;
        }
        let again = self.again.iter().copied().find(|chunk| has(*chunk));
        #[cfg(planted)]
        let again = self.last_missing(&has).or(again);
        let found = again.or_else(|| {
            let ahead = self.states.get(self.cursor as usize..)?;
            let mut ahead = ahead.iter().zip(self.cursor..);
            ahead.find(|(state, chunk)| **state == ChunkState::Missing && has(*chunk)).map(|(_, chunk)| chunk)
        })?;
        let count = self.place(found)?.spans();
        if count > 1 {
            if self.wide >= wide_max {
                return None;
            }
            self.wide += 1;
        }
        self.again.remove(&found);
        self.states[found as usize] = ChunkState::Active;
        self.missing -= 1;
        let spans = alloc::vec![SpanState::Loose; count as usize];
        self.active.insert(found, Active { spans, from: BTreeSet::new(), only: None });
        self.loose.extend((0..count).map(|span| (found, span)));
        Some(found)
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
        active.from.insert(from);
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
        if hashes.len() > 1 {
            self.wide -= 1;
        }
        let (level, height) = (place.shape.span_height(), place.shape.chunk_height());
        let chunk_hash = tree::fold(hashes, level, height - level);
        let from = self.active.remove(&place.chunk)?.from;
        self.states[place.chunk as usize] = ChunkState::Computed;
        Some(self.compare(place, chunk_hash, from))
    }
}
