//! Folders below the root as descriptors: resolved without following a link, the last few kept open.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use truecopy_protocol::content::name::RelPath;

/// Folders kept open: one for each worker and a few more.
const KEPT_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Folders {
    root: Arc<OwnedFd>,
    kept: Mutex<Vec<(Vec<u8>, Arc<OwnedFd>)>>,
    /// Cleared when the kernel (before 5.6) or a sandbox refuses `openat2`.
    has_openat2: AtomicBool,
}

impl Folders {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root: Arc::new(root), kept: Mutex::default(), has_openat2: AtomicBool::new(true) }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The folder that `path` lies in.
    pub(super) fn parent(&self, path: RelPath<'_>) -> io::Result<Arc<OwnedFd>> {
        let Some(folder) = path.parent() else { return Ok(Arc::clone(&self.root)) };
        if let Some(known) = self.known(folder) {
            return Ok(known);
        }
        let opened = Arc::new(self.resolve(folder, OFlags::PATH)?);
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push((folder.as_bytes().to_vec(), Arc::clone(&opened)));
        Ok(opened)
    }

    /// A folder opened for listing and syncing.
    pub(super) fn readable(&self, path: Option<RelPath<'_>>) -> io::Result<OwnedFd> {
        match path {
            Some(path) => self.resolve(path, OFlags::RDONLY),
            // A second description: listing moves a position.
            None => Ok(rustix::fs::openat(&self.root, c".", folder_flags(OFlags::RDONLY), Mode::empty())?),
        }
    }

    /// Forgets what is kept of a name that is moved or removed, and of everything below it.
    pub(super) fn forget(&self, path: RelPath<'_>) {
        let gone = path.as_bytes();
        self.kept().retain(|(folder, _)| match folder.strip_prefix(gone) {
            Some(rest) => !(rest.is_empty() || rest[0] == b'/'),
            None => true,
        });
    }

    /// Forgets everything: with every sync, so that what other programs move or remove is noticed before a commit.
    pub(super) fn forget_all(&self) {
        self.kept().clear();
    }

    fn known(&self, folder: RelPath<'_>) -> Option<Arc<OwnedFd>> {
        let mut kept = self.kept();
        let at = kept.iter().position(|(path, _)| path == folder.as_bytes())?;
        // The last used is last, so that the first can be dropped.
        let entry = kept.remove(at);
        let fd = Arc::clone(&entry.1);
        kept.push(entry);
        Some(fd)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Vec<u8>, Arc<OwnedFd>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve(&self, path: RelPath<'_>, access: OFlags) -> io::Result<OwnedFd> {
        if self.has_openat2.load(Ordering::Relaxed) {
            match resolve_at_once(self.root(), path, access) {
                Err(Errno::NOSYS | Errno::PERM) => self.has_openat2.store(false, Ordering::Relaxed),
                done => return done.map_err(no_folder),
            }
        }
        resolve_by_name(self.root(), path, access).map_err(no_folder)
    }
}

fn folder_flags(access: OFlags) -> OFlags {
    access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn resolve_at_once(root: BorrowedFd<'_>, path: RelPath<'_>, access: OFlags) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        let name = OsStr::from_bytes(path.as_bytes());
        match rustix::fs::openat2(root, name, folder_flags(access), Mode::empty(), how) {
            // The kernel saw a rename nearby and cannot tell whether the path stayed below the root.
            Err(Errno::AGAIN) if tries < 64 => tries += 1,
            done => return done,
        }
    }
}

fn resolve_by_name(root: BorrowedFd<'_>, path: RelPath<'_>, access: OFlags) -> Result<OwnedFd, Errno> {
    let mut at: Option<OwnedFd> = None;
    let mut names = path.names().peekable();
    while let Some(name) = names.next() {
        let access = if names.peek().is_some() { OFlags::PATH } else { access };
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        let next = rustix::fs::openat(from, OsStr::from_bytes(name), folder_flags(access), Mode::empty())?;
        at = Some(next);
    }
    // A path has at least one name.
    at.ok_or(Errno::INVAL)
}

fn no_folder(errno: Errno) -> io::Error {
    match errno {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => {
            io::Error::new(io::ErrorKind::NotADirectory, "a link or a file in the place of a folder")
        }
        errno => errno.into(),
    }
}

#[cfg(test)]
mod tests;
