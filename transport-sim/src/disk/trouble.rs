//! Whether a call fails, lies or goes astray: every decision of the faults is made here.

use std::io;

use super::faults::Lasting;
use super::machine::Machine;
use super::schedule::{CallKind, DiskFault, Edit, named};
use crate::stream::Random;

impl Machine {
    /// Begins a call.
    pub(super) fn enter(&mut self, process: u64, call: CallKind) -> io::Result<()> {
        if !self.is_alive(process) {
            return Err(down());
        }
        self.calls[CallKind::Any as usize] += 1;
        self.calls[call as usize] += 1;
        let calls = self.calls[CallKind::Any as usize];
        if self.stop_at.is_some_and(|stop| calls >= stop) {
            self.is_down = true;
            self.counts.stops += 1;
            if self.random("disk/stop", calls).happens(500) {
                return Err(down());
            }
            self.dying = true;
            return Ok(());
        }
        self.let_others_act();
        if let Some(kind) = self.injected(call) {
            self.counts.errors += 1;
            match kind {
                io::ErrorKind::NotFound => self.counts.not_found += 1,
                io::ErrorKind::PermissionDenied => self.counts.denied += 1,
                io::ErrorKind::WouldBlock if call == CallKind::Lock => self.counts.stale_locks += 1,
                _ => {}
            }
            return Err(kind.into());
        }
        if self.chance("disk/interrupted", call, self.faults.interrupted_permille).is_some() {
            self.counts.interrupted += 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// Ends a call.
    pub(super) fn leave<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if std::mem::take(&mut self.dying) { Err(down()) } else { result }
    }

    pub(super) const fn is_alive(&self, process: u64) -> bool {
        !self.is_down && process == self.process
    }

    /// Whether a knob strikes the current call of a kind; if so, further draws of it for this call.
    fn chance(&self, knob: &str, call: CallKind, permille: u16) -> Option<Random> {
        if permille == 0 {
            return None;
        }
        let mut random = self.random(knob, self.calls[call as usize] | (call as u64) << 48);
        random.happens(permille).then_some(random)
    }

    /// The first scheduled fault that is due and that `judge` makes something of; it is over then unless it lasts.
    fn strike<T>(&mut self, judge: impl Fn(&Self, &DiskFault) -> Option<T>) -> Option<T> {
        let (at, struck) = self.scheduled.iter().enumerate().find_map(|(at, fault)| {
            let (call, number) = fault.trigger()?;
            let is_due = self.calls[call as usize] >= number;
            Some((at, is_due.then(|| judge(self, fault)).flatten()?))
        })?;
        if self.scheduled[at].lasting() == Lasting::Once {
            self.scheduled.remove(at);
        }
        Some(struck)
    }

    /// The error that the current call fails with.
    fn injected(&mut self, call: CallKind) -> Option<io::ErrorKind> {
        let calls = self.calls[CallKind::Any as usize];
        let fixed = self
            .faults
            .error
            .filter(|error| calls == error.call || error.lasting == Lasting::Sticky && calls > error.call);
        if let Some(error) = fixed {
            return Some(error.kind);
        }
        self.strike(|_, fault| match fault {
            DiskFault::Error { call: kind, error, .. } if [CallKind::Any, call].contains(kind) => {
                Some((*error).into())
            }
            _ => None,
        })
    }

    /// How much of a read or write that could move `len` bytes is done.
    pub(super) fn shortened(&mut self, call: CallKind, len: usize) -> usize {
        if len <= 1 {
            return len;
        }
        if self.dying {
            return 1 + self.random("disk/stop/part", self.calls[CallKind::Any as usize]).below(len - 1);
        }
        let knob = if call == CallKind::Read { "disk/short-read" } else { "disk/short-write" };
        let drawn = self.chance(knob, call, self.faults.short_permille);
        let drawn = drawn.map(|mut random| 1 + random.below(len - 1));
        let planned = self.strike(|_, fault| match (call, fault) {
            (CallKind::Read, DiskFault::ShortRead { len: max, .. })
            | (CallKind::Write, DiskFault::ShortWrite { len: max, .. }) => {
                usize::try_from(*max).ok().map(|max| max.max(1)).filter(|max| *max < len)
            }
            _ => None,
        });
        let Some(short) = drawn.into_iter().chain(planned).min() else { return len };
        match call {
            CallKind::Read => self.counts.short_reads += 1,
            _ => self.counts.short_writes += 1,
        }
        short
    }

    /// Where a read or write of a place goes instead: a node and an offset in it.
    pub(super) fn misdirection(&mut self, call: CallKind, node: u64, offset: u64) -> Option<(u64, u64)> {
        let elsewhere = self.strike(|machine, fault| {
            let (path, to) = match (call, fault) {
                (CallKind::Read, DiskFault::MisdirectedRead { path, offset, .. })
                | (CallKind::Write, DiskFault::MisdirectedWrite { path, offset, .. }) => (path, *offset),
                _ => return None,
            };
            let file = match path {
                Some(path) => machine.find_file(named(path)?.as_path())?,
                None => node,
            };
            Some((file, to)).filter(|to| *to != (node, offset))
        });
        if elsewhere.is_some() {
            match call {
                CallKind::Read => self.counts.misdirected_reads += 1,
                _ => self.counts.misdirected_writes += 1,
            }
        }
        elsewhere
    }

    /// Whether the current sync says it is done and is not.
    pub(super) fn lies(&mut self) -> bool {
        let drawn = self.chance("disk/lying-sync", CallKind::Sync, self.faults.lying_sync_permille);
        let planned = self.strike(|_, fault| matches!(fault, DiskFault::LyingSync { .. }).then_some(()));
        let lies = drawn.is_some() || planned.is_some();
        if lies {
            self.counts.lying_syncs += 1;
            self.spoiled.lied();
        }
        lies
    }

    /// Bytes that may still be taken; none: no limit.
    pub(super) fn free(&self) -> Option<u64> {
        let scheduled = self.scheduled.iter().filter_map(|fault| match fault {
            DiskFault::NoSpace { space } => Some(*space),
            _ => None,
        });
        let max = self.faults.space_max.into_iter().chain(scheduled).min();
        max.map(|max| max.saturating_sub(self.space_used))
    }

    /// Decay and other programs come before the call.
    fn let_others_act(&mut self) {
        enum Deed {
            Rot(u64, u64, u8),
            Edit(String, Edit),
            Lock(String),
        }
        while let Some(deed) = self.strike(|machine, fault| match fault {
            DiskFault::Rot { path, offset, mask, .. } => {
                let node = machine.find_file(named(path)?.as_path())?;
                let exists = *mask != 0 && *offset < machine.file(node).ok()?.size();
                exists.then_some(Deed::Rot(node, *offset, *mask))
            }
            DiskFault::Edit { path, edit, .. } => {
                let is_possible = machine.can_edit(named(path)?.as_path(), edit);
                is_possible.then(|| Deed::Edit(path.clone(), edit.clone()))
            }
            DiskFault::StaleLock { path, .. } => Some(Deed::Lock(path.clone())),
            _ => None,
        }) {
            match deed {
                Deed::Rot(node, offset, mask) => self.rot(node, offset, mask),
                Deed::Edit(path, edit) => {
                    named(&path).map(|path| self.edit(path.as_path(), &edit));
                }
                Deed::Lock(path) => self.stale_locks.extend(named(&path)),
            }
        }
    }

    /// Ends what ends when the disk is repaired, freed or given back by others.
    pub(super) fn heal(&mut self) {
        let (unsynced_data, unsynced_names) = (self.faults.unsynced_data, self.faults.unsynced_names);
        self.faults = super::Faults { unsynced_data, unsynced_names, ..super::Faults::default() };
        self.scheduled.clear();
        self.stale_locks.clear();
        if !self.is_down {
            self.stop_at = None;
        }
    }
}

fn down() -> io::Error {
    io::Error::other("the machine is down")
}
