//! Other servers that share the store: what they did is merged, and what counts once is claimed among all.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::app::{App, civil};
use crate::record::{Change, Edit, Key};
use crate::store::{Claim, News, Shared, StoreError};
use crate::tracker::Mark;

/// Claims that may wait for the store at once.
const CLAIMS_MAX: usize = 10_000;
/// Claims that are sent together.
const CLAIMS_BATCH_MAX: usize = 500;
/// How long the store is waited for at a time; as long may the end take.
const WAIT: Duration = Duration::from_millis(500);
/// After the store failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Changes that are merged at once: the lock is held for less than a millisecond.
const SLICE: usize = 200;

/// One wants a mark, for a while.
struct Ask {
    mark: Mark,
    time: Duration,
    answer: oneshot::Sender<Claim>,
}

/// What is done once the server runs.
struct Idle {
    follower: Box<dyn Shared>,
    claimer: Box<dyn Shared>,
    asked: mpsc::Receiver<Ask>,
}

/// The way to the other servers.
pub(super) struct Replicas {
    asks: mpsc::SyncSender<Ask>,
    idle: Mutex<Option<Idle>>,
    ends: Arc<AtomicBool>,
    secret: [u8; 32],
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replicas(…)")
    }
}

impl Replicas {
    /// With two handles on the store, and the secret that was agreed on.
    pub(super) fn new(follower: Box<dyn Shared>, claimer: Box<dyn Shared>, secret: [u8; 32]) -> Self {
        let (asks, asked) = mpsc::sync_channel(CLAIMS_MAX);
        let idle = Mutex::new(Some(Idle { follower, claimer, asked }));
        Self { asks, idle, ends: Arc::new(AtomicBool::new(false)), secret }
    }

    /// Takes a mark among all replicas; none if that cannot be found out.
    pub(super) async fn claim(&self, mark: Mark, time: Duration) -> Option<Claim> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask { mark, time, answer }).ok()?;
        answered.await.ok()
    }

    /// Begins to follow and to claim, until told to [end](Self::end).
    pub(super) fn start(app: &Arc<App>) -> Vec<JoinHandle<()>> {
        let Some(replicas) = app.replicas() else { return Vec::new() };
        let idle = replicas.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Idle { follower, claimer, asked }) = idle else { return Vec::new() };
        let (secret, ends) = (replicas.secret, Arc::clone(&replicas.ends));
        let (one, other) = (Arc::clone(app), Arc::clone(app));
        let follow = tokio::task::spawn_blocking(move || follow(&one, follower, secret));
        let claim = tokio::task::spawn_blocking(move || claim(&other, claimer, &asked, &ends));
        vec![follow, claim]
    }

    /// Tells both to end.
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    fn has_ended(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }
}

/// Merges what others do.
fn follow(app: &App, mut store: Box<dyn Shared>, secret: [u8; 32]) {
    while app.replicas().is_some_and(|replicas| !replicas.has_ended()) {
        let mut changes = Vec::new();
        let news = store.news(WAIT, &mut |change| changes.push(change));
        merge(app, changes);
        match news {
            Ok(News::Whole) => {}
            Ok(News::Missed) => reload(app, &mut *store, secret),
            Err(error) => {
                failed(app, &error);
                thread::sleep(FAILURE_PAUSE);
            }
        }
    }
}

fn failed(app: &App, error: &StoreError) {
    app.metrics.shared_store_failed();
    tracing::warn!(%error, "other replicas cannot be heard; trying again");
}

/// Takes all records again: too much was missed, or the store lost what it had.
fn reload(app: &App, store: &mut dyn Shared, secret: [u8; 32]) {
    tracing::warn!("changes of other replicas were missed; all records are read again");
    app.metrics.reloaded();
    let mut slice = Vec::new();
    let loaded = store.load(&mut |key, value| {
        slice.push(Change::put(key, value));
        if slice.len() >= SLICE {
            merge(app, std::mem::take(&mut slice));
        }
    });
    merge(app, slice);
    match loaded.and_then(|()| store.agree(secret)) {
        Ok(agreed) if agreed == secret => {}
        Ok(_) => tracing::error!("the store has another secret now: restart this replica to share tokens"),
        Err(error) => failed(app, &error),
    }
}

fn merge(app: &App, changes: Vec<Change>) {
    app.metrics.merged(changes.len());
    let mut changes = changes.into_iter().peekable();
    while changes.peek().is_some() {
        let mut back = Vec::new();
        let slice: Vec<Change> = changes.by_ref().take(SLICE).collect();
        let now = civil();
        let mut tracker = app.tracker();
        for Change { key, edit } in slice {
            match (&key, &edit) {
                (Key::Plain(candidate), Edit::Put(_)) => {
                    app.registry().restore(app.now(), candidate.clone());
                }
                (Key::Plain(candidate), Edit::Remove { .. }) => {
                    app.registry().forget(candidate);
                }
                _ => tracker.merge(now, &key, edit, &mut back),
            }
        }
        drop(tracker);
        app.keep(back);
    }
}

/// Claims what is asked for, as much at once as waits.
fn claim(app: &App, mut store: Box<dyn Shared>, asked: &mpsc::Receiver<Ask>, ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let Ok(first) = asked.recv_timeout(WAIT) else { continue };
        let mut asks = vec![first];
        asks.extend(asked.try_iter().take(CLAIMS_BATCH_MAX - 1));
        let marks: Vec<(Mark, Duration)> = asks.iter().map(|ask| (ask.mark, ask.time)).collect();
        match store.claim(&marks) {
            Ok(claims) => {
                for (ask, claim) in asks.into_iter().zip(claims) {
                    // Whoever no longer waits does not need to know.
                    let _ = ask.answer.send(claim);
                }
            }
            // Dropping the asks says that it cannot be found out.
            Err(error) => failed(app, &error),
        }
    }
}
