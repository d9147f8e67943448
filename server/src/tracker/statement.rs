//! What a peer announces, and the bytes that it signs.

use std::fmt;
use std::num::NonZeroU16;

use sha2::{Digest, Sha256};
use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::job::Signature;
use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

use super::Token;

const TAG: &[u8] = b"truecopy/1 announce";

/// What happened at the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing: it is still there.
    None,
    /// It takes part now.
    Started,
    /// It no longer takes part.
    Stopped,
    /// It has everything now.
    Completed,
}

impl Event {
    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Started => 1,
            Self::Stopped => 2,
            Self::Completed => 3,
        }
    }
}

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
    /// The bytes to sign: tag, length of the origin (16 bits), the tracker's origin (`scheme://host[:port]`), share,
    /// node, event (one byte: 0 none, 1 started, 2 stopped, 3 completed), port (16 bits), bytes left (64 bits), time
    /// (64 bits), nonce; numbers little-endian. The origin is cut at 65,535 bytes.
    pub fn statement(&self, origin: &str, time: UnixTime, nonce: &Nonce) -> Vec<u8> {
        let origin = &origin.as_bytes()[..origin.len().min(usize::from(u16::MAX))];
        [
            TAG,
            &(origin.len() as u16).to_le_bytes(),
            origin,
            &self.discovery.0,
            &self.node.0,
            &[self.event.number()],
            &self.port.get().to_le_bytes(),
            &self.left.to_le_bytes(),
            &time.0.to_le_bytes(),
            &nonce.0,
        ]
        .concat()
    }
}

/// Enough of the statement's hash to know it again.
pub(super) fn mark(statement: &[u8]) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(statement).into();
    let mut mark = [0; 16];
    mark.copy_from_slice(&hash[..16]);
    mark
}
