//! Who has which share: what is kept of the peers that announce themselves, and who is told about whom.
//!
//! Pure: times, addresses and the seed of its choices are handed in. What must survive a restart comes out as
//! [`Change`]s. Knows nothing of HTTP, stores or clocks.

mod completed;
pub mod gate;
mod held;
pub mod limit;
mod merge;
mod nonces;
mod peer;
mod random;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod replicated;
mod select;
mod share;
pub mod statement;
mod sweep;
mod token;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

pub use self::gate::{Gate, Proven};
use self::held::Held;
use self::limit::Source;
pub use self::nonces::Mark;
use self::nonces::Nonces;
use self::peer::Reach;
pub use self::peer::{Contact, Peer};
pub use self::random::Random;
use self::share::Share;
pub use self::statement::{Announce, Event, Proof};
pub use self::token::Token;
use crate::record::{Change, Key, Replica, Value};

/// How a tracker keeps its peers.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Seconds after which a peer should announce itself again.
    pub interval: u32,
    /// Seconds between two announces of a peer at least; of earlier ones nothing is kept.
    pub min_interval: u32,
    /// Seconds without an announce after which a peer is forgotten.
    pub peer_ttl: u32,
    /// Peers of all shares together; further ones are refused.
    pub peers_max: usize,
    /// Seconds for which a share without peers is remembered, if it was ever completed.
    pub share_ttl: u32,
    /// Shares without peers that are remembered at most.
    pub idle_max: usize,
    /// Keys that one source (an IPv4 address, or a /64 of IPv6) may hold in a share.
    pub share_keys_max: usize,
    /// Keys that one source may hold in all shares together.
    pub source_keys_max: usize,
    /// Which of the trackers that share a store this is.
    pub replica: Replica,
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
            share_ttl: 30 * 24 * 3600,
            idle_max: 100_000,
            share_keys_max: 32,
            source_keys_max: 1000,
            replica: Replica(0),
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
    /// The peer announced itself a moment ago, from there.
    #[error("announced less than the least interval ago; wait {wait} seconds")]
    Early {
        /// Seconds until the next announce is taken.
        wait: u32,
    },
    /// The source holds as many keys as it may, in this share or overall.
    #[error("this source holds as many keys as one source may")]
    Crowded,
    /// Whether another replica took this statement before cannot be found out now.
    #[error("whether this statement was announced before cannot be found out now")]
    Unsure,
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
    /// Peers that were leechers and said that they completed, as long as the share is remembered.
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
    /// Shares without peers.
    idle: usize,
    held: Held,
    nonces: Nonces,
    /// Where the next sweep goes on: a share, and a place among its peers.
    cursor: (DiscoveryKey, usize),
}

/// What becomes of an announce of a peer that is there.
enum Pace {
    /// It is kept.
    Due,
    /// It comes so early that it is only answered.
    Answered,
}

impl Tracker {
    /// An empty one, whose choices follow from the seed.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            shares: BTreeMap::new(),
            peers: 0,
            idle: 0,
            held: Held::default(),
            nonces: Nonces::new(config.nonces_max),
            cursor: (DiscoveryKey([0; 32]), 0),
        }
    }

    /// Whether [`announce`](Self::announce) would refuse the statement by itself: for those who must ask others too.
    ///
    /// # Errors
    /// [`Denied::Replayed`] for a statement that was taken before, [`Denied::Full`] when there is no room for it.
    pub fn expects(&mut self, now: UnixTime, proven: &Proven) -> Result<(), Denied> {
        proven.mark().map_or(Ok(()), |mark| self.nonces.expects(now, &mark))
    }

    /// Takes an announce that the [`Gate`] let through; `changes` gets what is to be kept.
    ///
    /// # Errors
    /// [`Denied::Replayed`] for a statement that was taken before, [`Denied::Full`] when there is no room,
    /// [`Denied::Early`], [`Denied::Crowded`].
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
        if event == Event::Stopped {
            if self.unset(seconds(now), &discovery, &node, changes).is_some() {
                changes.push(Change::remove(Key::Peer(discovery, node), seconds(now)));
            }
            return Ok(Reply { peers: Vec::new(), scrape: self.scrape(&discovery) });
        }
        let reach = Reach::new(source, port, seconds(now));
        let was = self.find(&discovery, &node);
        match self.pace(now, event, reach, was.as_ref())? {
            Pace::Answered => {}
            Pace::Due => {
                self.admit(source, discovery, was.as_ref())?;
                let peer = was.map_or_else(|| Peer::new(left, reach), |was| Peer { left, ..was }.at(reach));
                self.set(discovery, node, peer);
                changes.push(Change::put(Key::Peer(discovery, node), Value::Peer(peer)));
                if event == Event::Completed && left == 0 && was.is_some_and(|was| was.left > 0) {
                    self.complete(now, discovery, changes);
                }
            }
        }
        let oldest = self.oldest(now);
        let Some(share) = self.shares.get(&discovery) else { return Err(Denied::Full) };
        let peers = select::choose(share, &node, oldest, self.config.reply_max, &mut self.random);
        Ok(Reply { peers, scrape: share.scrape() })
    }

    /// A peer proved its key at an address of its other family: it is kept beside the one that was observed. Nothing
    /// happens if the peer has gone, or that address' source holds as many keys as it may.
    pub fn second(
        &mut self,
        now: UnixTime,
        discovery: DiscoveryKey,
        node: NodeId,
        address: SocketAddr,
        changes: &mut Vec<Change>,
    ) {
        let (Some(port), Some(was)) = (NonZeroU16::new(address.port()), self.find(&discovery, &node)) else {
            return;
        };
        if self.admit(address.ip(), discovery, Some(&was)).is_ok() {
            let peer = was.at(Reach::new(address.ip(), port, seconds(now)));
            self.set(discovery, node, peer);
            changes.push(Change::put(Key::Peer(discovery, node), Value::Peer(peer)));
        }
    }

    /// Counts of a share; all zero for one that nobody announced.
    pub fn scrape(&self, discovery: &DiscoveryKey) -> Scrape {
        self.shares.get(discovery).map(Share::scrape).unwrap_or_default()
    }

    /// Peers of all shares.
    pub const fn peers(&self) -> usize {
        self.peers
    }

    /// Shares that have peers.
    pub fn shares(&self) -> usize {
        self.shares.len() - self.idle
    }

    /// Shares without peers that are remembered.
    pub const fn idle_shares(&self) -> usize {
        self.idle
    }

    /// How it was set up.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn find(&self, discovery: &DiscoveryKey, node: &NodeId) -> Option<Peer> {
        let share = self.shares.get(discovery)?;
        share.find(node).map(|place| share.get(place).1)
    }

    /// Whether an announce comes too early after the last one from the same place. A start is answered nevertheless:
    /// whoever runs a program again needs peers at once. What changes something is never early.
    fn pace(&self, now: UnixTime, event: Event, reach: Reach, was: Option<&Peer>) -> Result<Pace, Denied> {
        let Some(seen) = was.and_then(|peer| peer.seen_at(reach)) else { return Ok(Pace::Due) };
        let age = seconds(now).saturating_sub(seen);
        match event {
            Event::Completed | Event::Stopped => Ok(Pace::Due),
            _ if age >= self.config.min_interval => Ok(Pace::Due),
            Event::Started => Ok(Pace::Answered),
            Event::None => Err(Denied::Early { wait: self.config.min_interval - age }),
        }
    }

    /// Whether there is room for a peer from this source: for a new one, and for one that comes from elsewhere now.
    fn admit(&self, source: IpAddr, discovery: DiscoveryKey, was: Option<&Peer>) -> Result<(), Denied> {
        if was.is_none() && self.peers >= self.config.peers_max {
            return Err(Denied::Full);
        }
        let source = Source::from(source);
        if was.is_some_and(|peer| peer.sources().contains(&Some(source))) {
            return Ok(());
        }
        let (in_share, overall) = (self.config.share_keys_max, self.config.source_keys_max);
        let has_room = self.held.has_room(source, discovery, in_share, overall);
        if has_room { Ok(()) } else { Err(Denied::Crowded) }
    }

    fn complete(&mut self, now: UnixTime, discovery: DiscoveryKey, changes: &mut Vec<Change>) {
        let replica = self.config.replica;
        let Some(share) = self.shares.get_mut(&discovery) else { return };
        let completed = share.completed.of(replica) + 1;
        share.completed.learn(replica, completed);
        let value = Value::Share { completed, seen: seconds(now) };
        changes.push(Change::put(Key::Share(discovery, replica), value));
    }

    /// Adds or replaces a peer; everything that is counted follows.
    fn set(&mut self, discovery: DiscoveryKey, node: NodeId, peer: Peer) {
        let share = self.shares.entry(discovery).or_default();
        // One that was made just now has no peers either, but was never counted.
        let was_idle = share.len() == 0 && share.completed.total() > 0;
        let was = share.set(node, peer);
        self.idle -= usize::from(was_idle);
        self.peers += usize::from(was.is_none());
        self.held.moved(discovery, was.as_ref(), Some(&peer));
    }

    /// Takes a peer out, if it is there; everything that is counted follows.
    fn unset(
        &mut self,
        now: u32,
        discovery: &DiscoveryKey,
        node: &NodeId,
        changes: &mut Vec<Change>,
    ) -> Option<Peer> {
        let share = self.shares.get_mut(discovery)?;
        let place = share.find(node)?;
        let was = share.remove(place);
        let is_empty = share.len() == 0;
        self.peers -= 1;
        self.held.moved(*discovery, Some(&was), None);
        if is_empty {
            self.emptied(now, *discovery, changes);
        }
        Some(was)
    }

    /// The last peer of a share has gone: what it counted is remembered for a while, the rest is not.
    fn emptied(&mut self, now: u32, discovery: DiscoveryKey, changes: &mut Vec<Change>) {
        let Some(share) = self.shares.get_mut(&discovery) else { return };
        share.seen = now;
        self.idle += 1;
        if share.completed.total() == 0 || self.idle > self.config.idle_max {
            self.forget(discovery, changes);
            return;
        }
        let replica = self.config.replica;
        let completed = share.completed.of(replica);
        share.completed.learn(replica, completed);
        changes.push(Change::put(Key::Share(discovery, replica), Value::Share { completed, seen: now }));
    }

    /// Forgets a share that has no peers.
    fn forget(&mut self, discovery: DiscoveryKey, changes: &mut Vec<Change>) {
        let Some(share) = self.shares.remove(&discovery) else { return };
        self.idle -= 1;
        for replica in share.completed.replicas() {
            changes.push(Change::remove(Key::Share(discovery, replica), share.seen));
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

#[cfg(any(test, feature = "fuzzing"))]
impl Tracker {
    /// Compares all counts with what is there.
    pub(crate) fn assert_counted(&self) {
        self.shares.values().for_each(Share::assert_counted);
        let peers = || self.shares.values().flat_map(Share::peers);
        assert_eq!(peers().count(), self.peers);
        let held = peers().flat_map(Peer::sources).flatten().count();
        assert_eq!(held, self.held.total());
        let idle = self.shares.values().filter(|share| share.len() == 0);
        assert!(idle.clone().all(|share| share.completed.total() > 0));
        assert_eq!(idle.count(), self.idle);
    }
}

#[cfg(test)]
mod tests;
