//! The metadata file, `.truecopy`: a manifest and the chunk hashes of its files. PROTOCOL §3.9.
//!
//! ```text
//! 8 bytes   "truecopy"
//! 1 byte    version (1)
//! 8 bytes   length of the manifest, little-endian
//! …         the manifest
//! …         32 bytes a chunk: the chunk layers of all files with more than one chunk, in manifest order
//! 32 bytes  SHA-256 over all that is before
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::Hash;
use crate::content::layers::{BadLayers, Layers};
use crate::content::manifest::{Manifest, ManifestError, ManifestLimits};

const MAGIC: &[u8; 8] = b"truecopy";
const VERSION: u8 = 1;
const CHECKSUM: usize = 32;

/// What a metadata file holds.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// The chunk layers, checked against its roots.
    pub layers: Layers,
}

/// Why a metadata file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It does not start as one.
    #[error("this is not a truecopy metadata file")]
    NotMetadata,
    /// Made by a version that this one does not know.
    #[error("the metadata file has version {0}, which this program does not know")]
    Version(u8),
    /// It is cut, or its checksum does not hold.
    #[error("the metadata file is damaged")]
    Damaged,
    /// Its manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its chunk hashes are refused.
    #[error(transparent)]
    Layers(#[from] BadLayers),
}

impl Metadata {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let manifest = self.manifest.encoded();
        let hashes = self.layers.hashes();
        let len = MAGIC.len() + 1 + 8 + manifest.len() + hashes.len() * 32 + CHECKSUM;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&(manifest.len() as u64).to_le_bytes());
        bytes.extend_from_slice(manifest);
        for hash in hashes {
            bytes.extend_from_slice(&hash.0);
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    /// Reads and checks the bytes of a file. The manifest keeps them alive.
    ///
    /// # Errors
    /// [`MetadataError`] for whatever is not the one encoding of a manifest within `limits` and its layers.
    pub fn decode(file: Bytes, limits: &ManifestLimits) -> Result<Self, MetadataError> {
        let rest = file.strip_prefix(MAGIC).ok_or(MetadataError::NotMetadata)?;
        match rest.first() {
            None => return Err(MetadataError::Damaged),
            Some(&VERSION) => {}
            Some(&other) => return Err(MetadataError::Version(other)),
        }
        let (body, sum) = file.split_last_chunk::<CHECKSUM>().ok_or(MetadataError::Damaged)?;
        if Sha256::digest(body).as_slice() != sum {
            return Err(MetadataError::Damaged);
        }
        let (len, rest) = body
            .get(MAGIC.len() + 1..)
            .and_then(|after| after.split_first_chunk::<8>())
            .ok_or(MetadataError::Damaged)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| MetadataError::Damaged)?;
        let (manifest, layers) = rest.split_at_checked(len).ok_or(MetadataError::Damaged)?;
        let manifest = Arc::new(Manifest::decode(file.slice_ref(manifest), limits)?);
        let (hashes, []) = layers.as_chunks::<32>() else { return Err(MetadataError::Damaged) };
        let hashes = hashes.iter().copied().map(Hash).collect();
        let layers = Layers::new(Arc::clone(&manifest), hashes)?;
        Ok(Self { manifest, layers })
    }
}
