//! Where the files of a prepared share are, and in which state they were hashed.

use std::path::{Path, PathBuf};

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_transport::disk::FileIdentity;

use super::identity::Identity;
use super::os;
use super::tree::Tree;

/// The files behind the entries of a share.
#[derive(Debug)]
pub struct Sources {
    tops: Vec<SourceTop>,
    /// One an entry; all zero for what is not a file.
    identities: Vec<Identity>,
}

/// Where one top-level name of a share lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTop {
    folder: PathBuf,
    name: RelPathBuf,
}

impl SourceTop {
    /// The folder that holds it, canonical.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its name there: not the one in the share, if the user named a link to it.
    pub fn name(&self) -> RelPath<'_> {
        self.name.as_path()
    }
}

impl Sources {
    pub(super) fn new(tree: Tree) -> Self {
        let top = |path: &Path| {
            // The walk let nothing pass that has no folder or no name.
            let name = RelPathBuf::new(os::bytes_of(path.file_name()?).to_vec()).ok()?;
            Some(SourceTop { folder: path.parent()?.to_owned(), name })
        };
        let tops = tree.tops.iter().filter_map(|found| top(&found.path)).collect();
        let mut identities = vec![Identity::default(); tree.nodes.len()];
        for file in &tree.files {
            identities[file.node as usize] = file.identity;
        }
        Self { tops, identities }
    }

    /// The top-level names, in their order in the manifest.
    pub fn tops(&self) -> &[SourceTop] {
        &self.tops
    }

    /// The state of every entry when it was hashed, in order; all zero for what is not a file.
    pub fn identities(&self) -> impl ExactSizeIterator<Item = FileIdentity> {
        self.identities.iter().map(|identity| (*identity).into())
    }

    /// The state of a file when it was hashed; none for anything but a file.
    pub fn identity(&self, entry: EntryIndex) -> Option<Identity> {
        self.identities.get(entry.0 as usize).copied().filter(|identity| *identity != Identity::default())
    }
}
