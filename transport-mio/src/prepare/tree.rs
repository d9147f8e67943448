//! The entries found by a walk, in the manifest's order, in a few large tables: no path is stored twice.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use truecopy_protocol::content::name::{BadPath, RelPathBuf};

use super::PrepareError;
use super::identity::Identity;
use super::os::{self, Folder, Kind};

/// No folder: the entry is itself what the user named.
pub(super) const TOP: u32 = u32::MAX;

/// A name, by its place in the table of names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    start: u32,
    len: u8,
}

/// A folder that holds entries.
#[derive(Clone, Copy, Debug)]
struct Dir {
    parent: u32,
    name: Name,
}

/// An entry of the future manifest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) dir: u32,
    name: Name,
    pub(super) kind: NodeKind,
}

/// What an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) enum NodeKind {
    /// A file, by its place in `files`.
    File(u32),
    /// A folder with nothing in it.
    Folder,
    /// A symbolic link, by its place in `targets`.
    Symlink(u32),
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileFacts {
    pub(super) identity: Identity,
    pub(super) node: u32,
    pub(super) mode: u16,
}

/// A path that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Top {
    /// Its name in the share.
    pub(super) name: Vec<u8>,
    /// Where it is: canonical.
    pub(super) path: PathBuf,
    /// The entry where it starts.
    pub(super) first: u32,
}

/// More entries or bytes of names than a share can hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

/// The tables.
#[derive(Debug, Default)]
pub(super) struct Tree {
    names: Vec<u8>,
    dirs: Vec<Dir>,
    pub(super) nodes: Vec<Node>,
    pub(super) files: Vec<FileFacts>,
    targets: Vec<Vec<u8>>,
    pub(super) tops: Vec<Top>,
}

impl Tree {
    pub(super) fn push_dir(&mut self, parent: u32, name: &[u8]) -> Result<u32, Full> {
        let index = u32::try_from(self.dirs.len()).map_err(|_| Full)?;
        let name = self.push_name(name)?;
        self.dirs.push(Dir { parent, name });
        Ok(index)
    }

    pub(super) fn push_file(
        &mut self,
        dir: u32,
        name: &[u8],
        identity: Identity,
        mode: u16,
    ) -> Result<(), Full> {
        let index = u32::try_from(self.files.len()).map_err(|_| Full)?;
        let node = self.push_node(dir, name, NodeKind::File(index))?;
        self.files.push(FileFacts { identity, node, mode });
        Ok(())
    }

    pub(super) fn push_folder(&mut self, dir: u32) -> Result<(), Full> {
        let Dir { parent, name } = self.dirs[dir as usize];
        self.count()?;
        self.nodes.push(Node { dir: parent, name, kind: NodeKind::Folder });
        Ok(())
    }

    pub(super) fn push_symlink(&mut self, dir: u32, name: &[u8], target: Vec<u8>) -> Result<(), Full> {
        let index = u32::try_from(self.targets.len()).map_err(|_| Full)?;
        self.push_node(dir, name, NodeKind::Symlink(index))?;
        self.targets.push(target);
        Ok(())
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> Result<u32, Full> {
        u32::try_from(self.nodes.len()).ok().filter(|n| *n < u32::MAX).ok_or(Full)
    }

    pub(super) fn target(&self, index: u32) -> &[u8] {
        &self.targets[index as usize]
    }

    /// Bytes of all files.
    pub(super) fn total(&self) -> u64 {
        self.files.iter().map(|file| file.identity.size).sum()
    }

    /// The path of an entry in the share.
    pub(super) fn path(&self, node: u32) -> Result<RelPathBuf, BadPath> {
        let Node { dir, name, .. } = self.nodes[node as usize];
        self.path_in(dir, self.name(name))
    }

    /// The path of a name in a folder, as it would stand in the share.
    pub(super) fn path_in(&self, dir: u32, name: &[u8]) -> Result<RelPathBuf, BadPath> {
        let chain = self.chain(dir);
        let len = chain.iter().map(|d| self.dir_name(*d).len() + 1).sum::<usize>() + name.len();
        let mut path = Vec::with_capacity(len);
        for dir in chain {
            path.extend_from_slice(self.dir_name(dir));
            path.push(b'/');
        }
        path.extend_from_slice(name);
        RelPathBuf::new(path)
    }

    /// Opens a file of the tree.
    pub(super) fn open(&self, file: u32, open: &mut OpenFolders) -> io::Result<File> {
        let index = self.files[file as usize].node;
        let node = self.nodes[index as usize];
        if node.dir == TOP {
            return os::open_file(&self.top_of(index).path);
        }
        open.folder(self, index, node.dir)?.file(self.name(node.name))
    }

    /// What a file of the tree is now.
    fn facts(&self, file: u32, open: &mut OpenFolders) -> io::Result<os::Facts> {
        let index = self.files[file as usize].node;
        let node = self.nodes[index as usize];
        if node.dir == TOP {
            return os::facts_at(&self.top_of(index).path);
        }
        open.folder(self, index, node.dir)?.facts(self.name(node.name))
    }

    /// Looks at a file again.
    pub(super) fn refresh(&mut self, file: u32) -> Result<(), PrepareError> {
        let facts = match self.facts(file, &mut OpenFolders::default()) {
            Ok(facts) if facts.kind == Kind::File => facts,
            _ => return Err(PrepareError::Changed { path: self.real_path(file) }),
        };
        let known = &mut self.files[file as usize];
        known.identity = facts.identity;
        known.mode = (facts.mode & 0o777) as u16;
        Ok(())
    }

    /// Where a file is, for messages.
    pub(super) fn real_path(&self, file: u32) -> PathBuf {
        let node = self.files[file as usize].node;
        let Node { dir, name, .. } = self.nodes[node as usize];
        let mut path = self.top_path(node).to_owned();
        if dir != TOP {
            for dir in self.chain(dir).into_iter().skip(1) {
                path.push(os::path_of(self.dir_name(dir)));
            }
            path.push(os::path_of(self.name(name)));
        }
        path
    }

    /// Where the top of an entry is.
    pub(super) fn top_path(&self, node: u32) -> &Path {
        &self.top_of(node).path
    }

    fn top_of(&self, node: u32) -> &Top {
        let after = self.tops.partition_point(|top| top.first <= node);
        &self.tops[after - 1]
    }

    fn push_node(&mut self, dir: u32, name: &[u8], kind: NodeKind) -> Result<u32, Full> {
        let index = self.count()?;
        let name = self.push_name(name)?;
        self.nodes.push(Node { dir, name, kind });
        Ok(index)
    }

    fn push_name(&mut self, name: &[u8]) -> Result<Name, Full> {
        let start = u32::try_from(self.names.len()).map_err(|_| Full)?;
        let len = u8::try_from(name.len()).map_err(|_| Full)?;
        self.names.extend_from_slice(name);
        Ok(Name { start, len })
    }

    fn name(&self, name: Name) -> &[u8] {
        &self.names[name.start as usize..name.start as usize + usize::from(name.len)]
    }

    fn dir_name(&self, dir: u32) -> &[u8] {
        self.name(self.dirs[dir as usize].name)
    }

    /// A folder and those it lies in, outermost first.
    fn chain(&self, mut dir: u32) -> Vec<u32> {
        let mut chain = Vec::new();
        while dir != TOP {
            chain.push(dir);
            dir = self.dirs[dir as usize].parent;
        }
        chain.reverse();
        chain
    }
}

/// The folders on the way to the last file that was opened: neighbours share most of it.
#[derive(Debug, Default)]
pub(super) struct OpenFolders(Vec<(u32, Folder)>);

impl OpenFolders {
    fn folder(&mut self, tree: &Tree, node: u32, dir: u32) -> io::Result<&Folder> {
        if self.0.last().is_none_or(|(open, _)| *open != dir) {
            let chain = tree.chain(dir);
            let same = self.0.iter().zip(&chain).take_while(|((open, _), wanted)| open == *wanted).count();
            self.0.truncate(same);
            for &next in &chain[same..] {
                let folder = match self.0.last() {
                    None => Folder::open(&tree.top_of(node).path)?,
                    Some((_, parent)) => parent.folder(tree.dir_name(next))?,
                };
                self.0.push((next, folder));
            }
        }
        self.0.last().map(|(_, folder)| folder).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
