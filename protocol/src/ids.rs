//! Names of things: hashes, keys, identifiers. All opaque, all compared by value.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The value in lower-case hexadecimal.
            pub fn to_hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), hex(&self.0[..4]))
            }
        }
    };
}

bytes32! {
    /// A SHA-256 digest: of a block, of an inner node of a hash tree, or a root.
    Hash
}
bytes32! {
    /// An Ed25519 public key, the name of a peer (RFC 8032).
    NodeId
}
bytes32! {
    /// What is shared: SHA-256 over tag, size and root of the manifest (PROTOCOL §3.5).
    ContentId
}
bytes32! {
    /// What strangers see of a share: a hash over ContentId and access secret (PROTOCOL §3.6).
    DiscoveryKey
}

impl Hash {
    /// All zero: the root of an empty file, and the padding leaf of BEP 52.
    pub const ZERO: Self = Self([0; 32]);
}

/// The secret that, beside the ContentId, opens a share. All zero for a public share.
///
/// Tickets and links carry it; logs, receipts and `Debug` never do.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessSecret(pub [u8; 32]);

impl AccessSecret {
    /// The secret of a public share.
    pub const PUBLIC: Self = Self([0; 32]);
}

impl fmt::Debug for AccessSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessSecret(…)")
    }
}

/// A connection, named by the driver or by the core's `Dial`; never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnId(pub u64);

/// A share within one node, named by whoever commands it; never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShareId(pub u32);

/// An entry of a manifest, by its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryIndex(pub u32);

/// A chunk of a share, numbered through all files in manifest order (PROTOCOL §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkIndex(pub u32);

/// A run of bytes that can be asked for: the manifest (blob 0) or a file (blob 1 + its entry index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub u32);

impl BlobId {
    /// The manifest itself.
    pub const MANIFEST: Self = Self(0);

    /// The blob of a file.
    pub const fn of(entry: EntryIndex) -> Self {
        Self(entry.0 + 1)
    }

    /// The entry whose bytes these are; none for the manifest.
    pub const fn entry(self) -> Option<EntryIndex> {
        match self.0 {
            0 => None,
            n => Some(EntryIndex(n - 1)),
        }
    }
}

/// Exactly `N` bytes from hexadecimal digits of either case; none from anything else.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    Some(bytes)
}

/// Lower-case hexadecimal of any bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
