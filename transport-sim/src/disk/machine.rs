//! The machine behind the disk: nodes, names, processes, and the counting of calls.

use std::collections::BTreeMap;
use std::io;

use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_transport::disk::{FileIdentity, FileKind, Taken};

use super::content::Content;
use super::faults::{Faults, Lasting};
use super::names::{Change, Names, Place};
use super::rng::Rng;

pub(super) const ROOT: u64 = 0;

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
    released: bool,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) names: Names,
    nodes: Vec<Inode>,
    pub(super) faults: Faults,
    pub(super) rng: Rng,
    pub(super) calls: u64,
    pub(super) stop_at: Option<u64>,
    pub(super) is_down: bool,
    /// The current call is the last one.
    dying: bool,
    pub(super) locks: BTreeMap<u64, u64>,
    pub(super) process: u64,
    pub(super) boot: u64,
    pub(super) clock: i128,
    space_used: u64,
}

impl Machine {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut machine = Self {
            names: Names::default(),
            nodes: Vec::new(),
            faults,
            rng: Rng::new(seed),
            calls: 0,
            stop_at: None,
            is_down: false,
            dying: false,
            locks: BTreeMap::new(),
            process: 1,
            boot: 1,
            clock: 0,
            space_used: 0,
        };
        machine.add(Node::Directory, 0o755);
        machine
    }

    /// Begins a call.
    pub(super) fn enter(&mut self, process: u64) -> io::Result<()> {
        if self.is_down || process != self.process {
            return Err(down());
        }
        self.calls += 1;
        if self.stop_at.is_some_and(|stop| self.calls >= stop) {
            self.is_down = true;
            if self.rng.chance(500) {
                return Err(down());
            }
            self.dying = true;
            return Ok(());
        }
        if let Some(error) = self.faults.error
            && (self.calls == error.call || error.lasting == Lasting::Sticky && self.calls > error.call)
        {
            return Err(error.kind.into());
        }
        let interrupted = self.faults.interrupted_permille;
        if self.rng.chance(interrupted) { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    /// Ends a call.
    pub(super) fn leave<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if std::mem::take(&mut self.dying) { Err(down()) } else { result }
    }

    /// How much of a read or write of `len` bytes is done.
    pub(super) fn shortened(&mut self, len: usize) -> usize {
        let short = self.faults.short_permille;
        if len > 1 && (self.dying || self.rng.chance(short)) {
            1 + self.rng.below(len as u64 - 1) as usize
        } else {
            len
        }
    }

    pub(super) fn end_processes(&mut self) {
        self.process += 1;
        self.locks.clear();
        self.is_down = false;
        self.stop_at = None;
    }

    pub(super) fn lose_power(&mut self) {
        self.end_processes();
        self.boot += 1;
        self.names.crash(&mut self.rng);
        for inode in &mut self.nodes {
            if let Node::File(content) = &mut inode.node {
                content.crash(&mut self.rng);
            }
            if self.rng.chance(500) {
                inode.seen = inode.durable;
            }
            inode.durable = inode.seen;
        }
        let mut reachable = vec![false; self.nodes.len()];
        for (path, _) in self.paths() {
            if let Ok(node) = self.find(path.as_path()) {
                reachable[node as usize] = true;
            }
        }
        self.space_used = 0;
        for (inode, reachable) in self.nodes.iter_mut().zip(reachable) {
            inode.released = !reachable;
            if let Node::File(content) = &inode.node
                && reachable
            {
                self.space_used += content.space();
            }
        }
    }

    pub(super) fn inode(&self, node: u64) -> &Inode {
        &self.nodes[node as usize]
    }

    pub(super) fn inode_mut(&mut self, node: u64) -> &mut Inode {
        &mut self.nodes[node as usize]
    }

    pub(super) fn add(&mut self, node: Node, mode: u32) -> u64 {
        self.clock += 1;
        let now = Attributes { mode, mtime: self.clock, ctime: self.clock };
        self.nodes.push(Inode { node, seen: now, durable: now, released: false });
        self.nodes.len() as u64 - 1
    }

    pub(super) fn add_at(&mut self, path: RelPath<'_>, node: Node, mode: u32) -> io::Result<()> {
        let at = self.place(path)?;
        if self.names.get(at.0, &at.1).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = self.add(node, mode);
        self.names.change(Change::Add { at, node });
        Ok(())
    }

    pub(super) fn find(&self, path: RelPath<'_>) -> io::Result<u64> {
        let (folder, name) = self.place(path)?;
        self.names.get(folder, &name).ok_or_else(|| io::ErrorKind::NotFound.into())
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

    pub(super) fn file(&mut self, node: u64) -> io::Result<&mut Content> {
        match &mut self.inode_mut(node).node {
            Node::File(content) => Ok(content),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn touch(&mut self, node: u64) {
        self.clock += 1;
        let now = self.clock;
        let seen = &mut self.inode_mut(node).seen;
        (seen.mtime, seen.ctime) = (now, now);
    }

    pub(super) fn identity(&self, node: u64) -> FileIdentity {
        let inode = self.inode(node);
        let size = match &inode.node {
            Node::File(content) => content.size(),
            _ => 0,
        };
        FileIdentity { device: 1, inode: node, size, mtime: inode.seen.mtime, ctime: inode.seen.ctime }
    }

    pub(super) fn free(&self) -> Option<u64> {
        self.faults.space_max.map(|max| max.saturating_sub(self.space_used))
    }

    /// Makes a file `len` bytes long, counting the space it takes or gives back.
    pub(super) fn resize(&mut self, node: u64, len: u64, reserve: u64) -> io::Result<()> {
        let free = self.free();
        let content = self.file(node)?;
        let before = content.space();
        if free.is_some_and(|free| reserve.saturating_sub(before) > free) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.reserve(reserve);
        content.set_len(len);
        let after = content.space();
        self.space_used = (self.space_used + after).saturating_sub(before);
        self.touch(node);
        Ok(())
    }

    pub(super) fn write(&mut self, node: u64, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let free = self.free();
        let content = self.file(node)?;
        let before = content.space();
        // What lies within the reservation, or in sectors already paid for, is always taken.
        let paid = before.saturating_sub(offset);
        let room = free.map_or(u64::MAX, |free| free.saturating_add(paid));
        let len = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.write(&bytes[..len], offset);
        let after = content.space();
        self.space_used += after - before;
        self.touch(node);
        Ok(len)
    }

    /// Gives back the space of a file that has lost its name.
    pub(super) fn release(&mut self, node: u64) {
        let inode = self.inode_mut(node);
        if let Node::File(content) = &inode.node
            && !inode.released
        {
            let space = content.space();
            inode.released = true;
            self.space_used = self.space_used.saturating_sub(space);
        }
    }

    pub(super) fn rename(&mut self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        let node = self.find(from)?;
        let (from, to) = (self.place(from)?, self.place(to)?);
        if let Some(target) = self.names.get(to.0, &to.1) {
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

    pub(super) fn sync_node(&mut self, node: u64) {
        let inode = self.inode_mut(node);
        inode.durable = inode.seen;
        if let Node::File(content) = &mut inode.node {
            content.sync();
        }
    }

    pub(super) fn lose_node(&mut self, node: u64) {
        if let Node::File(content) = &mut self.inode_mut(node).node {
            content.lose();
        }
    }

    pub(super) fn sync_all(&mut self) {
        for node in 0..self.nodes.len() as u64 {
            self.sync_node(node);
        }
        self.names.sync_all();
    }

    pub(super) fn lose_all(&mut self) {
        for node in 0..self.nodes.len() as u64 {
            self.lose_node(node);
        }
    }

    /// The place of a path whose folders are made if missing.
    pub(super) fn place_made(&mut self, path: RelPath<'_>) -> Place {
        if let Some(parent) = path.parent() {
            for folder in parent.prefixes() {
                if self.find(folder).is_err() {
                    let at = self.place(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
                    let node = self.add(Node::Directory, 0o755);
                    self.names.change(Change::Add { at, node });
                }
            }
        }
        self.place(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }

    pub(super) fn put(&mut self, path: RelPath<'_>, bytes: &[u8]) {
        let at = self.place_made(path);
        let mut content = Content::default();
        content.write(bytes, 0);
        let space = content.space();
        let node = self.add(Node::File(content), 0o644);
        if let Some(old) = self.names.get(at.0, &at.1) {
            self.release(old);
        }
        self.space_used += space;
        self.names.change(Change::Add { at, node });
        self.sync_all();
    }

    pub(super) fn paths(&self) -> Vec<(RelPathBuf, FileKind)> {
        let mut found = Vec::new();
        let mut folders: Vec<(u64, Vec<u8>)> = vec![(ROOT, Vec::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for (name, node) in self.names.list(folder) {
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

fn down() -> io::Error {
    io::Error::other("the machine is down")
}
