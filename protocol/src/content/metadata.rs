//! The metadata file, `.truecopy`: a manifest and the chunk hashes of its files, and perhaps trackers. PROTOCOL §3.10.
//!
//! ```text
//! 8 bytes   "truecopy"
//! 1 byte    version: 1, or 2 with trackers
//! …         1 to 8 trackers, as in a ticket: under version 2 alone
//! 8 bytes   length of the manifest, little-endian
//! …         the manifest
//! …         32 bytes a chunk: the chunk layers of all files with more than one chunk, in manifest order
//! 32 bytes  SHA-256 over all that is before
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::content::canonical;
use crate::content::layers::{BadLayers, Layers};
use crate::content::manifest::{Manifest, ManifestError, ManifestLimits};
use crate::{Hash, Trackers};

const MAGIC: &[u8; 8] = b"truecopy";
const VERSION: u8 = 1;
const VERSION_WITH_TRACKERS: u8 = 2;
const CHECKSUM: usize = 32;

/// What a metadata file holds.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// The chunk layers, checked against its roots.
    pub layers: Layers,
    /// Where peers that have it announce themselves. No part of the ContentId.
    pub trackers: Trackers,
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
        if self.trackers.is_empty() {
            bytes.push(VERSION);
        } else {
            bytes.push(VERSION_WITH_TRACKERS);
            // Writing to a Vec ends only with memory.
            bytes = postcard::to_extend(&self.trackers, bytes).unwrap_or_default();
        }
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
        let version = match rest.first() {
            None => return Err(MetadataError::Damaged),
            Some(version @ (&VERSION | &VERSION_WITH_TRACKERS)) => *version,
            Some(&other) => return Err(MetadataError::Version(other)),
        };
        let (body, sum) = file.split_last_chunk::<CHECKSUM>().ok_or(MetadataError::Damaged)?;
        if Sha256::digest(body).as_slice() != sum {
            return Err(MetadataError::Damaged);
        }
        let rest = body.get(MAGIC.len() + 1..).ok_or(MetadataError::Damaged)?;
        let (trackers, rest) = match version {
            VERSION_WITH_TRACKERS => canonical::take::<Trackers>(rest)
                .ok()
                // Without trackers it is a file of version 1.
                .filter(|(trackers, _)| !trackers.is_empty())
                .ok_or(MetadataError::Damaged)?,
            _ => (Trackers::default(), rest),
        };
        let (len, rest) = rest.split_first_chunk::<8>().ok_or(MetadataError::Damaged)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| MetadataError::Damaged)?;
        let (manifest, layers) = rest.split_at_checked(len).ok_or(MetadataError::Damaged)?;
        let manifest = Arc::new(Manifest::decode(file.slice_ref(manifest), limits)?);
        let (hashes, []) = layers.as_chunks::<32>() else { return Err(MetadataError::Damaged) };
        let hashes = hashes.iter().copied().map(Hash).collect();
        let layers = Layers::new(Arc::clone(&manifest), hashes)?;
        Ok(Self { manifest, layers, trackers })
    }
}
