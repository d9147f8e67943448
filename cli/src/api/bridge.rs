//! Where tokio meets the engine, and the only place: everything under `api` but this file and [`Desk`] runs on one tokio
//! thread; the engine, and below it the reactor on mio, know nothing of it.
//!
//! In: a request is a piece of work on the engine, through a bounded channel; its result comes back through a oneshot. The
//! engine waits for events of the reactor, so whoever sends work also wakes it. Out: news go into a bounded [`Ring`], which
//! never waits for a reader; how far transfers are, of which only the newest counts, goes through a watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use truecopy_mio::Waker;

use super::ring::Ring;
use super::shapes::{self, Progress};
use crate::engine::Engine;
use crate::engine::news::{News, State};
use crate::exit::Result;

/// Requests that wait for the engine at most; more are told so.
pub(super) const WAITING_MAX: usize = 64;
/// How long a request waits for the engine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is told how far transfers are.
const PROGRESS: Duration = Duration::from_millis(500);

type Work = Box<dyn FnOnce(&mut Engine) + Send>;

/// The engine's end.
pub struct Desk {
    /// None: nothing is done any more.
    works: Option<Receiver<Work>>,
    ring: Arc<Ring>,
    progress: watch::Sender<Arc<str>>,
    told: Instant,
    is_over: Arc<AtomicBool>,
}

/// tokio's end.
#[derive(Clone)]
pub struct Caller {
    works: SyncSender<Work>,
    waker: Waker,
    pub(super) ring: Arc<Ring>,
    pub(super) progress: watch::Receiver<Arc<str>>,
    is_over: Arc<AtomicBool>,
}

/// Why the engine gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Too many wait; nothing was done.
    Busy,
    /// It took too long; it may still be done.
    Late,
    /// The daemon ends; nothing was done.
    Ending,
}

/// Both ends.
///
/// # Errors
/// If the system gives no random numbers.
pub fn bridge(waker: Waker) -> Result<(Desk, Caller)> {
    let (to, works) = sync_channel(WAITING_MAX);
    let ring = Arc::new(Ring::new()?);
    let (progress, told) = watch::channel(Arc::from(""));
    let is_over = Arc::new(AtomicBool::new(false));
    let caller =
        Caller { works: to, waker, ring: Arc::clone(&ring), progress: told, is_over: Arc::clone(&is_over) };
    Ok((Desk { works: Some(works), ring, progress, told: Instant::now(), is_over }, caller))
}

impl Desk {
    /// Does what was asked for. To be called whenever the engine comes back.
    pub fn serve(&mut self, engine: &mut Engine) {
        // No more than can wait, so that the engine goes on.
        for work in self.works.iter().flat_map(Receiver::try_iter).take(WAITING_MAX) {
            work(engine);
        }
        // One receiver is the one that all others are made from.
        if self.progress.receiver_count() > 1 && self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let moving = engine.shapes().into_iter().filter(|shape| shape.state == State::Running);
            // A ticket is told once, on its own.
            let told =
                moving.map(|shape| shapes::Transfer { ticket: None, ..shapes::Transfer::from(&shape) });
            let text = shapes::text(&Progress { transfers: told.collect() });
            self.progress.send_if_modified(|last| {
                let is_new = **last != *text;
                *last = text.into();
                is_new
            });
        }
    }

    /// Does nothing any more: whoever asked, or will, is told that the daemon ends.
    pub fn close(&mut self) {
        self.works = None;
    }

    /// Whether the user has ordered an end.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Tells whoever listens.
    pub fn tell(&self, news: &News, since_start: Duration) {
        self.ring.push(news.json(since_start).trim_end().into());
    }
}

impl Caller {
    /// Has the engine do something.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> std::result::Result<T, Unanswered> {
        let (to, answer) = oneshot::channel();
        let work: Work = Box::new(move |engine| {
            // Whoever asked may have gone.
            let _ = to.send(work(engine));
        });
        self.works.try_send(work).map_err(|why| match why {
            TrySendError::Full(_) => Unanswered::Busy,
            TrySendError::Disconnected(_) => Unanswered::Ending,
        })?;
        self.waker.wake();
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            // It was thrown away unseen: what is begun is finished.
            Ok(Err(_)) => Err(Unanswered::Ending),
            Err(_) => Err(Unanswered::Late),
        }
    }

    /// Has the daemon end.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.waker.wake();
    }
}
