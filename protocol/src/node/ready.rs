//! What of a share can be given.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Hash;
use crate::content::layers::Layers;
use crate::content::manifest::Manifest;
use crate::content::selection::Selection;
use crate::content::tree;
use crate::swarm::bits::Bits;
use crate::swarm::have;
use crate::wire::ChunkRange;

/// A share whose manifest is known.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) manifest: Arc<Manifest>,
    /// None if the share is being fetched: then only what is verified is known.
    pub(super) layers: Option<Arc<Layers>>,
    /// The chunk hashes of the manifest itself.
    pub(super) own_layer: Arc<[Hash]>,
    /// What of it can be read.
    pub(super) held: Arc<Selection>,
}

impl Ready {
    /// The chunks of what is held.
    pub(super) fn ranges(&self) -> Vec<Vec<ChunkRange>> {
        let mut bits = Bits::new(self.manifest.chunk_count());
        for (index, _) in self.manifest.entries().filter(|(index, _)| self.held.contains(*index)) {
            for chunk in self.manifest.chunks_of(index) {
                bits.insert(chunk);
            }
        }
        have::messages(&bits)
    }

    /// Bytes of the files that are not held.
    pub(super) fn left(&self) -> u64 {
        let files = self.manifest.entries().filter(|(index, _)| !self.held.contains(*index));
        files.filter_map(|(index, _)| self.manifest.file(index)).map(|file| file.size).sum()
    }
}

/// The chunk hashes of a manifest.
pub(super) fn own_layer(manifest: &Manifest) -> Vec<Hash> {
    let shape = manifest.identity().shape();
    let chunks = manifest.encoded().chunks(shape.chunk.bytes() as usize);
    chunks.map(|chunk| tree::subtree(&tree::OneByOne, chunk, shape.chunk_height())).collect()
}
