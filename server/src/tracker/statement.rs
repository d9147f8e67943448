//! What a peer announces, and the bytes that it signs.

use std::fmt;
use std::num::NonZeroU16;

use sha2::{Digest, Sha256};
use truecopy_protocol::content::identity::{AnnounceStatement, Nonce};
pub use truecopy_protocol::job::AnnounceEvent as Event;
use truecopy_protocol::job::Signature;
use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

use super::Token;

/// Why a tracker should believe that the node says this.
#[derive(Clone, Copy)]
pub enum Proof {
    /// The node signed it.
    Signed {
        /// When, by its clock.
        time: UnixTime,
        /// Fresh random bytes.
        nonce: Nonce,
        /// Over [`Announce::statement`].
        signature: Signature,
    },
    /// The tracker gave it this for an earlier announce from the same address.
    Token(Token),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signed { .. } => "Signed(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// One announce. Its address is not in it: only the observed one counts.
#[derive(Clone, Copy, Debug)]
pub struct Announce {
    /// The share.
    pub discovery: DiscoveryKey,
    /// The peer.
    pub node: NodeId,
    /// Where it listens.
    pub port: NonZeroU16,
    /// Bytes that it lacks.
    pub left: u64,
    /// What happened.
    pub event: Event,
    /// Why that is believed.
    pub proof: Proof,
}

impl Announce {
    /// The bytes to sign, for the tracker of this origin.
    pub fn statement(&self, origin: &str, time: UnixTime, nonce: &Nonce) -> Vec<u8> {
        let Self { discovery, node, port, left, event, .. } = *self;
        let nonce = *nonce;
        AnnounceStatement { origin, discovery, node, event, port: port.get(), left, time, nonce }.bytes()
    }
}

/// Enough of the statement's hash to know it again.
pub(super) fn mark(statement: &[u8]) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(statement).into();
    let mut mark = [0; 16];
    mark.copy_from_slice(&hash[..16]);
    mark
}
