//! Threads that do the jobs of the core. Long ones (syncs, commits) have a thread of their own, so that they never
//! stand in the way of bytes; words with trackers have theirs in `tracker`.

mod lane;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{io, num::NonZeroUsize};

use truecopy_protocol::job::{AnnounceError, Done, Durability, Job, Signature};
use truecopy_transport::keys::{KeyPair, verify};
use truecopy_transport::store::{Ran, Registry};

pub(crate) use self::lane::Lane;
use crate::tracker::Announcers;

/// Workers for bytes, whatever the machine has.
const WORKERS_MAX: usize = 4;

/// As many workers for bytes as fit this machine: one for each core, four at most.
pub fn workers_for_machine() -> NonZeroUsize {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    cores.min(NonZeroUsize::new(WORKERS_MAX).unwrap_or(NonZeroUsize::MIN))
}

/// Where finished jobs go.
pub(crate) type Deliver = Arc<dyn Fn(Done) + Send + Sync>;

struct Bench {
    stores: Registry,
    keys: Vec<KeyPair>,
    deliver: Deliver,
}

pub(crate) struct Workers {
    quick: Arc<Lane<Job>>,
    slow: Arc<Lane<Job>>,
    announcers: Announcers,
    stores: Registry,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(
        count: NonZeroUsize,
        stores: Registry,
        keys: Vec<KeyPair>,
        deliver: Deliver,
    ) -> io::Result<Self> {
        let key = keys.first().cloned().ok_or(io::ErrorKind::InvalidInput)?;
        let announcers = Announcers::new(key, Arc::clone(&deliver));
        let bench = Arc::new(Bench { stores: stores.clone(), keys, deliver });
        let (quick, slow) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
        let mut workers = Self { quick, slow, announcers, stores, threads: Vec::new() };
        for number in 0..=count.get() {
            let lane = Arc::clone(if number == 0 { &workers.slow } else { &workers.quick });
            let bench = Arc::clone(&bench);
            let name = if number == 0 { "worker-slow".to_owned() } else { format!("worker-{number}") };
            let thread = thread::Builder::new().name(name).spawn(move || {
                while let Some(job) = lane.take() {
                    (bench.deliver)(bench.work(job));
                }
            })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Queues a job. Their number is bounded by the core: by its buffers, and a few for each share and connection.
    pub(crate) fn submit(&mut self, job: Job) {
        let lane = match job {
            Job::Announce(job) => return self.announcers.submit(job),
            Job::Open(_) | Job::Commit(_) => &self.slow,
            Job::Checkpoint(ref job) => match job.durability {
                Durability::Synced => &self.slow,
                Durability::Written => &self.quick,
            },
            Job::Read(_) | Job::Land(_) | Job::Rehash(_) | Job::Sign(_) | Job::Verify(_) => &self.quick,
        };
        lane.add(job);
    }

    /// What has begun is finished, what waits is dropped.
    pub(crate) fn finish(&mut self) {
        self.announcers.finish();
        self.quick.close();
        self.slow.close();
        for thread in self.threads.drain(..) {
            // Panics inside of jobs are caught there.
            let _ = thread.join();
        }
    }

    /// The node listens there: that is what trackers are told.
    pub(crate) fn listening(&self, addresses: &[SocketAddr]) {
        self.announcers.listening(addresses);
    }

    pub(crate) fn stores(&self) -> &Registry {
        &self.stores
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Bench {
    fn work(&self, job: Job) -> Done {
        match self.stores.run(job) {
            Ran::Done(done) => done,
            Ran::Sign(job) => {
                let key = self.keys.iter().find(|key| key.node_id() == job.signer);
                // Only keys of ours were ever proven; a signature of nothing would be refused by the peer.
                debug_assert!(key.is_some(), "the core signs with a key of this node");
                let signature = key.map_or(Signature([0; 64]), |key| key.sign(&job.statement));
                job.done(signature)
            }
            Ran::Verify(job) => {
                let verdict = verify(job.signer, &job.statement, &job.signature);
                job.done(verdict)
            }
            // None comes here: they have threads of their own.
            Ran::Announce(job) => job.done(Err(AnnounceError::Local)),
        }
    }
}
