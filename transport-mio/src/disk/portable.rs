//! The disk through `std::fs` alone, for systems without a module of their own. Unverified outside of Linux.
//!
//! Every component is looked at before a call, so a link that stands there is not followed; one that is swapped in
//! between the look and the call can be.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truecopy_protocol::content::name::RelPath;
use truecopy_transport::disk::{Disk, FileIdentity, FileKind, Lock, Metadata, Names, OpenMode, Taken};

/// A folder of this machine.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    boot: [u8; 16],
}

/// An open regular file; closed when dropped.
#[derive(Debug)]
pub struct RealFile(File);

struct HeldLock(#[expect(dead_code, reason = "the lock lives as long as the file")] File);

impl Lock for HeldLock {}

impl RealDisk {
    /// Opens an existing folder as the root of a tree. Links in the path to the root itself are followed.
    ///
    /// # Errors
    /// What the system says: not found, no folder, no permission.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(path)?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // There is no portable boot id: a value of this moment, so that nothing is trusted too much.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self { root, boot: nanos.to_le_bytes() })
    }

    /// The path of a name, all folders before it looked at.
    fn at(&self, path: RelPath<'_>) -> io::Result<PathBuf> {
        let mut full = self.root.clone();
        let mut names = path.names().peekable();
        while let Some(name) = names.next() {
            full.push(os_name(name)?);
            if names.peek().is_some() && !fs::symlink_metadata(&full)?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(full)
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> io::Result<RealFile> {
        let full = self.at(path)?;
        if mode == OpenMode::Create {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            return options.open(full).map(RealFile);
        }
        if !fs::symlink_metadata(&full)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        OpenOptions::new().read(true).write(mode == OpenMode::Update).open(full).map(RealFile)
    }

    fn read_at(&self, file: &RealFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&file.0, buf, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&file.0, buf, offset);
    }

    fn write_at(&self, file: &RealFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_at(&file.0, bytes, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_write(&file.0, bytes, offset);
    }

    fn allocate(&self, file: &RealFile, len: u64) -> io::Result<()> {
        file.0.set_len(len)
    }

    fn set_len(&self, file: &RealFile, len: u64) -> io::Result<()> {
        file.0.set_len(len)
    }

    fn sync_file(&self, file: &RealFile) -> io::Result<()> {
        file.0.sync_all()
    }

    fn sync_dir(&self, path: Option<RelPath<'_>>) -> io::Result<()> {
        let full = path.map_or_else(|| Ok(self.root.clone()), |path| self.at(path))?;
        if cfg!(unix) { File::open(full)?.sync_all() } else { Ok(()) }
    }

    fn sync_all(&self) -> io::Result<()> {
        sync_below(&self.root)
    }

    fn identity(&self, file: &RealFile) -> io::Result<FileIdentity> {
        Ok(identity(&file.0.metadata()?))
    }

    fn set_attributes(&self, file: &RealFile, mode: u32, mtime: Option<i128>) -> io::Result<u32> {
        let given = mode & 0o755;
        #[cfg(unix)]
        file.0.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(given))?;
        if let Some(time) = mtime.and_then(system_time) {
            file.0.set_modified(time)?;
        }
        Ok(given)
    }

    fn metadata(&self, path: RelPath<'_>) -> io::Result<Metadata> {
        let found = fs::symlink_metadata(self.at(path)?)?;
        let kind = match found.file_type() {
            kind if kind.is_file() => FileKind::File,
            kind if kind.is_dir() => FileKind::Directory,
            kind if kind.is_symlink() => FileKind::Symlink,
            _ => FileKind::Other,
        };
        #[cfg(unix)]
        let mode = std::os::unix::fs::MetadataExt::mode(&found) & 0o7777;
        #[cfg(not(unix))]
        let mode = if found.permissions().readonly() { 0o444 } else { 0o644 };
        Ok(Metadata { kind, mode, identity: identity(&found) })
    }

    fn list(&self, path: Option<RelPath<'_>>) -> io::Result<Names> {
        let full = path.map_or_else(|| Ok(self.root.clone()), |path| self.at(path))?;
        // Bytes that are no name of ours cannot be asked for again; they are left out.
        fs::read_dir(full)?.map(|entry| Ok(entry?.file_name().into_encoded_bytes())).collect()
    }

    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> io::Result<()> {
        #[cfg_attr(not(unix), allow(unused_mut))]
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode & 0o777);
        #[cfg(not(unix))]
        let _ = mode;
        builder.create(self.at(path)?)
    }

    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::symlink(os_name(target)?, self.at(path)?);
        #[cfg(not(unix))]
        {
            let _ = (path, target);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn read_link(&self, path: RelPath<'_>) -> io::Result<Vec<u8>> {
        Ok(fs::read_link(self.at(path)?)?.into_os_string().into_encoded_bytes())
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        let (from, to) = (self.at(from)?, self.at(to)?);
        if taken == Taken::Replace {
            return fs::rename(from, to);
        }
        match fs::symlink_metadata(&from)? {
            // The empty folder reserves the name; a rename may replace it.
            found if found.is_dir() => fs::create_dir(&to)?,
            found if found.is_file() => {
                fs::hard_link(&from, &to)?;
                return fs::remove_file(from);
            }
            _ if fs::symlink_metadata(&to).is_ok() => return Err(io::ErrorKind::AlreadyExists.into()),
            _ => {}
        }
        fs::rename(from, to)
    }

    fn remove_file(&self, path: RelPath<'_>) -> io::Result<()> {
        fs::remove_file(self.at(path)?)
    }

    fn remove_dir(&self, path: RelPath<'_>) -> io::Result<()> {
        fs::remove_dir(self.at(path)?)
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Lock>> {
        let full = self.at(path)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(full)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(HeldLock(file))),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn boot_id(&self) -> [u8; 16] {
        self.boot
    }
}

#[cfg(unix)]
fn os_name(bytes: &[u8]) -> io::Result<&Path> {
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
    Ok(Path::new(name))
}

#[cfg(not(unix))]
fn os_name(bytes: &[u8]) -> io::Result<&Path> {
    let text = std::str::from_utf8(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))?;
    // What this system reads as more than a name is none.
    if text.contains(['\\', ':']) { Err(io::ErrorKind::InvalidFilename.into()) } else { Ok(Path::new(text)) }
}

fn nanos(time: io::Result<SystemTime>) -> i128 {
    let Ok(time) = time else { return 0 };
    let clip = |span: Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => clip(since),
        Err(before) => -clip(before.duration()),
    }
}

fn system_time(nanos: i128) -> Option<SystemTime> {
    let span = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).ok()?);
    if nanos < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) }
}

fn identity(found: &fs::Metadata) -> FileIdentity {
    let mtime = nanos(found.modified());
    #[cfg(unix)]
    let (device, inode, ctime) = {
        use std::os::unix::fs::MetadataExt;
        let ctime = i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec());
        (found.dev(), found.ino(), ctime)
    };
    #[cfg(not(unix))]
    let (device, inode, ctime) = (0, 0, mtime);
    FileIdentity { device, inode, size: found.len(), mtime, ctime }
}

/// Without a call for a whole file system, every file and folder below the root is synced.
fn sync_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_below(&entry.path())?;
        } else if kind.is_file() {
            OpenOptions::new().read(true).write(cfg!(windows)).open(entry.path())?.sync_all()?;
        }
    }
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
