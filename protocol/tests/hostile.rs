//! What a hostile sender may put in a manifest, from a frozen corpus, each test named after its attack.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fmt::Debug;

use bytes::Bytes;
use common::{file, files, path};
use truecopy_protocol::content::geometry::ChunkSize;
use truecopy_protocol::content::judge::{NameRules, collisions, judge};
use truecopy_protocol::content::manifest::{
    BadTarget, FILE_MAX, FileEntry, Manifest, ManifestBuilder, ManifestError, ManifestLimits, Mtime,
    OwnedKind, TOTAL_MAX, check_target,
};
use truecopy_protocol::content::name::{BadPath, DEPTH_MAX, PATH_MAX, RelPath, RelPathBuf};
use truecopy_protocol::{EntryIndex, Hash};

const CORPUS: &str = include_str!("fixtures/hostile-names.txt");

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            other => panic!("unknown escape \\{} in {text}", char::from(other)),
        }
    }
    bytes
}

fn said<T, E: Debug>(result: Result<T, E>) -> String {
    result.map_or_else(|why| format!("{why:?}"), |_| "ok".into())
}

fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    Manifest::decode(Bytes::copy_from_slice(bytes), &ManifestLimits::default())
}

fn split(bytes: &[u8], by: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let at = bytes.windows(by.len()).position(|part| part == by).unwrap();
    (bytes[..at].to_vec(), bytes[at + by.len()..].to_vec())
}

fn judged(name: &[u8], rules: &NameRules) -> String {
    assert!(RelPath::new(name).is_ok_and(|path| path.names().count() == 1));
    assert_eq!(judge(name, &NameRules::LINUX), Ok(()));
    said(judge(name, rules))
}

fn verdict(kind: &str, bytes: &[u8]) -> String {
    match kind {
        "path" => {
            if let Ok(path) = RelPath::new(bytes) {
                assert_eq!(path.as_bytes(), bytes, "an accepted path is not touched");
                let mut builder = files([(bytes, 1)]);
                let manifest = builder.finish(builder.chunk_size()).unwrap();
                assert_eq!(manifest.entry(EntryIndex(0)).unwrap().path.as_bytes(), bytes);
            }
            said(RelPath::new(bytes))
        }
        "name" => match ManifestBuilder::new(bytes).finish(ChunkSize::MIN) {
            Ok(manifest) if manifest.name() == bytes => "ok".into(),
            Err(ManifestError::Name(why)) => format!("{why:?}"),
            other => panic!("{other:?}"),
        },
        "link" => {
            let (link, target) = split(bytes, b" -> ");
            said(check_target(RelPath::new(&link).unwrap(), &target))
        }
        "windows" => judged(bytes, &NameRules::WINDOWS),
        "macos" => judged(bytes, &NameRules::MACOS),
        "collide" => {
            let (a, b) = split(bytes, b", ");
            let mut builder = files([(a, 1), (b, 1)]);
            let manifest = builder.finish(builder.chunk_size()).unwrap();
            assert_eq!(collisions(&manifest, &NameRules::LINUX), []);
            let found = collisions(&manifest, &NameRules::MACOS);
            if found.is_empty() { "ok".into() } else { "collide".into() }
        }
        "manifest" => said(decode(bytes)),
        other => panic!("unknown kind {other}"),
    }
}

/// Checks every line of the corpus that belongs to this attack.
fn corpus(attack: &str) {
    let mut lines = 0;
    for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut head = line.splitn(3, " | ");
        let (number, kind, rest) = (head.next().unwrap(), head.next().unwrap(), head.next().unwrap());
        let (bytes, expected) = rest.rsplit_once(" | ").unwrap();
        if number == attack {
            lines += 1;
            assert_eq!(verdict(kind, &unescape(bytes)), expected, "{line}");
        }
    }
    assert!(lines > 5, "the corpus has too little on attack {attack}");
}

fn refused(builder: &mut ManifestBuilder) -> ManifestError {
    builder.finish(builder.chunk_size()).map(|_| ()).unwrap_err()
}

#[test]
fn attack_1_dot_dot_absolute_nul_and_device_names_are_refused() {
    corpus("1");
}

#[test]
fn attack_2_colliding_names_and_files_under_files_are_found() {
    corpus("2");
}

#[test]
fn attack_2_every_entry_that_collides_is_named_once_with_the_one_it_meets() {
    let mut builder = files(["A/x", "A/y", "B", "a/x", "a/z", "b/c/d"].map(|name| (name, 1)));
    let manifest = builder.finish(builder.chunk_size()).unwrap();
    let found: Vec<_> = collisions(&manifest, &NameRules::WINDOWS)
        .into_iter()
        .map(|found| (found.first.0, found.second.0, found.depth))
        .collect();
    assert_eq!(found, [(0, 3, 1), (0, 4, 1), (2, 5, 1)]);
}

#[test]
fn attack_3_links_that_lead_out_and_files_behind_links_are_refused() {
    corpus("3");
}

/// A link as long as can be, at the deepest place, still reaches no further than its top-level folder.
#[test]
fn attack_3_no_number_of_ups_leads_above_the_top_level_folder() {
    for depth in 1..DEPTH_MAX {
        let link = path(vec!["d"; depth].join("/"));
        for ups in 0..depth + 2 {
            let target = [vec![".."; ups], vec!["x"]].concat().join("/");
            let inside = ups + 2 <= depth;
            let expected = if inside { Ok(()) } else { Err(BadTarget::Outside) };
            assert_eq!(check_target(link.as_path(), target.as_bytes()), expected, "{depth} {ups}");
        }
    }
}

#[test]
fn attack_5_setuid_bits_devices_and_impossible_times_are_refused() {
    corpus("5");
}

#[test]
fn attack_5_every_mode_bit_beyond_rwx_is_refused() {
    for bit in 9..16 {
        let entry = FileEntry { size: 0, root: Hash::ZERO, mode: 0o755 | 1 << bit, mtime: Mtime::default() };
        let mut builder = ManifestBuilder::new("s");
        builder.push(path("a"), OwnedKind::File(entry));
        assert_eq!(refused(&mut builder), ManifestError::Mode(EntryIndex(0)));
    }
}

#[test]
fn attack_6_names_with_escapes_bidi_and_newlines_survive_untouched() {
    corpus("6");
}

#[test]
fn attack_6_any_byte_but_nul_and_slash_is_a_name_on_linux() {
    for byte in (1..=255_u8).filter(|byte| !matches!(byte, b'/' | b'.')) {
        let name = [byte];
        assert_eq!(verdict("path", &name), "ok");
        assert_eq!(judge(&name, &NameRules::LINUX), Ok(()));
    }
}

#[test]
fn attack_7_lies_about_sizes_and_counts_are_refused() {
    corpus("7");
}

/// The claim alone is refused: nothing is set aside for entries that are not there.
#[test]
fn attack_7_a_thousand_million_empty_files_are_refused_by_their_count() {
    let claim = b"\x01\x01s\x12\x80\x94\xeb\xdc\x03";
    let expected = ManifestError::TooManyEntries { count: 1_000_000_000, max: 4_000_000 };
    assert_eq!(decode(claim).map(|_| ()), Err(expected));
    let limits = ManifestLimits { entries_max: 2, ..ManifestLimits::default() };
    let mut builder = files([("a", 0), ("b", 0), ("c", 0)]);
    let three = builder.finish(builder.chunk_size()).unwrap();
    let refused = Manifest::decode(three.encoded().clone(), &limits).map(|_| ());
    assert_eq!(refused, Err(ManifestError::TooManyEntries { count: 3, max: 2 }));
}

#[test]
fn attack_7_a_manifest_over_the_limit_of_bytes_is_refused_unread() {
    let limits = ManifestLimits { bytes_max: 8, ..ManifestLimits::default() };
    let refused = Manifest::decode(Bytes::from_static(&[0xff; 9]), &limits).map(|_| ());
    assert_eq!(refused, Err(ManifestError::TooLarge { len: 9, max: 8 }));
}

#[test]
fn attack_7_trees_that_are_too_deep_or_long_are_refused() {
    let deep = |names: usize| vec!["d"; names].join("/").into_bytes();
    assert!(RelPathBuf::new(deep(DEPTH_MAX)).is_ok());
    assert_eq!(RelPathBuf::new(deep(DEPTH_MAX + 1)), Err(BadPath::TooLong));
    assert_eq!(RelPathBuf::new(deep(1 << 16)), Err(BadPath::TooLong));
    let long = vec!["n".repeat(255); 16].join("/").into_bytes();
    assert_eq!(long.len(), PATH_MAX - 1);
    assert!(RelPathBuf::new(long.clone()).is_ok());
    assert_eq!(RelPathBuf::new([&long[..], b"/x"].concat()), Err(BadPath::TooLong));
}

#[test]
fn attack_7_sizes_that_could_wrap_a_sum_are_refused() {
    let huge = |count: u32| files((0..count).map(|i| (format!("{i:06}"), FILE_MAX)));
    // Together 2^60, and 2^64, which is zero in 64 bits: the chunks run out long before.
    for count in [1 << 14, 1 << 18] {
        assert_eq!(refused(&mut huge(count)), ManifestError::TooManyChunks);
    }
    const { assert!(FILE_MAX << 8 < TOTAL_MAX) };
    assert_eq!(refused(&mut files([("a", FILE_MAX + 1)])), ManifestError::FileTooLarge(EntryIndex(0)));
    assert_eq!(refused(&mut files([("a", u64::MAX)])), ManifestError::FileTooLarge(EntryIndex(0)));
}

#[test]
fn attack_7_more_chunks_than_can_be_numbered_are_refused() {
    let huge = |count: u32| files((0..count).map(|i| (format!("{i:06}"), FILE_MAX)));
    assert_eq!(refused(&mut huge(256)), ManifestError::TooManyChunks);
    let mut just = huge(255);
    assert_eq!(just.finish(just.chunk_size()).unwrap().chunk_count(), 255 << 24);
}

#[test]
fn attack_7_a_receiver_may_set_its_own_limit_of_bytes() {
    let mut builder = files([("a", 600), ("b", 500)]);
    let manifest = builder.finish(builder.chunk_size()).unwrap();
    let limits = ManifestLimits { total_max: 1000, ..ManifestLimits::default() };
    let refused = Manifest::decode(manifest.encoded().clone(), &limits).map(|_| ());
    assert_eq!(refused, Err(ManifestError::TotalTooLarge(1000)));
}

#[test]
fn attack_9_overlong_numbers_and_trailing_bytes_are_refused() {
    corpus("9");
}

#[test]
fn attack_9_whatever_differs_has_another_content_id() {
    let id = |kind| {
        let mut builder = ManifestBuilder::new("s");
        builder.push(path("a"), kind);
        builder.finish(builder.chunk_size()).unwrap().content_id()
    };
    let OwnedKind::File(good) = file(5) else { unreachable!() };
    let mut root = good.root;
    root.0[31] ^= 1;
    let others = [
        FileEntry { root, ..good },
        FileEntry { size: 6, ..good },
        FileEntry { mode: 0o755, ..good },
        FileEntry { mtime: Mtime { nanos: 6, ..good.mtime }, ..good },
    ];
    let mut ids: Vec<_> = others.into_iter().map(|entry| id(OwnedKind::File(entry))).collect();
    ids.extend([id(OwnedKind::File(good)), id(OwnedKind::Directory)]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}
