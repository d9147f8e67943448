//! One entry: what it means, how it is encoded, and the rules that it keeps by itself.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::limits::{BadTarget, FILE_MAX, ManifestError, TARGET_MAX};
use crate::content::canonical::Raw;
use crate::content::name::{BadPath, RelPath, check_name};
use crate::{EntryIndex, Hash};

/// The mode bits that travel: `rwxrwxrwx`.
pub const MODE_MASK: u16 = 0o777;

/// When a file was last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mtime {
    /// Seconds since 1970-01-01 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds after that second, below 10^9.
    pub nanos: u32,
}

/// A regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Bytes, at most [`FILE_MAX`].
    pub size: u64,
    /// The root of its hash tree (BEP 52 `pieces root`); [`Hash::ZERO`] if it is empty.
    pub root: Hash,
    /// Permission bits, within [`MODE_MASK`].
    pub mode: u16,
    /// When it was last changed.
    pub mtime: Mtime,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind<'a> {
    /// A regular file.
    File(FileEntry),
    /// A directory with nothing in it; all others follow from the paths.
    Directory,
    /// A symbolic link that stays inside its top-level folder.
    Symlink {
        /// Its target, relative to the folder that the link lies in.
        target: &'a [u8],
    },
}

/// One entry of a manifest, borrowed from its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it lies, relative to the destination.
    pub path: RelPath<'a>,
    /// What it is.
    pub kind: EntryKind<'a>,
}

/// An [`EntryKind`] that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedKind {
    /// A regular file.
    File(FileEntry),
    /// A directory with nothing in it.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: Vec<u8>,
    },
}

impl EntryKind<'_> {
    /// A copy that owns its bytes.
    pub fn to_owned(&self) -> OwnedKind {
        match *self {
            Self::File(file) => OwnedKind::File(file),
            Self::Directory => OwnedKind::Directory,
            Self::Symlink { target } => OwnedKind::Symlink { target: target.to_vec() },
        }
    }
}

impl OwnedKind {
    /// Borrows it.
    pub fn as_kind(&self) -> EntryKind<'_> {
        match self {
            Self::File(file) => EntryKind::File(*file),
            Self::Directory => EntryKind::Directory,
            Self::Symlink { target } => EntryKind::Symlink { target },
        }
    }
}

/// Checks the target of a link at `link`: relative, `..` only in front and so few that it stays inside the link's
/// top-level folder, then plain names. As the folders above a link are real ones, such links cannot lead out
/// however they are chained.
pub fn check_target(link: RelPath<'_>, target: &[u8]) -> Result<(), BadTarget> {
    if target.len() > TARGET_MAX {
        return Err(BadTarget::TooLong);
    }
    if target.first() == Some(&b'/') {
        return Err(BadTarget::Absolute);
    }
    let mut names = target.split(|b| *b == b'/').peekable();
    let mut up = 0;
    while names.next_if(|name| *name == b"..").is_some() {
        up += 1;
    }
    // A link `top/a/link` lies two names below `top`'s parent: one `..` leads to `top`, two lead out.
    if up + 2 > link.names().count() {
        return Err(BadTarget::Outside);
    }
    names.try_for_each(check_name).map_err(BadTarget::Name)
}

/// An entry as it is encoded.
#[derive(Serialize, Deserialize)]
pub(super) struct Encoded<'a> {
    #[serde(borrow)]
    path: Raw<'a>,
    #[serde(borrow)]
    kind: EncodedKind<'a>,
}

#[derive(Serialize, Deserialize)]
enum EncodedKind<'a> {
    File(FileEntry),
    Directory,
    Symlink(#[serde(borrow)] Raw<'a>),
}

impl<'a> Encoded<'a> {
    pub(super) fn new(path: RelPath<'a>, kind: EntryKind<'a>) -> Self {
        let kind = match kind {
            EntryKind::File(file) => EncodedKind::File(file),
            EntryKind::Directory => EncodedKind::Directory,
            EntryKind::Symlink { target } => EncodedKind::Symlink(Raw(target)),
        };
        Self { path: Raw(path.as_bytes()), kind }
    }

    /// The entry, if every rule holds that concerns it alone.
    pub(super) fn check(self, entry: EntryIndex) -> Result<Entry<'a>, ManifestError> {
        let path = RelPath::new(self.path.0).map_err(|why| ManifestError::Path { entry, why })?;
        let checked = Entry { path, kind: self.kind.meaning() };
        match checked.kind {
            EntryKind::File(file) => check_file(entry, &file)?,
            EntryKind::Directory => {}
            EntryKind::Symlink { target } => {
                check_target(path, target).map_err(|why| ManifestError::Target { entry, why })?;
            }
        }
        Ok(checked)
    }

    /// The entry of a manifest that was checked before.
    pub(super) fn trust(self) -> Entry<'a> {
        Entry { path: RelPath::checked_before(self.path.0), kind: self.kind.meaning() }
    }
}

impl<'a> EncodedKind<'a> {
    fn meaning(self) -> EntryKind<'a> {
        match self {
            Self::File(file) => EntryKind::File(file),
            Self::Directory => EntryKind::Directory,
            Self::Symlink(Raw(target)) => EntryKind::Symlink { target },
        }
    }
}

fn check_file(entry: EntryIndex, file: &FileEntry) -> Result<(), ManifestError> {
    if file.size > FILE_MAX {
        Err(ManifestError::FileTooLarge(entry))
    } else if file.size == 0 && file.root != Hash::ZERO {
        Err(ManifestError::EmptyRoot(entry))
    } else if file.mode & !MODE_MASK != 0 {
        Err(ManifestError::Mode(entry))
    } else if file.mtime.nanos >= 1_000_000_000 {
        Err(ManifestError::Time(entry))
    } else {
        Ok(())
    }
}

/// Checks the name of a share: one name, by the same rules as a name in a path.
pub(super) fn check_share_name(name: &[u8]) -> Result<(), BadPath> {
    if name.contains(&b'/') { Err(BadPath::Slash) } else { check_name(name) }
}
