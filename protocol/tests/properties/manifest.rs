//! One encoding per meaning, and the numbering of chunks.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use truecopy_protocol::content::geometry::ChunkSize;
use truecopy_protocol::content::identity::selection_digest;
use truecopy_protocol::content::manifest::{
    EntryKind, FileEntry, Manifest, ManifestBuilder, ManifestError, ManifestLimits, Mtime, OwnedKind,
};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::{ChunkIndex, EntryIndex, Hash};

use crate::common::{file, files, path};

fn decode(bytes: Vec<u8>) -> Result<Manifest, ManifestError> {
    Manifest::decode(Bytes::from(bytes), &ManifestLimits::default())
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
    fn a_manifest_survives_its_encoding(entries in entries()) {
        let manifest = build(&entries);
        let again = decode(manifest.encoded().to_vec()).unwrap();
        prop_assert_eq!(&again, &manifest);
        prop_assert_eq!(again.content_id(), manifest.content_id());
        prop_assert_eq!(again.name(), b"any");
        let mut more = entries.clone();
        more.insert("z/one more".to_owned(), OwnedKind::Directory);
        prop_assert_ne!(&build(&more), &manifest);
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
    fn the_order_in_which_entries_come_does_not_matter(
        entries in entries(), order in any::<prop::sample::Index>(),
    ) {
        let good = build(&entries);
        let mut shuffled: Vec<_> = entries.iter().collect();
        if !shuffled.is_empty() {
            shuffled.rotate_left(order.index(entries.len()));
            shuffled.swap(0, order.index(entries.len()));
        }
        let mut builder = ManifestBuilder::new("any");
        for (name, kind) in shuffled {
            builder.push(path(name), kind.clone());
        }
        let chunk = builder.chunk_size();
        prop_assert_eq!(builder.finish(chunk).unwrap(), good);
    }

    #[test]
    fn an_entry_twice_or_under_another_is_refused(entries in entries(), at in any::<prop::sample::Index>()) {
        prop_assume!(!entries.is_empty());
        let name = entries.keys().nth(at.index(entries.len())).unwrap();
        for wrong in [name.clone(), format!("{name}/x"), name.split('/').next().unwrap().to_owned()] {
            let mut builder = ManifestBuilder::new("any");
            for (name, kind) in &entries {
                builder.push(path(name), kind.clone());
            }
            builder.push(path(&wrong), OwnedKind::Directory);
            prop_assert!(builder.finish(builder.chunk_size()).is_err(), "{} beside {}", wrong, name);
        }
    }

    #[test]
    fn a_selection_holds_what_it_names_and_its_digest_is_its_own(
        some in btree_set(0..40_u32, 0..20), other in btree_set(0..40_u32, 0..20),
    ) {
        let select = |set: &std::collections::BTreeSet<u32>| {
            Selection::Some(set.iter().copied().map(EntryIndex).collect())
        };
        for index in 0..41 {
            prop_assert_eq!(select(&some).contains(EntryIndex(index)), some.contains(&index));
            prop_assert!(Selection::All.contains(EntryIndex(index)));
        }
        let digest = |set| selection_digest(&select(set));
        prop_assert_eq!(digest(&some) == digest(&other), some == other);
        prop_assert_ne!(digest(&some), selection_digest(&Selection::All));
    }
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
