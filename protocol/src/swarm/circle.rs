//! What the peers of one share may know of each other (peer exchange, PROTOCOL §5.11), and who is not met any more.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::choker::Choker;
use super::lending::Lending;
use crate::input::{Path, Swarming};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::{PEERS_MAX, PeerAddress};
use crate::{NodeId, Now};

/// Peers of a share that are remembered to be told.
const KNOWN_MAX: usize = 256;
/// Banned keys and prefixes at most: beyond, the oldest are forgotten with the process.
const BANNED_MAX: usize = 1024;
/// Words that one peer may say between two looks at the clock.
const WORDS_MAX: u32 = 16_384;
/// Peers that one peer may tell between two looks at the clock.
const HEARD_MAX: usize = 8 * PEERS_MAX;

/// The peers of one share, as far as they may be known.
#[derive(Debug, Default)]
pub(crate) struct Circle {
    pub(crate) swarming: Swarming,
    /// Where peers are told to find us.
    pub(crate) port: Option<u16>,
    pub(crate) choker: Choker,
    /// What a seeder gives to one at a time.
    pub(crate) lending: Lending,
    /// When peers were last told of chunks.
    pub(crate) news_told: Option<Now>,
    /// Peers that we met, the first of them number `first`.
    known: VecDeque<PeerAddress>,
    first: u64,
    keys: BTreeSet<NodeId>,
    prefixes: BTreeSet<Prefix>,
}

/// What is banned with a key: one address of the fourth version, a network of the sixth. Not the own machine: its
/// programs have one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix([u8; 8]);

impl Prefix {
    fn of(path: Path) -> Option<Self> {
        let Path::Tcp(address) = path else { return None };
        let ip = address.ip().to_canonical();
        if ip.is_loopback() {
            return None;
        }
        let mut prefix = [0; 8];
        match ip {
            #[cfg(planted)]
            IpAddr::V4(ip) if is(Bug::NetworkBanned) => prefix[4..7].copy_from_slice(&ip.octets()[..3]),
            IpAddr::V4(ip) => prefix[4..].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => prefix.copy_from_slice(&ip.octets()[..8]),
        }
        Some(Self(prefix))
    }
}

/// What two peers told each other of others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acquaintance {
    /// It takes part in the swarm.
    pub(crate) part: Part,
    /// It was told of all peers before this number.
    told: u64,
    /// Peers that it told of since the last look at the clock.
    heard: usize,
    /// Words of a room that it said since then.
    words: u32,
}

/// Whether a peer takes part in the swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    #[default]
    Unknown,
    Taken,
}

impl Circle {
    pub(crate) fn new(swarming: Swarming, port: Option<u16>) -> Self {
        Self { swarming, port, ..Self::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        #[cfg(planted)]
        if is(Bug::MetUntold) {
            return self.swarming != Swarming::Off;
        }
        self.swarming == Swarming::On
    }

    /// A peer that proved its key takes connections at this port.
    pub(crate) fn met(&mut self, key: NodeId, path: Path, port: u16) -> Option<PeerAddress> {
        let Path::Tcp(seen) = path else { return None };
        if port == 0 {
            return None;
        }
        let peer = PeerAddress { key, address: SocketAddr::new(seen.ip(), port) };
        if !self.known.contains(&peer) {
            self.known.push_back(peer);
            if self.known.len() > KNOWN_MAX {
                self.known.pop_front();
                self.first += 1;
            }
        }
        Some(peer)
    }

    /// A peer is gone: others are not told of it any more.
    pub(crate) fn gone(&mut self, key: &NodeId) {
        // Numbers stay as they are: in its place stands whoever was last.
        if let Some(at) = self.known.iter().position(|peer| peer.key == *key)
            && let Some(last) = self.known.pop_back()
            && let Some(slot) = self.known.get_mut(at)
        {
            *slot = last;
        }
    }

    /// The next peers to tell of, to the peer with this key.
    pub(crate) fn news(&self, to: &mut Acquaintance, key: &NodeId) -> Vec<PeerAddress> {
        let from = to.told.saturating_sub(self.first) as usize;
        let news: Vec<PeerAddress> = self.known.iter().skip(from).take(PEERS_MAX).copied().collect();
        to.told = self.first + (from + news.len()).min(self.known.len()) as u64;
        #[cfg(planted)]
        if is(Bug::ToldOfItself) {
            return news;
        }
        news.into_iter().filter(|peer| peer.key != *key).collect()
    }

    /// This peer is not met any more.
    pub(crate) fn ban(&mut self, key: NodeId, path: Path) {
        if self.keys.len() < BANNED_MAX {
            self.keys.insert(key);
            self.prefixes.extend(Prefix::of(path));
        }
        self.gone(&key);
    }

    pub(crate) fn is_banned(&self, key: &NodeId, path: Path) -> bool {
        self.keys.contains(key) || Prefix::of(path).is_some_and(|prefix| self.prefixes.contains(&prefix))
    }
}

impl Acquaintance {
    /// The peer tells of so many others; whether that is too much.
    pub(crate) const fn hears(&mut self, peers: usize) -> bool {
        self.heard += peers;
        self.heard > HEARD_MAX
    }

    /// The peer says something in a room; whether it says too much.
    pub(crate) const fn speaks(&mut self) -> bool {
        self.words += 1;
        self.words > WORDS_MAX
    }

    /// The clock was looked at.
    pub(crate) const fn looked_at(&mut self) {
        (self.heard, self.words) = (0, 0);
    }
}
