//! The disk as programs see it.

use std::io;
use std::sync::Arc;

use truecopy_protocol::content::name::RelPath;
use truecopy_transport::disk::{Disk, FileIdentity, Lock, Metadata, Names, OpenMode, Taken};

use super::content::Content;
use super::machine::{Machine, Node};
use super::names::{Change, ROOT};
use super::schedule::CallKind;
use super::{FaultyDisk, FaultyFile, FaultyLock};

impl FaultyDisk {
    /// Counts a call, lets it fail as the faults say, or does it.
    fn call<T>(&self, call: CallKind, act: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.machine();
        machine.enter(self.process, call)?;
        let result = act(&mut machine);
        machine.leave(result)
    }

    fn sync(
        &self,
        act: impl FnOnce(&mut Machine) -> io::Result<()>,
        lose: impl FnOnce(&mut Machine),
    ) -> io::Result<()> {
        let mut machine = self.machine();
        if let Err(error) = machine.enter(self.process, CallKind::Sync) {
            if machine.is_alive(self.process) && error.kind() != io::ErrorKind::Interrupted {
                machine.counts.failed_syncs += 1;
                lose(&mut machine);
            }
            return Err(error);
        }
        let result = if machine.lies() { Ok(()) } else { act(&mut machine) };
        machine.leave(result)
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> io::Result<FaultyFile> {
        self.call(CallKind::Open, |machine| {
            let node = match (mode, machine.find(path)) {
                (OpenMode::Create, Ok(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                (OpenMode::Create, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                    let at = machine.place(path)?;
                    let node = machine.add(Node::File(Content::default()), 0o600);
                    machine.names.change(Change::Add { at, node });
                    node
                }
                (_, found) => found?,
            };
            match machine.inode(node).node {
                Node::File(_) => Ok(FaultyFile { node, access: mode }),
                _ => Err(io::ErrorKind::InvalidInput.into()),
            }
        })
    }

    fn read_at(&self, file: &FaultyFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(CallKind::Read, |machine| machine.read(file.node, buf, offset))
    }

    fn write_at(&self, file: &FaultyFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.call(CallKind::Write, |machine| {
            if file.access == OpenMode::Read {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            machine.write(file.node, bytes, offset)
        })
    }

    fn allocate(&self, file: &FaultyFile, len: u64) -> io::Result<()> {
        self.call(CallKind::Resize, |machine| machine.resize(file.node, len, len))
    }

    fn set_len(&self, file: &FaultyFile, len: u64) -> io::Result<()> {
        self.call(CallKind::Resize, |machine| machine.resize(file.node, len, 0))
    }

    fn sync_file(&self, file: &FaultyFile) -> io::Result<()> {
        let sync = |machine: &mut Machine| {
            machine.sync_node(file.node);
            Ok(())
        };
        self.sync(sync, |machine| machine.lose_node(file.node))
    }

    fn sync_dir(&self, path: Option<RelPath<'_>>) -> io::Result<()> {
        let sync = |machine: &mut Machine| {
            let folder = path.map_or(Ok(ROOT), |path| machine.folder(path))?;
            machine.names.sync(folder);
            Ok(())
        };
        self.sync(sync, |_| {})
    }

    fn sync_all(&self) -> io::Result<()> {
        let sync = |machine: &mut Machine| {
            machine.sync_all();
            Ok(())
        };
        self.sync(sync, Machine::lose_all)
    }

    fn identity(&self, file: &FaultyFile) -> io::Result<FileIdentity> {
        self.call(CallKind::Metadata, |machine| Ok(machine.identity(file.node)))
    }

    fn set_attributes(&self, file: &FaultyFile, mode: u32, mtime: Option<i128>) -> io::Result<u32> {
        self.call(CallKind::SetAttributes, |machine| {
            let given = mode & 0o755;
            machine.set_attributes(file.node, given, mtime);
            Ok(given)
        })
    }

    fn metadata(&self, path: RelPath<'_>) -> io::Result<Metadata> {
        self.call(CallKind::Metadata, |machine| {
            let node = machine.find(path)?;
            let inode = machine.inode(node);
            let (kind, mode) = (inode.node.kind(), inode.seen.mode);
            Ok(Metadata { kind, mode, identity: machine.identity(node) })
        })
    }

    fn list(&self, path: Option<RelPath<'_>>) -> io::Result<Names> {
        self.call(CallKind::List, |machine| {
            let folder = path.map_or(Ok(ROOT), |path| machine.folder(path))?;
            Ok(machine.names.seen.list(folder).map(|(name, _)| name.clone()).collect())
        })
    }

    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> io::Result<()> {
        self.call(CallKind::Create, |machine| machine.add_at(path, Node::Directory, mode & 0o755))
    }

    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> io::Result<()> {
        self.call(CallKind::Create, |machine| machine.add_at(path, Node::Symlink(target.to_vec()), 0o777))
    }

    fn read_link(&self, path: RelPath<'_>) -> io::Result<Vec<u8>> {
        self.call(CallKind::ReadLink, |machine| match &machine.inode(machine.find(path)?).node {
            Node::Symlink(target) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        })
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        self.call(CallKind::Rename, |machine| machine.rename(from, to, taken))
    }

    fn remove_file(&self, path: RelPath<'_>) -> io::Result<()> {
        self.call(CallKind::Remove, |machine| machine.remove_file(path))
    }

    fn remove_dir(&self, path: RelPath<'_>) -> io::Result<()> {
        self.call(CallKind::Remove, |machine| {
            let folder = machine.folder(path)?;
            if machine.names.seen.list(folder).next().is_some() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let at = machine.place(path)?;
            machine.names.change(Change::Remove { at });
            Ok(())
        })
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Lock>> {
        self.call(CallKind::Lock, |machine| {
            let node = match machine.find(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    machine.add_at(path, Node::File(Content::default()), 0o600)?;
                    machine.find(path)?
                }
                found => found?,
            };
            if machine.stale_locks.iter().any(|stale| stale.as_path() == path) {
                machine.counts.stale_locks += 1;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            if machine.locks.contains_key(&node) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let number = machine.calls[CallKind::Any as usize];
            machine.locks.insert(node, number);
            Ok((node, number))
        })
        // Made out here: dropped under the machine's mutex it would wait for itself.
        .map(|(node, number)| {
            Box::new(FaultyLock { machine: Arc::clone(&self.machine), node, number }) as Box<dyn Lock>
        })
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.call(CallKind::Metadata, |machine| Ok(machine.free()))
    }

    fn boot_id(&self) -> [u8; 16] {
        u128::from(self.machine().boot).to_le_bytes()
    }
}
