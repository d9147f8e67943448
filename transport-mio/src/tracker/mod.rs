//! Words with trackers, on threads of their own: names, connections and answers take as long as they take. PROTOCOL §6.

mod body;
mod client;
mod http;
mod tokens;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use truecopy_protocol::job::{Announce, AnnounceError};
use truecopy_transport::keys::KeyPair;

use self::client::{Client, Word};
use crate::workers::{Deliver, Lane};

/// Calls at once. One that hangs must not hold up the others for long.
const THREADS_MAX: usize = 4;

/// Whoever speaks with trackers. Their threads are started when there is something to say.
pub(crate) struct Announcers {
    lane: Arc<Lane<Announce>>,
    desk: Arc<Desk>,
    threads: usize,
}

struct Desk {
    client: Client,
    deliver: Deliver,
}

impl Announcers {
    pub(crate) fn new(key: KeyPair, deliver: Deliver) -> Self {
        let desk = Desk { client: Client::new(key), deliver };
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
        self.lane.add(job);
    }

    /// What waits is dropped, and what has begun is not waited for: it may take long, and nobody wants to know.
    pub(crate) fn finish(&self) {
        self.lane.close();
    }
}

impl Desk {
    fn work(&self, job: Announce) {
        let word = Word { tracker: &job.tracker, discovery: job.discovery, left: job.left, event: job.event };
        // A fault in here must not leave a share without its answer; the panic's own hook has told of it.
        let result = catch_unwind(AssertUnwindSafe(|| self.client.announce(&word)));
        (self.deliver)(job.done(result.unwrap_or(Err(AnnounceError::Local))));
    }
}

#[cfg(test)]
mod tests;
