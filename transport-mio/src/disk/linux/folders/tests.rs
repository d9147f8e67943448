use super::*;

#[test]
fn without_openat2_a_link_on_the_way_is_refused_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
    let flags = folder_flags(OFlags::RDONLY);
    let folders = Folders::new(rustix::fs::open(dir.path(), flags, Mode::empty()).unwrap());
    folders.has_openat2.store(false, Ordering::Relaxed);
    folders.parent(RelPath::new(b"a/b/c").unwrap()).unwrap();
    let refused = folders.parent(RelPath::new(b"link/b/c").unwrap()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::NotADirectory);
}
