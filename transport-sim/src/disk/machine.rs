//! The machine behind the disk: nodes, names and processes.

use std::collections::BTreeMap;
use std::io;

use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_transport::disk::{FileIdentity, FileKind, Taken};

use super::content::Content;
use super::counts::DiskCounts;
use super::faults::Faults;
use super::names::{Change, Names, Place, ROOT, Tree};
use super::schedule::{CallKind, DiskFault};
use super::spoiled::Spoiled;
use crate::stream::Random;

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(Content),
    Directory,
    Symlink(Vec<u8>),
}

impl Node {
    pub(super) const fn kind(&self) -> FileKind {
        match self {
            Self::File(_) => FileKind::File,
            Self::Directory => FileKind::Directory,
            Self::Symlink(_) => FileKind::Symlink,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) mtime: i128,
    pub(super) ctime: i128,
}

#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) node: Node,
    pub(super) seen: Attributes,
    durable: Attributes,
    /// It has no name and its space counts no more.
    pub(super) released: bool,
    /// It stands in the machine's list.
    unsynced: bool,
}

impl Inode {
    pub(super) fn space(&self) -> u64 {
        match &self.node {
            Node::File(content) => content.space(),
            Node::Directory | Node::Symlink(_) => 0,
        }
    }

    fn sync(&mut self) {
        self.unsynced = false;
        self.durable = self.seen;
        if let Node::File(content) = &mut self.node {
            content.sync();
        }
    }

    /// After a power loss: the attributes are the old ones or the new ones.
    pub(super) const fn settle(&mut self, is_lost: bool) {
        self.unsynced = false;
        if is_lost {
            self.seen = self.durable;
        }
        self.durable = self.seen;
    }
}

#[derive(Debug)]
pub(super) struct Machine {
    seed: u64,
    pub(super) names: Names,
    pub(super) nodes: Vec<Inode>,
    /// Those that may differ from what is durable; the rest do not.
    pub(super) unsynced: Vec<u64>,
    pub(super) faults: Faults,
    pub(super) scheduled: Vec<DiskFault>,
    pub(super) counts: DiskCounts,
    pub(super) spoiled: Spoiled,
    pub(super) calls: [u64; CallKind::COUNT],
    pub(super) stop_at: Option<u64>,
    pub(super) is_down: bool,
    /// The current call is the last one.
    pub(super) dying: bool,
    pub(super) locks: BTreeMap<u64, u64>,
    /// Paths of files whose lock another program holds.
    pub(super) stale_locks: Vec<RelPathBuf>,
    pub(super) process: u64,
    pub(super) boot: u64,
    clock: i128,
    writes: u32,
    pub(super) space_used: u64,
}

impl Machine {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut machine = Self {
            seed,
            names: Names::default(),
            nodes: Vec::new(),
            unsynced: Vec::new(),
            faults,
            scheduled: Vec::new(),
            counts: DiskCounts::default(),
            spoiled: Spoiled::default(),
            calls: [0; CallKind::COUNT],
            stop_at: None,
            is_down: false,
            dying: false,
            locks: BTreeMap::new(),
            stale_locks: Vec::new(),
            process: 1,
            boot: 1,
            clock: 0,
            writes: 0,
            space_used: 0,
        };
        machine.add(Node::Directory, 0o755);
        machine
    }

    /// The draws of one knob for one thing that it decides: they depend on nothing else.
    pub(super) fn random(&self, knob: &str, thing: u64) -> Random {
        Random::new(self.seed ^ thing.wrapping_mul(0xd6e8_feb8_6659_fd93), knob)
    }

    pub(super) fn end_processes(&mut self) {
        self.process += 1;
        self.locks.clear();
        self.is_down = false;
        self.stop_at = None;
    }

    pub(super) fn inode(&self, node: u64) -> &Inode {
        &self.nodes[node as usize]
    }

    /// A node that is about to differ from what is durable.
    fn changing(&mut self, node: u64) -> &mut Inode {
        let inode = &mut self.nodes[node as usize];
        if !std::mem::replace(&mut inode.unsynced, true) {
            self.unsynced.push(node);
        }
        inode
    }

    pub(super) const fn tick(&mut self) -> i128 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn add(&mut self, node: Node, mode: u32) -> u64 {
        let now = self.tick();
        let now = Attributes { mode, mtime: now, ctime: now };
        self.nodes.push(Inode { node, seen: now, durable: now, released: false, unsynced: false });
        self.nodes.len() as u64 - 1
    }

    pub(super) fn add_at(&mut self, path: RelPath<'_>, node: Node, mode: u32) -> io::Result<()> {
        let at = self.place(path)?;
        if self.names.seen.get(at.0, &at.1).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = self.add(node, mode);
        self.names.change(Change::Add { at, node });
        Ok(())
    }

    pub(super) fn find(&self, path: RelPath<'_>) -> io::Result<u64> {
        let folder = path.parent().map_or(Ok(ROOT), |parent| self.folder(parent))?;
        self.names.seen.get(folder, path.file_name()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn find_file(&self, path: RelPath<'_>) -> Option<u64> {
        self.find(path).ok().filter(|node| matches!(self.inode(*node).node, Node::File(_)))
    }

    pub(super) fn folder(&self, path: RelPath<'_>) -> io::Result<u64> {
        let node = self.find(path)?;
        match self.inode(node).node {
            Node::Directory => Ok(node),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn place(&self, path: RelPath<'_>) -> io::Result<Place> {
        let folder = path.parent().map_or(Ok(ROOT), |parent| self.folder(parent))?;
        Ok((folder, path.file_name().to_vec()))
    }

    pub(super) fn file(&self, node: u64) -> io::Result<&Content> {
        match &self.inode(node).node {
            Node::File(content) => Ok(content),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Changes the content of a file, whatever space there is; `act` also gets a number that grows with each change.
    pub(super) fn alter<T>(&mut self, node: u64, act: impl FnOnce(&mut Content, u32) -> T) -> io::Result<T> {
        self.writes = self.writes.wrapping_add(1);
        let number = self.writes;
        let inode = self.changing(node);
        let before = inode.space();
        let Node::File(content) = &mut inode.node else { return Err(io::ErrorKind::InvalidInput.into()) };
        let result = act(content, number);
        if !inode.released {
            let after = inode.space();
            self.space_used = (self.space_used + after).saturating_sub(before);
        }
        Ok(result)
    }

    /// Its content has changed.
    pub(super) fn touch(&mut self, node: u64) {
        let now = self.tick();
        let seen = &mut self.changing(node).seen;
        (seen.mtime, seen.ctime) = (now, now);
    }

    pub(super) fn set_attributes(&mut self, node: u64, mode: u32, mtime: Option<i128>) {
        let ctime = self.tick();
        let seen = &mut self.changing(node).seen;
        *seen = Attributes { mode, mtime: mtime.unwrap_or(seen.mtime), ctime };
    }

    pub(super) fn identity(&self, node: u64) -> FileIdentity {
        let inode = self.inode(node);
        let size = match &inode.node {
            Node::File(content) => content.size(),
            _ => 0,
        };
        FileIdentity { device: 1, inode: node, size, mtime: inode.seen.mtime, ctime: inode.seen.ctime }
    }

    /// Gives back the space of a file that has lost its name.
    pub(super) fn release(&mut self, node: u64) {
        let inode = &mut self.nodes[node as usize];
        if !std::mem::replace(&mut inode.released, true) {
            self.space_used = self.space_used.saturating_sub(inode.space());
        }
    }

    pub(super) fn rename(&mut self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        let node = self.find(from)?;
        let (from, to) = (self.place(from)?, self.place(to)?);
        if let Some(target) = self.names.seen.get(to.0, &to.1) {
            if taken == Taken::Refuse {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if self.inode(target).node.kind() == FileKind::Directory {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if self.inode(node).node.kind() == FileKind::Directory {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            self.release(target);
        }
        self.names.change(Change::Move { from, to, node });
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: RelPath<'_>) -> io::Result<()> {
        let node = self.find(path)?;
        if self.inode(node).node.kind() == FileKind::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let at = self.place(path)?;
        self.names.change(Change::Remove { at });
        self.release(node);
        Ok(())
    }

    pub(super) fn sync_node(&mut self, node: u64) {
        let inode = &mut self.nodes[node as usize];
        if std::mem::replace(&mut inode.unsynced, false) {
            inode.sync();
            self.unsynced.retain(|unsynced| *unsynced != node);
        }
    }

    pub(super) fn lose_node(&mut self, node: u64) {
        if let Node::File(content) = &mut self.nodes[node as usize].node {
            content.lose();
        }
    }

    pub(super) fn sync_all(&mut self) {
        for node in self.unsynced.drain(..) {
            self.nodes[node as usize].sync();
        }
        self.names.sync_all();
    }

    pub(super) fn lose_all(&mut self) {
        for node in &self.unsynced {
            if let Node::File(content) = &mut self.nodes[*node as usize].node {
                content.lose();
            }
        }
    }

    /// Puts a durable node at a path, whose folders are made if missing. What stood there is replaced.
    pub(super) fn put(&mut self, path: RelPath<'_>, node: Node, mode: u32) -> u64 {
        let mut above = ROOT;
        for folder in path.parent().iter().flat_map(|parent| parent.prefixes()) {
            if self.find(folder).is_err() {
                let node = self.add(Node::Directory, 0o755);
                self.names.change(Change::Add { at: (above, folder.file_name().to_vec()), node });
            }
            self.names.sync(above);
            above = self.folder(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        }
        if let Some(old) = self.names.seen.get(above, path.file_name()) {
            self.release(old);
        }
        let node = self.add(node, mode);
        self.names.change(Change::Add { at: (above, path.file_name().to_vec()), node });
        self.names.sync(above);
        node
    }

    pub(super) fn put_file(&mut self, path: RelPath<'_>, bytes: &[u8]) {
        let node = self.put(path, Node::File(Content::default()), 0o644);
        #[expect(clippy::expect_used, reason = "it was put there as a file")]
        self.alter(node, |content, number| content.write(bytes, 0, number)).expect("a file");
        self.sync_node(node);
    }

    /// Every path in a tree, sorted.
    pub(super) fn paths(&self, tree: &Tree) -> Vec<(RelPathBuf, FileKind)> {
        let mut found = Vec::new();
        let mut folders: Vec<(u64, Vec<u8>)> = vec![(ROOT, Vec::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for (name, node) in tree.list(folder) {
                let mut path = prefix.clone();
                path.extend_from_slice(name);
                let kind = self.inode(node).node.kind();
                if kind == FileKind::Directory {
                    folders.push((node, [&path[..], b"/"].concat()));
                }
                // Names came in through paths; a tree deeper than a path cannot be made.
                found.extend(RelPathBuf::new(path).ok().map(|path| (path, kind)));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}
