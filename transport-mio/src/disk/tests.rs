//! Both real disks keep the contract of the trait.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use truecopy_protocol::content::name::RelPath;
use truecopy_transport::disk::{Disk, FileKind, OpenMode, Taken};

fn at(text: &str) -> RelPath<'_> {
    RelPath::new(text.as_bytes()).unwrap()
}

fn both(check: impl Fn(&Path, &dyn Fn(&Path) -> Box<dyn Probe>)) {
    for open in [
        &(|root: &Path| Box::new(super::RealDisk::open_root(root).unwrap()) as Box<dyn Probe>)
            as &dyn Fn(&Path) -> _,
        &|root: &Path| Box::new(super::portable::RealDisk::open_root(root).unwrap()) as Box<dyn Probe>,
    ] {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), open);
    }
}

/// The calls under test, without the type of the file.
trait Probe {
    fn write(&self, path: &str, mode: OpenMode, bytes: &[u8]) -> Result<(), ErrorKind>;
    fn rename(&self, from: &str, to: &str, taken: Taken) -> Result<(), ErrorKind>;
    fn make_dir(&self, path: &str) -> Result<(), ErrorKind>;
    fn kind(&self, path: &str) -> Result<FileKind, ErrorKind>;
    fn lock_twice(&self, path: &str) -> Result<(), ErrorKind>;
}

impl<D: Disk> Probe for D {
    fn write(&self, path: &str, mode: OpenMode, bytes: &[u8]) -> Result<(), ErrorKind> {
        let work = || {
            let file = self.open(at(path), mode)?;
            self.allocate(&file, bytes.len() as u64)?;
            assert_eq!(self.write_at(&file, bytes, 0)?, bytes.len());
            let mut back = vec![0; bytes.len() + 1];
            assert_eq!(self.read_at(&file, &mut back, 0)?, bytes.len());
            assert_eq!(self.identity(&file)?.size, bytes.len() as u64);
            self.set_attributes(&file, 0o6700, Some(-1_500_000_000))?;
            assert_eq!(self.metadata(at(path))?.mode, 0o700);
            assert_eq!(self.metadata(at(path))?.identity.mtime, -1_500_000_000);
            self.sync_file(&file)?;
            self.sync_dir(at(path).parent())?;
            self.sync_all()
        };
        work().map_err(|error: std::io::Error| error.kind())
    }

    fn rename(&self, from: &str, to: &str, taken: Taken) -> Result<(), ErrorKind> {
        Disk::rename(self, at(from), at(to), taken).map_err(|error| error.kind())
    }

    fn make_dir(&self, path: &str) -> Result<(), ErrorKind> {
        self.create_dir(at(path), 0o777).map_err(|error| error.kind())
    }

    fn kind(&self, path: &str) -> Result<FileKind, ErrorKind> {
        self.metadata(at(path)).map(|found| found.kind).map_err(|error| error.kind())
    }

    fn lock_twice(&self, path: &str) -> Result<(), ErrorKind> {
        let held = self.lock(at(path)).map_err(|error| error.kind())?;
        let second = self.lock(at(path)).map(|_| ()).map_err(|error| error.kind());
        drop(held);
        assert!(self.lock(at(path)).is_ok());
        second
    }
}

#[test]
fn files_are_made_once_and_hold_what_was_written() {
    both(|root, open| {
        let disk = open(root);
        disk.make_dir("d").unwrap();
        disk.write("d/f", OpenMode::Create, b"hello").unwrap();
        assert_eq!(fs::read(root.join("d/f")).unwrap(), b"hello");
        assert_eq!(disk.write("d/f", OpenMode::Create, b""), Err(ErrorKind::AlreadyExists));
        assert_eq!(disk.write("d/none", OpenMode::Update, b""), Err(ErrorKind::NotFound));
        assert_eq!(disk.make_dir("d"), Err(ErrorKind::AlreadyExists));
        assert_eq!(disk.kind("d"), Ok(FileKind::Directory));
        assert_eq!(disk.lock_twice("d/lock"), Err(ErrorKind::WouldBlock));
    });
}

#[test]
fn no_link_is_followed_at_any_component() {
    both(|root, open| {
        let disk = open(root);
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/f"), "kept").unwrap();
        symlink("real", root.join("folder")).unwrap();
        symlink("real/f", root.join("file")).unwrap();
        assert_eq!(disk.write("folder/f", OpenMode::Update, b"x"), Err(ErrorKind::NotADirectory));
        assert_eq!(disk.write("folder/new", OpenMode::Create, b"x"), Err(ErrorKind::NotADirectory));
        assert_eq!(disk.write("file", OpenMode::Update, b"x"), Err(ErrorKind::InvalidInput));
        assert_eq!(disk.write("file", OpenMode::Create, b"x"), Err(ErrorKind::AlreadyExists));
        assert_eq!(disk.kind("file"), Ok(FileKind::Symlink));
        assert_eq!(fs::read(root.join("real/f")).unwrap(), b"kept");
    });
}

#[test]
fn a_move_refuses_a_taken_name_and_replaces_a_file_when_told_to() {
    both(|root, open| {
        let disk = open(root);
        for folder in ["a", "b"] {
            disk.make_dir(folder).unwrap();
            disk.write(&format!("{folder}/f"), OpenMode::Create, folder.as_bytes()).unwrap();
        }
        assert_eq!(disk.rename("a/f", "b/f", Taken::Refuse), Err(ErrorKind::AlreadyExists));
        assert_eq!(disk.rename("a", "b", Taken::Refuse), Err(ErrorKind::AlreadyExists));
        disk.rename("a/f", "b/f", Taken::Replace).unwrap();
        assert_eq!(fs::read(root.join("b/f")).unwrap(), b"a");
        // What was kept of the old name must not lead into the moved folder.
        disk.rename("b", "c", Taken::Refuse).unwrap();
        assert_eq!(disk.kind("b/f"), Err(ErrorKind::NotFound));
        assert_eq!(disk.kind("c/f"), Ok(FileKind::File));
        disk.rename("c/f", "g", Taken::Refuse).unwrap();
        assert_eq!(disk.rename("none", "h", Taken::Refuse), Err(ErrorKind::NotFound));
    });
}
