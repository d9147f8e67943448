//! The picker and what peers have, for the benchmark of choices.

use alloc::vec::Vec;

use crate::input::Order;
use crate::swarm::have::Have;
use crate::swarm::picker::Picker;
use crate::wire::ChunkRange;

/// A picker and the peers that it chooses for.
#[derive(Debug)]
pub struct Picking {
    picker: Picker,
    peers: Vec<Have>,
}

impl Picking {
    /// Nothing of `chunks` is missing, and none of so many peers has any.
    pub fn new(chunks: u32, peers: usize) -> Self {
        let mut peers: Vec<Have> = (0..peers).map(|_| Have::default()).collect();
        for have in &mut peers {
            // Nothing was told, so that nothing is wrong with it.
            let _settled = have.settle(chunks);
        }
        Self { picker: Picker::new(chunks, Order::RarestFirst, 7), peers }
    }

    /// A chunk is missing.
    pub fn miss(&mut self, chunk: u32) {
        self.picker.add(chunk);
    }

    /// A peer tells that it has a chunk; whether it is one of those that there are.
    pub fn tell(&mut self, peer: usize, chunk: u32) -> bool {
        let picker = &mut self.picker;
        self.peers[peer]
            .tell(&[ChunkRange { first: chunk, count: 1 }], &mut |chunk| picker.seen(chunk))
            .is_ok()
    }

    /// The next chunk to ask of a peer. It is missing no more.
    pub fn choose(&mut self, peer: usize) -> Option<u32> {
        let chunk = self.picker.pick(&mut self.peers[peer], None)?;
        self.picker.remove(chunk);
        Some(chunk)
    }

    /// Whether a peer has anything that is missing.
    pub fn is_of_use(&mut self, peer: usize) -> bool {
        self.picker.finds_any(&mut self.peers[peer])
    }
}
