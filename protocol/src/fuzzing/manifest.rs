//! Manifests, metadata files, paths and names of a hostile sender.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::content::judge::{NameFault, NameRules, collisions, judge};
use crate::content::manifest::{
    Entry, EntryKind, FILE_MAX, MODE_MASK, Manifest, ManifestBuilder, ManifestError, ManifestLimits,
    TARGET_MAX, TOTAL_MAX, check_target,
};
use crate::content::metadata::Metadata;
use crate::content::name::{DEPTH_MAX, NAME_MAX, PATH_MAX, RelPath, RelPathBuf};
use crate::{ChunkIndex, EntryIndex};

/// Any bytes as a manifest, as a metadata file (their checksum is made right), as a path and as a link's target.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::decode(Bytes::copy_from_slice(bytes), &ManifestLimits::default()) {
        check_manifest(&manifest, bytes);
        check_limits(bytes, &manifest);
    }
    metadata_file(bytes);
    path(bytes);
}

/// What was accepted keeps every rule, as they are told rather than as they are checked elsewhere.
fn check_manifest(manifest: &Manifest, bytes: &[u8]) {
    assert_eq!(manifest.encoded(), bytes);
    assert!(is_name(manifest.name()));
    let mut builder = ManifestBuilder::new(manifest.name());
    let (mut places, mut leaves) = (BTreeSet::new(), Vec::new());
    let (mut total, mut chunks, mut files) = (0_u64, 0_u32, 0_u32);
    for (index, entry) in manifest.entries() {
        check_entry(&entry);
        builder.push(entry.path.to_owned(), entry.kind.to_owned());
        assert!(places.insert(entry.path.as_bytes()), "no path is there twice");
        leaves.push(entry.path);
        assert_eq!(manifest.find(entry.path), Some(index));
        let range = manifest.chunks_of(index);
        assert_eq!(range.start, chunks);
        if let EntryKind::File(file) = entry.kind {
            total += file.size;
            files += 1;
            assert_eq!(u64::from(range.end - range.start), file.size.div_ceil(manifest.chunk_size().bytes()));
            if !range.is_empty() {
                assert_eq!(manifest.locate(ChunkIndex(range.start)), Some((index, 0)));
                let last = ChunkIndex(range.end - 1);
                assert_eq!(manifest.locate(last), Some((index, range.end - range.start - 1)));
            }
        } else {
            assert!(range.is_empty());
        }
        chunks = range.end;
    }
    assert_eq!((manifest.total_size(), manifest.file_count()), (total, files));
    assert_eq!((manifest.chunk_count(), manifest.len() as usize), (chunks, leaves.len()));
    assert!(total <= TOTAL_MAX);
    for path in &leaves {
        let mut folders = path.prefixes().filter(|folder| folder != path);
        assert!(folders.all(|folder| !places.contains(folder.as_bytes())), "nothing lies under an entry");
    }
    let again = builder.finish(manifest.chunk_size());
    assert_eq!(again.as_ref().map(Manifest::encoded), Ok(manifest.encoded()), "there is one encoding");
    meet(manifest);
}

fn check_entry(entry: &Entry<'_>) {
    let names: Vec<&[u8]> = entry.path.as_bytes().split(|b| *b == b'/').collect();
    assert!(names.iter().all(|name| is_name(name)));
    assert!(names.len() <= DEPTH_MAX && entry.path.as_bytes().len() <= PATH_MAX);
    match entry.kind {
        EntryKind::File(file) => {
            assert!(file.size <= FILE_MAX && file.mode & !MODE_MASK == 0);
            assert!(file.mtime.nanos < 1_000_000_000);
            assert!(file.size > 0 || file.root.0 == [0; 32]);
        }
        EntryKind::Directory => {}
        EntryKind::Symlink { target } => assert!(stays_inside(&names, target)),
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != b"."
        && name != b".."
        && !name.contains(&b'/')
        && !name.contains(&0)
}

/// Walks the target from the folder of its link: it never comes above the link's top-level folder, and never turns
/// back once it has gone down.
fn stays_inside(link: &[&[u8]], target: &[u8]) -> bool {
    let mut at: Vec<&[u8]> = link[..link.len() - 1].to_vec();
    if at.is_empty() || target.len() > TARGET_MAX {
        return at.is_empty() && target.len() <= TARGET_MAX && target.split(|b| *b == b'/').all(is_name);
    }
    let mut down = false;
    for name in target.split(|b| *b == b'/') {
        if name == b".." {
            if down || at.len() < 2 {
                return false;
            }
            at.pop();
        } else if is_name(name) {
            down = true;
            at.push(name);
        } else {
            return false;
        }
    }
    true
}

/// Limits of a receiver's own that are just met, and just missed.
fn check_limits(bytes: &[u8], manifest: &Manifest) {
    let decode =
        |limits: &ManifestLimits| Manifest::decode(Bytes::copy_from_slice(bytes), limits).map(|_| ());
    // The input is no longer than a u32 says.
    let bytes_max = bytes.len() as u32;
    let (entries_max, total_max) = (manifest.len(), manifest.total_size());
    let just = ManifestLimits { bytes_max, entries_max, total_max };
    assert_eq!(decode(&just), Ok(()));
    let tight = ManifestLimits { bytes_max: bytes_max - 1, ..just };
    assert!(matches!(decode(&tight), Err(ManifestError::TooLarge { .. })));
    if let Some(entries_max) = entries_max.checked_sub(1) {
        assert!(matches!(
            decode(&ManifestLimits { entries_max, ..just }),
            Err(ManifestError::TooManyEntries { .. })
        ));
    }
    if let Some(total_max) = total_max.checked_sub(1) {
        assert_eq!(
            decode(&ManifestLimits { total_max, ..just }),
            Err(ManifestError::TotalTooLarge(total_max))
        );
    }
}

/// Entries that meet on a file system that sees fewer differences: each is named once, with an earlier one.
fn meet(manifest: &Manifest) {
    assert!(collisions(manifest, &NameRules::LINUX).is_empty());
    if manifest.len() < 2 {
        return;
    }
    for rules in [NameRules::WINDOWS, NameRules::MACOS] {
        let mut before = None;
        for found in collisions(manifest, &rules) {
            assert!(found.first < found.second && before < Some(found.second));
            before = Some(found.second);
            let depth =
                |index: EntryIndex| manifest.entry(index).map_or(0, |entry| entry.path.names().count());
            assert!((1..=depth(found.second)).contains(&found.depth) && found.depth <= depth(found.first));
        }
    }
}

/// The bytes as a metadata file, with the checksum that they need.
fn metadata_file(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    file.extend_from_slice(&Sha256::digest(bytes));
    for file in [Bytes::copy_from_slice(bytes), Bytes::from(file)] {
        if let Ok(metadata) = Metadata::decode(file.clone(), &ManifestLimits::default()) {
            assert_eq!(metadata.encode(), file, "there is one encoding");
            let layered =
                metadata.manifest.entries().map(|(index, _)| metadata.manifest.chunks_of(index).len());
            let hashes: usize = layered.filter(|chunks| *chunks > 1).sum();
            assert_eq!(metadata.layers.hashes().len(), hashes);
        }
    }
}

fn path(bytes: &[u8]) {
    let names: Vec<&[u8]> = bytes.split(|b| *b == b'/').collect();
    let all_names = names.iter().all(|name| is_name(name));
    let path = RelPath::new(bytes);
    let fits = names.len() <= DEPTH_MAX && bytes.len() <= PATH_MAX;
    assert_eq!(path.is_ok(), all_names && fits, "{path:?}");
    assert_eq!(RelPathBuf::new(bytes.to_vec()).is_ok(), path.is_ok());
    if let Ok(local) = RelPathBuf::local(bytes.to_vec()) {
        assert!(all_names && local.as_path().as_bytes() == bytes);
    } else {
        assert!(path.is_err(), "a path of a share is a local one");
    }
    if let Ok(path) = path {
        assert_eq!((path.names().count(), path.file_name()), (names.len(), names[names.len() - 1]));
        assert!(path.names().all(|name| judge(name, &NameRules::LINUX).is_ok()));
        path.names().for_each(judged);
        let link = path.names().next_back().unwrap_or_default();
        assert_eq!(
            check_target(path, link).is_ok(),
            names.len() > 1,
            "a neighbour, or the top-level folder itself"
        );
    }
    for link in [&b"link"[..], b"top/link", b"top/deep/er/link"] {
        let names: Vec<&[u8]> = link.split(|b| *b == b'/').collect();
        let Ok(link) = RelPath::new(link) else { continue };
        let accepted = check_target(link, bytes).is_ok();
        assert_eq!(accepted, names.len() > 1 && stays_inside(&names, bytes), "{names:?}");
    }
}

/// What Windows takes is text without the bytes that mean something there.
fn judged(name: &[u8]) {
    let text = core::str::from_utf8(name);
    assert_eq!(judge(name, &NameRules::MACOS).is_ok(), text.is_ok());
    match (judge(name, &NameRules::WINDOWS), text) {
        (verdict, Err(_)) => assert_eq!(verdict, Err(NameFault::NotUtf8)),
        (Ok(()), Ok(text)) => {
            assert!(!text.contains(|c: char| c < ' ' || "\\:<>\"|?*".contains(c)), "{text:?}");
            assert!(!text.ends_with([' ', '.']), "{text:?}");
            let stem = text.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_lowercase();
            let devices = ["con", "prn", "aux", "nul", "com1", "com9", "lpt1", "lpt\u{b9}", "conin$"];
            assert!(!devices.contains(&stem.as_str()), "{text:?}");
        }
        (Err(_), Ok(_)) => {}
    }
}
