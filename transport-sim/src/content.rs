//! Files whose bytes are a function of (file, version, offset), so that a wrong byte names its origin.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use truecopy_protocol::content::geometry::{ChunkSize, SPAN, Shape};
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, subtree};
use truecopy_protocol::{ChunkIndex, EntryIndex, Hash};

/// Bytes of the words that files are made of.
const WORD: usize = 8;
/// Makes words look random; odd, so that it can be undone.
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;
/// The inverse of `SCATTER` modulo 2^64.
const GATHER: u64 = inverse(SCATTER);

const fn inverse(odd: u64) -> u64 {
    // Newton: every step doubles the number of right bits.
    let mut x = odd;
    let mut step = 0;
    while step < 6 {
        x = x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)));
        step += 1;
    }
    x
}

/// The word at this place: the place itself, scattered.
const fn word(file: u16, version: u8, index: u64) -> u64 {
    // Never zero: version counts from one.
    ((version as u64 + 1) << 56 | (file as u64) << 40 | index).wrapping_mul(SCATTER)
}

/// Bytes `offset..offset + len` of a file.
pub fn bytes(file: u16, version: u8, offset: u64, len: usize) -> Vec<u8> {
    let first = offset / WORD as u64;
    let skip = (offset % WORD as u64) as usize;
    let words = (skip + len).div_ceil(WORD);
    let mut out = Vec::with_capacity(words * WORD);
    for index in first..first + words as u64 {
        out.extend_from_slice(&word(file, version, index).to_le_bytes());
    }
    out.truncate(skip + len);
    out.drain(..skip);
    out
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They are all zero.
    Zeros,
    /// They stand in a file of the share.
    File {
        /// Which, in the order of the plan.
        file: u16,
        /// Which state of it: 0 is the one that is shared.
        version: u8,
        /// From this byte on.
        offset: u64,
    },
    /// From nowhere in the share: damaged, or not of a file.
    Unknown,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zeros => f.write_str("zeros: never written"),
            Self::File { file, version: 0, offset } => write!(f, "file {file} from offset {offset}"),
            Self::File { file, version, offset } => {
                write!(f, "state {version} of file {file} from offset {offset}")
            }
            Self::Unknown => f.write_str("nowhere in the share"),
        }
    }
}

/// Finds out where the first bytes of a run come from.
pub fn origin(run: &[u8]) -> Origin {
    if run.iter().take(2 * WORD).all(|byte| *byte == 0) {
        return Origin::Zeros;
    }
    let place = |at: usize| {
        let bytes = run.get(at..at + WORD)?.try_into().ok()?;
        let place = u64::from_le_bytes(bytes).wrapping_mul(GATHER);
        let version = ((place >> 56) as u8).checked_sub(1)?;
        // More states than anyone makes, or offsets beyond any file, are chance.
        (version < 8 && place & 0xff_ffff_ffff < 1 << 34).then_some((
            (place >> 40) as u16,
            version,
            place & 0xff_ffff_ffff,
        ))
    };
    for shift in 0..WORD {
        if let (Some((file, version, index)), next) = (place(shift), place(shift + WORD))
            && next.is_none_or(|next| next == (file, version, index + 1))
        {
            let offset = (index * WORD as u64).saturating_sub(shift as u64);
            return Origin::File { file, version, offset };
        }
    }
    Origin::Unknown
}

/// A share: its files' true bytes and everything that is derived from them.
#[derive(Debug)]
pub struct Content {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// Its chunk hashes.
    pub layers: Arc<Layers>,
    /// The number of each file in the plan, by its entry.
    numbers: BTreeMap<EntryIndex, u16>,
    truth: BTreeMap<EntryIndex, Vec<u8>>,
}

/// A file of the share, or an empty folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Its path. One that ends with `/` is an empty folder.
    pub path: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
}

/// Why there is no such share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    /// A path that no manifest can hold.
    #[error("`{0}` is no path of a share")]
    Path(String),
    /// The entries do not make a manifest.
    #[error("the files make no share: {0}")]
    Manifest(String),
    /// More bytes than the simulator keeps in memory.
    #[error("the share has {0} bytes; the simulator holds at most {SIZE_MAX}")]
    TooLarge(u64),
}

/// Bytes of a simulated share at most.
pub const SIZE_MAX: u64 = 256 << 20;

thread_local! {
    /// Shares that were made before: their hashes cost more than a short run.
    static KNOWN: RefCell<BTreeMap<Vec<FileSpec>, Rc<Content>>> = const { RefCell::new(BTreeMap::new()) };
}

impl Content {
    /// The share of these files. Made once for each thread.
    ///
    /// # Errors
    /// [`BadContent`] if they make no share.
    pub fn of(files: &[FileSpec]) -> Result<Rc<Self>, BadContent> {
        if let Some(known) = KNOWN.with_borrow(|known| known.get(files).cloned()) {
            return Ok(known);
        }
        let made = Rc::new(Self::make(files)?);
        KNOWN.with_borrow_mut(|known| {
            if known.len() > 64 {
                known.clear();
            }
            known.insert(files.to_vec(), Rc::clone(&made));
        });
        Ok(made)
    }

    fn make(files: &[FileSpec]) -> Result<Self, BadContent> {
        let total = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        if total > SIZE_MAX {
            return Err(BadContent::TooLarge(total));
        }
        let chunk = ChunkSize::for_share(total);
        let mut builder = ManifestBuilder::new("share");
        let mut made = Vec::new();
        for (number, file) in (0..).zip(files) {
            let path = RelPathBuf::new(file.path.trim_end_matches('/').as_bytes().to_vec())
                .map_err(|_| BadContent::Path(file.path.clone()))?;
            if file.path.ends_with('/') {
                builder.push(path, OwnedKind::Directory);
                continue;
            }
            let truth = bytes(number, 0, 0, file.size as usize);
            let (root, layer) = hashes(&truth, chunk);
            let entry = FileEntry { size: file.size, root, mode: 0o644, mtime: MTIME };
            builder.push(path.clone(), OwnedKind::File(entry));
            made.push((number, path, truth, layer));
        }
        let bad = |error: &dyn fmt::Display| BadContent::Manifest(error.to_string());
        let manifest = Arc::new(builder.finish(chunk).map_err(|error| bad(&error))?);
        let (mut parts, mut numbers, mut all) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (number, path, truth, layer) in made {
            let Some(index) = manifest.find(path.as_path()) else { continue };
            if layer.len() > 1 {
                parts.insert(index, layer);
            }
            numbers.insert(index, number);
            all.insert(index, truth);
        }
        let layers = Layers::assemble(Arc::clone(&manifest), parts).map_err(|error| bad(&error))?;
        Ok(Self { manifest, layers: Arc::new(layers), numbers, truth: all })
    }

    /// The true bytes of a file; none for anything else.
    pub fn truth(&self, entry: EntryIndex) -> Option<&[u8]> {
        self.truth.get(&entry).map(Vec::as_slice)
    }

    /// The number of a file in the plan.
    pub fn number(&self, entry: EntryIndex) -> Option<u16> {
        self.numbers.get(&entry).copied()
    }

    /// The file of a chunk and the true bytes of the chunk, with the offset at which they stand.
    pub fn chunk(&self, chunk: ChunkIndex) -> Option<(EntryIndex, u64, &[u8])> {
        let (entry, within) = self.manifest.locate(chunk)?;
        let range = self.manifest.shape(entry)?.chunk_range(u64::from(within));
        let truth = self.truth(entry)?.get(range.start as usize..range.end as usize)?;
        Some((entry, range.start, truth))
    }
}

/// The modification time of every file.
const MTIME: Mtime = Mtime { seconds: 1_600_000_000, nanos: 123_456_789 };

fn hashes(truth: &[u8], chunk: ChunkSize) -> (Hash, Vec<Hash>) {
    let shape = Shape { size: truth.len() as u64, chunk };
    if truth.is_empty() {
        return (Hash::ZERO, Vec::new());
    }
    let mut builder = RootBuilder::with_chunks(shape);
    for span in truth.chunks(SPAN as usize) {
        builder.push(subtree(&OneByOne, span, shape.span_height()));
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misplaced_bytes_name_their_origin_at_any_alignment() {
        for skew in 0..20 {
            let run = bytes(3, 0, 4096 + skew, 64);
            assert_eq!(origin(&run), Origin::File { file: 3, version: 0, offset: 4096 + skew });
        }
        assert_eq!(origin(&bytes(9, 2, 800, 40)), Origin::File { file: 9, version: 2, offset: 800 });
        assert_eq!(origin(&[0; 40]), Origin::Zeros);
        assert_eq!(origin(b"no word of any file stands here, surely"), Origin::Unknown);
    }

    #[test]
    fn a_file_is_the_same_wherever_it_is_cut() {
        let whole = bytes(1, 0, 0, 1000);
        for cut in [1, 7, 8, 9, 500, 999] {
            assert_eq!([bytes(1, 0, 0, cut), bytes(1, 0, cut as u64, 1000 - cut)].concat(), whole);
        }
    }
}
