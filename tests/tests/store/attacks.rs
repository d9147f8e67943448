//! What a hostile sender, or a hostile neighbour in the destination, tries.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use truecopy_protocol::content::manifest::ManifestBuilder;
use truecopy_protocol::content::manifest::OwnedKind;
use truecopy_protocol::job::StorageError;
use truecopy_transport::disk::{Disk, OpenMode};
use truecopy_transport::store::{OnConflict, TrustDisk};

use crate::real::{Shared, share};
use crate::share::{Failed, Progress, Receiver, TestShare, file_entry, path};

fn staging_of(at: &Path) -> PathBuf {
    let names = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    names
        .into_iter()
        .find(|path| path.file_name().unwrap().as_encoded_bytes().starts_with(b".truecopy-"))
        .unwrap()
}

#[test]
fn attack_3_a_link_swapped_into_the_staging_is_not_written_through() {
    let (share, dir, outside) = (share(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let receiver = Receiver::new(&share);
    let staging = receiver.open(&Shared::open(dir.path()), TrustDisk::No).unwrap();
    let tree = staging_of(dir.path()).join("tree");
    symlink(outside.path(), tree.join("top")).unwrap();
    let result = receiver.fetch(&staging, &mut Progress::default());
    assert!(matches!(result, Err(Failed::Storage(StorageError::Changed))), "{result:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn attack_3_a_file_of_the_staging_swapped_for_a_link_is_not_placed() {
    let (share, dir, outside) = (share(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    let receiver = Receiver::new(&share);
    let staging = receiver.open(&Shared::open(dir.path()), TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    let staged = staging_of(dir.path()).join("tree/single");
    fs::remove_file(&staged).unwrap();
    symlink(&victim, &staged).unwrap();
    assert_eq!(staging.commit(), Err(StorageError::Changed));
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
    assert!(!dir.path().join("single").exists());
}

#[test]
fn attack_3_a_hard_link_planted_in_the_staging_is_not_written_through() {
    let (share, dir, outside) = (share(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    let receiver = Receiver::new(&share);
    let staging = receiver.open(&Shared::open(dir.path()), TrustDisk::No).unwrap();
    fs::hard_link(&victim, staging_of(dir.path()).join("tree/single")).unwrap();
    let result = receiver.fetch(&staging, &mut Progress::default());
    assert!(matches!(result, Err(Failed::Storage(StorageError::Changed))), "{result:?}");
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
}

#[test]
fn attack_3_a_folder_of_the_destination_swapped_for_a_link_is_not_entered() {
    let (share, dir, outside) = (share(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(dir.path().join("top/sub")).unwrap();
    let receiver = Receiver::new(&share);
    let staging = receiver.open(&Shared::open(dir.path()), TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    fs::remove_dir_all(dir.path().join("top")).unwrap();
    symlink(outside.path(), dir.path().join("top")).unwrap();
    assert_eq!(staging.commit(), Err(StorageError::Conflict));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn attack_3_a_pipe_in_the_way_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    assert!(std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    let disk = Shared::open(dir.path());
    for mode in [OpenMode::Read, OpenMode::Update] {
        let refused = disk.open(path("pipe").as_path(), mode).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn attack_4_what_stands_there_is_never_overwritten_unasked() {
    let share = TestShare::new(&[(".bashrc", 40), (".ssh/authorized_keys", 60)]);
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".ssh")).unwrap();
    fs::write(dir.path().join(".ssh/authorized_keys"), "mine").unwrap();
    for policy in [OnConflict::Fail, OnConflict::Skip, OnConflict::Rename] {
        let receiver = Receiver { policy, ..Receiver::new(&share) };
        let _ = receiver.run(&Shared::open(dir.path()), &mut Progress::default());
        assert_eq!(fs::read(dir.path().join(".ssh/authorized_keys")).unwrap(), b"mine", "{policy:?}");
    }
    // A name that is taken between the look and the commit.
    fs::remove_file(dir.path().join(".bashrc")).unwrap();
    fs::remove_dir_all(dir.path().join(".ssh")).unwrap();
    let staging = Receiver::new(&share).open(&Shared::open(dir.path()), TrustDisk::No).unwrap();
    Receiver::new(&share).fetch(&staging, &mut Progress::default()).unwrap();
    fs::write(dir.path().join(".bashrc"), "mine").unwrap();
    assert_eq!(staging.commit(), Err(StorageError::Conflict));
    assert_eq!(fs::read(dir.path().join(".bashrc")).unwrap(), b"mine");
    drop(staging);

    // The same in a folder that is merged into.
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".ssh")).unwrap();
    let staging = Receiver::new(&share).open(&Shared::open(dir.path()), TrustDisk::No).unwrap();
    Receiver::new(&share).fetch(&staging, &mut Progress::default()).unwrap();
    fs::write(dir.path().join(".ssh/authorized_keys"), "mine").unwrap();
    assert_eq!(staging.commit(), Err(StorageError::Conflict));
    assert_eq!(fs::read(dir.path().join(".ssh/authorized_keys")).unwrap(), b"mine");
}

#[test]
fn attack_5_only_permission_bits_arrive_and_the_owner_can_read() {
    let bytes = crate::share::content(0, 100);
    let mut builder = ManifestBuilder::new("modes");
    for (name, mode) in [("all", 0o777), ("none", 0)] {
        builder.push(path(name), OwnedKind::File(file_entry(&bytes, mode)));
    }
    // More than permission bits is no manifest, whoever makes it.
    let mut hostile = ManifestBuilder::new("modes");
    hostile.push(path("setuid"), OwnedKind::File(file_entry(&bytes, 0o4755)));
    let chunk = hostile.chunk_size();
    assert!(hostile.finish(chunk).is_err());

    let chunk = builder.chunk_size();
    let manifest = std::sync::Arc::new(builder.finish(chunk).unwrap());
    let share = TestShare { manifest, bytes: vec![bytes.clone(), bytes] };
    let dir = tempfile::tempdir().unwrap();
    let disk = Shared::open(dir.path());
    Receiver::new(&share).run(&disk, &mut Progress::default()).unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("all") & 0o700, mode("all") & 0o7000, mode("none")), (0o700, 0, 0o400));

    // Nor does the disk set them, whoever asks.
    let file = disk.open(path("all").as_path(), OpenMode::Update).unwrap();
    assert_eq!(disk.set_attributes(&file, 0o6755, None).unwrap() & 0o7000, 0);
}
