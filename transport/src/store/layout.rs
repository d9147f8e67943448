//! Where the parts of a staging lie.

use std::io;

use truecopy_protocol::ContentId;
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::job::StorageError;
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};

use super::error::fail;

const PREFIX: &[u8] = b".truecopy-";
const ID_DIGITS: usize = 16;

/// The paths of one staging.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    folder: RelPathBuf,
}

impl Layout {
    pub(super) fn of(content: ContentId) -> io::Result<Self> {
        let id = content.to_hex();
        #[cfg(planted)]
        let id = if is(Bug::OtherVersion) { ContentId([0; 32]).to_hex() } else { id };
        Ok(Self { folder: path([PREFIX, &id.as_bytes()[..ID_DIGITS]].concat())? })
    }

    /// The staging that a name in the destination is, if it is one.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let id = name.strip_prefix(PREFIX)?;
        let is_id = id.len() == ID_DIGITS && id.iter().all(u8::is_ascii_hexdigit);
        let folder = RelPathBuf::new(name.to_vec()).ok()?;
        is_id.then_some(Self { folder })
    }

    /// Whether a share may not bring this top-level name along: on some file system it is a staging's.
    pub(super) fn is_reserved(name: &[u8]) -> bool {
        name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    }

    pub(super) fn folder(&self) -> RelPath<'_> {
        self.folder.as_path()
    }

    pub(super) fn lock(&self) -> io::Result<RelPathBuf> {
        self.part(b"lock")
    }

    pub(super) fn manifest(&self) -> io::Result<RelPathBuf> {
        self.part(b"manifest")
    }

    pub(super) fn journal(&self) -> io::Result<RelPathBuf> {
        self.part(b"journal")
    }

    pub(super) fn tree(&self) -> io::Result<RelPathBuf> {
        self.part(b"tree")
    }

    /// Where an entry is staged.
    pub(super) fn staged(&self, entry: RelPath<'_>) -> io::Result<RelPathBuf> {
        path([self.folder.as_path().as_bytes(), b"/tree/", entry.as_bytes()].concat())
    }

    fn part(&self, name: &[u8]) -> io::Result<RelPathBuf> {
        path([self.folder.as_path().as_bytes(), b"/", name].concat())
    }
}

/// A path that the limits of names may refuse.
pub(super) fn path(bytes: Vec<u8>) -> io::Result<RelPathBuf> {
    RelPathBuf::local(bytes).map_err(|_| fail(StorageError::Unsupported))
}
