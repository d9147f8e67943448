//! Words with trackers, on threads of their own: names, connections and answers take as long as they take. PROTOCOL §6.

mod body;
mod client;
mod http;
mod tokens;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use truecopy_protocol::job::{Announce, AnnounceError, AnnounceEvent};
use truecopy_transport::keys::KeyPair;

use self::client::{Client, Word};
use crate::workers::{Deliver, Lane};

/// Calls at once. One that hangs must not hold up the others for long.
const THREADS_MAX: usize = 4;

/// For so long the last words are waited for, when the node ends. Who hears none forgets us after a while.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whoever speaks with trackers. Their threads are started when there is something to say.
pub(crate) struct Announcers {
    lane: Arc<Lane<Announce>>,
    desk: Arc<Desk>,
    threads: usize,
}

struct Desk {
    client: Client,
    deliver: Deliver,
    last_words: LastWords,
}

/// How many farewells are under way.
#[derive(Default)]
struct LastWords {
    left: Mutex<usize>,
    said: Condvar,
}

impl Announcers {
    pub(crate) fn new(key: KeyPair, deliver: Deliver) -> Self {
        let desk = Desk { client: Client::new(key), deliver, last_words: LastWords::default() };
        Self { lane: Arc::default(), desk: Arc::new(desk), threads: 0 }
    }

    /// The node listens there: that is what others are told.
    pub(crate) fn listening(&self, addresses: &[SocketAddr]) {
        self.desk.client.ports.listening(addresses);
    }

    /// Queues a call. Their number is bounded by the core: one for each tracker of a share.
    pub(crate) fn submit(&mut self, job: Announce) {
        if self.threads < THREADS_MAX {
            let (lane, desk) = (Arc::clone(&self.lane), Arc::clone(&self.desk));
            let work = move || {
                while let Some(job) = lane.take() {
                    desk.work(job);
                }
            };
            match thread::Builder::new().name("tracker".to_owned()).spawn(work) {
                Ok(_) => self.threads += 1,
                Err(_) if self.threads == 0 => {
                    return (self.desk.deliver)(job.done(Err(AnnounceError::Local)));
                }
                Err(_) => {}
            }
        }
        if job.event == AnnounceEvent::Stopped {
            self.desk.last_words.add();
        }
        self.lane.add(job);
    }

    /// Lets last words be said, for a moment; what waits then is dropped, and what has begun is not waited for.
    pub(crate) fn finish(&self) {
        self.desk.last_words.wait();
        self.lane.close();
    }
}

impl Drop for Announcers {
    fn drop(&mut self) {
        self.lane.close();
    }
}

impl Desk {
    fn work(&self, job: Announce) {
        let word = Word { tracker: &job.tracker, discovery: job.discovery, left: job.left, event: job.event };
        // A fault in here must not leave a share without its answer; the panic's own hook has told of it.
        let result = catch_unwind(AssertUnwindSafe(|| self.client.announce(&word)));
        if job.event == AnnounceEvent::Stopped {
            self.last_words.done();
        }
        (self.deliver)(job.done(result.unwrap_or(Err(AnnounceError::Local))));
    }
}

impl LastWords {
    fn add(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn done(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.said.notify_all();
    }

    fn wait(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether all were said or time is over: the node ends now.
        drop(self.said.wait_timeout_while(left, LAST_WORDS, |left| *left > 0));
    }
}

#[cfg(test)]
mod tests;
