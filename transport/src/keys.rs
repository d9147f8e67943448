//! Ed25519 keys: what a peer is, and what receipts are signed with.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use truecopy_protocol::NodeId;
use truecopy_protocol::job::{Signature, Verdict};
use zeroize::Zeroizing;

/// DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Bytes of the one encoding of an Ed25519 key as SubjectPublicKeyInfo.
pub const SPKI_LEN: usize = 44;

/// A key could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no randomness.
    #[error("the system's random source failed")]
    NoRandomness,
}

/// Fresh bytes from the operating system's random source: for keys, and for what is used once.
pub fn random() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// An Ed25519 key pair. Clones share one secret, which is wiped when the last of them goes.
#[derive(Clone)]
pub struct KeyPair(Arc<Inner>);

struct Inner {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    node_id: NodeId,
}

impl KeyPair {
    /// The key pair of a seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        #[expect(clippy::expect_used, reason = "only a seed of another length is refused")]
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("32 bytes are a seed");
        let mut id = [0; 32];
        id.copy_from_slice(pair.public_key().as_ref());
        Self(Arc::new(Inner { seed, pair, node_id: NodeId(id) }))
    }

    /// A new key pair from the operating system's random source.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::from_seed(Zeroizing::new(random()?)))
    }

    /// The seed, to be kept in a file that only its owner can read.
    pub fn seed(&self) -> &[u8; 32] {
        &self.0.seed
    }

    /// The public half: the name of this peer.
    pub fn node_id(&self) -> NodeId {
        self.0.node_id
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.pair.sign(statement).as_ref());
        Signature(bytes)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

/// Whether the signature is the signer's over exactly these bytes.
pub fn verify(signer: NodeId, statement: &[u8], signature: &Signature) -> Verdict {
    match UnparsedPublicKey::new(&ED25519, &signer.0).verify(statement, &signature.0) {
        Ok(()) => Verdict::Genuine,
        Err(_) => Verdict::Forged,
    }
}

/// The key as SubjectPublicKeyInfo, as RFC 7250 sends it.
pub fn to_spki(id: NodeId) -> [u8; SPKI_LEN] {
    let mut spki = [0; SPKI_LEN];
    spki[..SPKI_PREFIX.len()].copy_from_slice(&SPKI_PREFIX);
    spki[SPKI_PREFIX.len()..].copy_from_slice(&id.0);
    spki
}

/// The key in a SubjectPublicKeyInfo; none unless it is the one encoding of an Ed25519 key.
pub fn from_spki(spki: &[u8]) -> Option<NodeId> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(NodeId)
}

#[cfg(test)]
mod tests;
