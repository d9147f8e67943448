//! Sizes at the edges, many files, and offsets beyond 32 bits.

use std::sync::Arc;

use truecopy_protocol::content::geometry::SPAN;
use truecopy_protocol::content::manifest::{FileEntry, ManifestBuilder, OwnedKind};
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::job::{Extent, LandExtent, StorageError};
use truecopy_protocol::{BlobId, EntryIndex, Hash};
use truecopy_sim::disk::{Faults, FaultyDisk};
use truecopy_transport::disk::Disk;
use truecopy_transport::store::{Source, SourceTop, TrustDisk};

use crate::share::{MTIME, Progress, Receiver, TestShare, check_done, content, path};

#[test]
fn files_of_every_size_at_the_edges_arrive_whole() {
    let (block, chunk) = (16 * 1024, 256 * 1024);
    let sizes =
        [0, 1, block - 1, block, block + 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + block + 1];
    let names: Vec<String> = sizes.iter().map(|size| format!("edges/{size:07}")).collect();
    let entries: Vec<(&str, usize)> = names.iter().map(String::as_str).zip(sizes).collect();
    let share = TestShare::new(&entries);
    let faults = Faults { short_permille: 300, interrupted_permille: 200, ..Faults::default() };
    let disk = FaultyDisk::new(5, faults);
    let outcome = Receiver::new(&share).run(&disk, &mut Progress::default()).unwrap();
    disk.set_faults(Faults::default());
    assert_eq!((outcome.placed, outcome.bytes), (10, share.manifest.total_size()));
    check_done(&disk, &share);
}

#[test]
fn many_small_files_are_made_durable_at_once() {
    let names: Vec<String> = (0..300).map(|number| format!("many/{}/{number}", number % 7)).collect();
    let entries: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 100 + name.len())).collect();
    let share = TestShare::new(&entries);
    let disk = FaultyDisk::new(6, Faults::default());
    let receiver = Receiver { batch: 64, sync_every: 100, ..Receiver::new(&share) };
    receiver.run(&disk, &mut Progress::default()).unwrap();
    assert!(disk.calls() < 300 * 7, "{} calls", disk.calls());
    check_done(&disk.power_cycle(), &share);
}

#[test]
fn offsets_beyond_32_bits_are_kept() {
    let mut builder = ManifestBuilder::new("big");
    let size = (5 << 30) + 17;
    let file = FileEntry { size, root: Hash([9; 32]), mode: 0o600, mtime: MTIME };
    builder.push(path("big"), OwnedKind::File(file));
    let chunk = builder.chunk_size();
    let share = TestShare { manifest: Arc::new(builder.finish(chunk).unwrap()), bytes: Vec::new() };
    let disk = FaultyDisk::new(7, Faults { short_permille: 100, ..Faults::default() });
    let staging = Receiver::new(&share).open(&disk, TrustDisk::No).unwrap();
    let blob = BlobId::of(EntryIndex(0));
    let spans: Vec<u64> = vec![0, (4 << 30) - SPAN, 4 << 30, 5 << 30];
    for (number, &offset) in spans.iter().enumerate() {
        let len = SPAN.min(size - offset);
        let bytes = content(number as u64, len as usize);
        let extent = Extent { blob, offset, len: len as u32 };
        staging.land(&[LandExtent { extent, height: 4, expected: None }], &bytes).unwrap();
    }
    for (number, &offset) in spans.iter().enumerate() {
        let len = SPAN.min(size - offset);
        let expected = subtree(&OneByOne, &content(number as u64, len as usize), 4);
        assert_eq!(staging.rehash(blob, offset..offset + len, 4).unwrap(), expected);
    }
    let beyond = Extent { blob, offset: size, len: 1 };
    let land = LandExtent { extent: beyond, height: 0, expected: None };
    assert_eq!(staging.land(&[land], &[0]), Err(StorageError::Unsupported));
}

#[test]
fn an_extent_whose_hash_is_not_the_expected_one_is_not_written() {
    let share = TestShare::new(&[("two", 300_000), ("small", 9)]);
    let disk = FaultyDisk::new(8, Faults::default());
    let staging = Receiver::new(&share).open(&disk, TrustDisk::No).unwrap();
    let big = Extent { blob: BlobId::of(share.index("two")), offset: 0, len: 262_144 };
    let small = Extent { blob: BlobId::of(share.index("small")), offset: 0, len: 9 };
    let bytes = [content(77, 262_144), content(78, 9)].concat();
    let extents = [
        LandExtent { extent: big, height: 4, expected: Some(Hash([1; 32])) },
        LandExtent { extent: small, height: 0, expected: None },
    ];
    assert_eq!(staging.land(&extents, &bytes).unwrap().len(), 2);
    let staged = disk.paths().into_iter().any(|(path, _)| {
        let text = path.as_path().as_bytes().to_vec();
        text.ends_with(b"tree/two")
            || disk.content(path.as_path()).is_some_and(|bytes| bytes == content(78, 9))
    });
    assert!(!staged);
}

#[test]
fn a_source_serves_what_was_hashed_and_tells_when_it_is_no_more() {
    let share = TestShare::new(&[("dir/big", 600_000), ("dir/small", 100), ("dir/link->small", 0)]);
    let disk =
        FaultyDisk::new(9, Faults { short_permille: 300, interrupted_permille: 100, ..Faults::default() });
    disk.put(path("other/big").as_path(), share.of("dir/big"));
    disk.put(path("other/small").as_path(), share.of("dir/small"));
    disk.set_faults(Faults::default());
    let identities: Vec<_> = ["other/big", "other/small", "other/small"]
        .iter()
        .map(|at| disk.metadata(path(at).as_path()).unwrap().identity)
        .collect();
    let by_entry = share
        .manifest
        .entries()
        .map(|(_, entry)| if entry.path.file_name() == b"big" { identities[0] } else { identities[1] });
    let tops = vec![SourceTop { root: 0, name: Some(path("other")) }];
    let manifest = Arc::clone(&share.manifest);
    let source = Source::new(manifest, vec![disk.clone()], tops, by_entry, Arc::new(OneByOne)).unwrap();
    let (big, small) = (BlobId::of(share.index("dir/big")), BlobId::of(share.index("dir/small")));
    let extents =
        [Extent { blob: big, offset: 262_144, len: 100_000 }, Extent { blob: small, offset: 0, len: 100 }];
    let mut space = vec![0; 262_144];
    source.read(&extents, &mut space).unwrap();
    assert!(space[..100_000] == share.of("dir/big")[262_144..362_144]);
    assert!(space[100_000..100_100] == *share.of("dir/small"));
    let root = share.manifest.file(share.index("dir/big")).unwrap().root;
    assert_eq!(source.rehash(big, 0..600_000, 6).unwrap(), root);

    let opened = disk.open(path("other/big").as_path(), truecopy_transport::disk::OpenMode::Update).unwrap();
    disk.write_at(&opened, b"x", 0).unwrap();
    assert_eq!(source.read(&extents[..1], &mut space), Err(StorageError::Changed));
    disk.remove_file(path("other/small").as_path()).unwrap();
    assert_eq!(source.read(&extents[1..], &mut space), Err(StorageError::Vanished));
}
