//! Hashes that name a share or prove something about it, and what is signed of it, each under a tag of its own.
//! PROTOCOL §3.5 to §3.8, §6.1.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::content::manifest::ManifestIdentity;
use crate::content::selection::Selection;
use crate::job::{AnnounceEvent, Outcome};
use crate::{AccessSecret, ContentId, DiscoveryKey, Hash, NodeId, UnixTime};

const TAG_CONTENT: &[u8] = b"truecopy/1 content-id";
const TAG_DISCOVERY: &[u8] = b"truecopy/1 discovery-key";
const TAG_PROOF_KEY: &[u8] = b"truecopy/1 share-proof-key";
const TAG_PROOF: &[u8] = b"truecopy/1 share-proof";
const TAG_SELECTION: &[u8] = b"truecopy/1 selection";
const TAG_RECEIPT: &[u8] = b"truecopy/1 receipt";
const TAG_ANNOUNCE: &[u8] = b"truecopy/1 announce";

/// A number used once: 32 fresh random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce(pub [u8; 32]);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({}…)", crate::hex(&self.0[..4]))
    }
}

/// The name of a content: SHA-256 over tag, size (64 bits, little-endian) and root of its manifest.
pub fn content_id(manifest: &ManifestIdentity) -> ContentId {
    ContentId(digest(&[TAG_CONTENT, &manifest.size.to_le_bytes(), &manifest.root.0]))
}

/// What strangers see of a share: SHA-256 over tag, ContentId and secret.
pub fn discovery_key(content: &ContentId, secret: &AccessSecret) -> DiscoveryKey {
    DiscoveryKey(digest(&[TAG_DISCOVERY, &content.0, &secret.0]))
}

/// Which side of a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The side that dialled.
    Initiator,
    /// The side that was dialled.
    Responder,
}

impl Role {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// What both sides of one connection know once they have greeted each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofContext {
    /// The key of the side that dialled, as the channel has proven it.
    pub initiator: NodeId,
    /// The key of the side that was dialled.
    pub responder: NodeId,
    /// Fresh, from the side that dialled.
    pub initiator_nonce: Nonce,
    /// Fresh, from the side that was dialled.
    pub responder_nonce: Nonce,
}

/// Proves knowledge of a share's ContentId and secret to the other side of one connection.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct ShareProof(pub [u8; 32]);

impl fmt::Debug for ShareProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareProof(…)")
    }
}

impl PartialEq for ShareProof {
    /// Takes the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for ShareProof {}

/// The proof that `role` gives: HMAC-SHA256, keyed by SHA-256 over tag, ContentId and secret, over tag, role (one
/// byte: 0 initiator, 1 responder), both NodeIds, both nonces (the initiator's first) and the DiscoveryKey.
pub fn share_proof(
    content: &ContentId,
    secret: &AccessSecret,
    role: Role,
    context: &ProofContext,
) -> ShareProof {
    let key = digest(&[TAG_PROOF_KEY, &content.0, &secret.0]);
    let role = match role {
        Role::Initiator => [0],
        Role::Responder => [1],
    };
    ShareProof(hmac_sha256(
        &key,
        &[
            TAG_PROOF,
            &role,
            &context.initiator.0,
            &context.responder.0,
            &context.initiator_nonce.0,
            &context.responder_nonce.0,
            &discovery_key(content, secret).0,
        ],
    ))
}

/// The digest of a selection, as receipts carry it: SHA-256 over tag and 0 for everything; or 1, the count (32 bits)
/// and each entry index (32 bits), little-endian. Naming every entry is not the same as [`Selection::All`].
pub fn selection_digest(selection: &Selection) -> Hash {
    let mut hasher = Sha256::new_with_prefix(TAG_SELECTION);
    match selection {
        Selection::All => hasher.update([0]),
        Selection::Some(entries) => {
            hasher.update([1]);
            // Entry indexes are 32 bits wide and not repeated.
            hasher.update((entries.len() as u32).to_le_bytes());
            for entry in entries {
                hasher.update(entry.0.to_le_bytes());
            }
        }
    }
    Hash(hasher.finalize().into())
}

/// What a receiver states when all it wanted stands in its place, synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptStatement {
    /// The content.
    pub content: ContentId,
    /// Which part of it was wanted: [`selection_digest`].
    pub selection: Hash,
    /// What became of it.
    pub outcome: Outcome,
    /// Who states it, and signs.
    pub receiver: NodeId,
    /// To whom.
    pub sender: NodeId,
    /// The sender's nonce of this connection.
    pub sender_nonce: Nonce,
    /// When, by the receiver's clock.
    pub time: UnixTime,
}

impl ReceiptStatement {
    /// The bytes to sign: tag, then the fields in order, numbers as 64 bits little-endian: 218 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let Outcome { placed, already, skipped, bytes } = self.outcome;
        let counts = [placed, already, skipped, bytes].map(u64::to_le_bytes);
        [
            TAG_RECEIPT,
            &self.content.0,
            &self.selection.0,
            counts.as_flattened(),
            &self.receiver.0,
            &self.sender.0,
            &self.sender_nonce.0,
            &self.time.0.to_le_bytes(),
        ]
        .concat()
    }
}

/// HMAC-SHA256 (RFC 2104) over the parts, one after another.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&digest(&[key]));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new_with_prefix(block.map(|b| b ^ 0x36));
    for part in parts {
        inner.update(part);
    }
    digest(&[&block.map(|b| b ^ 0x5c), &inner.finalize()])
}

/// Compares in a time that does not depend on where they differ.
pub fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    core::hint::black_box(differing) == 0
}

/// What a node signs when it first announces itself to a tracker. PROTOCOL §6.1.
#[derive(Clone, Copy, Debug)]
pub struct AnnounceStatement<'a> {
    /// The tracker's origin, `scheme://host[:port]`: the statement means nothing to another one. Cut at 65,535 bytes.
    pub origin: &'a str,
    /// The share.
    pub discovery: DiscoveryKey,
    /// Who signs.
    pub node: NodeId,
    /// What happened.
    pub event: AnnounceEvent,
    /// Where it listens.
    pub port: u16,
    /// Bytes that it lacks.
    pub left: u64,
    /// When, by its clock.
    pub time: UnixTime,
    /// Fresh random bytes.
    pub nonce: Nonce,
}

impl AnnounceStatement<'_> {
    /// The bytes to sign: tag, length of the origin (16 bits), origin, share, node, event (one byte: 0 none, 1 started,
    /// 2 stopped, 3 completed), port (16 bits), bytes left (64 bits), time (64 bits), nonce; numbers little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        let origin = &self.origin.as_bytes()[..self.origin.len().min(usize::from(u16::MAX))];
        let event = match self.event {
            AnnounceEvent::None => 0,
            AnnounceEvent::Started => 1,
            AnnounceEvent::Stopped => 2,
            AnnounceEvent::Completed => 3,
        };
        [
            TAG_ANNOUNCE,
            &(origin.len() as u16).to_le_bytes(),
            origin,
            &self.discovery.0,
            &self.node.0,
            &[event],
            &self.port.to_le_bytes(),
            &self.left.to_le_bytes(),
            &self.time.0.to_le_bytes(),
            &self.nonce.0,
        ]
        .concat()
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
