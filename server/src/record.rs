//! What must survive a restart, and what replicas tell one another: keys, values, changes.

use serde::{Deserialize, Serialize};
use truecopy_protocol::{Candidate, DiscoveryKey, NodeId};

use crate::tracker::Peer;

/// One of several trackers that share a store: by it they count apart from one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Replica(pub u16);

/// Names one thing that is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// The secret that tokens are made with.
    Secret,
    /// A share, as this replica counted it.
    Share(DiscoveryKey, Replica),
    /// A peer of a share.
    Peer(DiscoveryKey, NodeId),
    /// A plain peer of the bootstrap registry.
    Plain(Candidate),
}

/// What is kept under a [`Key`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Random bytes.
    Secret([u8; 32]),
    /// Counts of a share.
    Share {
        /// How often it was completed.
        completed: u64,
        /// When it was last known to have peers, in seconds since 1970.
        seen: u32,
    },
    /// A peer.
    Peer(Peer),
    /// It was reached once.
    Plain,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// It is this now.
    Put(Value),
    /// It is gone, as far as it is not newer than `seen`, in seconds since 1970. A store removes it in any case; who
    /// merges the changes of others keeps, and puts back, what it saw later.
    Remove {
        /// Until when.
        seen: u32,
    },
}

/// Something to keep, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// What becomes of it.
    pub edit: Edit,
}

impl Change {
    pub(crate) const fn put(key: Key, value: Value) -> Self {
        Self { key, edit: Edit::Put(value) }
    }

    pub(crate) const fn remove(key: Key, seen: u32) -> Self {
        Self { key, edit: Edit::Remove { seen } }
    }
}
