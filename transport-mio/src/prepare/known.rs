//! What an earlier preparation of the same paths found, so that unchanged files need not be read again.
//!
//! ```text
//! 8 bytes   length of the manifest, little-endian
//! …         the manifest
//! …         48 bytes an entry: the identity of the file, all zero for none
//! …         32 bytes a chunk: the layers
//! ```

use std::sync::Arc;

use bytes::Bytes;
use truecopy_protocol::content::geometry::ChunkSize;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{Manifest, ManifestLimits};
use truecopy_protocol::{ChunkIndex, EntryIndex, Hash};

use super::Prepared;
use super::identity::Identity;

/// The manifest and the layers of an earlier preparation, and the identities of its files.
#[derive(Debug)]
pub struct Known {
    pub(super) manifest: Arc<Manifest>,
    layers: Layers,
    /// As they are kept: no other form is smaller.
    identities: Bytes,
}

impl Known {
    /// Appends bytes from which [`decode`](Self::decode) makes what `prepared` knows. Files that were changed too
    /// shortly before they were read are not among it.
    pub fn encode(prepared: &Prepared, to: &mut Vec<u8>) {
        let (manifest, hashes) = (&prepared.manifest, prepared.layers.hashes());
        let encoded = manifest.encoded();
        to.reserve_exact(8 + encoded.len() + manifest.len() as usize * Identity::LEN + hashes.len() * 32);
        to.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
        to.extend_from_slice(encoded);
        for entry in (0..manifest.len()).map(EntryIndex) {
            let identity = prepared.sources.identity(entry).filter(|id| id.is_settled_at(prepared.started));
            to.extend_from_slice(&identity.map_or([0; Identity::LEN], |identity| identity.to_bytes()));
        }
        for hash in hashes {
            to.extend_from_slice(&hash.0);
        }
    }

    /// Reads it back; none if it is not whole. Keeps the bytes.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk::<8>()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (manifest, rest) = rest.split_at_checked(len)?;
        let manifest =
            Arc::new(Manifest::decode(bytes.slice_ref(manifest), &ManifestLimits::default()).ok()?);
        let (identities, layers) = rest.split_at_checked(manifest.len() as usize * Identity::LEN)?;
        let (hashes, []) = layers.as_chunks::<32>() else { return None };
        let layers = Layers::new(manifest.clone(), hashes.iter().copied().map(Hash).collect()).ok()?;
        Some(Self { manifest, layers, identities: bytes.slice_ref(identities) })
    }

    pub(super) fn identity(&self, entry: EntryIndex) -> Option<Identity> {
        let (all, _) = self.identities.as_chunks::<{ Identity::LEN }>();
        all.get(entry.0 as usize).filter(|bytes| **bytes != [0; Identity::LEN]).map(Identity::from_bytes)
    }

    /// Copies the hashes of a file's chunks, if they are those of this chunk size.
    pub(super) fn copy_chunks(&self, entry: EntryIndex, chunk: ChunkSize, to: &mut [Hash]) -> bool {
        let from = self.manifest.chunks_of(entry);
        let same_cut = chunk == self.manifest.chunk_size() || (from.len() <= 1 && to.len() <= 1);
        if !same_cut || from.len() != to.len() {
            return false;
        }
        from.zip(to).all(|(chunk, to)| match self.layers.chunk_hash(ChunkIndex(chunk)) {
            Some(hash) => {
                *to = hash;
                true
            }
            None => false,
        })
    }
}
