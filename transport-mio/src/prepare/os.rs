//! The system calls of walking and reading, relative to open directories. No call follows a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};

use super::identity::Identity;

/// An open directory.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// What a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Symlink,
    Device,
    Pipe,
    Socket,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) identity: Identity,
}

impl Folder {
    /// Opens a path that the user named; its last component may not be a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// Opens a folder in this one.
    pub(super) fn folder(&self, name: &[u8]) -> io::Result<Self> {
        Ok(Self(openat(&self.0, OsStr::from_bytes(name), FOLDER, Mode::empty())?))
    }

    /// Opens a regular file in this folder.
    pub(super) fn file(&self, name: &[u8]) -> io::Result<File> {
        Ok(openat(&self.0, OsStr::from_bytes(name), FILE, Mode::empty())?.into())
    }

    /// What a name in this folder is.
    pub(super) fn facts(&self, name: &[u8]) -> io::Result<Facts> {
        Ok(facts(&statat(&self.0, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The text of a symbolic link.
    pub(super) fn link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(readlinkat(&self.0, OsStr::from_bytes(name), Vec::new())?.into_bytes())
    }

    /// The names in this folder, in order of their bytes.
    pub(super) fn names(&self) -> io::Result<Names> {
        let mut names = Names::default();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The names of one folder, in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    spans: Vec<(usize, u8)>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        // Names beyond 255 bytes exist on no system that this module serves; the cut one will not be found.
        let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
        self.spans.push((self.bytes.len(), len));
        self.bytes.extend_from_slice(&name[..usize::from(len)]);
    }

    fn sort(&mut self) {
        let Self { bytes, spans } = self;
        let name = |&(start, len): &(usize, u8)| &bytes[start..start + usize::from(len)];
        spans.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }

    /// The names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|&(start, len)| &self.bytes[start..start + usize::from(len)])
    }
}

/// Opens a regular file by a path that the user named.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    Ok(openat(CWD, path, FILE, Mode::empty())?.into())
}

/// What an open file is.
pub(super) fn facts_of(file: &File) -> io::Result<Facts> {
    Ok(facts(&fstat(file)?))
}

/// What a path is, its last component not followed.
pub(super) fn facts_at(path: &Path) -> io::Result<Facts> {
    Ok(facts(&statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// The bytes of a name as the system gives it.
pub(super) fn bytes_of(name: &OsStr) -> &[u8] {
    name.as_bytes()
}

/// A path from bytes of the system.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// Reads at an offset until the buffer is full; `UnexpectedEof` if the file ends before.
pub(super) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

/// Reads at an offset; may be short, 0 at the end.
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// A pipe put in the place of a file must not make us wait for its writer.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the fields' types differ by system")]
fn facts(stat: &Stat) -> Facts {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Pipe,
        FileType::Socket => Kind::Socket,
        _ => Kind::Device,
    };
    let identity = Identity {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_secs: stat.st_mtime as i64,
        ctime_secs: stat.st_ctime as i64,
        mtime_nanos: stat.st_mtime_nsec as u32,
        ctime_nanos: stat.st_ctime_nsec as u32,
    };
    Facts { kind, mode: stat.st_mode as u32 & 0o7777, identity }
}
