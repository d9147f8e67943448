//! The tree of names twice: as programs see it, and as it stands on the platter.

use std::collections::{BTreeMap, BTreeSet};

use truecopy_protocol::content::name::RelPath;

use super::counts::DiskCounts;
use super::faults::AtPowerLoss;
use crate::stream::Random;

pub(super) const ROOT: u64 = 0;

/// A place for a name: the folder's node and the name in it.
pub(super) type Place = (u64, Vec<u8>);

/// One change of names, whole or not at all.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Add { at: Place, node: u64 },
    Remove { at: Place },
    Move { from: Place, to: Place, node: u64 },
}

/// The names of every folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(BTreeMap<u64, BTreeMap<Vec<u8>, u64>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) seen: Tree,
    pub(super) platter: Tree,
    pending: Vec<Change>,
    version: u64,
}

impl Tree {
    pub(super) fn get(&self, folder: u64, name: &[u8]) -> Option<u64> {
        self.0.get(&folder)?.get(name).copied()
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&self, folder: u64) -> impl Iterator<Item = (&Vec<u8>, u64)> {
        self.0.get(&folder).into_iter().flatten().map(|(name, node)| (name, *node))
    }

    pub(super) fn find(&self, path: RelPath<'_>) -> Option<u64> {
        path.names().try_fold(ROOT, |folder, name| self.get(folder, name))
    }

    fn insert(&mut self, at: &Place, node: u64) {
        self.0.entry(at.0).or_default().insert(at.1.clone(), node);
    }

    fn remove(&mut self, at: &Place) {
        if let Some(names) = self.0.get_mut(&at.0) {
            names.remove(&at.1);
        }
    }
}

impl Change {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let (first, second) = match self {
            Self::Add { at, .. } | Self::Remove { at } => (at, None),
            Self::Move { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    fn apply(&self, names: &mut Tree) {
        match self {
            Self::Add { at, node } => names.insert(at, *node),
            Self::Remove { at } => names.remove(at),
            Self::Move { from, to, node } => {
                names.remove(from);
                names.insert(to, *node);
            }
        }
    }
}

impl Names {
    pub(super) fn change(&mut self, change: Change) {
        self.version += 1;
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// Another number after every change, seen or durable.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn sync_all(&mut self) {
        for change in self.pending.drain(..) {
            self.version += 1;
            change.apply(&mut self.platter);
        }
    }

    /// Makes the changes in one folder durable, and the earlier ones of the same names.
    pub(super) fn sync(&mut self, folder: u64) {
        let mut needed = BTreeSet::new();
        let mut keep = vec![false; self.pending.len()];
        for (change, keep) in self.pending.iter().zip(&mut keep).rev() {
            *keep = change.places().any(|place| place.0 == folder || needed.contains(place));
            if *keep {
                needed.extend(change.places().cloned());
            }
        }
        self.pending = self.apply_kept(&keep);
    }

    /// Power is lost: any subset of the pending changes has happened, none without the earlier ones of its names.
    pub(super) fn crash(&mut self, random: &mut Random, unsynced: AtPowerLoss, counts: &mut DiskCounts) {
        let luck = match unsynced {
            AtPowerLoss::AnySubset => [0, 300, 600, 900, 1000][random.below(5)],
            AtPowerLoss::Lost => 0,
            AtPowerLoss::Kept => 1000,
        };
        let mut broken = BTreeSet::new();
        let mut keep = vec![false; self.pending.len()];
        for (change, keep) in self.pending.iter().zip(&mut keep) {
            *keep = random.happens(luck) && !change.places().any(|place| broken.contains(place));
            if !*keep {
                broken.extend(change.places().cloned());
            }
        }
        for change in self.apply_kept(&keep) {
            counts.lost_names += 1;
            counts.lost_renames += u64::from(matches!(change, Change::Move { .. }));
        }
        self.version += 1;
        self.seen.clone_from(&self.platter);
    }

    /// Makes the chosen changes durable and returns the others.
    fn apply_kept(&mut self, keep: &[bool]) -> Vec<Change> {
        let mut left = Vec::new();
        for (change, keep) in std::mem::take(&mut self.pending).into_iter().zip(keep) {
            if *keep {
                self.version += 1;
                change.apply(&mut self.platter);
            } else {
                left.push(change);
            }
        }
        left
    }
}
