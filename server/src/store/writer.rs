//! Writes behind: changes gather while the store is busy, and nobody waits for it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Store;
use crate::record::{Change, Edit, Key};

/// Between two batches: what is lost at most when the machine ends.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
}

struct Pending {
    /// The newest change of each key: as many as there are keys at most, however slow the store is.
    changes: BTreeMap<Key, Edit>,
    phase: Phase,
}

struct Shared {
    pending: Mutex<Pending>,
    news: Condvar,
    failures: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that owns the store.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} pending)", self.pending())
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(store: Box<dyn Store>) -> io::Result<Self> {
        let pending = Mutex::new(Pending { changes: BTreeMap::new(), phase: Phase::Open });
        let shared = Arc::new(Shared { pending, news: Condvar::new(), failures: AtomicU64::new(0) });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || write(&own, store))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes changes to be written soon. Never waits for the store.
    pub fn put(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut pending = self.shared.lock();
        pending.changes.extend(changes.into_iter().map(|change| (change.key, change.edit)));
        drop(pending);
        self.shared.news.notify_all();
    }

    /// Changes that are not handed to the store yet.
    pub fn pending(&self) -> usize {
        self.shared.lock().changes.len()
    }

    /// Batches that failed; their changes are tried again.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Writes what is pending, once, and ends the thread. May take as long as the store does.
    pub fn close(&self) {
        self.shared.lock().phase = Phase::Closing;
        self.shared.news.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }
}

fn write(shared: &Shared, mut store: Box<dyn Store>) {
    loop {
        let mut pending = shared.lock();
        while pending.changes.is_empty() && pending.phase == Phase::Open {
            pending = shared.news.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        let batch: Vec<Change> = std::mem::take(&mut pending.changes)
            .into_iter()
            .map(|(key, edit)| Change { key, edit })
            .collect();
        let phase = pending.phase;
        drop(pending);
        if let Err(error) = store.apply(&batch) {
            shared.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, changes = batch.len(), "the store failed; the changes are tried again");
            let mut pending = shared.lock();
            for Change { key, edit } in batch {
                // What came meanwhile is newer.
                pending.changes.entry(key).or_insert(edit);
            }
        }
        if phase == Phase::Closing {
            return;
        }
        let pending = shared.lock();
        let open = |pending: &mut Pending| pending.phase == Phase::Open;
        drop(shared.news.wait_timeout_while(pending, PAUSE, open).unwrap_or_else(PoisonError::into_inner));
    }
}
