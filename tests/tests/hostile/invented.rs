//! Contents that no honest program would make.

use std::collections::BTreeMap;

use truecopy_protocol::content::geometry::{ChunkSize, Shape};
use truecopy_protocol::content::manifest::ManifestIdentity;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::{ContentId, Hash};

/// What stands at a path, without a rule.
#[derive(Clone)]
pub(crate) enum Kind {
    /// These bytes, with this mode.
    File(Vec<u8>, u16),
    /// A size and a root, true or not.
    Claim(u64, Hash),
    Directory,
    Link(Vec<u8>),
}

/// A manifest of any bytes, and what is served as its blobs.
#[derive(Clone)]
pub(crate) struct Invented {
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: BTreeMap<u32, Vec<u8>>,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The root of a file's tree.
pub(crate) fn root(bytes: &[u8]) -> Hash {
    let shape = Shape { size: bytes.len() as u64, chunk: ChunkSize::MIN };
    if bytes.is_empty() { Hash::ZERO } else { subtree(&OneByOne, bytes, shape.height()) }
}

/// Bytes that are a function of a number.
pub(crate) fn noise(number: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at * 31 + (at >> 8) * 7 + number * 13) as u8).collect()
}

/// A header as PROTOCOL §3.3 has it.
pub(crate) fn header(name: &[u8], total: u64, count: u64) -> Vec<u8> {
    let mut out = vec![1];
    bytes(&mut out, name);
    let chunk = (total / 4096).max(1).next_power_of_two().clamp(1 << 18, 1 << 22);
    out.push(chunk.trailing_zeros() as u8);
    varint(&mut out, count);
    out
}

pub(crate) fn entry(out: &mut Vec<u8>, path: &[u8], kind: &Kind) {
    let file = |out: &mut Vec<u8>, size: u64, root: Hash, mode: u16| {
        varint(out, 0);
        varint(out, size);
        out.extend_from_slice(&root.0);
        varint(out, u64::from(mode));
        varint(out, 2 * 1_600_000_000);
        varint(out, 5);
    };
    bytes(out, path);
    match kind {
        Kind::File(content, mode) => file(out, content.len() as u64, root(content), *mode),
        Kind::Claim(size, root) => file(out, *size, *root, 0o644),
        Kind::Directory => varint(out, 1),
        Kind::Link(target) => {
            varint(out, 2);
            bytes(out, target);
        }
    }
}

impl Invented {
    /// These entries in this order.
    pub(crate) fn new(entries: &[(&[u8], Kind)]) -> Self {
        let size = |kind: &Kind| match kind {
            Kind::File(content, _) => content.len() as u64,
            Kind::Claim(size, _) => *size,
            Kind::Directory | Kind::Link(_) => 0,
        };
        let total = entries.iter().map(|(_, kind)| size(kind)).fold(0, u64::saturating_add);
        let mut manifest = header(b"share", total, entries.len() as u64);
        let mut blobs = BTreeMap::new();
        for (blob, (path, kind)) in (1..).zip(entries) {
            entry(&mut manifest, path, kind);
            if let Kind::File(content, _) = kind {
                blobs.insert(blob, content.clone());
            }
        }
        Self { manifest, blobs }
    }

    /// One file of some bytes.
    pub(crate) fn file(path: &str, len: usize) -> Self {
        Self::new(&[(path.as_bytes(), Kind::File(noise(1, len), 0o644))])
    }

    /// A manifest of these bytes, and nothing else.
    pub(crate) fn bare(manifest: Vec<u8>) -> Self {
        Self { manifest, blobs: BTreeMap::new() }
    }

    pub(crate) fn identity(&self) -> ManifestIdentity {
        ManifestIdentity::of(&self.manifest)
    }

    pub(crate) fn content_id(&self) -> ContentId {
        self.identity().content_id()
    }

    pub(crate) fn blob(&self, blob: u32) -> &[u8] {
        match blob {
            0 => &self.manifest,
            blob => self.blobs.get(&blob).map_or(&[], Vec::as_slice),
        }
    }
}
