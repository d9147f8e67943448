//! What comes from elsewhere: from an earlier run, and from other trackers that share the store.
//!
//! Each replica hears all changes, its own too, in the order in which they came to the store. Where what is known here
//! is newer than what came, it is put back. So once nothing is on its way any more, the last change of a record was put
//! back by nobody: it is what all know, and what the store has.

use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

use super::{Peer, Tracker, seconds};
use crate::record::{Change, Edit, Key, Replica, Value};

impl Tracker {
    /// Takes back what an earlier run kept; what has expired since, or finds no room, is left out.
    pub fn restore(&mut self, now: UnixTime, key: &Key, value: Value) {
        // What would be put back is in the store already.
        self.merge(now, key, Edit::Put(value), &mut Vec::new());
    }

    /// Takes what another tracker did to a record; `changes` gets what is newer here, to be put back.
    pub fn merge(&mut self, now: UnixTime, key: &Key, edit: Edit, changes: &mut Vec<Change>) {
        match (key, edit) {
            (Key::Peer(discovery, node), Edit::Put(Value::Peer(peer))) => {
                self.learn_peer(now, *discovery, *node, peer, changes);
            }
            (Key::Peer(discovery, node), Edit::Remove { seen }) => {
                self.unlearn_peer(*discovery, *node, seen, changes);
            }
            (Key::Share(discovery, replica), Edit::Put(Value::Share { completed, seen })) => {
                self.learn_share(*discovery, *replica, completed, seen, changes);
            }
            (Key::Share(discovery, replica), Edit::Remove { seen }) => {
                self.unlearn_share(now, *discovery, *replica, seen, changes);
            }
            _ => {}
        }
    }

    fn learn_peer(
        &mut self,
        now: UnixTime,
        discovery: DiscoveryKey,
        node: NodeId,
        peer: Peer,
        changes: &mut Vec<Change>,
    ) {
        let oldest = self.oldest(now);
        let Some(theirs) = peer.fresh(oldest) else {
            // Nobody may be left who would take it out of the store.
            let seen = peer.seen();
            changes.push(Change::remove(Key::Peer(discovery, node), seen));
            self.unlearn_peer(discovery, node, seen, changes);
            return;
        };
        let known = self.find(&discovery, &node);
        if known.is_none() && self.peers >= self.config.peers_max {
            return;
        }
        let ours = known.and_then(|ours| ours.fresh(oldest));
        let merged = ours.map_or(theirs, |ours| ours.merged(theirs));
        self.set(discovery, node, merged);
        if merged != theirs {
            changes.push(Change::put(Key::Peer(discovery, node), Value::Peer(merged)));
        }
    }

    fn unlearn_peer(&mut self, discovery: DiscoveryKey, node: NodeId, seen: u32, changes: &mut Vec<Change>) {
        match self.find(&discovery, &node) {
            Some(ours) if ours.seen() > seen => {
                changes.push(Change::put(Key::Peer(discovery, node), Value::Peer(ours)));
            }
            _ => drop(self.unset(seen, &discovery, &node, changes)),
        }
    }

    fn learn_share(
        &mut self,
        discovery: DiscoveryKey,
        replica: Replica,
        completed: u64,
        seen: u32,
        changes: &mut Vec<Change>,
    ) {
        let share = self.shares.entry(discovery).or_default();
        // Known without peers before: counted as idle then. A share of which nothing was ever completed is not kept.
        let was_idle = share.len() == 0 && share.completed.total() > 0;
        let newest = share.completed.learn(replica, completed);
        share.seen = share.seen.max(seen);
        let seen = share.seen;
        let is_idle = share.len() == 0 && share.completed.total() > 0;
        if share.len() == 0 && !is_idle {
            self.shares.remove(&discovery);
        }
        self.idle += usize::from(is_idle && !was_idle);
        if newest > completed {
            changes
                .push(Change::put(Key::Share(discovery, replica), Value::Share { completed: newest, seen }));
        }
    }

    fn unlearn_share(
        &mut self,
        now: UnixTime,
        discovery: DiscoveryKey,
        replica: Replica,
        seen: u32,
        changes: &mut Vec<Change>,
    ) {
        let Some(share) = self.shares.get_mut(&discovery) else { return };
        if share.len() > 0 || share.seen > seen {
            let seen = if share.len() > 0 { seconds(now) } else { share.seen };
            let completed = share.completed.of(replica);
            changes.push(Change::put(Key::Share(discovery, replica), Value::Share { completed, seen }));
            return;
        }
        share.completed.forget(replica);
        if share.completed.total() == 0 {
            self.forget(discovery, changes);
        }
    }
}
