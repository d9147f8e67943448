//! Second addresses: a node that announces itself over one family says where it listens in the other. Nobody has seen
//! it there, so somebody must dial, and it must prove its key.
//!
//! Pure: keeps what waits for that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use truecopy_protocol::{DiscoveryKey, NodeId, Now};

use super::{Dials, Reachable};
use crate::tracker::limit::Source;

/// A node says that it listens there too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The share in which it announced itself.
    pub discovery: DiscoveryKey,
    /// The node, whose key is to be proven.
    pub node: NodeId,
    /// Where.
    pub address: SocketAddr,
    /// Who said so.
    source: Source,
    not_before: Now,
    /// When it is given up: by then the node announces itself again.
    until: Now,
}

/// For how long a wish may wait for its turn.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Wishes of one source that may wait.
const OF_SOURCE_MAX: usize = 16;

/// Wishes in the order in which they came.
#[derive(Debug)]
pub struct Wishes {
    reachable: Reachable,
    max: usize,
    queue: VecDeque<Wish>,
    known: BTreeSet<(DiscoveryKey, NodeId)>,
    of_source: BTreeMap<Source, usize>,
}

impl Wishes {
    /// Room for `max` of them.
    pub const fn new(reachable: Reachable, max: usize) -> Self {
        Self { reachable, max, queue: VecDeque::new(), known: BTreeSet::new(), of_source: BTreeMap::new() }
    }

    /// Takes a wish that came from `observed`, unless it is of no use (the same family, an address that is never
    /// dialled, one that waits already) or there is no room. A wish is a convenience: nobody is told.
    pub fn add(
        &mut self,
        now: Now,
        observed: IpAddr,
        discovery: DiscoveryKey,
        node: NodeId,
        address: SocketAddr,
    ) {
        let (observed, ip) = (observed.to_canonical(), address.ip().to_canonical());
        let source = Source::from(observed);
        let is_of_use = ip.is_ipv4() != observed.is_ipv4() && address.port() != 0 && self.reachable.may(ip);
        let of_source = self.of_source.get(&source).copied().unwrap_or_default();
        if !is_of_use || self.queue.len() >= self.max || of_source >= OF_SOURCE_MAX {
            return;
        }
        if self.known.insert((discovery, node)) {
            let address = SocketAddr::new(ip, address.port());
            self.put(Wish { discovery, node, address, source, not_before: now, until: now + WAIT_MAX });
        }
    }

    /// Up to `max` wishes to see to now. They no longer wait.
    pub fn due(&mut self, now: Now, max: usize) -> Vec<Wish> {
        let mut due = Vec::new();
        for _ in 0..self.queue.len() {
            if due.len() >= max {
                break;
            }
            let Some(wish) = self.queue.pop_front() else { break };
            if wish.not_before > now {
                self.queue.push_back(wish);
                continue;
            }
            self.known.remove(&(wish.discovery, wish.node));
            match self.of_source.get_mut(&wish.source) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.of_source.remove(&wish.source)),
            }
            if wish.until >= now {
                due.push(wish);
            }
        }
        due
    }

    /// The network of a wish was dialled too recently: it waits for another turn, if it still may.
    pub fn postpone(&mut self, now: Now, mut wish: Wish) {
        wish.not_before = now + Dials::PAUSE;
        let has_room = self.queue.len() < self.max && wish.not_before <= wish.until;
        if has_room && self.known.insert((wish.discovery, wish.node)) {
            self.put(wish);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn put(&mut self, wish: Wish) {
        *self.of_source.entry(wish.source).or_default() += 1;
        self.queue.push_back(wish);
    }
}
