//! Who has which share: what is kept of the peers that announce themselves, and who is told about whom.
//!
//! Pure: times, addresses and the seed of its choices are handed in. What must survive a restart comes out as
//! [`Change`]s. Knows nothing of HTTP, stores or clocks.

pub mod gate;
pub mod limit;
mod nonces;
mod peer;
mod random;
mod select;
mod share;
pub mod statement;
mod token;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

pub use self::gate::{Gate, Proven};
use self::nonces::Nonces;
pub use self::peer::{Contact, Peer};
pub use self::random::Random;
use self::share::Share;
pub use self::statement::{Announce, Event, Proof};
pub use self::token::Token;
use crate::record::{Change, Key, Value};

/// How a tracker keeps its peers.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Seconds after which a peer should announce itself again.
    pub interval: u32,
    /// Seconds between two announces of a peer at least.
    pub min_interval: u32,
    /// Seconds without an announce after which a peer is forgotten.
    pub peer_ttl: u32,
    /// Peers of all shares together; further ones are refused.
    pub peers_max: usize,
    /// Peers named in one reply at most.
    pub reply_max: usize,
    /// Signed announces remembered against replays, in each of two spans of ten minutes.
    pub nonces_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: 1800,
            min_interval: 60,
            peer_ttl: 2 * 1800 + 300,
            peers_max: 1_000_000,
            reply_max: 50,
            nonces_max: 1_000_000,
        }
    }
}

/// Why an announce is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The signature is not the node's over this statement to this tracker.
    #[error("the signature does not hold for this tracker's origin and these fields")]
    Forged,
    /// The token is not one of ours for this node, share and address, or it has expired.
    #[error("the token does not hold for this node, share and address; sign the next announce")]
    BadToken,
    /// The statement's time is too far from ours, or from before we started.
    #[error("the time of the statement is more than five minutes off, or before the tracker's start")]
    WrongTime,
    /// This signed announce was seen before.
    #[error("this statement was announced before")]
    Replayed,
    /// No room for a further peer or statement.
    #[error("the tracker is full")]
    Full,
}

/// A peer, as told to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its key.
    pub node: NodeId,
    /// Where it was seen, with the port it said.
    pub address: SocketAddr,
}

/// What is known of a share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrape {
    /// Peers that have everything.
    pub seeders: u64,
    /// Peers that lack something.
    pub leechers: u64,
    /// Peers that were leechers and said that they completed, as long as the share has had peers.
    pub completed: u64,
}

/// The answer to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Random others, of both address families if there are.
    pub peers: Vec<Told>,
    /// The share after this announce.
    pub scrape: Scrape,
}

/// All shares and their peers.
#[derive(Debug)]
pub struct Tracker {
    config: Config,
    random: Random,
    shares: BTreeMap<DiscoveryKey, Share>,
    peers: usize,
    nonces: Nonces,
    /// Where the next sweep goes on: a share, and a place among its peers.
    cursor: (DiscoveryKey, usize),
}

impl Tracker {
    /// An empty one, whose choices follow from the seed.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            shares: BTreeMap::new(),
            peers: 0,
            nonces: Nonces::new(config.nonces_max),
            cursor: (DiscoveryKey([0; 32]), 0),
        }
    }

    /// Takes an announce that the [`Gate`] let through; `changes` gets what is to be kept.
    ///
    /// # Errors
    /// [`Denied::Replayed`] for a statement that was taken before, [`Denied::Full`] when there is no room.
    pub fn announce(
        &mut self,
        now: UnixTime,
        source: IpAddr,
        announce: &Announce,
        proven: &Proven,
        changes: &mut Vec<Change>,
    ) -> Result<Reply, Denied> {
        if let Some(mark) = proven.mark() {
            self.nonces.take(now, mark)?;
        }
        let Announce { discovery, node, port, left, event, .. } = *announce;
        let completed = match event {
            Event::Stopped => {
                self.remove(&discovery, &node, changes);
                return Ok(Reply { peers: Vec::new(), scrape: self.scrape(&discovery) });
            }
            Event::Completed => true,
            Event::Started | Event::None => false,
        };
        let known = self.shares.get(&discovery).is_some_and(|share| share.find(&node).is_some());
        if !known && self.peers >= self.config.peers_max {
            return Err(Denied::Full);
        }
        let share = self.shares.entry(discovery).or_default();
        let (peer, was) = share.upsert(node, left, contact(source, port, now));
        changes.push(Change::put(Key::Peer(discovery, node), Value::Peer(peer)));
        if was.is_none() {
            self.peers += 1;
        }
        if completed && left == 0 && was.is_some_and(|left| left > 0) {
            share.completed += 1;
            changes.push(Change::put(Key::Share(discovery), Value::Share { completed: share.completed }));
        }
        let oldest = self.oldest(now);
        let share = &self.shares[&discovery];
        let peers = select::choose(share, &node, oldest, self.config.reply_max, &mut self.random);
        Ok(Reply { peers, scrape: share.scrape() })
    }

    /// Counts of a share; all zero for one that nobody announced.
    pub fn scrape(&self, discovery: &DiscoveryKey) -> Scrape {
        self.shares.get(discovery).map(Share::scrape).unwrap_or_default()
    }

    /// Forgets peers that were silent for too long, looking at `budget` peers from where the last sweep ended.
    pub fn sweep(&mut self, now: UnixTime, budget: usize, changes: &mut Vec<Change>) {
        let oldest = self.oldest(now);
        let mut left = budget;
        let (mut at, mut place) = self.cursor;
        let mut empty = Vec::new();
        for (discovery, share) in self.shares.range_mut(at..) {
            if *discovery != at {
                (at, place) = (*discovery, 0);
            }
            if left == 0 {
                break;
            }
            while left > 0 && place < share.len() {
                left -= 1;
                match share.expire(place, oldest) {
                    Some(node) => {
                        self.peers -= 1;
                        changes.push(Change::remove(Key::Peer(at, node)));
                    }
                    None => place += 1,
                }
            }
            if share.len() == 0 {
                empty.push(at);
            }
        }
        // What is left of the budget says whether the end was reached.
        self.cursor = if left > 0 { (DiscoveryKey([0; 32]), 0) } else { (at, place) };
        for discovery in empty {
            self.forget(discovery, changes);
        }
    }

    /// Takes back what an earlier run kept; what has expired since, or finds no room, is left out.
    pub fn restore(&mut self, now: UnixTime, key: &Key, value: Value) {
        match (key, value) {
            (Key::Peer(discovery, node), Value::Peer(peer)) => {
                let fresh = peer.fresh(self.oldest(now));
                if let Some(peer) = fresh.filter(|_| self.peers < self.config.peers_max) {
                    let share = self.shares.entry(*discovery).or_default();
                    self.peers += usize::from(share.restore(*node, peer));
                }
            }
            (Key::Share(discovery), Value::Share { completed }) => {
                self.shares.entry(*discovery).or_default().completed = completed;
            }
            _ => {}
        }
    }

    /// Peers of all shares.
    pub const fn peers(&self) -> usize {
        self.peers
    }

    /// Shares that have peers.
    pub fn shares(&self) -> usize {
        self.shares.len()
    }

    /// How it was set up.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn remove(&mut self, discovery: &DiscoveryKey, node: &NodeId, changes: &mut Vec<Change>) {
        let Some(share) = self.shares.get_mut(discovery) else { return };
        let Some(place) = share.find(node) else { return };
        share.remove(place);
        let empty = share.len() == 0;
        self.peers -= 1;
        changes.push(Change::remove(Key::Peer(*discovery, *node)));
        if empty {
            self.forget(*discovery, changes);
        }
    }

    fn forget(&mut self, discovery: DiscoveryKey, changes: &mut Vec<Change>) {
        if self.shares.remove(&discovery).is_some_and(|share| share.completed > 0) {
            changes.push(Change::remove(Key::Share(discovery)));
        }
    }

    /// The time of the oldest announce that still counts.
    fn oldest(&self, now: UnixTime) -> u32 {
        seconds(now).saturating_sub(self.config.peer_ttl)
    }
}

/// Civil time in the 32 bits that a peer has room for: until 2106.
fn seconds(time: UnixTime) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX)
}

fn contact(source: IpAddr, port: NonZeroU16, now: UnixTime) -> peer::Reach {
    let seen = seconds(now);
    match source.to_canonical() {
        IpAddr::V4(ip) => peer::Reach::V4(Contact { ip, port, seen }),
        IpAddr::V6(ip) => peer::Reach::V6(Contact { ip, port, seen }),
    }
}

#[cfg(test)]
mod tests;
