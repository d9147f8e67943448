//! What the tests of the content layer share.
#![allow(dead_code, reason = "each test uses its part")]

use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{SPAN, Shape};
use truecopy_protocol::content::manifest::{FileEntry, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, subtree};

/// Root and chunk layer of some bytes, as a sender computes them.
pub(crate) fn root_and_chunks(bytes: &[u8], shape: Shape) -> (Hash, Vec<Hash>) {
    let mut builder = RootBuilder::with_chunks(shape);
    for span in bytes.chunks(SPAN as usize) {
        builder.push(subtree(&OneByOne, span, shape.span_height()));
    }
    builder.finish()
}

/// Some bytes that differ from place to place.
pub(crate) fn content(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

/// A path.
pub(crate) fn path(text: impl AsRef<[u8]>) -> RelPathBuf {
    RelPathBuf::new(text.as_ref().to_vec()).unwrap()
}

/// A file with a made-up root.
pub(crate) fn file(size: u64) -> OwnedKind {
    let root = if size == 0 { Hash::ZERO } else { Hash([7; 32]) };
    OwnedKind::File(FileEntry { size, root, mode: 0o644, mtime: Mtime { seconds: 1_700_000_000, nanos: 5 } })
}

/// A builder with these files.
pub(crate) fn files<T: AsRef<[u8]>>(files: impl IntoIterator<Item = (T, u64)>) -> ManifestBuilder {
    let mut builder = ManifestBuilder::new("share");
    for (name, size) in files {
        builder.push(path(name), file(size));
    }
    builder
}
