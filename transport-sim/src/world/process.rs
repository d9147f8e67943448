//! A process of a host: a node, its stores, and everything that ends with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use truecopy_protocol::input::{Command, Input, LinkLoss};
use truecopy_protocol::job::{Done, Job};
use truecopy_protocol::output::Output;
use truecopy_protocol::{Config, ConnId, Node, Now};
use truecopy_server::tracker::Token;
use truecopy_transport::link;
use truecopy_transport::pace::Pacer;
use truecopy_transport::pump::Flow;
use truecopy_transport::store::Registry;

use super::actor::Actor;
use super::trace::{self, Trace};
use crate::content::Content;
use crate::oracle::{Checked, Finding, Oracle, Tap};
use crate::plan::Way;

/// One end of a connection: which connection, which side of it.
pub(super) type EndId = (usize, usize);

/// Connections of a node beyond which its memory is not counted after every single input.
const CONNS_FEW: usize = 16;

pub(super) struct Process {
    pub(super) node: Node,
    pub(super) stores: Registry,
    pub(super) outbox: VecDeque<Output>,
    /// Jobs that wait for their turn.
    pub(super) jobs: BTreeMap<u64, Job>,
    /// Jobs that are done, whose answer is on its way.
    pub(super) answers: BTreeMap<u64, Done>,
    next_job: u64,
    pub(super) ends: BTreeMap<ConnId, EndId>,
    pub(super) dials: BTreeSet<ConnId>,
    /// Connections that it dialled for the room.
    pub(super) room_dials: BTreeSet<ConnId>,
    /// It has or fetches the share.
    pub(super) moves_share: bool,
    pub(super) next_conn: u64,
    /// What trackers gave for announces, by tracker.
    pub(super) tokens: BTreeMap<usize, Token>,
    /// When the next look at the timers is scheduled.
    pub(super) wake: Option<u64>,
    paused: BTreeSet<ConnId>,
    pub(super) pacer: Pacer,
    memory_max: u64,
    /// The most that its node was seen to hold.
    pub(super) memory: u64,
    inputs: u64,
    /// Who speaks in the node's place.
    pub(super) actor: Option<Actor>,
}

impl Process {
    pub(super) fn new(config: Config, seed: [u8; 32], now: Now, channel_memory: u64) -> Self {
        let memory_max = config.memory_max(channel_memory);
        Self {
            node: Node::new(config, seed, now),
            stores: Registry::default(),
            outbox: VecDeque::new(),
            jobs: BTreeMap::new(),
            answers: BTreeMap::new(),
            next_job: 0,
            ends: BTreeMap::new(),
            dials: BTreeSet::new(),
            room_dials: BTreeSet::new(),
            moves_share: false,
            next_conn: 0,
            tokens: BTreeMap::new(),
            wake: None,
            paused: BTreeSet::new(),
            pacer: Pacer::default(),
            memory_max,
            memory: 0,
            inputs: 0,
            actor: None,
        }
    }

    /// What the core, or whoever speaks in its place, has for a connection.
    pub(super) fn sendable(&self, conn: ConnId, max: usize) -> Vec<&[u8]> {
        self.actor.as_ref().map_or_else(|| self.node.sendable(conn, max), |actor| actor.sendable(conn, max))
    }

    /// The number of the next job.
    pub(super) const fn number(&mut self) -> u64 {
        self.next_job += 1;
        self.next_job - 1
    }

    fn handle(&mut self, now: Now, input: Input<'_>, see: &mut dyn FnMut(&Output)) {
        if let Some(actor) = &mut self.actor {
            self.outbox.extend(actor.handle(&input).into_iter().inspect(|output| see(output)));
            return;
        }
        self.node.handle(now, input);
        while let Some(output) = self.node.poll() {
            see(&output);
            match output {
                // At once: the turn that is under way must not deliver more.
                Output::Pause { conn } => drop(self.paused.insert(conn)),
                Output::Resume { conn } => {
                    self.paused.remove(&conn);
                    self.outbox.push_back(output);
                }
                output => self.outbox.push_back(output),
            }
        }
    }

    /// S8, and that no deadline is passed over.
    fn check(&mut self, now: Now, host: usize) -> Checked {
        self.inputs += 1;
        if self.ends.len() <= CONNS_FEW || self.inputs.is_multiple_of(64) {
            let memory = self.node.memory();
            self.memory = self.memory.max(memory);
            if memory > self.memory_max {
                let text = format!("host {host} holds {memory} bytes; its limit is {}", self.memory_max);
                return Err(Finding::new(Oracle::Memory, "above memory_max", text));
            }
        }
        match self.node.wake() {
            Some((at, timer)) if at <= now => {
                let text = format!("{timer:?} is due and was not looked at");
                Err(Finding::new(Oracle::Spin, "a deadline that stays due", text))
            }
            _ => Ok(()),
        }
    }
}

/// What a turn of a connection needs to see.
pub(super) struct Tapped<'a> {
    pub(super) tap: &'a mut Tap,
    /// The direction that this end writes.
    pub(super) out: Way,
    /// The share, if the host is honest and sends it.
    pub(super) truth: Option<&'a Content>,
}

/// The door of a host's core: everything in and out of it passes here, and is seen.
pub(super) struct HostDoor<'a> {
    pub(super) host: usize,
    /// The time of the world.
    pub(super) at: u64,
    /// The time of the host.
    pub(super) now: Now,
    pub(super) process: &'a mut Process,
    pub(super) trace: &'a mut Trace,
    pub(super) tapped: Option<Tapped<'a>>,
    /// The first finding of this turn.
    pub(super) found: Option<Box<Finding>>,
}

impl HostDoor<'_> {
    fn tap(&mut self, input: &Input<'_>) -> Checked {
        let Some(Tapped { tap, out, truth }) = &mut self.tapped else { return Ok(()) };
        match input {
            Input::Connected { .. } => {
                tap.met.insert(*out);
                Ok(())
            }
            Input::Received { conn, bytes } => {
                let way = match out {
                    Way::Down => Way::Up,
                    Way::Up => Way::Down,
                };
                tap.received(way, *conn, bytes)
            }
            Input::Sent { conn, len } => {
                let mut left = *len;
                for run in self.process.sendable(*conn, *len) {
                    let run = &run[..run.len().min(left)];
                    left -= run.len();
                    tap.sent(*out, run, *truth)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        link::Door::feed(self, Input::Command(command));
    }

    fn note(&mut self, checked: Checked) {
        if let Err(finding) = checked {
            self.found.get_or_insert(finding);
        }
    }
}

impl link::Door for HostDoor<'_> {
    fn now(&self) -> Now {
        self.now
    }

    fn feed(&mut self, input: Input<'_>) {
        self.trace.add(self.at, Some(self.host), trace::input(&input));
        if let Input::Received { bytes, .. } = &input {
            self.trace.fold_bytes(bytes);
        }
        let tapped = self.tap(&input);
        self.note(tapped);
        let (trace, at, host) = (&mut *self.trace, self.at, self.host);
        self.process.handle(self.now, input, &mut |output| trace.add(at, Some(host), trace::output(output)));
        let checked = self.process.check(self.now, self.host);
        self.note(checked);
    }

    fn flow(&self, conn: ConnId) -> Flow {
        if self.process.paused.contains(&conn) { Flow::Pause } else { Flow::Continue }
    }

    fn visit(&self, conn: ConnId, max: usize, take: &mut dyn FnMut(&[u8])) {
        self.process.sendable(conn, max).into_iter().for_each(take);
    }

    fn disconnected(&mut self, conn: ConnId, why: LinkLoss) {
        self.process.paused.remove(&conn);
        self.process.pacer.forget(conn);
        self.process.ends.remove(&conn);
        self.feed(Input::Disconnected { conn, why });
    }

    fn pacer(&mut self) -> Option<&mut Pacer> {
        Some(&mut self.process.pacer)
    }
}
