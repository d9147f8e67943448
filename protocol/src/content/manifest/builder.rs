//! Making a manifest of what was hashed.

use alloc::vec::Vec;
use core::mem;

use super::entry::{Encoded, OwnedKind};
use super::limits::{ManifestError, ManifestLimits};
use super::{Header, Manifest, VERSION};
use crate::content::canonical::Raw;
use crate::content::geometry::ChunkSize;
use crate::content::name::{RelPath, RelPathBuf};

/// Collects entries in any order and makes the one encoding of them.
///
/// Entries are encoded as they come, so that a large share costs its encoding and eight bytes an entry.
#[derive(Clone, Debug)]
pub struct ManifestBuilder {
    name: Vec<u8>,
    encoded: Vec<u8>,
    /// Where each entry starts in `encoded`.
    starts: Vec<usize>,
    total: u64,
    failed: Option<ManifestError>,
}

impl ManifestBuilder {
    /// A manifest of a share of this name, without entries.
    pub fn new(name: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), encoded: Vec::new(), starts: Vec::new(), total: 0, failed: None }
    }

    /// Adds an entry. What is wrong with it is said by [`finish`](Self::finish).
    pub fn push(&mut self, path: RelPathBuf, kind: OwnedKind) -> &mut Self {
        if let OwnedKind::File(file) = &kind {
            self.total = self.total.saturating_add(file.size);
        }
        self.starts.push(self.encoded.len());
        match append(mem::take(&mut self.encoded), &Encoded::new(path.as_path(), kind.as_kind())) {
            Ok(encoded) => self.encoded = encoded,
            Err(error) => self.failed = Some(error),
        }
        self
    }

    /// The chunk size that belongs to the files pushed so far.
    pub fn chunk_size(&self) -> ChunkSize {
        ChunkSize::for_share(self.total)
    }

    /// Sorts, encodes, and reads the encoding as any receiver would, within the default limits. Takes the entries out.
    ///
    /// `chunk` is what the files were hashed with; a manifest has no other than [`chunk_size`](Self::chunk_size).
    /// In errors an entry is named by its place after sorting.
    pub fn finish(&mut self, chunk: ChunkSize) -> Result<Manifest, ManifestError> {
        let limits = ManifestLimits::default();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let entries = u32::try_from(self.starts.len()).map_err(|_| ManifestError::TooManyEntries {
            count: self.starts.len() as u64,
            max: limits.entries_max,
        })?;
        let header = Header { version: VERSION, name: Raw(&self.name), chunk: chunk.into(), entries };
        let header = append(Vec::new(), &header)?;
        let mut encoded = self.sorted();
        encoded.splice(0..0, header);
        Manifest::decode(encoded.into(), &limits)
    }

    /// The entries in order, without a copy if they came so.
    fn sorted(&mut self) -> Vec<u8> {
        let (encoded, starts) = (mem::take(&mut self.encoded), mem::take(&mut self.starts));
        self.total = 0;
        let by_path = |a: &usize, b: &usize| path_at(&encoded, *a).cmp(&path_at(&encoded, *b));
        if starts.is_sorted_by(|a, b| by_path(a, b).is_le()) {
            return encoded;
        }
        let mut order: Vec<usize> = (0..starts.len()).collect();
        order.sort_unstable_by(|a, b| by_path(&starts[*a], &starts[*b]));
        let mut sorted = Vec::with_capacity(encoded.len());
        for at in order {
            let end = starts.get(at + 1).copied().unwrap_or(encoded.len());
            sorted.extend_from_slice(&encoded[starts[at]..end]);
        }
        sorted
    }
}

/// The path of an entry that [`ManifestBuilder::push`] encoded.
fn path_at(encoded: &[u8], start: usize) -> Option<RelPath<'_>> {
    let (entry, _) = postcard::take_from_bytes::<Encoded<'_>>(&encoded[start..]).ok()?;
    Some(entry.trust().path)
}

fn append(to: Vec<u8>, value: &impl serde::Serialize) -> Result<Vec<u8>, ManifestError> {
    // Writing to a Vec ends only with memory; the error is here for the type.
    postcard::to_extend(value, to).map_err(|_| ManifestError::Header)
}
