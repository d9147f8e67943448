use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use truecopy_protocol::content::manifest::EntryKind;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{self, OneByOne};
use truecopy_protocol::{EntryIndex, Hash};

use super::*;

fn run(paths: &[&Path], known: Option<Known>) -> Result<Prepared, PrepareError> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let options = Options { links: Links::Keep, hasher: &OneByOne };
    prepare(&paths, &options, known, &Monitor::new())
}

fn kept(prepared: &Prepared) -> Vec<u8> {
    let mut bytes = Vec::new();
    Known::encode(prepared, &mut bytes);
    bytes
}

fn look(path: &Path, prepared: &Prepared) -> Vec<(String, String)> {
    let monitor = Monitor::new();
    let report =
        check(path, &prepared.manifest, &prepared.layers, Extras::Find, &OneByOne, &monitor).unwrap();
    let text = |finding: &Finding| {
        (String::from_utf8_lossy(&finding.path).into_owned(), format!("{:?}", finding.what))
    };
    report.findings.iter().map(text).collect()
}

/// A folder with one of everything; the large file has several pieces of work.
fn sample(root: &Path) -> PathBuf {
    let top = root.join("top");
    fs::create_dir_all(top.join("inner/empty")).unwrap();
    fs::create_dir_all(top.join("a")).unwrap();
    fs::write(top.join("a.txt"), b"sorts after what is in `a`").unwrap();
    fs::write(top.join("a/x"), b"x").unwrap();
    fs::write(top.join("inner/nothing"), b"").unwrap();
    fs::write(top.join("inner/日本語"), vec![7; 300_000]).unwrap();
    let large: Vec<u8> = (0..20_000_003_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(top.join("large"), large).unwrap();
    symlink("../a.txt", top.join("inner/link")).unwrap();
    symlink("/etc/passwd", top.join("inner/out")).unwrap();
    top
}

#[test]
fn everything_is_found_in_the_order_of_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let prepared = run(&[&sample(dir.path())], None).unwrap();
    let paths: Vec<String> = (prepared.manifest.entries())
        .map(|(_, entry)| String::from_utf8_lossy(entry.path.as_bytes()).into_owned())
        .collect();
    let expected = [
        "top/a/x",
        "top/a.txt",
        "top/inner/empty",
        "top/inner/link",
        "top/inner/nothing",
        "top/inner/日本語",
        "top/large",
    ];
    assert_eq!(paths, expected);
    let out = Dropped { path: b"top/inner/out".to_vec(), why: WhyDropped::LinkLeadsOut };
    assert_eq!(prepared.dropped, [out]);
    assert_eq!(prepared.manifest.name(), b"top");
}

#[test]
fn roots_are_those_of_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let prepared = run(&[&sample(dir.path())], None).unwrap();
    for (index, entry) in prepared.manifest.entries() {
        let EntryKind::File(file) = entry.kind else { continue };
        let bytes =
            fs::read(dir.path().join(String::from_utf8_lossy(entry.path.as_bytes()).as_ref())).unwrap();
        let height = prepared.manifest.shape(index).unwrap().height();
        let root = if bytes.is_empty() { Hash::ZERO } else { tree::subtree(&OneByOne, &bytes, height) };
        assert_eq!(file.root, root, "{:?}", entry.path);
        assert_eq!(file.size, bytes.len() as u64);
    }
}

#[test]
fn sources_lead_back_to_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let top = sample(dir.path());
    let single = dir.path().join("single");
    fs::write(&single, b"one file").unwrap();
    let alias = dir.path().join("alias");
    symlink(&single, &alias).unwrap();
    let prepared = run(&[&top, &alias, &single], None).unwrap();
    let identities: Vec<_> = prepared.sources.identities().collect();
    let names = [&b"alias"[..], b"single", b"top"];
    let mut files = 0;
    for (index, entry) in prepared.manifest.entries() {
        let EntryKind::File(file) = entry.kind else {
            assert_eq!(prepared.sources.identity(index), None);
            continue;
        };
        let number = names.iter().position(|name| entry.path.names().next() == Some(name)).unwrap();
        let place = &prepared.sources.tops()[number];
        let mut path = place.folder().join(os::path_of(place.name().as_bytes()));
        path.extend(entry.path.names().skip(1).map(os::path_of));
        assert_eq!(fs::metadata(&path).unwrap().len(), file.size, "{}", path.display());
        assert_eq!(identities[index.0 as usize].size, file.size);
        files += 1;
    }
    assert_eq!(files, 7);
    assert_eq!(prepared.sources.tops()[0], prepared.sources.tops()[1]);
    assert_eq!(prepared.manifest.name(), b"alias and 2 more");
}

#[test]
fn what_is_known_is_not_read_again_and_changes_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let top = sample(dir.path());
    let mut first = run(&[&top], None).unwrap();
    // As if the files had lain untouched for a while before they were hashed.
    first.started += 60;
    let known = || Known::decode(&kept(&first).into());
    let again = run(&[&top], known()).unwrap();
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(again.layers.hashes(), first.layers.hashes());
    assert_eq!(again.reused, first.manifest.total_size());
    fs::write(top.join("a.txt"), b"SORTS AFTER WHAT IS IN `A`").unwrap();
    let changed = run(&[&top], known()).unwrap();
    assert_eq!(changed.reused, first.manifest.total_size() - 26);
    assert_ne!(changed.manifest.content_id(), first.manifest.content_id());
    assert_eq!(look(&top, &changed), []);
}

#[test]
fn a_file_written_just_before_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let top = sample(dir.path());
    let known = Known::decode(&kept(&run(&[&top], None).unwrap()).into());
    assert!(known.is_some());
    assert_eq!(run(&[&top], known).unwrap().reused, 0);
}

#[test]
fn damaged_knowledge_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = kept(&run(&[&sample(dir.path())], None).unwrap());
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert!(Known::decode(&bytes[..cut].to_vec().into()).is_none());
    }
}

#[test]
fn a_difference_is_named_with_its_range() {
    let dir = tempfile::tempdir().unwrap();
    let top = sample(dir.path());
    let prepared = run(&[&top], None).unwrap();
    assert_eq!(look(&top, &prepared), []);
    assert_eq!(look(dir.path(), &prepared), []);
    let mut large = File::options().write(true).open(top.join("large")).unwrap();
    for offset in [0, 262_144, 1_000_000, 19_999_999] {
        large.seek(SeekFrom::Start(offset)).unwrap();
        large.write_all(b"!").unwrap();
    }
    fs::remove_file(top.join("a/x")).unwrap();
    fs::write(top.join("inner/new"), b"").unwrap();
    fs::remove_file(top.join("inner/link")).unwrap();
    symlink("nothing", top.join("inner/link")).unwrap();
    File::options().append(true).open(top.join("a.txt")).unwrap().write_all(b"more").unwrap();
    File::options().write(true).open(top.join("inner/日本語")).unwrap().set_len(262_144).unwrap();
    fs::write(top.join("inner/empty/guest"), b"").unwrap();
    let found = look(&top, &prepared);
    let expected = [
        ("top/a/x", "Missing".to_string()),
        ("top/a.txt", "Content { expected: 26, found: 30, ranges: [26..30] }".into()),
        ("top/inner/empty/guest", "Extra".into()),
        ("top/inner/link", "OtherTarget".into()),
        ("top/inner/new", "Extra".into()),
        ("top/inner/日本語", "Content { expected: 300000, found: 262144, ranges: [262144..300000] }".into()),
        (
            "top/large",
            "Content { expected: 20000003, found: 20000003, ranges: [0..524288, 786432..1048576, \
             19922944..20000003] }"
                .into(),
        ),
    ];
    let expected: Vec<(String, String)> = expected.into_iter().map(|(p, w)| (p.to_string(), w)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_single_file_is_checked_under_any_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("one");
    fs::write(&file, b"content").unwrap();
    let prepared = run(&[&file], None).unwrap();
    let other = dir.path().join("other");
    fs::rename(&file, &other).unwrap();
    assert_eq!(look(&other, &prepared), []);
    assert_eq!(look(dir.path(), &prepared), [("one".to_string(), "Missing".to_string())]);
}

#[test]
fn a_folder_within_its_namesake_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("photos/photos");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("a"), b"a").unwrap();
    let prepared = run(&[&inner], None).unwrap();
    assert_eq!(look(&dir.path().join("photos"), &prepared), []);
    assert_eq!(look(&inner, &prepared), []);
    let outer = run(&[&dir.path().join("photos")], None).unwrap();
    assert_eq!(look(&dir.path().join("photos"), &outer), []);
    assert_eq!(look(dir.path(), &outer), []);
}

#[test]
fn a_link_in_the_way_of_a_check_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let top = sample(dir.path());
    let prepared = run(&[&top], None).unwrap();
    fs::rename(top.join("a"), dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), top.join("a")).unwrap();
    assert_eq!(look(&top, &prepared), [("top/a".to_string(), "OtherKind".to_string())]);
}

#[test]
fn tops_with_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("x/same")).unwrap();
    fs::create_dir_all(dir.path().join("y/same")).unwrap();
    let error = run(&[&dir.path().join("x/same"), &dir.path().join("y/same/")], None).unwrap_err();
    assert!(matches!(error, PrepareError::Twice { name } if name == b"same"));
}

#[test]
fn dots_take_the_name_of_the_folder_and_the_root_has_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("x/y")).unwrap();
    let prepared = run(&[&dir.path().join("x/y/..")], None).unwrap();
    assert_eq!(prepared.manifest.name(), b"x");
    assert!(matches!(run(&[Path::new("/")], None), Err(PrepareError::Nameless { .. })));
}

#[test]
fn special_bits_are_dropped_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tool");
    fs::write(&file, b"#!").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    let prepared = run(&[&file], None).unwrap();
    assert_eq!(prepared.manifest.file(EntryIndex(0)).unwrap().mode, 0o755);
    assert_eq!(prepared.dropped, [Dropped { path: b"tool".to_vec(), why: WhyDropped::SpecialBits }]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_once_more_then_refused() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Touches the file whenever a span of it is hashed, at most so many times.
    struct Meddler {
        file: PathBuf,
        left: AtomicU32,
    }
    impl LeafHasher for Meddler {
        fn leaves(&self, bytes: &[u8], leaves: &mut Vec<Hash>) {
            if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                File::options().append(true).open(&self.file).unwrap().write_all(b"+").unwrap();
            }
            OneByOne.leaves(bytes, leaves);
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let with = |left| {
        fs::write(&file, b"line").unwrap();
        let meddler = Meddler { file: file.clone(), left: AtomicU32::new(left) };
        let options = Options { links: Links::Keep, hasher: &meddler };
        prepare(std::slice::from_ref(&file), &options, None, &Monitor::new())
    };
    assert_eq!(with(1).unwrap().manifest.total_size(), 5);
    assert!(matches!(with(2), Err(PrepareError::Changed { path }) if path == file.canonicalize().unwrap()));
}

#[test]
fn a_cancelled_preparation_ends() {
    let dir = tempfile::tempdir().unwrap();
    let monitor = Monitor::new();
    monitor.cancel();
    let options = Options { links: Links::Keep, hasher: &OneByOne };
    let outcome = prepare(&[sample(dir.path())], &options, None, &monitor);
    assert!(matches!(outcome, Err(PrepareError::Cancelled)));
}

#[test]
fn digests_are_those_of_sha256sum() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("abc");
    fs::write(&file, b"abc").unwrap();
    let prepared = run(&[&file], None).unwrap();
    let all = digests(&file, &prepared.manifest, &Selection::All, &Monitor::new()).unwrap();
    let hex = all[0].digest.as_ref().unwrap().to_hex();
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
