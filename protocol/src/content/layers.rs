//! The chunk hashes of all files of a share. PROTOCOL §3.3.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::content::geometry::Shape;
use crate::content::manifest::{EntryKind, Manifest};
use crate::content::selection::Selection;
use crate::content::tree;
use crate::{ChunkIndex, EntryIndex, Hash};

/// The chunk layers of all files with more than one chunk, checked against their roots. 32 bytes a chunk of those;
/// the chunk of any other file is named by the file's root.
#[derive(Clone, Debug)]
pub struct Layers {
    manifest: Arc<Manifest>,
    hashes: Vec<Hash>,
    /// Where the layer of each such file starts in `hashes`, ascending in both.
    starts: Vec<(EntryIndex, u32)>,
    /// Those of them whose layers are not known.
    unknown: BTreeSet<EntryIndex>,
}

/// Why layers are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLayers {
    /// Not as many hashes as the manifest's files have.
    #[error("the chunk hashes are not as many as the files have")]
    Count,
    /// The hashes of this file do not lead to its root.
    #[error("the chunk hashes of entry {} do not lead to its root", .0.0)]
    Root(EntryIndex),
}

impl Layers {
    /// Takes the layers of all files with more than one chunk, one after another in manifest order.
    ///
    /// # Errors
    /// [`BadLayers`] if they are not those of the manifest.
    pub fn new(manifest: Arc<Manifest>, hashes: Vec<Hash>) -> Result<Self, BadLayers> {
        Self::without(manifest, hashes, BTreeSet::new())
    }

    fn without(
        manifest: Arc<Manifest>,
        hashes: Vec<Hash>,
        unknown: BTreeSet<EntryIndex>,
    ) -> Result<Self, BadLayers> {
        let (mut starts, mut next) = (Vec::new(), 0_usize);
        for (entry, root, shape) in layered_files(&manifest) {
            // At most as many as all chunks, which 32 bits count.
            starts.push((entry, next as u32));
            let end = next.saturating_add(chunks(&shape));
            let layer = hashes.get(next..end).ok_or(BadLayers::Count)?;
            let (level, above) = (shape.chunk_height(), shape.height() - shape.chunk_height());
            if !unknown.contains(&entry) && tree::fold(layer.to_vec(), level, above) != root {
                return Err(BadLayers::Root(entry));
            }
            next = end;
        }
        if next == hashes.len() {
            Ok(Self { manifest, hashes, starts, unknown })
        } else {
            Err(BadLayers::Count)
        }
    }

    /// As [`new`](Self::new), of a part of the share: hashes of what is not `held` may be anything, and are not known.
    ///
    /// # Errors
    /// [`BadLayers`] if those of what is held are not those of the manifest.
    pub fn of_part(manifest: Arc<Manifest>, hashes: Vec<Hash>, held: &Selection) -> Result<Self, BadLayers> {
        let files = layered_files(&manifest).map(|(entry, _, _)| entry);
        let unknown = files.filter(|entry| !held.contains(*entry)).collect();
        Self::without(manifest, hashes, unknown)
    }

    /// Puts together what was hashed file by file, in any order. Layers of one hash are not needed.
    ///
    /// # Errors
    /// [`BadLayers`] if one is missing, or is not that of the manifest.
    pub fn assemble(
        manifest: Arc<Manifest>,
        parts: BTreeMap<EntryIndex, Vec<Hash>>,
    ) -> Result<Self, BadLayers> {
        Self::assemble_part(manifest, parts, &Selection::All)
    }

    /// As [`assemble`](Self::assemble), of what is `held` of a share.
    ///
    /// # Errors
    /// [`BadLayers`] if one of them is missing, or is not that of the manifest.
    pub fn assemble_part(
        manifest: Arc<Manifest>,
        mut parts: BTreeMap<EntryIndex, Vec<Hash>>,
        held: &Selection,
    ) -> Result<Self, BadLayers> {
        let mut hashes = Vec::with_capacity(Self::count(&manifest));
        for (entry, _, shape) in layered_files(&manifest) {
            if !held.contains(entry) {
                hashes.resize(hashes.len() + chunks(&shape), Hash([0; 32]));
                continue;
            }
            let part = parts.remove(&entry).filter(|part| part.len() == chunks(&shape));
            hashes.extend(part.ok_or(BadLayers::Count)?);
        }
        Self::of_part(manifest, hashes, held)
    }

    /// How many hashes the layers of this manifest have together.
    pub fn count(manifest: &Manifest) -> usize {
        layered_files(manifest).map(|(_, _, shape)| chunks(&shape)).sum()
    }

    /// The manifest that they belong to.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// All hashes, in manifest order; what is not known is zero.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The chunk layer of a file; none if it has fewer than two chunks, or is not known.
    pub fn layer(&self, entry: EntryIndex) -> Option<&[Hash]> {
        if self.unknown.contains(&entry) {
            return None;
        }
        let at = self.starts.binary_search_by_key(&entry, |(entry, _)| *entry).ok()?;
        let start = self.starts[at].1 as usize;
        let end = self.starts.get(at + 1).map_or(self.hashes.len(), |(_, next)| *next as usize);
        self.hashes.get(start..end)
    }

    /// The hash of a chunk of the share; none beyond the last.
    pub fn chunk_hash(&self, chunk: ChunkIndex) -> Option<Hash> {
        let (entry, within) = self.manifest.locate(chunk)?;
        match self.layer(entry) {
            Some(layer) => layer.get(within as usize).copied(),
            None if self.unknown.contains(&entry) => None,
            None => self.manifest.file(entry).map(|file| file.root),
        }
    }
}

/// The files with more than one chunk.
fn layered_files(manifest: &Manifest) -> impl Iterator<Item = (EntryIndex, Hash, Shape)> {
    manifest.entries().filter_map(|(index, entry)| {
        let Range { start, end } = manifest.chunks_of(index);
        match entry.kind {
            EntryKind::File(file) if end - start > 1 => {
                Some((index, file.root, Shape { size: file.size, chunk: manifest.chunk_size() }))
            }
            _ => None,
        }
    })
}

/// Chunks of a file of a manifest, which 32 bits count.
fn chunks(shape: &Shape) -> usize {
    shape.chunks() as usize
}
