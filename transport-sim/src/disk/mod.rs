//! A disk in memory that fails on demand, the same way for the same seed.
//!
//! It knows what is durable: written bytes only after a sync of the file, names only after a sync of their folder. A
//! power loss keeps any subset of the rest: by sector of 512 bytes for data, by operation for names (never one
//! without the earlier ones of the same name). The end of a process loses nothing but its locks. A sync that fails
//! makes the kernel think the data clean: a second one succeeds without having written it.

mod content;
mod faults;
mod machine;
mod names;
mod rng;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_transport::disk::{Disk, FileIdentity, FileKind, Lock, Metadata, Names, OpenMode, Taken};

pub use self::faults::{Faults, InjectedError, Lasting};
use self::machine::{Attributes, Machine, Node, ROOT};
use self::names::Change;

/// One process's view of a faulty disk. Clones belong to the same process.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    machine: Arc<Mutex<Machine>>,
    process: u64,
}

/// An open file of one process.
#[derive(Debug)]
pub struct FaultyFile {
    node: u64,
    access: OpenMode,
}

struct FaultyLock {
    machine: Arc<Mutex<Machine>>,
    node: u64,
    number: u64,
}

impl Lock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        if machine.locks.get(&self.node) == Some(&self.number) {
            machine.locks.remove(&self.node);
        }
    }
}

impl FaultyDisk {
    /// An empty disk; all its draws come from the seed.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let machine = Machine::new(seed, faults);
        Self { process: machine.process, machine: Arc::new(Mutex::new(machine)) }
    }

    /// Changes the faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.machine().faults = faults;
    }

    /// Calls made so far, by all processes.
    pub fn calls(&self) -> u64 {
        self.machine().calls
    }

    /// Stops the machine at the call with this number: it may be done, done in part or not done, and fails, as does
    /// every later one until [`restart`](Self::restart) or [`power_cycle`](Self::power_cycle).
    pub fn stop_at(&self, call: u64) {
        self.machine().stop_at = Some(call);
    }

    /// Whether the machine was stopped.
    pub fn is_down(&self) -> bool {
        self.machine().is_down
    }

    /// Ends all processes (`kill -9`) and starts a new one: nothing is lost, same boot id.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut machine = self.machine();
        machine.end_processes();
        Self { machine: Arc::clone(&self.machine), process: machine.process }
    }

    /// Cuts the power and starts again: what was not synced is lost or not, by the seed; a new boot id.
    #[must_use]
    pub fn power_cycle(&self) -> Self {
        let mut machine = self.machine();
        machine.lose_power();
        Self { machine: Arc::clone(&self.machine), process: machine.process }
    }

    /// Puts a durable file there, its folders too, without a fault. What stood there is replaced.
    ///
    /// # Panics
    /// If a file stands where a folder must be.
    pub fn put(&self, path: RelPath<'_>, bytes: &[u8]) {
        self.machine().put(path, bytes);
    }

    /// Puts a durable symbolic link there, its folders too, without a fault.
    ///
    /// # Panics
    /// If a file stands where a folder must be.
    pub fn put_symlink(&self, path: RelPath<'_>, target: &[u8]) {
        let mut machine = self.machine();
        let at = machine.place_made(path);
        let node = machine.add(Node::Symlink(target.to_vec()), 0o777);
        machine.names.change(Change::Add { at, node });
        machine.sync_all();
    }

    /// The whole content of a file as programs see it, without a fault; none if it is no file.
    pub fn content(&self, path: RelPath<'_>) -> Option<Vec<u8>> {
        let machine = self.machine();
        let Node::File(content) = &machine.inode(machine.find(path).ok()?).node else { return None };
        let mut bytes = vec![0; content.size() as usize];
        content.read(&mut bytes, 0);
        Some(bytes)
    }

    /// Flips bits of one byte, durably and without a trace in the times: the disk rots.
    pub fn rot(&self, path: RelPath<'_>, offset: u64, mask: u8) {
        let mut machine = self.machine();
        if let Ok(node) = machine.find(path)
            && let Node::File(content) = &mut machine.inode_mut(node).node
        {
            content.rot(offset, mask);
        }
    }

    /// Every path there is, as programs see it, with what it is, without a fault.
    pub fn paths(&self) -> Vec<(RelPathBuf, FileKind)> {
        self.machine().paths()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, lets it fail as the faults say, or does it.
    fn call<T>(&self, act: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.machine();
        machine.enter(self.process)?;
        let result = act(&mut machine);
        machine.leave(result)
    }

    fn sync(
        &self,
        act: impl FnOnce(&mut Machine) -> io::Result<()>,
        lose: impl FnOnce(&mut Machine),
    ) -> io::Result<()> {
        let mut machine = self.machine();
        if let Err(error) = machine.enter(self.process) {
            if !machine.is_down && error.kind() != io::ErrorKind::Interrupted {
                lose(&mut machine);
            }
            return Err(error);
        }
        let lying = machine.faults.lying_sync_permille;
        let result = if machine.rng.chance(lying) { Ok(()) } else { act(&mut machine) };
        machine.leave(result)
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> io::Result<FaultyFile> {
        self.call(|machine| {
            let node = match (mode, machine.find(path)) {
                (OpenMode::Create, Ok(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                (OpenMode::Create, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                    let at = machine.place(path)?;
                    let node = machine.add(Node::File(content::Content::default()), 0o600);
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
        self.call(|machine| {
            let len = machine.shortened(buf.len());
            Ok(machine.file(file.node)?.read(&mut buf[..len], offset))
        })
    }

    fn write_at(&self, file: &FaultyFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.call(|machine| {
            if file.access == OpenMode::Read {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let len = machine.shortened(bytes.len());
            machine.write(file.node, &bytes[..len], offset)
        })
    }

    fn allocate(&self, file: &FaultyFile, len: u64) -> io::Result<()> {
        self.call(|machine| machine.resize(file.node, len, len))
    }

    fn set_len(&self, file: &FaultyFile, len: u64) -> io::Result<()> {
        self.call(|machine| machine.resize(file.node, len, 0))
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
        self.call(|machine| Ok(machine.identity(file.node)))
    }

    fn set_attributes(&self, file: &FaultyFile, mode: u32, mtime: Option<i128>) -> io::Result<u32> {
        self.call(|machine| {
            let given = mode & 0o755;
            machine.clock += 1;
            let ctime = machine.clock;
            let inode = machine.inode_mut(file.node);
            inode.seen = Attributes { mode: given, mtime: mtime.unwrap_or(inode.seen.mtime), ctime };
            Ok(given)
        })
    }

    fn metadata(&self, path: RelPath<'_>) -> io::Result<Metadata> {
        self.call(|machine| {
            let node = machine.find(path)?;
            let inode = machine.inode(node);
            let (kind, mode) = (inode.node.kind(), inode.seen.mode);
            Ok(Metadata { kind, mode, identity: machine.identity(node) })
        })
    }

    fn list(&self, path: Option<RelPath<'_>>) -> io::Result<Names> {
        self.call(|machine| {
            let folder = path.map_or(Ok(ROOT), |path| machine.folder(path))?;
            Ok(machine.names.list(folder).map(|(name, _)| name.clone()).collect())
        })
    }

    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> io::Result<()> {
        self.call(|machine| machine.add_at(path, Node::Directory, mode & 0o755))
    }

    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> io::Result<()> {
        self.call(|machine| machine.add_at(path, Node::Symlink(target.to_vec()), 0o777))
    }

    fn read_link(&self, path: RelPath<'_>) -> io::Result<Vec<u8>> {
        self.call(|machine| match &machine.inode(machine.find(path)?).node {
            Node::Symlink(target) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        })
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        self.call(|machine| machine.rename(from, to, taken))
    }

    fn remove_file(&self, path: RelPath<'_>) -> io::Result<()> {
        self.call(|machine| {
            let node = machine.find(path)?;
            if machine.inode(node).node.kind() == FileKind::Directory {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let at = machine.place(path)?;
            machine.names.change(Change::Remove { at });
            machine.release(node);
            Ok(())
        })
    }

    fn remove_dir(&self, path: RelPath<'_>) -> io::Result<()> {
        self.call(|machine| {
            let folder = machine.folder(path)?;
            if machine.names.list(folder).next().is_some() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let at = machine.place(path)?;
            machine.names.change(Change::Remove { at });
            Ok(())
        })
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Lock>> {
        self.call(|machine| {
            let node = match machine.find(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    machine.add_at(path, Node::File(content::Content::default()), 0o600)?;
                    machine.find(path)?
                }
                found => found?,
            };
            if machine.locks.contains_key(&node) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let number = machine.calls;
            machine.locks.insert(node, number);
            Ok((node, number))
        })
        // Made out here: dropped under the machine's mutex it would wait for itself.
        .map(|(node, number)| {
            Box::new(FaultyLock { machine: Arc::clone(&self.machine), node, number }) as Box<dyn Lock>
        })
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.call(|machine| Ok(machine.free()))
    }

    fn boot_id(&self) -> [u8; 16] {
        u128::from(self.machine().boot).to_le_bytes()
    }
}
