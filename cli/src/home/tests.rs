use super::*;

#[cfg(unix)]
#[test]
fn private_files_and_folders_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(&dir.path().join("home"));
    make_private_folder(home.state()).unwrap();
    let file = home.state().join("key");
    write_private(&file, b"secret").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.state()), 0o700);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(fs::read(&file).unwrap(), b"secret");
}

#[test]
fn a_taken_name_is_refused_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a");
    write_whole(&file, b"one", Access::Shared, Taken::Refuse).unwrap();
    let error = write_whole(&file, b"two", Access::Shared, Taken::Refuse).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&file).unwrap(), b"one");
    write_whole(&file, b"two", Access::Shared, Taken::Replace).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"two");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
