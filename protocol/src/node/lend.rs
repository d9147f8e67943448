//! A seeder of a crowd gives each chunk to one peer first. PROTOCOL §5.12.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Node;
use super::exchange::Conn;
use crate::content::geometry::SPAN_BLOCKS;
use crate::content::manifest::Manifest;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::circle::Part;
use crate::swarm::lending::Again;
use crate::wire::{BlockRun, ChunkRange, Message};
use crate::{BlobId, ConnId, ShareId};

/// Why what was lent is taken back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Returned {
    /// The peer is not served any more.
    Choked(ConnId),
    /// The peer is gone.
    Gone(ConnId),
    /// Whatever was lent for too long.
    Late,
}

impl Node {
    /// Whether a peer is given these blocks now; if not, it is told when it may ask again.
    pub(super) fn may_lend(
        &mut self,
        share: ShareId,
        id: ConnId,
        manifest: &Manifest,
        run: BlockRun,
    ) -> bool {
        let Some(entry) = BlobId(run.blob).entry() else { return true };
        let chunk = manifest.chunks_of(entry).start + run.block / SPAN_BLOCKS / manifest.chunk_size().spans();
        let circle = self.circles.get(&share).filter(|circle| circle.is_on());
        if !self.serving.contains_key(&share) || circle.is_none_or(|circle| circle.lending.is_seen(chunk)) {
            return true;
        }
        let takes = |conn: &&Conn| {
            let exchange = conn.exchange().filter(|(of, _)| *of == share);
            exchange.is_some_and(|(_, exchange)| exchange.acquaintance.part == Part::Taken)
        };
        let is_crowd = self.conns.values().filter(takes).count() > self.config.upload_slots as usize;
        let now = self.now;
        !is_crowd || self.circles.get_mut(&share).is_none_or(|circle| circle.lending.ask(chunk, id, now))
    }

    /// A peer tells a seeder what it has.
    pub(super) fn seen_there(&mut self, share: ShareId, id: ConnId, ranges: &[ChunkRange]) {
        let Some(circle) = self.circles.get_mut(&share).filter(|circle| circle.is_on()) else { return };
        let chunks = circle.lending.chunks();
        let told =
            ranges.iter().flat_map(|range| range.first..range.first.saturating_add(range.count).min(chunks));
        let again: Vec<Again> = told.filter_map(|chunk| circle.lending.seen(chunk, id)).collect();
        self.tell_again(again);
        self.mind_debt(share, id);
    }

    /// What was lent is free for others.
    pub(super) fn take_loans_back(&mut self, share: ShareId, why: Returned) {
        let now = self.now;
        let Some(circle) = self.circles.get_mut(&share) else { return };
        let again = match why {
            Returned::Choked(id) => circle.lending.choked(id),
            Returned::Gone(id) => circle.lending.gone(id),
            Returned::Late => circle.lending.expired(now),
        };
        self.tell_again(again);
    }

    fn tell_again(&mut self, again: Vec<(u32, BTreeSet<ConnId>)>) {
        #[cfg(planted)]
        if is(Bug::LentForEver) {
            return;
        }
        for (first, conns) in again {
            for id in conns {
                let range = ChunkRange { first, count: 1 };
                self.with_session(id, |session| session.send(&Message::Have(alloc::vec![range])));
            }
        }
    }
}
