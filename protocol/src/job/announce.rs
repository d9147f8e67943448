//! A word with a tracker: what a node says of itself, and what it hears of others. PROTOCOL §6.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Done, JobId, JobResult};
use crate::{DiscoveryKey, NodeId, ShareId, TrackerUrl};

/// Peers of one reply at most; a driver hands in no more.
pub const REPLY_PEERS_MAX: usize = 64;

/// What happened at this node since the tracker last heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnnounceEvent {
    /// Nothing: it is still there.
    None,
    /// It takes part now.
    Started,
    /// It has everything now.
    Completed,
    /// It no longer takes part.
    Stopped,
}

/// Tells a tracker that this node takes part in a share, and asks who else does.
///
/// What the core does not have, the driver adds: the key that this node is known by, the port that it listens on, the
/// civil time, a fresh nonce, the signature, and the token that the tracker gave for the last one, a secret.
#[must_use = "every job must be answered"]
pub struct Announce {
    pub(crate) id: JobId,
    /// The share.
    pub share: ShareId,
    /// Whom to tell.
    pub tracker: TrackerUrl,
    /// What the share is called there.
    pub discovery: DiscoveryKey,
    /// Bytes that this node lacks; none: it has everything.
    pub left: u64,
    /// What happened.
    pub event: AnnounceEvent,
}

/// Without the DiscoveryKey: it derives from the secret, which is another one when a recording is replayed.
impl fmt::Debug for Announce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announce")
            .field("id", &self.id)
            .field("share", &self.share)
            .field("tracker", &self.tracker)
            .field("left", &self.left)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// A peer that a tracker named. Nothing of it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerPeer {
    /// The key that it must prove.
    pub node: NodeId,
    /// Where the tracker saw it.
    pub address: SocketAddr,
}

/// What a tracker said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceReply {
    /// When it wants to hear of this node again.
    pub interval: Duration,
    /// What it wants between two announces at least.
    pub min_interval: Duration,
    /// Peers that have everything, as it says.
    pub seeders: u64,
    /// Peers that lack something, as it says.
    pub leechers: u64,
    /// Some of them, [`REPLY_PEERS_MAX`] at most.
    pub peers: Vec<TrackerPeer>,
    /// The address that answered: it can have seen only peers that are as far away, or farther.
    pub from: IpAddr,
}

/// Why an announce did not come through. Closed; the driver logs details beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AnnounceError {
    /// The name is unknown, nobody answers there, not in time, or without the certificate that it should have.
    #[error("the tracker cannot be reached")]
    Unreachable,
    /// What answers is no tracker: it leads elsewhere, says too much, or what has no meaning.
    #[error("what answers there is no tracker")]
    BadReply,
    /// The tracker does not take it: it is known by another name than it was called, or wants another version.
    #[error("the tracker refused the announce")]
    Refused,
    /// The tracker's clock and this machine's are more than five minutes apart.
    #[error("this machine's clock and the tracker's differ by more than five minutes")]
    WrongTime,
    /// The tracker wants to be left alone for so long.
    #[error("the tracker is busy")]
    Busy {
        /// How long.
        pause: Duration,
    },
    /// This machine could not: it listens nowhere, or has no threads, descriptors or randomness left.
    #[error("this machine could not announce itself")]
    Local,
}

impl Announce {
    /// Answers the job.
    pub fn done(self, result: Result<AnnounceReply, AnnounceError>) -> Done {
        Done { id: self.id, buf: None, result: JobResult::Announce(result) }
    }
}
