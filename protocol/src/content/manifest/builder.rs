//! Making a manifest of what was hashed.

use alloc::vec::Vec;

use super::entry::{Encoded, EntryKind, OwnedKind};
use super::limits::{ManifestError, ManifestLimits};
use super::{Header, Manifest, VERSION};
use crate::content::canonical::Raw;
use crate::content::geometry::ChunkSize;
use crate::content::name::RelPathBuf;

/// Collects entries in any order and makes the one encoding of them.
#[derive(Clone, Debug)]
pub struct ManifestBuilder {
    name: Vec<u8>,
    entries: Vec<(RelPathBuf, OwnedKind)>,
}

impl ManifestBuilder {
    /// A manifest of a share of this name, without entries.
    pub fn new(name: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), entries: Vec::new() }
    }

    /// Adds an entry. What is wrong with it is said by [`finish`](Self::finish).
    pub fn push(&mut self, path: RelPathBuf, kind: OwnedKind) -> &mut Self {
        self.entries.push((path, kind));
        self
    }

    /// The chunk size that belongs to the files pushed so far.
    pub fn chunk_size(&self) -> ChunkSize {
        let total = self.entries.iter().fold(0_u64, |sum, (_, kind)| match kind {
            OwnedKind::File(file) => sum.saturating_add(file.size),
            OwnedKind::Directory | OwnedKind::Symlink { .. } => sum,
        });
        ChunkSize::for_share(total)
    }

    /// Sorts, encodes, and reads the encoding as any receiver would, within the default limits.
    ///
    /// `chunk` is what the files were hashed with; a manifest has no other than [`chunk_size`](Self::chunk_size).
    /// In errors an entry is named by its place after sorting.
    pub fn finish(&mut self, chunk: ChunkSize) -> Result<Manifest, ManifestError> {
        let limits = ManifestLimits::default();
        self.entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let entries = u32::try_from(self.entries.len()).map_err(|_| ManifestError::TooManyEntries {
            count: self.entries.len() as u64,
            max: limits.entries_max,
        })?;
        let header = Header { version: VERSION, name: Raw(&self.name), chunk: chunk.into(), entries };
        let mut encoded = append(Vec::new(), &header)?;
        for (path, kind) in &self.entries {
            let kind: EntryKind<'_> = kind.as_kind();
            encoded = append(encoded, &Encoded::new(path.as_path(), kind))?;
        }
        Manifest::decode(encoded.into(), &limits)
    }
}

fn append(to: Vec<u8>, value: &impl serde::Serialize) -> Result<Vec<u8>, ManifestError> {
    // Writing to a Vec ends only with memory; the error is here for the type.
    postcard::to_extend(value, to).map_err(|_| ManifestError::Header)
}
