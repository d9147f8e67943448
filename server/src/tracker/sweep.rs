//! What time takes: silent peers, and shares without peers.

use truecopy_protocol::{DiscoveryKey, UnixTime};

use super::{Tracker, seconds};
use crate::record::{Change, Key};

impl Tracker {
    /// Forgets peers that were silent for too long, looking at `budget` peers and shares without peers from where the
    /// last sweep ended.
    pub fn sweep(&mut self, now: UnixTime, budget: usize, changes: &mut Vec<Change>) {
        let oldest = self.oldest(now);
        let mut left = budget;
        let (mut at, mut place) = self.cursor;
        while left > 0 {
            let Some((discovery, share)) = self.shares.range(at..).next() else {
                self.cursor = (DiscoveryKey([0; 32]), 0);
                return;
            };
            if *discovery != at {
                (at, place) = (*discovery, 0);
            }
            left -= 1;
            if share.len() == 0 {
                if share.seen < seconds(now).saturating_sub(self.config.share_ttl) {
                    self.forget(at, changes);
                }
            } else if place < share.len() {
                let (node, peer) = *share.get(place);
                match peer.fresh(oldest) {
                    Some(fresh) => {
                        if fresh != peer {
                            self.set(at, node, fresh);
                        }
                        place += 1;
                    }
                    None => {
                        self.unset(seconds(now), &at, &node, changes);
                        changes.push(Change::remove(Key::Peer(at, node), peer.seen()));
                    }
                }
                if self.shares.get(&at).is_some_and(|share| place < share.len()) {
                    continue;
                }
            }
            let Some(next) = after(at) else {
                self.cursor = (DiscoveryKey([0; 32]), 0);
                return;
            };
            (at, place) = (next, 0);
        }
        self.cursor = (at, place);
    }
}

/// The next key there could be.
fn after(key: DiscoveryKey) -> Option<DiscoveryKey> {
    let mut bytes = key.0;
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte > 0 {
            return Some(DiscoveryKey(bytes));
        }
    }
    None
}
