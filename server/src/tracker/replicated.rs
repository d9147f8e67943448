//! Several trackers with a store that they share, as values: for tests and fuzzing.

use std::collections::BTreeMap;

use truecopy_protocol::UnixTime;

use super::Tracker;
use crate::record::{Change, Edit, Key, Value};

/// The trackers, what each has not written yet, what was written, and up to where each has heard of that.
pub(crate) struct Replicated {
    pub(crate) trackers: Vec<Tracker>,
    pending: Vec<BTreeMap<Key, Edit>>,
    heard: Vec<usize>,
    log: Vec<Change>,
    pub(crate) store: BTreeMap<Key, Value>,
}

impl Replicated {
    pub(crate) fn new(trackers: Vec<Tracker>) -> Self {
        let pending = vec![BTreeMap::new(); trackers.len()];
        let heard = vec![0; trackers.len()];
        Self { trackers, pending, heard, log: Vec::new(), store: BTreeMap::new() }
    }

    /// One has changes to write.
    pub(crate) fn keep(&mut self, at: usize, changes: Vec<Change>) {
        self.pending[at].extend(changes.into_iter().map(|change| (change.key, change.edit)));
    }

    /// One writes them.
    pub(crate) fn write(&mut self, at: usize) {
        for (key, edit) in std::mem::take(&mut self.pending[at]) {
            match &edit {
                Edit::Put(value) => drop(self.store.insert(key.clone(), value.clone())),
                Edit::Remove { .. } => drop(self.store.remove(&key)),
            }
            self.log.push(Change { key, edit });
        }
    }

    /// One hears of the next change.
    pub(crate) fn hear(&mut self, at: usize, now: UnixTime) {
        let Some(Change { key, edit }) = self.log.get(self.heard[at]).cloned() else { return };
        self.heard[at] += 1;
        let mut back = Vec::new();
        self.trackers[at].merge(now, &key, edit, &mut back);
        self.keep(at, back);
    }

    /// Everything is written and heard: that comes to an end.
    pub(crate) fn settle(&mut self, now: UnixTime) {
        let end = self.log.len() + 10_000;
        while self.pending.iter().any(|pending| !pending.is_empty())
            || self.heard.iter().any(|heard| *heard < self.log.len())
        {
            for at in 0..self.trackers.len() {
                self.write(at);
                self.hear(at, now);
            }
            assert!(self.log.len() < end, "they tell each other the same for ever");
        }
        self.trackers.iter().for_each(Tracker::assert_counted);
    }
}
