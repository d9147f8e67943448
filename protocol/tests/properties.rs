//! What must hold for every input.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use common::{content, file, files, path, root_and_chunks};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use truecopy_protocol::content::geometry::{BLOCK, ChunkSize, Shape};
use truecopy_protocol::content::layers::{BadLayers, Layers};
use truecopy_protocol::content::manifest::{
    EntryKind, FileEntry, Manifest, ManifestBuilder, ManifestError, ManifestLimits, Mtime, OwnedKind,
};
use truecopy_protocol::content::metadata::{Metadata, MetadataError};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::content::ticket::{BadTicket, Ticket};
use truecopy_protocol::content::tree::{Ladder, Layer, check, fold, leaf, prove};
use truecopy_protocol::{AccessSecret, Candidate, ChunkIndex, ContentId, EntryIndex, Hash, HostName, NodeId};

fn decode(bytes: Vec<u8>) -> Result<Manifest, ManifestError> {
    Manifest::decode(Bytes::from(bytes), &ManifestLimits::default())
}

fn hashes(len: u64) -> Vec<Hash> {
    (0..len).map(|i| leaf(&i.to_le_bytes())).collect()
}

/// Any layer of up to 3000 hashes, at any low level of a blob.
fn layer() -> impl Strategy<Value = (Layer, Vec<Hash>, Hash)> {
    (1..3000_u64, 0..4_u8, 1..BLOCK).prop_map(|(len, level, short)| {
        let size = ((len - 1) << level) * BLOCK + short;
        let shape = Shape { size, chunk: ChunkSize::MIN };
        let layer = Layer::new(&shape, level.min(shape.height())).unwrap();
        let hashes = hashes(layer.len());
        let root = fold(hashes.clone(), layer.level(), shape.height() - layer.level());
        (layer, hashes, root)
    })
}

fn kind() -> impl Strategy<Value = OwnedKind> {
    let file = (0..1_u64 << 40, any::<[u8; 32]>(), 0..0o1000_u16, any::<i64>(), 0..1_000_000_000_u32);
    prop_oneof![
        4 => file.prop_map(|(size, root, mode, seconds, nanos)| {
            let root = if size == 0 { Hash::ZERO } else { Hash(root) };
            OwnedKind::File(FileEntry { size, root, mode, mtime: Mtime { seconds, nanos } })
        }),
        1 => Just(OwnedKind::Directory),
        1 => "[a-z]{1,8}(/[a-z]{1,8}){0,2}".prop_map(|target| OwnedKind::Symlink { target: target.into() }),
    ]
}

/// Entries of which none lies under another: folders end in `d`, all others in `e`.
fn entries() -> impl Strategy<Value = BTreeMap<String, OwnedKind>> {
    btree_map("[ab\u{e9}]{1,3}d/([a-c .]{1,3}d/){0,3}[a-c]{1,4}e", kind(), 0..24)
}

fn build(entries: &BTreeMap<String, OwnedKind>) -> Manifest {
    let mut builder = ManifestBuilder::new("any");
    for (name, kind) in entries {
        builder.push(path(name), kind.clone());
    }
    builder.finish(builder.chunk_size()).unwrap()
}

proptest! {
    #[test]
    fn every_range_is_proven_by_exactly_its_hashes((layer, hashes, root) in layer()) {
        let ladder = Ladder::new(layer, &hashes);
        let mut seen = 0;
        for range in layer.ranges() {
            let first = range.first() as usize;
            let part = &hashes[first..first + range.hashes()];
            let uncles = ladder.prove(&hashes, &range);
            prop_assert_eq!(uncles.len(), range.uncles());
            prop_assert_eq!(check(&root, &range, part, &uncles), Ok(()));
            seen += part.len();
        }
        prop_assert_eq!(seen, hashes.len());
    }

    #[test]
    fn a_proof_with_any_hash_changed_moved_missing_or_added_is_refused(
        (layer, hashes, root) in layer(), at in any::<prop::sample::Index>(), height in 0..10_u32,
        place in any::<prop::sample::Index>(), bit in 0..256_usize,
    ) {
        let count = 1 << height;
        let first = at.index(hashes.len()) as u64 / u64::from(count) * u64::from(count);
        let Some(range) = layer.range(first, count) else { return Ok(()) };
        let first = first as usize;
        let part = hashes[first..first + range.hashes()].to_vec();
        let uncles = prove(&hashes, &range);
        prop_assert_eq!(check(&root, &range, &part, &uncles), Ok(()));
        let good: Vec<Hash> = part.iter().chain(&uncles).copied().collect();
        let split = |all: &[Hash]| check(&root, &range, &all[..part.len()], &all[part.len()..]);

        let mut changed = good.clone();
        let place = place.index(good.len());
        changed[place].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(split(&changed).is_err());
        if good.len() > 1 {
            let mut moved = good.clone();
            moved.swap(place, (place + 1) % good.len());
            prop_assert!(split(&moved).is_err());
        }
        let mut longer = good.clone();
        longer.push(Hash::ZERO);
        prop_assert!(split(&longer).is_err());
        prop_assert!(check(&root, &range, &part[1..], &uncles).is_err());
        if let Some((_, fewer)) = uncles.split_last() {
            prop_assert!(check(&root, &range, &part, fewer).is_err());
        }
    }

    #[test]
    fn a_range_that_is_not_aligned_or_too_wide_is_none((layer, _, _) in layer(), first in 0..4096_u64, count in 0..2048_u32) {
        if let Some(range) = layer.range(first, count) {
            prop_assert!(count.is_power_of_two() && count <= 512 && first % u64::from(count) == 0);
            prop_assert!((1..=count as usize).contains(&range.hashes()));
        }
    }

    #[test]
    fn a_path_is_taken_only_if_every_name_is_a_name(bytes in vec(prop::sample::select(&b"a./\0\\b\xff"[..]), 0..12)) {
        let names: Vec<&[u8]> = bytes.split(|b| *b == b'/').collect();
        let good = names.iter().all(|name| !matches!(*name, b"" | b"." | b"..") && !name.contains(&0));
        prop_assert_eq!(RelPath::new(&bytes).is_ok(), good);
    }

    #[test]
    fn paths_are_ordered_name_by_name(a in "[ -0a]{1,6}(/[ -0a]{1,6}){0,2}", b in "[ -0a]{1,6}(/[ -0a]{1,6}){0,2}") {
        if let (Ok(a), Ok(b)) = (RelPathBuf::new(a.into()), RelPathBuf::new(b.into())) {
            let (a, b) = (a.as_path(), b.as_path());
            prop_assert_eq!(a.cmp(&b), a.names().cmp(b.names()));
        }
    }

    #[test]
    fn a_manifest_survives_its_encoding(entries in entries()) {
        let manifest = build(&entries);
        let again = decode(manifest.encoded().to_vec()).unwrap();
        prop_assert_eq!(&again, &manifest);
        prop_assert_eq!(again.content_id(), manifest.content_id());
        prop_assert_eq!(again.name(), b"any");
        let read: BTreeMap<String, OwnedKind> = again
            .entries()
            .map(|(_, e)| (String::from_utf8(e.path.as_bytes().to_vec()).unwrap(), e.kind.to_owned()))
            .collect();
        prop_assert_eq!(&read, &entries);
        for (index, entry) in again.entries() {
            prop_assert_eq!(again.find(entry.path), Some(index));
            prop_assert_eq!(again.shape(index).is_some(), matches!(entry.kind, EntryKind::File(_)));
        }
    }

    #[test]
    fn chunks_and_entries_find_each_other(sizes in vec(prop_oneof![Just(0_u64), 1..5_000_000_u64], 0..40)) {
        let mut builder = files(sizes.iter().enumerate().map(|(i, size)| (format!("{i:03}"), *size)));
        let manifest = builder.finish(builder.chunk_size()).unwrap();
        let mut next = 0;
        for (index, _) in manifest.entries() {
            let chunks = manifest.chunks_of(index);
            prop_assert_eq!(chunks.start, next);
            prop_assert_eq!(u64::from(chunks.end - chunks.start), manifest.shape(index).unwrap().chunks());
            for chunk in chunks.clone() {
                prop_assert_eq!(manifest.locate(ChunkIndex(chunk)), Some((index, chunk - chunks.start)));
            }
            next = chunks.end;
        }
        prop_assert_eq!(manifest.chunk_count(), next);
        prop_assert_eq!(manifest.locate(ChunkIndex(next)), None);
        prop_assert!(manifest.chunks_of(EntryIndex(manifest.len())).is_empty());
        prop_assert!(manifest.chunks_of(EntryIndex(u32::MAX)).is_empty());
    }

    #[test]
    fn a_changed_manifest_is_refused_or_is_the_one_encoding_of_another(
        entries in entries(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let good = build(&entries).encoded().to_vec();
        let at = at.index(good.len());
        let mut changed = good.clone();
        changed[at] = byte;
        // If this byte ends a number, that number is now written with one byte too many.
        let mut overlong = good;
        overlong[at] |= 0x80;
        overlong.insert(at + 1, 0);
        for bytes in [changed, overlong] {
            let Ok(manifest) = decode(bytes.clone()) else { continue };
            let mut builder = ManifestBuilder::new(manifest.name());
            for (_, entry) in manifest.entries() {
                builder.push(entry.path.to_owned(), entry.kind.to_owned());
            }
            let again = builder.finish(manifest.chunk_size()).unwrap();
            prop_assert_eq!(&again.encoded()[..], &bytes[..]);
        }
    }

    #[test]
    fn a_cut_manifest_and_any_bytes_at_all_are_refused_quietly(
        entries in entries(), cut in any::<prop::sample::Index>(), noise in vec(any::<u8>(), 0..200),
    ) {
        let bytes = build(&entries).encoded().to_vec();
        prop_assert!(decode(bytes[..cut.index(bytes.len())].to_vec()).is_err());
        if let Ok(manifest) = decode(noise.clone()) {
            prop_assert_eq!(&manifest.encoded()[..], &noise[..]);
        }
    }

    #[test]
    fn a_ticket_survives_its_text_however_it_is_typed(ticket in ticket()) {
        let text = ticket.text();
        prop_assert_eq!(Ticket::parse(&text).unwrap(), ticket.clone());
        prop_assert_eq!(Ticket::parse(&format!(" \n{}\t", text.to_uppercase())).unwrap(), ticket);
    }

    #[test]
    fn a_mistyped_or_cut_ticket_is_damaged(
        ticket in ticket(), at in any::<prop::sample::Index>(), typed in "[a-z2-7]",
    ) {
        let text = ticket.text();
        let at = 9 + at.index(text.len() - 9);
        let mut wrong = text.clone();
        wrong.replace_range(at..=at, &typed);
        prop_assert!(wrong == text || Ticket::parse(&wrong) == Err(BadTicket::Damaged));
        prop_assert_eq!(Ticket::parse(&text[..at]), Err(BadTicket::Damaged));
    }
}

fn ticket() -> impl Strategy<Value = Ticket> {
    let address = prop_oneof![
        (any::<[u8; 4]>(), 1..=u16::MAX).prop_map(|(ip, port)| Candidate::Tcp(SocketAddr::from((ip, port)))),
        (any::<[u8; 16]>(), 1..=u16::MAX).prop_map(|(ip, port)| Candidate::Tcp(SocketAddr::from((ip, port)))),
        ("[a-z][a-z0-9]{0,9}(\\.[a-z]{2,9}){0,3}", 1..=u16::MAX)
            .prop_map(|(name, port)| Candidate::Host { name: HostName::new(&name).unwrap(), port }),
    ];
    (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), btree_set(address, 0..=16)).prop_map(
        |(content, secret, node, addresses)| Ticket {
            content: ContentId(content),
            secret: AccessSecret(secret),
            node: NodeId(node),
            addresses: addresses.into_iter().collect(),
        },
    )
}

#[test]
fn a_text_that_is_no_ticket_and_one_of_a_newer_version_are_told_apart() {
    for text in ["", "truecop", "truecopy", "http://x", "é:", "true copy:aa"] {
        assert_eq!(Ticket::parse(text), Err(BadTicket::NotATicket), "{text}");
    }
    for text in ["truecopy:", "truecopy:a", "truecopy:aaaaaaaa", "truecopy:!", "truecopy: aa"] {
        assert_eq!(Ticket::parse(text), Err(BadTicket::Damaged), "{text}");
    }
    // Body `02`, checksum db c1 b4 c9.
    assert_eq!(Ticket::parse("truecopy:aln4dngj"), Err(BadTicket::Version(2)));
}

#[test]
fn debug_text_of_a_ticket_hides_the_secret_and_only_sixteen_addresses_are_written() {
    let address: Candidate = "192.0.2.1:9".parse().unwrap();
    let ticket = Ticket {
        content: ContentId([1; 32]),
        secret: AccessSecret([0xab; 32]),
        node: NodeId([2; 32]),
        addresses: vec![address; 20],
    };
    let debug = format!("{ticket:?}");
    assert!(!debug.contains("abab") && !debug.contains("171"), "{debug}");
    assert_eq!(Ticket::parse(&ticket.text()).unwrap().addresses.len(), 16);
}

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
    Metadata { manifest, layers }
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
    let bytes = metadata().encode();
    let decode = |bytes: Vec<u8>| Metadata::decode(bytes.into(), &ManifestLimits::default()).map(|_| ());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(decode(changed).is_err(), "{at}");
        assert!(decode(bytes[..at].to_vec()).is_err(), "{at}");
    }
    assert_eq!(decode(b"something else".to_vec()), Err(MetadataError::NotMetadata));
    assert_eq!(decode(b"truecopy\x02".to_vec()), Err(MetadataError::Version(2)));
}

#[test]
fn layers_of_another_file_or_count_are_refused() {
    let Metadata { manifest, layers } = metadata();
    let good = layers.hashes().to_vec();
    let mut swapped = good.clone();
    swapped.swap(3, 4);
    let refused = |hashes| Layers::new(Arc::clone(&manifest), hashes).map(|_| ()).unwrap_err();
    assert_eq!(refused(swapped), BadLayers::Root(EntryIndex(4)));
    assert_eq!(refused(good[1..].to_vec()), BadLayers::Root(EntryIndex(1)));
    assert_eq!(refused(good[..4].to_vec()), BadLayers::Count);
    assert_eq!(refused([&good[..], &good[..1]].concat()), BadLayers::Count);
}

#[test]
fn a_manifest_has_only_the_chunk_size_of_its_total() {
    let mut builder = files([("big", 1 << 32)]);
    assert_eq!(builder.chunk_size(), ChunkSize::try_from(20).unwrap());
    assert_eq!(builder.finish(ChunkSize::MIN).map(|_| ()), Err(ManifestError::ChunkSize(18)));
    let mut builder = files([("big", 1 << 32)]);
    builder.push(path("small"), file(1));
    assert_eq!(builder.finish(builder.chunk_size()).unwrap().chunk_count(), 4097);
}
