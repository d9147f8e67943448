//! A queue of jobs of one kind for some threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct Lane<T> {
    state: Mutex<State<T>>,
    more: Condvar,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<T>,
    /// Threads that wait. Waking one costs a system call, so it is done only if there is one.
    idle: usize,
    shop: Shop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shop {
    Open,
    Closed,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        let state = State { jobs: VecDeque::new(), idle: 0, shop: Shop::Open };
        Self { state: Mutex::new(state), more: Condvar::new() }
    }
}

impl<T> Lane<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, job: T) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        let idle = state.idle;
        drop(state);
        if idle > 0 {
            self.more.notify_one();
        }
    }

    /// The next job; waits for it. None when the lane is closed.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.shop == Shop::Closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.shop = Shop::Closed;
        state.jobs.clear();
        drop(state);
        self.more.notify_all();
    }
}
