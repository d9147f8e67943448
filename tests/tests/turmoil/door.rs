//! The door of one node: inputs go in at the host's own time, jobs take a seeded while, wishes wait for the sockets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use truecopy_protocol::input::{Command, Input, LinkLoss};
use truecopy_protocol::job::{AnnounceError, Done, Job};
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::{Candidate, Config, ConnId, Node, NodeId, Now, UnixTime};
use truecopy_sim::stream::Random;
use truecopy_transport::keys::{KeyPair, verify};
use truecopy_transport::link;
use truecopy_transport::pump::Flow;
use truecopy_transport::store::{Ran, Registry};

/// What a job takes at most.
const JOB_MAX: Duration = Duration::from_millis(30);

/// What the core wants of the sockets.
pub(crate) enum Wish {
    Dial { conn: ConnId, to: Candidate, key: Option<NodeId> },
    Hangup(ConnId),
}

pub(crate) struct Door {
    node: Node,
    config: Config,
    begun: Instant,
    key: Rc<KeyPair>,
    pub(crate) stores: Registry,
    random: Random,
    jobs: BTreeMap<(Now, u64), Job>,
    jobs_begun: u64,
    pub(crate) events: VecDeque<Event>,
    pub(crate) wishes: VecDeque<Wish>,
    paused: BTreeSet<ConnId>,
    /// How many inputs there were.
    pub(crate) inputs: u64,
}

impl Door {
    pub(crate) fn new(config: Config, seed: u64, key: Rc<KeyPair>) -> Self {
        let mut random = Random::new(seed, "door");
        let mut node_seed = [0; 32];
        node_seed.fill_with(|| random.draw() as u8);
        let mut door = Self {
            node: Node::new(config.clone(), node_seed, Now::ZERO),
            config,
            begun: Instant::now(),
            key,
            stores: Registry::default(),
            random,
            jobs: BTreeMap::new(),
            jobs_begun: 0,
            events: VecDeque::new(),
            wishes: VecDeque::new(),
            paused: BTreeSet::new(),
            inputs: 0,
        };
        door.feed(Input::Clock(UnixTime(1_700_000_000)));
        door
    }

    pub(crate) fn now(&self) -> Now {
        Now::ZERO + self.begun.elapsed()
    }

    /// The instant of a time of the node.
    pub(crate) fn instant(&self, at: Now) -> Instant {
        self.begun + at.since(Now::ZERO)
    }

    /// The law of the door: after every `handle`, `poll` until `None`.
    pub(crate) fn feed(&mut self, input: Input<'_>) {
        self.inputs += 1;
        self.node.handle(self.now(), input);
        while let Some(output) = self.node.poll() {
            match output {
                Output::Job(job) => {
                    let takes = JOB_MAX.mul_f64(self.random.below(1000) as f64 / 1000.0);
                    self.jobs_begun += 1;
                    self.jobs.insert((self.now() + takes, self.jobs_begun), job);
                }
                Output::Event(event) => self.events.push_back(event),
                Output::Dial { conn, to, key, .. } => self.wishes.push_back(Wish::Dial { conn, to, key }),
                Output::Hangup { conn, .. } => self.wishes.push_back(Wish::Hangup(conn)),
                Output::Pause { conn } => {
                    self.paused.insert(conn);
                }
                Output::Resume { conn } => {
                    self.paused.remove(&conn);
                }
                // Every connection has a turn after every input.
                Output::Flush { .. } => {}
            }
        }
        assert!(self.node.memory() <= self.config.memory_max(0), "the node keeps to its memory");
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.feed(Input::Command(command));
    }

    pub(crate) fn disconnected(&mut self, conn: ConnId, why: LinkLoss) {
        self.paused.remove(&conn);
        self.feed(Input::Disconnected { conn, why });
    }

    /// Finishes the jobs whose time is over, and lets the node look at its timers if one is due.
    pub(crate) fn look_at_clock(&mut self) {
        while self.jobs.keys().next().is_some_and(|(at, _)| *at <= self.now())
            && let Some((_, job)) = self.jobs.pop_first()
        {
            let done = self.work(job);
            self.feed(Input::Done(done));
        }
        if self.node.wake().is_some_and(|(at, _)| at <= self.now()) {
            self.feed(Input::Timeout);
        }
    }

    fn work(&self, job: Job) -> Done {
        match self.stores.run(job) {
            Ran::Done(done) => done,
            Ran::Sign(job) => {
                let signature = self.key.sign(&job.statement);
                job.done(signature)
            }
            Ran::Verify(job) => {
                let verdict = verify(job.signer, &job.statement, &job.signature);
                job.done(verdict)
            }
            Ran::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
        }
    }

    /// When [`Self::look_at_clock`] has something to do.
    pub(crate) fn wake(&self) -> Option<Now> {
        let job = self.jobs.keys().next().map(|(at, _)| *at);
        job.into_iter().chain(self.node.wake().map(|(at, _)| at)).min()
    }
}

impl link::Door for Door {
    fn now(&self) -> Now {
        self.now()
    }

    fn feed(&mut self, input: Input<'_>) {
        self.feed(input);
    }

    fn flow(&self, conn: ConnId) -> Flow {
        if self.paused.contains(&conn) { Flow::Pause } else { Flow::Continue }
    }

    fn visit(&self, conn: ConnId, max: usize, take: &mut dyn FnMut(&[u8])) {
        self.node.sendable(conn, max).into_iter().for_each(take);
    }

    fn disconnected(&mut self, conn: ConnId, why: LinkLoss) {
        self.disconnected(conn, why);
    }
}
