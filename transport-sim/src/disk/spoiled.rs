//! What a disk has done to bytes behind everybody's back: all that may be held against nobody else.

use std::ops::Range;

use truecopy_protocol::content::name::{RelPath, RelPathBuf};

use super::FaultyDisk;
use super::machine::Machine;

/// Ranges of files that decay and misdirected writes have changed. For good: what is written there again and not synced
/// may be spoiled again by a loss of power.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoiled {
    ranges: Vec<(u64, Range<u64>)>,
    lies: Lies,
}

/// What syncs that were not done have led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lies {
    #[default]
    None,
    /// What is durable may be other than it was said.
    Told,
    /// Power was lost after it: anything may be missing.
    FoundOut,
}

impl Spoiled {
    pub(super) fn lied(&mut self) {
        if self.lies == Lies::None {
            self.lies = Lies::Told;
        }
    }

    pub(super) fn power_lost(&mut self) {
        if self.lies == Lies::Told {
            self.lies = Lies::FoundOut;
        }
    }
}

impl Machine {
    /// Bytes of a file are no longer what was written there.
    pub(super) fn spoil(&mut self, node: u64, range: Range<u64>) {
        self.misread(node);
        self.spoiled.ranges.push((node, range));
    }

    /// A file is read, now or later, as it is not. What a journal said of failed syncs is lost then, and with it what is
    /// durable.
    pub(super) fn misread(&mut self, node: u64) {
        let is_journal = |path: &RelPathBuf| {
            path.as_path().file_name() == b"journal" && self.find(path.as_path()).ok() == Some(node)
        };
        if self.paths(&self.names.seen).iter().any(|(path, _)| is_journal(path)) {
            self.spoiled.lied();
        }
    }
}

impl FaultyDisk {
    /// Whether what is seen may differ from what was written, anywhere.
    pub(crate) fn is_spoiled(&self) -> bool {
        let spoiled = &self.machine().spoiled;
        spoiled.lies == Lies::FoundOut || !spoiled.ranges.is_empty()
    }

    /// Whether a loss of power has shown that syncs were not done.
    pub(crate) fn has_lost_synced(&self) -> bool {
        self.machine().spoiled.lies == Lies::FoundOut
    }

    /// Whether syncs have said that they were done and were not, or what a journal says of them is damaged.
    pub(crate) fn has_lied(&self) -> bool {
        self.machine().spoiled.lies != Lies::None
    }

    /// Puts the truth over those bytes of a file that the disk has spoiled; `found` is what stands from an offset on.
    pub(crate) fn excuse(&self, path: RelPath<'_>, offset: u64, found: &mut [u8], truth: &[u8]) {
        let machine = self.machine();
        if machine.spoiled.ranges.is_empty() {
            return;
        }
        let Some(node) = machine.find_file(path) else { return };
        for (_, range) in machine.spoiled.ranges.iter().filter(|(of, _)| *of == node) {
            let end = range.end.saturating_sub(offset).min(found.len().min(truth.len()) as u64) as usize;
            let start = (range.start.saturating_sub(offset) as usize).min(end);
            found[start..end].copy_from_slice(&truth[start..end]);
        }
    }
}
