//! The list of all that a share holds. Its encoding is blob 0 of the share, and names it. PROTOCOL §3.3.
//!
//! Encoding (`postcard`): version (1), name of the share, log2 of the chunk size, number of entries, entries sorted
//! by path. One encoding per meaning: anything else is refused by [`Manifest::decode`].

mod builder;
mod entry;
mod limits;

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use builder::ManifestBuilder;
pub use entry::{Entry, EntryKind, FileEntry, MODE_MASK, Mtime, OwnedKind, check_target};
pub use limits::{BadTarget, FILE_MAX, ManifestError, ManifestLimits, TARGET_MAX, TOTAL_MAX};

use crate::content::canonical::{self, Raw};
use crate::content::geometry::{ChunkSize, SPAN, Shape};
use crate::content::identity::content_id;
use crate::content::name::RelPath;
use crate::content::tree::{self, OneByOne, RootBuilder};
use crate::{ChunkIndex, ContentId, EntryIndex, Hash};
use entry::{Encoded, check_share_name};

/// The version of the encoding.
const VERSION: u8 = 1;
/// The fewest bytes of an entry: the length of a path, one byte of it, the kind.
const ENTRY_MIN: usize = 3;

/// What the ContentId stands for: size and root of the manifest's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestIdentity {
    /// Bytes of the encoding.
    pub size: u64,
    /// The root of its hash tree.
    pub root: Hash,
}

impl ManifestIdentity {
    /// The identity of these bytes.
    pub fn of(encoded: &[u8]) -> Self {
        let shape = Self::shape_of(encoded.len() as u64);
        let mut builder = RootBuilder::new(shape);
        for span in encoded.chunks(SPAN as usize) {
            builder.push(tree::subtree(&OneByOne, span, shape.span_height()));
        }
        Self { size: shape.size, root: builder.root() }
    }

    /// How the manifest divides as a blob: its chunks are always of the smallest size.
    pub const fn shape(&self) -> Shape {
        Self::shape_of(self.size)
    }

    /// The ContentId of the share.
    pub fn content_id(&self) -> ContentId {
        content_id(self)
    }

    const fn shape_of(size: u64) -> Shape {
        Shape { size, chunk: ChunkSize::MIN }
    }
}

/// A checked manifest: its encoding, and eight bytes an entry to find the way in it.
#[derive(Clone)]
pub struct Manifest {
    encoded: Bytes,
    name: Bytes,
    chunk: ChunkSize,
    /// Where each entry starts in the encoding.
    offsets: Vec<u32>,
    /// The first chunk of each entry; for one without chunks, of the next that has some. One more at the end.
    first_chunks: Vec<u32>,
    total_size: u64,
    files: u32,
    identity: ManifestIdentity,
    content: ContentId,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    version: u8,
    #[serde(borrow)]
    name: Raw<'a>,
    chunk: u8,
    entries: u32,
}

impl Manifest {
    /// Reads and checks an encoding. Memory follows the bytes that are there, never a number in them.
    ///
    /// # Errors
    /// [`ManifestError`] for whatever is not the one encoding of a safe manifest within `limits`.
    pub fn decode(encoded: Bytes, limits: &ManifestLimits) -> Result<Self, ManifestError> {
        if encoded.len() as u64 > u64::from(limits.bytes_max) {
            return Err(ManifestError::TooLarge { len: encoded.len() as u64, max: limits.bytes_max });
        }
        let (header, rest) = take_header(&encoded, limits)?;
        let chunk = ChunkSize::try_from(header.chunk).map_err(|bad| ManifestError::ChunkSize(bad.0))?;
        let tables = Tables::read(&encoded, rest, header.entries, chunk, limits)?;
        if ChunkSize::for_share(tables.total_size) != chunk {
            return Err(ManifestError::ChunkSize(chunk.into()));
        }
        let name = encoded.slice_ref(header.name.0);
        let identity = ManifestIdentity::of(&encoded);
        let Tables { offsets, first_chunks, total_size, files } = tables;
        let content = identity.content_id();
        Ok(Self { encoded, name, chunk, offsets, first_chunks, total_size, files, identity, content })
    }

    /// The encoding: blob 0 of the share.
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The name of the share: one valid name, any bytes but NUL and `/`.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The chunk size of all its files.
    pub fn chunk_size(&self) -> ChunkSize {
        self.chunk
    }

    /// Entries.
    #[expect(clippy::len_without_is_empty, reason = "a count of entries, not a collection")]
    pub fn len(&self) -> u32 {
        // The count came as a u32.
        self.offsets.len() as u32
    }

    /// Bytes of all files together.
    pub fn total_size(&self) -> u64 {
        self.total_size
    }

    /// Regular files among the entries.
    pub fn file_count(&self) -> u32 {
        self.files
    }

    /// Chunks of all files together.
    pub fn chunk_count(&self) -> u32 {
        self.first_chunks.last().copied().unwrap_or(0)
    }

    /// The entry at this position; none beyond the end.
    pub fn entry(&self, index: EntryIndex) -> Option<Entry<'_>> {
        let at = *self.offsets.get(index.0 as usize)? as usize;
        // Decoded once before; it cannot fail now.
        let (entry, _) = postcard::take_from_bytes::<Encoded<'_>>(&self.encoded[at..]).ok()?;
        Some(entry.trust())
    }

    /// All entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = (EntryIndex, Entry<'_>)> {
        (0..self.len()).filter_map(|i| Some((EntryIndex(i), self.entry(EntryIndex(i))?)))
    }

    /// The entry at this path.
    pub fn find(&self, path: RelPath<'_>) -> Option<EntryIndex> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(EntryIndex(middle))?.path.cmp(&path) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(EntryIndex(middle)),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The file at this position; none if it is something else.
    pub fn file(&self, index: EntryIndex) -> Option<FileEntry> {
        match self.entry(index)?.kind {
            EntryKind::File(file) => Some(file),
            EntryKind::Directory | EntryKind::Symlink { .. } => None,
        }
    }

    /// How a file divides; none for anything but a file.
    pub fn shape(&self, index: EntryIndex) -> Option<Shape> {
        Some(Shape { size: self.file(index)?.size, chunk: self.chunk })
    }

    /// The chunk numbers of an entry: empty for anything but a file with bytes.
    pub fn chunks_of(&self, index: EntryIndex) -> Range<u32> {
        let at = index.0 as usize;
        match self.first_chunks.get(at..=at.saturating_add(1)) {
            Some(&[first, next]) => first..next,
            _ => self.chunk_count()..self.chunk_count(),
        }
    }

    /// The file that a chunk belongs to, and the chunk's number within it.
    pub fn locate(&self, chunk: ChunkIndex) -> Option<(EntryIndex, u32)> {
        if chunk.0 >= self.chunk_count() {
            return None;
        }
        // Entries without chunks share the number of the next with some, which is the last of those.
        let entry = self.first_chunks.partition_point(|first| *first <= chunk.0).checked_sub(1)?;
        Some((EntryIndex(u32::try_from(entry).ok()?), chunk.0 - self.first_chunks[entry]))
    }

    /// Size and root of the encoding.
    pub fn identity(&self) -> ManifestIdentity {
        self.identity
    }

    /// The name of the content.
    pub fn content_id(&self) -> ContentId {
        self.content
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for Manifest {}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("content", &self.content)
            .field("entries", &self.len())
            .field("total_size", &self.total_size)
            .finish_non_exhaustive()
    }
}

fn take_header<'a>(
    encoded: &'a [u8],
    limits: &ManifestLimits,
) -> Result<(Header<'a>, &'a [u8]), ManifestError> {
    match encoded.first() {
        None => return Err(ManifestError::Header),
        Some(&VERSION) => {}
        Some(&other) => return Err(ManifestError::Version(other)),
    }
    let (header, rest) = canonical::take::<Header<'_>>(encoded).map_err(|_| ManifestError::Header)?;
    check_share_name(header.name.0).map_err(ManifestError::Name)?;
    if header.entries > limits.entries_max {
        let (count, max) = (u64::from(header.entries), limits.entries_max);
        return Err(ManifestError::TooManyEntries { count, max });
    }
    Ok((header, rest))
}

/// What one pass over the entries leaves behind.
struct Tables {
    offsets: Vec<u32>,
    first_chunks: Vec<u32>,
    total_size: u64,
    files: u32,
}

impl Tables {
    fn read(
        encoded: &[u8],
        mut rest: &[u8],
        count: u32,
        chunk: ChunkSize,
        limits: &ManifestLimits,
    ) -> Result<Self, ManifestError> {
        // No more room than the bytes that are there could need.
        let room = (count as usize).min(rest.len() / ENTRY_MIN);
        let mut tables = Self {
            offsets: Vec::with_capacity(room),
            first_chunks: Vec::with_capacity(room + 1),
            total_size: 0,
            files: 0,
        };
        let mut chunks = 0_u64;
        let mut previous: Option<RelPath<'_>> = None;
        for index in (0..count).map(EntryIndex) {
            // Both fit: the encoding is shorter than `bytes_max`, and `add_file` watches the chunks.
            tables.offsets.push((encoded.len() - rest.len()) as u32);
            tables.first_chunks.push(chunks as u32);
            let (entry, after) =
                canonical::take::<Encoded<'_>>(rest).map_err(|_| ManifestError::Malformed(index))?;
            rest = after;
            let entry = entry.check(index)?;
            if let Some(previous) = previous {
                check_order(previous, entry.path, index)?;
            }
            previous = Some(entry.path);
            if let EntryKind::File(file) = entry.kind {
                chunks += tables.add_file(&Shape { size: file.size, chunk }, limits)?;
                if chunks > u64::from(u32::MAX) {
                    return Err(ManifestError::TooManyChunks);
                }
            }
        }
        tables.first_chunks.push(chunks as u32);
        if rest.is_empty() { Ok(tables) } else { Err(ManifestError::Trailing) }
    }

    fn add_file(&mut self, shape: &Shape, limits: &ManifestLimits) -> Result<u64, ManifestError> {
        let max = limits.total_max.min(TOTAL_MAX);
        // Neither can wrap: a file is at most FILE_MAX, and the sum before it at most TOTAL_MAX.
        self.total_size += shape.size;
        self.files += 1;
        if self.total_size > max { Err(ManifestError::TotalTooLarge(max)) } else { Ok(shape.chunks()) }
    }
}

/// In this order whatever lies under a path follows it directly, so looking at neighbours is enough.
fn check_order(before: RelPath<'_>, path: RelPath<'_>, index: EntryIndex) -> Result<(), ManifestError> {
    match before.cmp(&path) {
        Ordering::Greater => Err(ManifestError::Unsorted(index)),
        Ordering::Equal => Err(ManifestError::Duplicate(index)),
        Ordering::Less if path.lies_under(before) => Err(ManifestError::Under(index)),
        Ordering::Less => Ok(()),
    }
}
