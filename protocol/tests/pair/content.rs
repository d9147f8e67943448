//! Shares whose bytes are a function of file and offset, so that a wrong byte names its origin.

use std::collections::BTreeMap;
use std::sync::Arc;

use truecopy_protocol::content::geometry::{ChunkSize, SPAN, Shape};
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, subtree};
use truecopy_protocol::{BlobId, EntryIndex, Hash};

use crate::rng::mix;

/// The bytes of a file from an offset (a multiple of 8) on.
pub(crate) fn fill(blob: BlobId, offset: u64, out: &mut [u8]) {
    assert_eq!(offset % 8, 0);
    for (word, chunk) in (offset / 8..).zip(out.chunks_mut(8)) {
        let bytes = mix(u64::from(blob.0) << 40 | word).to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
}

pub(crate) fn bytes(blob: BlobId, offset: u64, len: u64) -> Vec<u8> {
    let mut out = vec![0; len as usize];
    fill(blob, offset, &mut out);
    out
}

/// A share ready to be served.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) layers: Arc<Layers>,
}

impl Content {
    /// Files of these sizes; `None` is an empty directory.
    pub(crate) fn new(sizes: &[Option<u64>]) -> Self {
        let total = sizes.iter().flatten().sum();
        let chunk = ChunkSize::for_share(total);
        let mut builder = ManifestBuilder::new("share");
        let mut parts = BTreeMap::new();
        for (index, size) in (0..).zip(sizes) {
            let path = RelPathBuf::new(format!("entry-{index:06}").into_bytes()).unwrap();
            let kind = match size {
                None => OwnedKind::Directory,
                Some(size) => {
                    let (root, layer) = hashes(BlobId::of(EntryIndex(index)), Shape { size: *size, chunk });
                    if layer.len() > 1 {
                        parts.insert(EntryIndex(index), layer);
                    }
                    let mtime = Mtime { seconds: 0, nanos: 0 };
                    OwnedKind::File(FileEntry { size: *size, root, mode: 0o644, mtime })
                }
            };
            builder.push(path, kind);
        }
        let manifest = Arc::new(builder.finish(chunk).unwrap());
        let layers = Arc::new(Layers::assemble(Arc::clone(&manifest), parts).unwrap());
        Self { manifest, layers }
    }

    pub(crate) fn files(sizes: &[u64]) -> Self {
        Self::new(&sizes.iter().copied().map(Some).collect::<Vec<_>>())
    }
}

fn hashes(blob: BlobId, shape: Shape) -> (Hash, Vec<Hash>) {
    let mut builder = RootBuilder::with_chunks(shape);
    for span in 0..shape.spans() {
        let range = shape.span_range(span);
        let bytes = bytes(blob, range.start, range.end - range.start);
        builder.push(subtree(&OneByOne, &bytes, shape.span_height()));
    }
    let (root, layer) = builder.finish();
    (if shape.size == 0 { Hash::ZERO } else { root }, layer)
}

/// The unit that tests count in.
pub(crate) const KIB: u64 = 1024;
pub(crate) const SPANS: u64 = SPAN;
