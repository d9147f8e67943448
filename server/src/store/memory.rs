//! A store that lasts as long as someone holds it: for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Store, StoreError};
use crate::record::{Change, Key, Value};

/// A map in memory. Clones are the same map, as a file is the same to all who open it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<Key, Value>>>);

impl Store for MemoryStore {
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        records.into_iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Change { key, value } in batch {
            match value {
                Some(value) => drop(records.insert(key.clone(), value.clone())),
                None => drop(records.remove(key)),
            }
        }
        Ok(())
    }
}
