//! Paths that cannot lead out, and names that meet on some file systems.

use proptest::collection::vec;
use proptest::prelude::*;
use truecopy_protocol::content::name::{BadPath, DEPTH_MAX, NAME_MAX, PATH_MAX, RelPath, RelPathBuf};

/// Bytes that make most of what can be wrong with a path.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(&b"a./\0\\b\xff"[..]), 0..12)
}

/// A valid path.
fn good() -> impl Strategy<Value = RelPathBuf> {
    "[a-c.]{1,3}(/[a-c.]{1,3}){0,4}".prop_filter_map("dots", |text| RelPathBuf::new(text.into_bytes()).ok())
}

/// Where a path leads, walked as a file system would: the names below the start, or none if it leads out.
fn walk(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut at = Vec::new();
    if path.first() == Some(&b'/') {
        return None;
    }
    for name in path.split(|b| *b == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                at.pop()?;
            }
            name => at.push(name),
        }
    }
    Some(at)
}

proptest! {
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
    fn no_path_leads_out_or_stays_where_it_is(bytes in bytes()) {
        if let Ok(path) = RelPath::new(&bytes) {
            let walked = walk(&bytes);
            prop_assert_eq!(walked, Some(path.names().collect::<Vec<_>>()));
            prop_assert!(!bytes.contains(&0));
        }
    }

    #[test]
    fn a_joined_path_lies_in_its_folder(inner in good(), folder in good()) {
        let (inner, folder) = (inner.as_path(), folder.as_path());
        let joined = inner.below(folder).unwrap();
        let joined = joined.as_path();
        prop_assert!(joined.lies_under(folder));
        prop_assert!(!folder.lies_under(joined) && !joined.lies_under(joined));
        prop_assert!(joined.names().eq(folder.names().chain(inner.names())));
        prop_assert_eq!(walk(joined.as_bytes()), Some(joined.names().collect()));
        prop_assert_eq!(joined.file_name(), inner.file_name());
        prop_assert!(folder < joined);
    }

    #[test]
    fn a_path_its_parent_and_its_prefixes_agree(path in good(), other in good()) {
        let path = path.as_path();
        let names: Vec<&[u8]> = path.names().collect();
        let prefixes: Vec<RelPath<'_>> = path.prefixes().collect();
        prop_assert_eq!(prefixes.len(), names.len());
        for (depth, prefix) in (1..).zip(&prefixes) {
            prop_assert!(prefix.names().eq(names[..depth].iter().copied()));
        }
        prop_assert_eq!(path.parent(), prefixes.iter().rev().nth(1).copied());
        prop_assert_eq!(path.file_name(), *names.last().unwrap());
        prop_assert_eq!(&path.to_owned().into_bytes()[..], path.as_bytes());
        let is_under = |folder: RelPath<'_>| prefixes[..prefixes.len() - 1].contains(&folder);
        prop_assert_eq!(path.lies_under(other.as_path()), is_under(other.as_path()));
    }
}

#[test]
fn the_limits_of_names_depth_and_length_are_exact() {
    let name = |len: usize| vec![b'n'; len];
    assert!(RelPath::new(&name(NAME_MAX)).is_ok());
    assert_eq!(RelPath::new(&name(NAME_MAX + 1)), Err(BadPath::TooLong));
    let deep = |depth: usize| vec!["d"; depth].join("/").into_bytes();
    assert!(RelPath::new(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(RelPath::new(&deep(DEPTH_MAX + 1)), Err(BadPath::TooLong));
    let long = |len: usize| {
        let mut bytes = [&name(99)[..], b"/"].concat().repeat(len / 100);
        bytes.extend(name(len - bytes.len()));
        bytes
    };
    assert!(RelPath::new(&long(PATH_MAX)).is_ok());
    assert_eq!(RelPath::new(&long(PATH_MAX + 1)), Err(BadPath::TooLong));
    // On this machine a path may lie in some folders more, but not in any number of them.
    assert!(RelPathBuf::local(long(PATH_MAX + 256)).is_ok());
    assert_eq!(RelPathBuf::local(long(PATH_MAX + 257)), Err(BadPath::TooLong));
    assert!(RelPathBuf::local(deep(DEPTH_MAX + 4)).is_ok());
    assert_eq!(RelPathBuf::local(deep(DEPTH_MAX + 5)), Err(BadPath::TooLong));
    let (inner, folder) = (RelPathBuf::new(long(PATH_MAX)).unwrap(), RelPathBuf::new(b"f".to_vec()).unwrap());
    assert_eq!(inner.as_path().below(folder.as_path()), Err(BadPath::TooLong));
}
