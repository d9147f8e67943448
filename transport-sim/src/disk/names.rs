//! The tree of names twice: as programs see it, and as it stands on the platter.

use std::collections::{BTreeMap, BTreeSet};

use super::rng::Rng;

/// A place for a name: the folder's node and the name in it.
pub(super) type Place = (u64, Vec<u8>);

/// One change of names, whole or not at all.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Add { at: Place, node: u64 },
    Remove { at: Place },
    Move { from: Place, to: Place, node: u64 },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<Place, u64>,
    platter: BTreeMap<Place, u64>,
    pending: Vec<Change>,
}

impl Change {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let (first, second) = match self {
            Self::Add { at, .. } | Self::Remove { at } => (at, None),
            Self::Move { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    fn apply(&self, names: &mut BTreeMap<Place, u64>) {
        match self {
            Self::Add { at, node } => {
                names.insert(at.clone(), *node);
            }
            Self::Remove { at } => {
                names.remove(at);
            }
            Self::Move { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Names {
    pub(super) fn get(&self, folder: u64, name: &[u8]) -> Option<u64> {
        self.seen.get(&(folder, name.to_vec())).copied()
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&self, folder: u64) -> impl Iterator<Item = (&Vec<u8>, u64)> {
        self.seen.range((folder, Vec::new())..(folder + 1, Vec::new())).map(|((_, name), node)| (name, *node))
    }

    pub(super) fn sync_all(&mut self) {
        self.platter.clone_from(&self.seen);
        self.pending.clear();
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
        self.apply_kept(&keep, |change, left| left.push(change));
    }

    /// Power is lost: any subset of the pending changes has happened, none without the earlier ones of its names.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let luck = [0, 300, 600, 900, 1000][rng.below(5) as usize];
        let mut broken = BTreeSet::new();
        let mut keep = vec![false; self.pending.len()];
        for (change, keep) in self.pending.iter().zip(&mut keep) {
            *keep = rng.chance(luck) && !change.places().any(|place| broken.contains(place));
            if !*keep {
                broken.extend(change.places().cloned());
            }
        }
        self.apply_kept(&keep, |_, _| {});
        self.seen.clone_from(&self.platter);
    }

    fn apply_kept(&mut self, keep: &[bool], other: impl Fn(Change, &mut Vec<Change>)) {
        let mut left = Vec::new();
        for (change, keep) in std::mem::take(&mut self.pending).into_iter().zip(keep) {
            if *keep {
                change.apply(&mut self.platter);
            } else {
                other(change, &mut left);
            }
        }
        self.pending = left;
    }
}
