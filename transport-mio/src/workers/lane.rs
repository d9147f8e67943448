//! A queue of jobs for some threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use truecopy_protocol::job::Job;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait. Waking one costs a system call, so it is done only if there is one.
    idle: usize,
    shop: Shop,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shop {
    #[default]
    Open,
    Closed,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, job: Job) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        let idle = state.idle;
        drop(state);
        if idle > 0 {
            self.more.notify_one();
        }
    }

    /// The next job; waits for it. None when the lane is closed.
    pub(crate) fn take(&self) -> Option<Job> {
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
