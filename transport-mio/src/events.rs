//! Events on their way from the loop to the program: a bounded queue that never blocks the loop.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use truecopy_protocol::output::Event;

/// Waiting events from which on the loop takes in no strangers: those that are connected already make only few more.
pub(crate) const CROWDED: usize = 1024;

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Event>,
    ends: usize,
    /// Whoever waits is to look at something else.
    woken: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's end of the queue.
#[derive(Debug)]
pub(crate) struct EventSender(Arc<Queue>);

/// What happens, in order. News of how far something is replaces older news of the same kind that nobody has read.
#[derive(Debug)]
pub struct Events(Arc<Queue>);

pub(crate) fn queue() -> (EventSender, Events) {
    let state = State { waiting: VecDeque::new(), ends: 2, woken: false };
    let queue = Arc::new(Queue { state: Mutex::new(state), more: Condvar::new() });
    (EventSender(Arc::clone(&queue)), Events(queue))
}

impl EventSender {
    pub(crate) fn send(&self, event: Event) {
        let mut state = self.0.lock();
        if state.ends < 2 {
            return;
        }
        match state.waiting.iter_mut().rev().find(|older| concerns_same(older, &event)) {
            Some(older) if supersedes(older, &event) => *older = event,
            _ => state.waiting.push_back(event),
        }
        drop(state);
        self.0.more.notify_one();
    }

    /// Whether the program is far behind.
    pub(crate) fn is_crowded(&self) -> bool {
        self.0.lock().waiting.len() >= CROWDED
    }
}

/// Whether two events are of one share, or of one connection of it: only then is their order looked at.
fn concerns_same(older: &Event, newer: &Event) -> bool {
    match (older, newer) {
        (Event::Uploaded { conn: a, .. }, Event::Uploaded { conn: b, .. }) => a == b,
        (Event::Uploaded { .. }, _) | (_, Event::Uploaded { .. }) => false,
        _ => share_of(older) == share_of(newer),
    }
}

fn supersedes(older: &Event, newer: &Event) -> bool {
    match (older, newer) {
        (Event::PeerPaused { conn: a, .. }, Event::PeerPaused { conn: b, .. }) => a == b,
        (Event::Uploaded { .. }, Event::Uploaded { .. })
        | (Event::Progress { .. }, Event::Progress { .. })
        | (Event::Peers { .. }, Event::Peers { .. })
        | (Event::Waiting { .. }, Event::Waiting { .. }) => true,
        _ => false,
    }
}

const fn share_of(event: &Event) -> u32 {
    match event {
        Event::Offer { share, .. }
        | Event::PeerUp { share, .. }
        | Event::PeerDown { share, .. }
        | Event::Waiting { share, .. }
        | Event::Fetching { share }
        | Event::Progress { share, .. }
        | Event::Uploaded { share, .. }
        | Event::Swarmed { share }
        | Event::Peers { share, .. }
        | Event::PeerPaused { share, .. }
        | Event::Completed { share, .. }
        | Event::Failed { share, .. }
        | Event::Receipt { share, .. }
        | Event::SourceBroken { share, .. }
        | Event::Tracker { share, .. }
        | Event::Ended { share }
        | Event::Unmet { room: share, .. }
        | Event::Reachable { room: share, .. }
        | Event::Heard { room: share, .. }
        | Event::Delivered { room: share, .. }
        | Event::Undelivered { room: share, .. }
        | Event::Refused { share, .. } => share.0,
    }
}

/// Ends the wait for an event early, from any thread: for programs that wait for other things too.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Queue>);

impl Waker {
    /// Ends the wait; if nobody waits now, the next one.
    pub fn wake(&self) {
        self.0.lock().woken = true;
        self.0.more.notify_all();
    }
}

impl Events {
    /// What ends a wait early.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.0))
    }

    /// The next event, for which it waits at most so long. `Disconnected` when the reactor has ended and all is read.
    ///
    /// # Errors
    /// `Timeout` if nothing happened or somebody [woke](Waker) it, `Disconnected` if nothing ever will.
    pub fn recv_timeout(&self, patience: Duration) -> Result<Event, RecvTimeoutError> {
        let until = Instant::now() + patience;
        let mut state = self.0.lock();
        loop {
            if let Some(event) = state.waiting.pop_front() {
                return Ok(event);
            }
            if state.ends < 2 {
                return Err(RecvTimeoutError::Disconnected);
            }
            if std::mem::take(&mut state.woken) {
                return Err(RecvTimeoutError::Timeout);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            state = self.0.more.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// An event, if one waits.
    ///
    /// # Errors
    /// `Empty` if none waits, `Disconnected` if none will ever come.
    pub fn try_recv(&self) -> Result<Event, TryRecvError> {
        let mut state = self.0.lock();
        match state.waiting.pop_front() {
            Some(event) => Ok(event),
            None if state.ends < 2 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.0.lock().ends -= 1;
        self.0.more.notify_all();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ends -= 1;
        state.waiting.clear();
    }
}

#[cfg(test)]
mod tests;
