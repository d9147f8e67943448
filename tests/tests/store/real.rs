//! The same on a real disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use truecopy_mio::disk::{RealDisk, RealFile};
use truecopy_protocol::content::name::RelPath;
use truecopy_transport::disk::{Disk, FileIdentity, Lock, Metadata, Names, OpenMode, Taken};
use truecopy_transport::store::{OpenError, TrustDisk};

use crate::share::{Failed, Progress, Receiver, TestShare};

/// A real disk that several stagings share, as processes share a file system.
#[derive(Clone)]
pub(crate) struct Shared(Arc<RealDisk>);

impl Shared {
    pub(crate) fn open(at: &Path) -> Self {
        Self(Arc::new(RealDisk::open_root(at).unwrap()))
    }
}

type Io<T> = std::io::Result<T>;

impl Disk for Shared {
    type File = RealFile;

    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> Io<RealFile> {
        self.0.open(path, mode)
    }
    fn read_at(&self, file: &RealFile, buf: &mut [u8], offset: u64) -> Io<usize> {
        self.0.read_at(file, buf, offset)
    }
    fn write_at(&self, file: &RealFile, bytes: &[u8], offset: u64) -> Io<usize> {
        self.0.write_at(file, bytes, offset)
    }
    fn allocate(&self, file: &RealFile, len: u64) -> Io<()> {
        self.0.allocate(file, len)
    }
    fn set_len(&self, file: &RealFile, len: u64) -> Io<()> {
        self.0.set_len(file, len)
    }
    fn sync_file(&self, file: &RealFile) -> Io<()> {
        self.0.sync_file(file)
    }
    fn sync_dir(&self, path: Option<RelPath<'_>>) -> Io<()> {
        self.0.sync_dir(path)
    }
    fn sync_all(&self) -> Io<()> {
        self.0.sync_all()
    }
    fn identity(&self, file: &RealFile) -> Io<FileIdentity> {
        self.0.identity(file)
    }
    fn set_attributes(&self, file: &RealFile, mode: u32, mtime: Option<i128>) -> Io<u32> {
        self.0.set_attributes(file, mode, mtime)
    }
    fn metadata(&self, path: RelPath<'_>) -> Io<Metadata> {
        self.0.metadata(path)
    }
    fn list(&self, path: Option<RelPath<'_>>) -> Io<Names> {
        self.0.list(path)
    }
    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> Io<()> {
        self.0.create_dir(path, mode)
    }
    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> Io<()> {
        self.0.create_symlink(path, target)
    }
    fn read_link(&self, path: RelPath<'_>) -> Io<Vec<u8>> {
        self.0.read_link(path)
    }
    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> Io<()> {
        self.0.rename(from, to, taken)
    }
    fn remove_file(&self, path: RelPath<'_>) -> Io<()> {
        self.0.remove_file(path)
    }
    fn remove_dir(&self, path: RelPath<'_>) -> Io<()> {
        self.0.remove_dir(path)
    }
    fn lock(&self, path: RelPath<'_>) -> Io<Box<dyn Lock>> {
        self.0.lock(path)
    }
    fn free_space(&self) -> Io<Option<u64>> {
        self.0.free_space()
    }
    fn boot_id(&self) -> [u8; 16] {
        self.0.boot_id()
    }
}

pub(crate) fn share() -> TestShare {
    TestShare::new(&[
        ("top/big", 700_001),
        ("top/sub/small", 123),
        ("top/sub/zero", 0),
        ("top/empty/", 0),
        ("top/link->sub/small", 0),
        ("single", 99),
    ])
}

pub(crate) fn check(at: &Path, share: &TestShare) {
    for file in ["top/big", "top/sub/small", "top/sub/zero", "single"] {
        assert!(fs::read(at.join(file)).unwrap() == share.of(file), "{file}");
        let found = fs::metadata(at.join(file)).unwrap();
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_600_000_000, 123_456_789));
        assert_eq!(found.permissions().mode() & 0o7000, 0);
    }
    assert!(fs::metadata(at.join("top/empty")).unwrap().is_dir());
    assert_eq!(fs::read_link(at.join("top/link")).unwrap(), Path::new("sub/small"));
    let left =
        fs::read_dir(at).unwrap().filter(|e| e.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'.');
    assert_eq!(left.count(), 0);
}

#[test]
fn a_share_arrives_on_a_real_disk_after_being_dropped_in_the_middle() {
    let (share, dir) = (share(), tempfile::tempdir().unwrap());
    let receiver = Receiver { batch: 1, ..Receiver::new(&share) };
    let disk = Shared::open(dir.path());
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    let Err(Failed::Open(OpenError::Held(Some(_)))) = receiver.open(&Shared::open(dir.path()), TrustDisk::No)
    else {
        panic!("held by nobody")
    };
    drop(staging);
    let mut progress = Progress::default();
    let outcome = receiver.run(&disk, &mut progress).unwrap();
    assert!(progress.landed.is_empty());
    assert_eq!((outcome.placed, outcome.already), (4, 0));
    check(dir.path(), &share);
    let again = receiver.run(&disk, &mut Progress::default()).unwrap();
    assert_eq!((again.placed, again.already), (0, 4));
    check(dir.path(), &share);
}

#[test]
fn a_merge_on_a_real_disk_leaves_other_files_alone() {
    let (share, dir) = (share(), tempfile::tempdir().unwrap());
    fs::create_dir_all(dir.path().join("top/sub")).unwrap();
    fs::write(dir.path().join("top/sub/mine"), "mine").unwrap();
    Receiver::new(&share).run(&Shared::open(dir.path()), &mut Progress::default()).unwrap();
    check(dir.path(), &share);
    assert_eq!(fs::read(dir.path().join("top/sub/mine")).unwrap(), b"mine");
}
