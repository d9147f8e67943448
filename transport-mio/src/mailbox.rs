//! The one way into the loop from other threads, and the bell that wakes it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use mio::{Registry, Token, Waker};

/// Letters of [`Mailbox::put`] that may wait. What [`Mailbox::post`] brings has its bound elsewhere.
const WAITING_MAX: usize = 1024;

/// Letters for the loop. Waking it costs a system call, so that is done only when it may be asleep.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    letters: Mutex<Letters<T>>,
    room: Condvar,
    waker: Waker,
    asleep: AtomicBool,
}

#[derive(Debug)]
struct Letters<T> {
    waiting: VecDeque<T>,
    reader: Reader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    There,
    Gone,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            letters: Mutex::new(Letters { waiting: VecDeque::new(), reader: Reader::There }),
            room: Condvar::new(),
            waker: Waker::new(registry, token)?,
            asleep: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Letters<T>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a letter in, as soon as there is room; gives it back if nobody reads any more. Never from the loop itself.
    pub(crate) fn put(&self, letter: T) -> Result<(), T> {
        let mut letters = self.lock();
        while letters.reader == Reader::There && letters.waiting.len() >= WAITING_MAX {
            letters = self.room.wait(letters).unwrap_or_else(PoisonError::into_inner);
        }
        if letters.reader == Reader::Gone {
            return Err(letter);
        }
        letters.waiting.push_back(letter);
        drop(letters);
        self.ring();
        Ok(())
    }

    /// Puts a letter in at once: for senders whose number of letters is limited otherwise.
    pub(crate) fn post(&self, letter: T) {
        let mut letters = self.lock();
        if letters.reader == Reader::There {
            letters.waiting.push_back(letter);
            drop(letters);
            self.ring();
        }
    }

    /// The letter lies in the box before the flag is looked at, and the loop looks into the box after it set the flag:
    /// one of the two sees the other.
    fn ring(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the loop cannot be woken");
        }
    }

    /// Everything that came, in order.
    pub(crate) fn take(&self) -> VecDeque<T> {
        let taken = std::mem::take(&mut self.lock().waiting);
        if taken.len() >= WAITING_MAX {
            self.room.notify_all();
        }
        taken
    }

    /// The loop is about to sleep; whether there is something to do instead.
    pub(crate) fn fall_asleep(&self) -> Sleep {
        self.asleep.store(true, Ordering::SeqCst);
        if self.lock().waiting.is_empty() { Sleep::Sound } else { Sleep::Not }
    }

    /// The loop is awake: nobody needs to ring.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Nobody will read any more; what waits is dropped.
    pub(crate) fn close(&self) {
        let mut letters = self.lock();
        letters.reader = Reader::Gone;
        letters.waiting.clear();
        drop(letters);
        self.room.notify_all();
    }
}

/// Whether the loop may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    Sound,
    Not,
}

#[cfg(test)]
mod tests;
