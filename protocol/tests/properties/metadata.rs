//! Metadata files and chunk layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use truecopy_protocol::content::geometry::{ChunkSize, Shape};
use truecopy_protocol::content::layers::{BadLayers, Layers};
use truecopy_protocol::content::manifest::{FileEntry, ManifestBuilder, ManifestLimits, Mtime, OwnedKind};
use truecopy_protocol::content::metadata::{Metadata, MetadataError};
use truecopy_protocol::{ChunkIndex, EntryIndex, Trackers};

use crate::common::{content, path, root_and_chunks};

fn metadata() -> Metadata {
    let mut builder = ManifestBuilder::new("meta");
    let sizes = [("a", 0), ("b", 700_000), ("c", 100), ("d", 262_144), ("e", 262_145)];
    let mut parts = BTreeMap::new();
    for (index, (name, size)) in sizes.into_iter().enumerate() {
        let shape = Shape { size, chunk: ChunkSize::MIN };
        let (root, chunks) = root_and_chunks(&content(size), shape);
        let entry = FileEntry { size, root, mode: 0o600, mtime: Mtime::default() };
        builder.push(path(name), OwnedKind::File(entry));
        parts.insert(EntryIndex(index as u32), chunks);
    }
    let manifest = Arc::new(builder.finish(ChunkSize::MIN).unwrap());
    let layers = Layers::assemble(Arc::clone(&manifest), parts).unwrap();
    Metadata { manifest, layers, trackers: Trackers::default() }
}

#[test]
fn a_metadata_file_survives_and_knows_every_chunk() {
    let metadata = metadata();
    let bytes = metadata.encode();
    let again = Metadata::decode(bytes.clone().into(), &ManifestLimits::default()).unwrap();
    assert_eq!(again.manifest, metadata.manifest);
    assert_eq!(again.encode(), bytes);
    assert_eq!(again.layers.hashes().len(), 3 + 2);
    for (index, _) in again.manifest.entries() {
        let bytes = content(again.manifest.shape(index).unwrap().size);
        let (_, chunks) = root_and_chunks(&bytes, again.manifest.shape(index).unwrap());
        let numbers = again.manifest.chunks_of(index);
        assert!(numbers.map(|n| again.layers.chunk_hash(ChunkIndex(n)).unwrap()).eq(chunks.iter().copied()));
        assert_eq!(again.layers.layer(index), (chunks.len() > 1).then_some(&chunks[..]));
    }
    assert_eq!(again.layers.chunk_hash(ChunkIndex(again.manifest.chunk_count())), None);
}

#[test]
fn a_metadata_file_with_any_byte_changed_or_cut_is_refused() {
    for bytes in [metadata().encode(), with_trackers().encode()] {
        changed_or_cut(&bytes);
    }
    assert_eq!(decode(b"something else".to_vec()), Err(MetadataError::NotMetadata));
    assert_eq!(decode(b"truecopy\x03".to_vec()), Err(MetadataError::Version(3)));
}

fn decode(bytes: Vec<u8>) -> Result<(), MetadataError> {
    Metadata::decode(bytes.into(), &ManifestLimits::default()).map(|_| ())
}

fn changed_or_cut(bytes: &[u8]) {
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        assert!(decode(changed).is_err(), "{at}");
        assert!(decode(bytes[..at].to_vec()).is_err(), "{at}");
    }
}

fn with_trackers() -> Metadata {
    let url = |text: &str| text.parse().unwrap();
    let trackers = [url("https://a.example"), url("http://192.0.2.1:7070")].into_iter().collect();
    Metadata { trackers, ..metadata() }
}

#[test]
fn trackers_survive_and_are_no_part_of_the_content_id() {
    let (plain, with) = (metadata(), with_trackers());
    let again = Metadata::decode(with.encode().into(), &ManifestLimits::default()).unwrap();
    assert_eq!(again.trackers, with.trackers);
    assert_eq!(again.manifest.content_id(), plain.manifest.content_id());
    assert_eq!(plain.encode()[8], 1);
    assert_eq!(with.encode()[8], 2);
}

#[test]
fn no_trackers_under_the_second_version_are_a_second_encoding_and_refused() {
    let mut bytes = metadata().encode();
    bytes.truncate(bytes.len() - 32);
    bytes[8] = 2;
    bytes.insert(9, 0);
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    assert_eq!(decode(bytes), Err(MetadataError::Damaged));
}

#[test]
fn layers_of_another_file_or_count_are_refused() {
    let Metadata { manifest, layers, .. } = metadata();
    let good = layers.hashes().to_vec();
    let mut swapped = good.clone();
    swapped.swap(3, 4);
    let refused = |hashes| Layers::new(Arc::clone(&manifest), hashes).map(|_| ()).unwrap_err();
    assert_eq!(refused(swapped), BadLayers::Root(EntryIndex(4)));
    assert_eq!(refused(good[1..].to_vec()), BadLayers::Root(EntryIndex(1)));
    assert_eq!(refused(good[..4].to_vec()), BadLayers::Count);
    assert_eq!(refused([&good[..], &good[..1]].concat()), BadLayers::Count);
}
