//! A store that lasts as long as someone holds it: for tests and simulations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Claim, News, Shared, Store, StoreError};
use crate::record::{Change, Edit, Key, Value};
use crate::tracker::Mark;

/// Changes that are remembered for other handles.
const LOG_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<Key, Value>,
    /// The latest changes, and how many went before them.
    log: VecDeque<Change>,
    gone: usize,
    marks: BTreeSet<Mark>,
}

/// A map in memory. Clones are the same map, as a file is the same to all who open it. Marks are never given back: it
/// has no clock.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<(Mutex<Inner>, Condvar)>,
    /// Changes that this handle has heard of.
    heard: usize,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError> {
        let records = self.lock().records.clone();
        records.into_iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for change in batch {
            match &change.edit {
                Edit::Put(value) => drop(inner.records.insert(change.key.clone(), value.clone())),
                Edit::Remove { .. } => drop(inner.records.remove(&change.key)),
            }
            inner.log.push_back(change.clone());
            if inner.log.len() > LOG_MAX {
                inner.log.pop_front();
                inner.gone += 1;
            }
        }
        drop(inner);
        self.inner.1.notify_all();
        Ok(())
    }

    fn agree(&mut self, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        match self.lock().records.entry(Key::Secret).or_insert(Value::Secret(proposed)) {
            Value::Secret(secret) => Ok(*secret),
            _ => Err(StoreError::Damaged),
        }
    }

    fn shared(&mut self) -> Result<Option<Box<dyn Shared>>, StoreError> {
        let heard = {
            let inner = self.lock();
            inner.gone + inner.log.len()
        };
        Ok(Some(Box::new(Self { inner: Arc::clone(&self.inner), heard })))
    }
}

impl Shared for MemoryStore {
    fn news(&mut self, wait: Duration, each: &mut dyn FnMut(Change)) -> Result<News, StoreError> {
        let heard = self.heard;
        let nothing = |inner: &mut Inner| inner.gone + inner.log.len() == heard;
        let waited = self.inner.1.wait_timeout_while(self.lock(), wait, nothing);
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let end = inner.gone + inner.log.len();
        let news: Option<Vec<Change>> =
            heard.checked_sub(inner.gone).map(|from| inner.log.range(from..).cloned().collect());
        drop(inner);
        self.heard = end;
        let Some(news) = news else { return Ok(News::Missed) };
        news.into_iter().for_each(each);
        Ok(News::Whole)
    }

    fn claim(&mut self, marks: &[(Mark, Duration)]) -> Result<Vec<Claim>, StoreError> {
        let mut inner = self.lock();
        let take = |(mark, _): &(Mark, Duration)| {
            if inner.marks.insert(*mark) { Claim::First } else { Claim::Taken }
        };
        Ok(marks.iter().map(take).collect())
    }
}
