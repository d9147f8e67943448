//! The files that are open between jobs: few, the last used kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const OPEN_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Handles<F> {
    open: Mutex<Vec<(u32, Arc<F>)>>,
}

impl<F> Handles<F> {
    pub(super) const fn new() -> Self {
        Self { open: Mutex::new(Vec::new()) }
    }

    pub(super) fn get(&self, key: u32) -> Option<Arc<F>> {
        let mut open = self.open();
        let at = open.iter().position(|(known, _)| *known == key)?;
        let entry = open.remove(at);
        let file = Arc::clone(&entry.1);
        open.push(entry);
        Some(file)
    }

    /// Keeps a file open. If another worker was faster, its file is used.
    pub(super) fn keep(&self, key: u32, file: F) -> Arc<F> {
        let mut open = self.open();
        if let Some((_, known)) = open.iter().find(|(known, _)| *known == key) {
            return Arc::clone(known);
        }
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        let file = Arc::new(file);
        open.push((key, Arc::clone(&file)));
        file
    }

    pub(super) fn close_all(&self) {
        self.open().clear();
    }

    fn open(&self) -> MutexGuard<'_, Vec<(u32, Arc<F>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
