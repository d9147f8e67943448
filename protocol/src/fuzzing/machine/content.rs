//! Shares that are made once: their manifests, hashes and bytes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::LazyLock;

use crate::content::geometry::{BLOCK, ChunkSize, SPAN, Shape};
use crate::content::layers::Layers;
use crate::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use crate::content::name::RelPathBuf;
use crate::content::tree::{OneByOne, RootBuilder, subtree};
use crate::job::LandExtent;
use crate::wire::BlockRun;
use crate::{BlobId, EntryIndex, Hash};

/// A share and all its bytes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) manifest: Arc<Manifest>,
    pub(super) layers: Arc<Layers>,
    /// By entry; folders have none.
    files: Vec<Vec<u8>>,
}

/// A few files around the sizes of blocks and chunks.
const FEW: &[usize] = &[0, 100, BLOCK as usize + 1, 2 * SPAN as usize + 70_000];
/// Other files, the last of which has two chunks.
const OTHERS: &[usize] = &[5, 3 * BLOCK as usize, SPAN as usize + 1];
/// So many empty files that their manifest has more than one span.
const MANY: usize = 1500;

static CONTENTS: LazyLock<[Content; 3]> = LazyLock::new(|| {
    [
        Content::new("others", 20, OTHERS.iter().copied()),
        Content::new("few", 20, FEW.iter().copied()),
        Content::new("many", 200, core::iter::repeat_n(0, MANY).chain([20_000])),
    ]
});

/// Numbers of the shares.
pub(super) const CONTENTS_MAX: usize = 3;

/// The share of this number.
pub(super) fn content(number: usize) -> &'static Content {
    &CONTENTS[number % CONTENTS_MAX]
}

impl Content {
    fn new(name: &str, name_len: usize, sizes: impl Iterator<Item = usize>) -> Self {
        let mut files: Vec<Vec<u8>> = sizes.map(|size| pattern(name.len(), size)).collect();
        let chunk = ChunkSize::for_share(files.iter().map(|file| file.len() as u64).sum());
        let (mut builder, mut parts) = (ManifestBuilder::new(name), BTreeMap::new());
        for (index, file) in (0..).zip(&files) {
            let shape = Shape { size: file.len() as u64, chunk };
            let mut hashes = RootBuilder::with_chunks(shape);
            file.chunks(SPAN as usize)
                .for_each(|span| hashes.push(subtree(&OneByOne, span, shape.span_height())));
            let (root, layer) = hashes.finish();
            if layer.len() > 1 {
                parts.insert(EntryIndex(index), layer);
            }
            let kind = FileEntry { size: shape.size, root, mode: 0o644, mtime: Mtime::default() };
            builder.push(path(index, name_len), OwnedKind::File(kind));
        }
        // The last entry is no file.
        builder.push(path(files.len() as u32, name_len), OwnedKind::Directory);
        files.push(Vec::new());
        let Ok(manifest) = builder.finish(chunk).map(Arc::new) else { panic!("the manifest is good") };
        let Ok(layers) = Layers::assemble(Arc::clone(&manifest), parts) else { panic!("so are the hashes") };
        Self { manifest, layers: Arc::new(layers), files }
    }

    /// The bytes of a blob: of the manifest or a file. None beyond the last entry.
    pub(super) fn blob(&self, blob: BlobId) -> &[u8] {
        match blob.entry() {
            None => self.manifest.encoded(),
            Some(entry) => self.files.get(entry.0 as usize).map_or(&[], Vec::as_slice),
        }
    }

    /// The bytes of a run, as far as there are any.
    pub(super) fn run(&self, run: BlockRun) -> &[u8] {
        let blob = self.blob(BlobId(run.blob));
        let start = (u64::from(run.block) * BLOCK).min(blob.len() as u64) as usize;
        let end = (start as u64 + u64::from(run.count) * BLOCK).min(blob.len() as u64) as usize;
        &blob[start..end]
    }

    /// The chunk hashes of a blob; none if it has one chunk.
    pub(super) fn layer(&self, blob: BlobId) -> Vec<Hash> {
        match blob.entry() {
            Some(entry) => self.layers.layer(entry).map(<[Hash]>::to_vec).unwrap_or_default(),
            None => {
                let shape = self.manifest.identity().shape();
                let chunks = self.manifest.encoded().chunks(shape.chunk.bytes() as usize);
                chunks.map(|chunk| subtree(&OneByOne, chunk, shape.chunk_height())).collect()
            }
        }
    }

    /// How a blob divides.
    pub(super) fn shape(&self, blob: BlobId) -> Option<Shape> {
        match blob.entry() {
            None => Some(self.manifest.identity().shape()),
            Some(entry) => self.manifest.shape(entry),
        }
    }
}

/// The hash of what a `Land` job brings.
pub(super) fn hash(bytes: &[u8], land: &LandExtent) -> Hash {
    subtree(&OneByOne, bytes, land.height)
}

fn path(index: u32, len: usize) -> RelPathBuf {
    let name = alloc::format!("{index:0len$}");
    match RelPathBuf::new(name.into_bytes()) {
        Ok(path) => path,
        Err(why) => panic!("digits are a name: {why}"),
    }
}

/// Bytes that differ from place to place.
fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251 + at / 251 % 241 + seed) as u8).collect()
}
