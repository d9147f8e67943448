//! What must survive a restart, as keys and values.

use serde::{Deserialize, Serialize};
use truecopy_protocol::{Candidate, DiscoveryKey, NodeId};

use crate::tracker::Peer;

/// Names one thing that is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// The secret that tokens are made with.
    Secret,
    /// A share.
    Share(DiscoveryKey),
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
    },
    /// A peer.
    Peer(Peer),
    /// It was reached once.
    Plain,
}

/// Something to keep, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// Its new value; none if it is gone.
    pub value: Option<Value>,
}

impl Change {
    pub(crate) const fn put(key: Key, value: Value) -> Self {
        Self { key, value: Some(value) }
    }

    pub(crate) const fn remove(key: Key) -> Self {
        Self { key, value: None }
    }
}
