//! A disk in memory that fails on demand, the same way for the same seed.
//!
//! It knows what is durable: written bytes only after a sync of the file, names only after a sync of their folder. A
//! power loss keeps any subset of the rest: by sector of 512 bytes for data, by operation for names (never one
//! without the earlier ones of the same name). The end of a process loses nothing but its locks. A sync that fails
//! makes the kernel think the data clean: a second one succeeds without having written it.
//!
//! What goes wrong beside that: [`Faults`] by chance, [`DiskFault`] at a stated call, [`FaultyDisk::edit`] and
//! [`FaultyDisk::rot`] at once. [`FaultyDisk::counts`] tells what really happened. Every draw depends on the seed, its
//! knob, and the number of the call (of the boot and the file at a power loss) alone, so that a fault more or less
//! shifts no other.

mod bytes;
mod calls;
mod content;
mod counts;
mod faults;
mod machine;
mod names;
mod page;
mod power;
mod schedule;
mod spoiled;
mod trouble;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_transport::disk::{FileKind, Lock, OpenMode};

pub use self::counts::DiskCounts;
pub use self::faults::{AtPowerLoss, Faults, InjectedError, Lasting};
use self::machine::{Machine, Node};
pub use self::schedule::{CallKind, DiskFault, Edit, Failure, Mtime};

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
        self.calls_of(CallKind::Any)
    }

    /// Calls of a kind made so far, by all processes.
    pub fn calls_of(&self, call: CallKind) -> u64 {
        self.machine().calls[call as usize]
    }

    /// How often each fault has come.
    pub fn counts(&self) -> DiskCounts {
        self.machine().counts
    }

    /// Adds a fault that comes at its call. Several may come at one call; of two errors the later one waits for the next
    /// call.
    pub fn schedule(&self, fault: DiskFault) {
        self.machine().scheduled.push(fault);
    }

    /// Ends what ends when a disk is repaired, space is made and other programs go away: all faults, those scheduled
    /// too, the locks of others, and a stop that has not come. Damage that is done stays, and what a power loss does
    /// with the unsynced is no fault of the disk.
    pub fn heal(&self) {
        self.machine().heal();
    }

    /// How much all files together may take from now on; none: no limit. Less than they take is a full disk.
    pub fn set_space(&self, space_max: Option<u64>) {
        self.machine().faults.space_max = space_max;
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
        self.machine().put_file(path, bytes);
    }

    /// Puts a durable symbolic link there, its folders too, without a fault.
    ///
    /// # Panics
    /// If a file stands where a folder must be.
    pub fn put_symlink(&self, path: RelPath<'_>, target: &[u8]) {
        self.machine().put(path, Node::Symlink(target.to_vec()), 0o777);
    }

    /// The whole content of a file as programs see it, without a fault; none if it is no file.
    pub fn content(&self, path: RelPath<'_>) -> Option<Vec<u8>> {
        let machine = self.machine();
        let content = machine.file(machine.find(path).ok()?).ok()?;
        let mut bytes = vec![0; content.size() as usize];
        content.read(&mut bytes, 0);
        Some(bytes)
    }

    /// Reads a file as programs see it, without a fault and uncounted. How many bytes there were; none if it is no file.
    pub fn read_seen(&self, path: RelPath<'_>, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let machine = self.machine();
        Some(machine.file(machine.find(path).ok()?).ok()?.read(buf, offset))
    }

    /// Reads what the platter has under a name that the platter has, without a fault and uncounted. How many bytes
    /// there were; none if no file has that name there.
    ///
    /// What is read has been synced: a power loss now keeps it, but for sectors that were written again since, which it
    /// may also give their new bytes.
    pub fn read_durable(&self, path: RelPath<'_>, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let machine = self.machine();
        Some(machine.file(machine.names.platter.find(path)?).ok()?.read_durable(buf, offset))
    }

    /// Flips bits of one byte, durably and without a trace in the times: the disk rots. Nothing if there is no such byte.
    pub fn rot(&self, path: RelPath<'_>, offset: u64, mask: u8) {
        let mut machine = self.machine();
        if let Some(node) = machine.find_file(path) {
            machine.rot(node, offset, mask);
        }
    }

    /// Changes a file as another program would: at once, unsynced, without regard to the space there is. Whether there
    /// was anything to change.
    pub fn edit(&self, path: RelPath<'_>, edit: &Edit) -> bool {
        self.machine().edit(path, edit)
    }

    /// Every path there is, as programs see it, with what it is, without a fault.
    pub fn paths(&self) -> Vec<(RelPathBuf, FileKind)> {
        let machine = self.machine();
        machine.paths(&machine.names.seen)
    }

    /// Every path that a power loss now would keep, unless a change of it is under way, with what it is.
    pub fn durable_paths(&self) -> Vec<(RelPathBuf, FileKind)> {
        let machine = self.machine();
        machine.paths(&machine.names.platter)
    }

    /// A number that grows with every change of names, as they are seen or as they are durable.
    pub fn names_version(&self) -> u64 {
        self.machine().names.version()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
