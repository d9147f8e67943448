//! The disk through file descriptors: every path is resolved by the kernel below the root, following no link.

mod folders;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FallocateFlags, FileType, FlockOperation, Mode, OFlags, RawMode, RenameFlags, Stat,
    Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::Errno;
use truecopy_protocol::content::name::RelPath;
use truecopy_transport::disk::{Disk, FileIdentity, FileKind, Lock, Metadata, Names, OpenMode, Taken};

use self::folders::Folders;

const NANOS: i128 = 1_000_000_000;

/// A folder of this machine.
#[derive(Debug)]
pub struct RealDisk {
    folders: Folders,
    umask: u32,
    boot: [u8; 16],
}

/// An open regular file; closed when dropped.
#[derive(Debug)]
pub struct RealFile(OwnedFd);

struct HeldLock(#[expect(dead_code, reason = "the lock lives as long as the descriptor")] OwnedFd);

impl Lock for HeldLock {}

impl RealDisk {
    /// Opens an existing folder as the root of a tree. Links in the path to the root itself are followed.
    ///
    /// # Errors
    /// What the system says: not found, no folder, no permission.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { folders: Folders::new(root), umask: umask(), boot: boot_id() })
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> io::Result<RealFile> {
        let parent = self.folders.parent(path)?;
        let access = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::Update => OFlags::RDWR,
            OpenMode::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        // NONBLOCK: a pipe in the way must not stop a worker for ever. Regular files ignore it.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let made = Mode::RUSR | Mode::WUSR;
        let file =
            rustix::fs::openat(parent.as_fd(), name(path), flags, made).map_err(|errno| match errno {
                Errno::LOOP | Errno::ISDIR | Errno::NXIO => irregular(),
                errno => errno.into(),
            })?;
        if mode != OpenMode::Create {
            let stat = rustix::fs::fstat(&file)?;
            if kind(&stat) != FileKind::File || (mode == OpenMode::Update && stat.st_nlink > 1) {
                return Err(irregular());
            }
        }
        Ok(RealFile(file))
    }

    fn read_at(&self, file: &RealFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pread(&file.0, buf, offset)?)
    }

    fn write_at(&self, file: &RealFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwrite(&file.0, bytes, offset)?)
    }

    fn allocate(&self, file: &RealFile, len: u64) -> io::Result<()> {
        if len > 0 && !is_memory(file)? {
            match rustix::fs::fallocate(&file.0, FallocateFlags::empty(), 0, len) {
                // The file system reserves nothing; the length is set below.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        self.set_len(file, len)
    }

    fn set_len(&self, file: &RealFile, len: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&file.0, len)?)
    }

    fn sync_file(&self, file: &RealFile) -> io::Result<()> {
        self.folders.forget_all();
        Ok(rustix::fs::fsync(&file.0)?)
    }

    fn sync_dir(&self, path: Option<RelPath<'_>>) -> io::Result<()> {
        self.folders.forget_all();
        Ok(rustix::fs::fsync(self.folders.readable(path)?)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.folders.forget_all();
        Ok(rustix::fs::syncfs(self.folders.root())?)
    }

    fn identity(&self, file: &RealFile) -> io::Result<FileIdentity> {
        Ok(identity(&rustix::fs::fstat(&file.0)?))
    }

    fn set_attributes(&self, file: &RealFile, mode: u32, mtime: Option<i128>) -> io::Result<u32> {
        let given = mode & 0o777 & !self.umask;
        rustix::fs::fchmod(&file.0, Mode::from_raw_mode(given))?;
        if let Some(mtime) = mtime {
            let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let times = Timestamps { last_access: omit, last_modification: timespec(mtime) };
            rustix::fs::futimens(&file.0, &times)?;
        }
        Ok(given)
    }

    fn metadata(&self, path: RelPath<'_>) -> io::Result<Metadata> {
        let parent = self.folders.parent(path)?;
        let stat = rustix::fs::statat(parent.as_fd(), name(path), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Metadata { kind: kind(&stat), mode: stat.st_mode & 0o7777, identity: identity(&stat) })
    }

    fn list(&self, path: Option<RelPath<'_>>) -> io::Result<Names> {
        let mut names = Names::new();
        for entry in Dir::read_from(self.folders.readable(path)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> io::Result<()> {
        let parent = self.folders.parent(path)?;
        Ok(rustix::fs::mkdirat(parent.as_fd(), name(path), Mode::from_raw_mode(mode & 0o777))?)
    }

    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> io::Result<()> {
        let parent = self.folders.parent(path)?;
        Ok(rustix::fs::symlinkat(target, parent.as_fd(), name(path))?)
    }

    fn read_link(&self, path: RelPath<'_>) -> io::Result<Vec<u8>> {
        let parent = self.folders.parent(path)?;
        Ok(rustix::fs::readlinkat(parent.as_fd(), name(path), Vec::new())?.into_bytes())
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        let (old, new) = (self.folders.parent(from)?, self.folders.parent(to)?);
        let (old, new, was, is) = (old.as_fd(), new.as_fd(), name(from), name(to));
        let done = match taken {
            Taken::Replace => rustix::fs::renameat(old, was, new, is).map_err(io::Error::from),
            Taken::Refuse => match rustix::fs::renameat_with(old, was, new, is, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS) => rename_in_two_steps(old, was, new, is),
                done => done.map_err(io::Error::from),
            },
        };
        self.folders.forget(from);
        self.folders.forget(to);
        done
    }

    fn remove_file(&self, path: RelPath<'_>) -> io::Result<()> {
        let parent = self.folders.parent(path)?;
        Ok(rustix::fs::unlinkat(parent.as_fd(), name(path), AtFlags::empty())?)
    }

    fn remove_dir(&self, path: RelPath<'_>) -> io::Result<()> {
        let parent = self.folders.parent(path)?;
        self.folders.forget(path);
        Ok(rustix::fs::unlinkat(parent.as_fd(), name(path), AtFlags::REMOVEDIR)?)
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Lock>> {
        let parent = self.folders.parent(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        for _ in 0..16 {
            let file = rustix::fs::openat(parent.as_fd(), name(path), flags, Mode::RUSR | Mode::WUSR)?;
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            // The holder before us may have removed the file that we had opened: that lock would guard nothing.
            let (held, named) = (
                rustix::fs::fstat(&file)?,
                rustix::fs::statat(parent.as_fd(), name(path), AtFlags::SYMLINK_NOFOLLOW),
            );
            match named {
                Ok(named) if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) => {
                    return Ok(Box::new(HeldLock(file)));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::fstatvfs(self.folders.root())?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    fn boot_id(&self) -> [u8; 16] {
        self.boot
    }
}

/// A no-replace move where the file system has none: a link refuses a taken name; a folder is reserved, then replaced
/// while it is empty.
fn rename_in_two_steps(
    old: rustix::fd::BorrowedFd<'_>,
    was: &OsStr,
    new: rustix::fd::BorrowedFd<'_>,
    is: &OsStr,
) -> io::Result<()> {
    let stat = rustix::fs::statat(old, was, AtFlags::SYMLINK_NOFOLLOW)?;
    if kind(&stat) == FileKind::Directory {
        rustix::fs::mkdirat(new, is, Mode::from_raw_mode(0o700))?;
        rustix::fs::renameat(old, was, new, is)?;
    } else {
        rustix::fs::linkat(old, was, new, is, AtFlags::empty())?;
        rustix::fs::unlinkat(old, was, AtFlags::empty())?;
    }
    Ok(())
}

/// Whether a file lies in memory: there reserving touches every page, which the bytes will do again.
fn is_memory(file: &RealFile) -> io::Result<bool> {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    // The field's type differs between architectures; the magic numbers have 32 bits.
    let kind = rustix::fs::fstatfs(&file.0)?.f_type as u32;
    Ok(matches!(kind, TMPFS | RAMFS))
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn name(path: RelPath<'_>) -> &OsStr {
    OsStr::from_bytes(path.file_name())
}

fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode as RawMode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

#[expect(clippy::unnecessary_cast, reason = "the fields' types differ between architectures")]
fn identity(stat: &Stat) -> FileIdentity {
    FileIdentity {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        mtime: stat.st_mtime as i128 * NANOS + stat.st_mtime_nsec as i128,
        ctime: stat.st_ctime as i128 * NANOS + stat.st_ctime_nsec as i128,
    }
}

fn timespec(nanos: i128) -> Timespec {
    let (seconds, rest) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS));
    // The remainder is below 10^9 and fits.
    Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX }),
        tv_nsec: rest as _,
    }
}

/// The process's umask. The only system call for it changes it, so it is asked of `/proc` first.
fn umask() -> u32 {
    let told = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
        u32::from_str_radix(line.trim(), 8).ok()
    });
    told.unwrap_or_else(|| {
        let old = rustix::process::umask(Mode::from_raw_mode(0o077));
        rustix::process::umask(old);
        old.as_raw_mode()
    }) & 0o777
}

/// The kernel's boot id. Where it cannot be read, a value of this moment: nothing is trusted too much then.
fn boot_id() -> [u8; 16] {
    let mut id = [0; 16];
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    if digits.len() == 32 {
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
    } else {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        id = nanos.to_le_bytes();
    }
    id
}
