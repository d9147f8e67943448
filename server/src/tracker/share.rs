//! The peers of one share: found by key, drawn by number, counted.

use std::collections::BTreeMap;

use truecopy_protocol::NodeId;

use super::Scrape;
use super::completed::Completed;
use super::peer::Peer;

/// Up to here a peer is found by looking at all of them; an index would cost more than it saves.
const UNINDEXED_MAX: usize = 16;

/// How many peers are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    seeders: u32,
    v4: u32,
    v6: u32,
}

impl Tally {
    fn of(peer: &Peer) -> Self {
        Self {
            seeders: u32::from(peer.left == 0),
            v4: u32::from(peer.v4.is_some()),
            v6: u32::from(peer.v6.is_some()),
        }
    }

    fn add(&mut self, other: Self) {
        self.seeders += other.seeders;
        self.v4 += other.v4;
        self.v6 += other.v6;
    }

    fn sub(&mut self, other: Self) {
        self.seeders -= other.seeders;
        self.v4 -= other.v4;
        self.v6 -= other.v6;
    }
}

/// The peers of a share, in no order.
#[derive(Debug, Default)]
pub(super) struct Share {
    peers: Vec<(NodeId, Peer)>,
    /// Places by key; empty while there are few peers.
    index: BTreeMap<NodeId, u32>,
    tally: Tally,
    pub(super) completed: Completed,
    /// When it was last known to have peers, in seconds since 1970; looked at while it has none.
    pub(super) seen: u32,
}

impl Share {
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn get(&self, place: usize) -> &(NodeId, Peer) {
        &self.peers[place]
    }

    /// Peers that have an address of each family.
    pub(super) const fn families(&self) -> (usize, usize) {
        (self.tally.v4 as usize, self.tally.v6 as usize)
    }

    pub(super) fn scrape(&self) -> Scrape {
        let seeders = u64::from(self.tally.seeders);
        Scrape { seeders, leechers: self.peers.len() as u64 - seeders, completed: self.completed.total() }
    }

    pub(super) fn find(&self, node: &NodeId) -> Option<usize> {
        if self.index.is_empty() {
            self.peers.iter().position(|(key, _)| key == node)
        } else {
            self.index.get(node).map(|place| *place as usize)
        }
    }

    /// Adds a peer, or replaces what was known of it; gives that.
    pub(super) fn set(&mut self, node: NodeId, peer: Peer) -> Option<Peer> {
        match self.find(&node) {
            Some(place) => Some(self.replace(place, peer)),
            None => {
                self.push(node, peer);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, place: usize) -> Peer {
        let (node, peer) = self.peers.swap_remove(place);
        self.tally.sub(Tally::of(&peer));
        if !self.index.is_empty() {
            self.index.remove(&node);
            if let Some((moved, _)) = self.peers.get(place) {
                self.index.insert(*moved, place as u32);
            }
        }
        if self.peers.len() * 4 < self.peers.capacity() {
            self.peers.shrink_to(self.peers.len() * 2);
        }
        peer
    }

    fn replace(&mut self, place: usize, peer: Peer) -> Peer {
        let was = std::mem::replace(&mut self.peers[place].1, peer);
        self.tally.sub(Tally::of(&was));
        self.tally.add(Tally::of(&peer));
        was
    }

    fn push(&mut self, node: NodeId, peer: Peer) {
        // Most shares have one or two peers: no room for four.
        if self.peers.len() < 4 {
            self.peers.reserve_exact(1);
        }
        self.tally.add(Tally::of(&peer));
        self.peers.push((node, peer));
        if !self.index.is_empty() {
            self.index.insert(node, self.peers.len() as u32 - 1);
        } else if self.peers.len() > UNINDEXED_MAX {
            self.index = self.peers.iter().zip(0..).map(|((node, _), place)| (*node, place)).collect();
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Share {
    pub(super) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().map(|(_, peer)| peer)
    }

    /// Compares the counts with the peers.
    pub(super) fn assert_counted(&self) {
        let mut tally = Tally::default();
        self.peers.iter().for_each(|(_, peer)| tally.add(Tally::of(peer)));
        assert_eq!(tally, self.tally);
    }
}
