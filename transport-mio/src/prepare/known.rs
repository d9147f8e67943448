//! What an earlier preparation of the same paths found, so that unchanged files need not be read again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
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
    /// One an entry; none for what is not a file, or was changed too shortly before it was read.
    identities: Vec<Option<Identity>>,
}

/// How it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    manifest: Vec<u8>,
    layers: Vec<Hash>,
    identities: Vec<Option<Identity>>,
}

impl Known {
    /// Bytes from which [`decode`](Self::decode) makes what `prepared` knows.
    pub fn encode(prepared: &Prepared) -> Vec<u8> {
        let manifest = &prepared.manifest;
        let identity = |entry| {
            prepared.sources.identity(entry).filter(|identity| identity.is_settled_at(prepared.started))
        };
        let kept = Kept {
            manifest: manifest.encoded().to_vec(),
            layers: prepared.layers.hashes().to_vec(),
            identities: (0..manifest.len()).map(|i| identity(EntryIndex(i))).collect(),
        };
        // Writing to a Vec does not fail; an empty record is one that cannot be read, which is safe.
        postcard::to_allocvec(&kept).unwrap_or_default()
    }

    /// Reads it back; none if it is not whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let kept: Kept = postcard::from_bytes(bytes).ok()?;
        let manifest = Manifest::decode(kept.manifest.into(), &ManifestLimits::default()).ok()?;
        let manifest = Arc::new(manifest);
        let layers = Layers::new(manifest.clone(), kept.layers).ok()?;
        if kept.identities.len() != manifest.len() as usize {
            return None;
        }
        Some(Self { manifest, layers, identities: kept.identities })
    }

    pub(super) fn identity(&self, entry: EntryIndex) -> Option<Identity> {
        self.identities.get(entry.0 as usize).copied().flatten()
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
