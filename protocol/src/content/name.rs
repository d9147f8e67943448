//! Names and relative paths that cannot be built unsafely. PROTOCOL §3.4.

use alloc::vec::Vec;
use core::fmt;

/// Bytes of one name at most.
pub const NAME_MAX: usize = 255;
/// Bytes of a whole path at most.
pub const PATH_MAX: usize = 4096;
/// Names of a path at most.
pub const DEPTH_MAX: usize = 128;

/// Why a path is refused everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// An empty path, or an empty name in it (`a//b`, a slash at either end).
    #[error("an empty name")]
    Empty,
    /// `.` or `..`.
    #[error("a name that is `.` or `..`")]
    Dots,
    /// A NUL byte.
    #[error("a NUL byte in a name")]
    Nul,
    /// A `/` where a single name is wanted.
    #[error("a slash in a name")]
    Slash,
    /// A name over `NAME_MAX`, a path over `PATH_MAX` or deeper than `DEPTH_MAX`.
    #[error("a name or path that is too long or too deep")]
    TooLong,
}

/// A relative path of one or more names, `/` between them: no empty name, no `.`, no `..`, no NUL, within the limits.
/// It can never point outside of the folder it is relative to, unless a symbolic link is followed. Names are bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelPath<'a>(&'a [u8]);

impl<'a> RelPath<'a> {
    /// Checks and wraps a path.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BadPath> {
        Self::within(bytes, PATH_MAX, DEPTH_MAX)
    }

    fn within(bytes: &'a [u8], path_max: usize, depth_max: usize) -> Result<Self, BadPath> {
        if bytes.len() > path_max {
            return Err(BadPath::TooLong);
        }
        let mut depth = 0;
        for name in bytes.split(|b| *b == b'/') {
            check_name(name)?;
            depth += 1;
        }
        if depth > depth_max { Err(BadPath::TooLong) } else { Ok(Self(bytes)) }
    }

    /// Wraps a path that went through [`new`](Self::new) before.
    pub(super) const fn checked_before(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether it lies in that folder, directly or deeper.
    pub fn lies_under(self, folder: RelPath<'_>) -> bool {
        self.0.strip_prefix(folder.0).is_some_and(|rest| rest.first() == Some(&b'/'))
    }

    /// The bytes, `/` between names.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its names, outermost first; at least one.
    pub fn names(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone {
        self.0.split(|b| *b == b'/')
    }

    /// The folder it lies in; none for a single name.
    pub fn parent(self) -> Option<Self> {
        self.0.iter().rposition(|b| *b == b'/').map(|at| Self(&self.0[..at]))
    }

    /// The last name.
    pub fn file_name(self) -> &'a [u8] {
        match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => &self.0[at + 1..],
            None => self.0,
        }
    }

    /// Itself and the folders it lies in, outermost first: `a`, `a/b`, `a/b/c`.
    pub fn prefixes(self) -> impl Iterator<Item = Self> {
        let all = self.0;
        (0..=all.len()).filter(move |&i| i == all.len() || all[i] == b'/').map(move |i| Self(&all[..i]))
    }

    /// An owned copy.
    pub fn to_owned(self) -> RelPathBuf {
        RelPathBuf(self.0.to_vec())
    }

    /// This path below that folder.
    pub fn below(self, folder: RelPath<'_>) -> Result<RelPathBuf, BadPath> {
        let mut bytes = folder.0.to_vec();
        bytes.push(b'/');
        bytes.extend_from_slice(self.0);
        RelPathBuf::new(bytes)
    }
}

/// Name by name: `a/b` before `a.txt`, so that whatever lies in a folder follows it directly.
impl Ord for RelPath<'_> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        // As no name holds a NUL, ranking `/` as one compares name by name.
        let rank = |b: &u8| if *b == b'/' { 0 } else { *b };
        self.0.iter().map(rank).cmp(other.0.iter().map(rank))
    }
}

impl PartialOrd for RelPath<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for RelPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath(\"{}\")", self.0.escape_ascii())
    }
}

/// An owned [`RelPath`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPathBuf(Vec<u8>);

/// Bytes and names that a path of our own may have beyond the limits: the folders that a receiver puts around a path.
const ROOM: (usize, usize) = (256, 4);

impl RelPathBuf {
    /// Checks and wraps a path.
    pub fn new(bytes: Vec<u8>) -> Result<Self, BadPath> {
        RelPath::new(&bytes)?;
        Ok(Self(bytes))
    }

    /// Checks and wraps a path on this machine: one that [`new`](Self::new) takes may lie in some more folders.
    pub fn local(bytes: Vec<u8>) -> Result<Self, BadPath> {
        RelPath::within(&bytes, PATH_MAX + ROOM.0, DEPTH_MAX + ROOM.1)?;
        Ok(Self(bytes))
    }

    /// Borrows it.
    pub fn as_path(&self) -> RelPath<'_> {
        RelPath(&self.0)
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Ord for RelPathBuf {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_path().cmp(&other.as_path())
    }
}

impl PartialOrd for RelPathBuf {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for RelPathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().fmt(f)
    }
}

/// The rules of a single name, but for `/`, which whoever divides a path has taken away.
pub(super) fn check_name(name: &[u8]) -> Result<(), BadPath> {
    match name {
        [] => Err(BadPath::Empty),
        b"." | b".." => Err(BadPath::Dots),
        _ if name.contains(&0) => Err(BadPath::Nul),
        _ if name.len() > NAME_MAX => Err(BadPath::TooLong),
        _ => Ok(()),
    }
}
