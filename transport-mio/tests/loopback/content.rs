//! A share to be moved: bytes that are a function of file and offset.

use std::collections::BTreeMap;
use std::sync::Arc;

use truecopy_protocol::content::geometry::{ChunkSize, Shape};
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, subtree};
use truecopy_protocol::{BlobId, EntryIndex};

pub(crate) struct Content {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) layers: Arc<Layers>,
    pub(crate) files: BTreeMap<BlobId, Vec<u8>>,
}

impl Content {
    /// Files of these sizes.
    pub(crate) fn new(sizes: &[usize]) -> Self {
        let chunk = ChunkSize::for_share(sizes.iter().map(|size| *size as u64).sum());
        let mut builder = ManifestBuilder::new("share");
        let mut files = BTreeMap::new();
        let mut layers = BTreeMap::new();
        for (number, size) in sizes.iter().enumerate() {
            let bytes: Vec<u8> = (0..*size).map(|at| (at * 31 + (at >> 8) * 7 + number * 13) as u8).collect();
            let shape = Shape { size: *size as u64, chunk };
            let mut root = RootBuilder::with_chunks(shape);
            for span in bytes.chunks(256 * 1024) {
                root.push(subtree(&OneByOne, span, shape.span_height()));
            }
            let (root, chunks) = root.finish();
            layers.insert(EntryIndex(number as u32), chunks);
            let mtime = Mtime { seconds: 0, nanos: 0 };
            let kind = OwnedKind::File(FileEntry { size: shape.size, root, mode: 0o644, mtime });
            // Numbered with leading zeros, so that their order is the manifest's.
            builder.push(RelPathBuf::new(format!("share/{number:06}").into()).unwrap(), kind);
            if *size > 0 {
                files.insert(BlobId::of(EntryIndex(number as u32)), bytes);
            }
        }
        let manifest = Arc::new(builder.finish(chunk).unwrap());
        let layers = Arc::new(Layers::assemble(Arc::clone(&manifest), layers).unwrap());
        Self { manifest, layers, files }
    }

    /// Some MiB in files of every kind.
    pub(crate) fn mixed() -> Self {
        let mut sizes = vec![5 << 20, 0, 1, 16 << 10, (256 << 10) + 1, 2_000_000];
        sizes.extend([4096; 200]);
        Self::new(&sizes)
    }

    pub(crate) fn len(&self) -> u64 {
        self.manifest.total_size()
    }
}
