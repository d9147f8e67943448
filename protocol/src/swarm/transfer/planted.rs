//! What planted bugs do to the chunks of a share.

use super::{ChunkState, Place, Transfer};
use crate::planted::{Bug, coin, is};
use crate::swarm::have::Have;

impl Transfer {
    /// [`Bug::LengthTrusted`]: every chunk of a file of which something is claimed. The store claims nothing of a file
    /// that has not its length.
    pub(super) fn trust_lengths(&mut self) {
        if is(Bug::LengthTrusted) {
            for claim in core::mem::take(&mut self.rechecks) {
                if let Some(place) = self.place(claim.chunk.0) {
                    self.progress.to_recheck -= place.bytes();
                    self.believe(self.manifest.chunks_of(place.entry));
                }
            }
        }
    }

    /// [`Bug::RequestsReversed`], [`Bug::RandomOrder`]: the last chunk that is missing.
    pub(super) fn last_missing(&self, have: &Have) -> Option<u32> {
        let is_wanted = is(Bug::RequestsReversed) || is(Bug::RandomOrder) && coin();
        let missing =
            |chunk: &u32| self.states[*chunk as usize] == ChunkState::Missing && have.contains(*chunk);
        if is_wanted { (0..self.states.len() as u32).rev().find(missing) } else { None }
    }

    /// [`Bug::ToldEarly`].
    pub(super) fn tell_early(&mut self, place: Place) {
        if is(Bug::ToldEarly) {
            self.news.push(place.chunk);
        }
    }

    /// [`Bug::EndIsComplete`].
    pub(crate) fn believe_all(&mut self) {
        self.believe(0..self.manifest.chunk_count());
    }

    fn believe(&mut self, chunks: core::ops::Range<u32>) {
        for chunk in chunks {
            match self.states[chunk as usize] {
                ChunkState::Unwanted | ChunkState::Verified => continue,
                ChunkState::Missing => self.queue.remove(chunk),
                ChunkState::Active => {
                    self.loose.retain(|(of, _)| *of != chunk);
                    self.active.remove(&chunk);
                }
                ChunkState::Recheck | ChunkState::Computed | ChunkState::Questioned => {}
            }
            self.states[chunk as usize] = ChunkState::Verified;
            self.open -= 1;
        }
    }
}
