//! Where the files of a prepared share are, and in which state they were hashed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::name::RelPath;
use truecopy_transport::disk::FileIdentity;

use super::identity::Identity;
use super::os;
use super::tree::{NodeKind, TOP, Tree};

/// The files behind the entries of a share.
#[derive(Debug)]
pub struct Sources {
    manifest: Arc<Manifest>,
    roots: Vec<Root>,
    /// One an entry; meaningless for what is not a file.
    identities: Vec<Identity>,
}

#[derive(Debug)]
struct Root {
    folder: PathBuf,
    /// The name of the file in that folder, if the user named a file.
    file: Option<Vec<u8>>,
    first: u32,
}

/// A file of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFile<'a> {
    /// Which of [`Sources::roots`] it lies in.
    pub root: usize,
    /// Where in that folder.
    pub path: RelPath<'a>,
    /// Its state when it was hashed.
    pub identity: FileIdentity,
}

impl Sources {
    pub(super) fn new(tree: Tree, manifest: Arc<Manifest>) -> Self {
        let is_file = |first: u32| match tree.nodes.get(first as usize) {
            Some(node) => node.dir == TOP && matches!(node.kind, NodeKind::File(_)),
            None => false,
        };
        let roots = tree.tops.iter().map(|top| match (top.path.parent(), top.path.file_name()) {
            (Some(folder), Some(name)) if is_file(top.first) => {
                Root { folder: folder.to_owned(), file: Some(os::bytes_of(name).to_vec()), first: top.first }
            }
            _ => Root { folder: top.path.clone(), file: None, first: top.first },
        });
        let roots = roots.collect();
        let mut identities = vec![Identity::default(); tree.nodes.len()];
        for file in &tree.files {
            identities[file.node as usize] = file.identity;
        }
        Self { manifest, roots, identities }
    }

    /// The folders that the files lie in, canonical, in order of their numbers.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.roots.iter().map(|root| &*root.folder)
    }

    /// The file of an entry; none for anything but a file.
    pub fn get(&self, entry: EntryIndex) -> Option<SourceFile<'_>> {
        let EntryKind::File(_) = self.manifest.entry(entry)?.kind else { return None };
        let number = self.roots.partition_point(|root| root.first <= entry.0).checked_sub(1)?;
        let path = match &self.roots[number].file {
            Some(name) => RelPath::new(name).ok()?,
            None => {
                let path = self.manifest.entry(entry)?.path.as_bytes();
                let below = path.iter().position(|b| *b == b'/')? + 1;
                RelPath::new(&path[below..]).ok()?
            }
        };
        Some(SourceFile { root: number, path, identity: self.identities[entry.0 as usize].into() })
    }

    /// The state of a file when it was hashed; none for anything but a file.
    pub fn identity(&self, entry: EntryIndex) -> Option<Identity> {
        self.manifest.file(entry)?;
        self.identities.get(entry.0 as usize).copied()
    }
}
