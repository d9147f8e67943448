//! A directory tree that a driver supplies: the only way the store touches files.
//!
//! Every path is a [`RelPath`] below one root, and an implementor must confine it: no symlink is followed, at any
//! component, in any call. Errors are `std::io`'s; reads and writes may be short, any call may be `Interrupted`. A link or
//! a file where a directory must be is `NotADirectory`.

use std::io;

use truecopy_protocol::content::name::RelPath;

/// What a name is, without following it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

/// What tells one state of a file from another: equal before and after a read, the bytes are of that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The device that holds it.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of content, nanoseconds since 1970.
    pub mtime: i128,
    /// Last change of content or metadata, nanoseconds since 1970.
    pub ctime: i128,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, `0o7777`; what the platform can tell.
    pub mode: u32,
    /// The state of the file.
    pub identity: FileIdentity,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must be there.
    Read,
    /// For reading and writing; it must be there, and under no other name (a hard link leads out of the tree):
    /// `InvalidInput`.
    Update,
    /// For reading and writing; it must not be there (`AlreadyExists`), and is made with mode 0600.
    Create,
}

/// What a rename does with a taken name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `AlreadyExists`.
    Refuse,
    /// Puts a file over a file, atomically.
    Replace,
}

/// A held lock; released when dropped or when the process ends.
pub trait Lock: Send {}

/// The names of a directory in no order.
pub type Names = Vec<Vec<u8>>;

/// A confined directory tree. Shared between workers, so every call takes `&self`.
pub trait Disk: Send + Sync {
    /// An open file.
    type File: Send + Sync;

    /// Opens a regular file, and never waits for it. What is there but no regular file is `InvalidInput`.
    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> io::Result<Self::File>;

    /// Reads at most `buf.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, file: &Self::File, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at most `bytes.len()` bytes at `offset` and says how many were taken.
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the file `len` bytes long and reserves their space where the file system can.
    fn allocate(&self, file: &Self::File, len: u64) -> io::Result<()>;

    /// Cuts or extends the file to `len` bytes without reserving space.
    fn set_len(&self, file: &Self::File, len: u64) -> io::Result<()>;

    /// Makes the content of a file, and what is needed to read it back, durable.
    fn sync_file(&self, file: &Self::File) -> io::Result<()>;

    /// Makes the names in a directory durable; `None` is the root.
    fn sync_dir(&self, path: Option<RelPath<'_>>) -> io::Result<()>;

    /// Makes everything written to this file system durable: one call for many small files.
    fn sync_all(&self) -> io::Result<()>;

    /// The state of an open file.
    fn identity(&self, file: &Self::File) -> io::Result<FileIdentity>;

    /// Sets the permission bits (only `0o777`, under the process's umask) and then the modification time of an open
    /// file, as the last thing before it is placed. Returns the bits that were set.
    fn set_attributes(&self, file: &Self::File, mode: u32, mtime: Option<i128>) -> io::Result<u32>;

    /// What a name is, without following it.
    fn metadata(&self, path: RelPath<'_>) -> io::Result<Metadata>;

    /// The names in a directory; `None` is the root.
    fn list(&self, path: Option<RelPath<'_>>) -> io::Result<Names>;

    /// Makes a directory (`AlreadyExists` if the name is taken) with the given mode, under the process's umask.
    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> io::Result<()>;

    /// Makes a symbolic link with the given target text.
    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> io::Result<()>;

    /// The target text of a symbolic link; `InvalidInput` if it is none.
    fn read_link(&self, path: RelPath<'_>) -> io::Result<Vec<u8>>;

    /// Moves a name within the tree.
    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()>;

    /// Removes a file or a symbolic link (never what it points to).
    fn remove_file(&self, path: RelPath<'_>) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: RelPath<'_>) -> io::Result<()>;

    /// Takes an exclusive lock on a file, made if missing; `WouldBlock` if another holds it.
    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Lock>>;

    /// Bytes that may still be written here; `None` if unknown.
    fn free_space(&self) -> io::Result<Option<u64>>;

    /// A value that differs after every start of the machine: claims that were only written are doubtful then.
    fn boot_id(&self) -> [u8; 16];
}
