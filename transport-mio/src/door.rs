//! The core's door: everything that enters the node and everything that leaves it passes here.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use truecopy_protocol::Candidate;
use truecopy_protocol::input::{Input, LinkLoss};
use truecopy_protocol::output::{Event, Goodbye, Output};
use truecopy_protocol::{ConnId, Node, NodeId, Now};
use truecopy_transport::link;
use truecopy_transport::pace::{Pacer, Rates};
use truecopy_transport::pump::Flow;
use truecopy_transport::record::Tap;

use crate::clock::Clock;
use crate::events::EventSender;
use crate::workers::Workers;

/// What the core wants of the sockets.
#[derive(Debug)]
pub(crate) enum Wish {
    Dial { conn: ConnId, to: Candidate, key: Option<NodeId> },
    Hangup { conn: ConnId, why: Goodbye },
    Flush { conn: ConnId },
    Resume { conn: ConnId },
}

/// A node and whoever does for it what needs no socket.
pub(crate) struct Door {
    node: Node,
    pub(crate) clock: Clock,
    tap: Option<Box<dyn Tap + Send>>,
    pub(crate) workers: Workers,
    pub(crate) events: EventSender,
    pub(crate) pacer: Pacer,
    wishes: VecDeque<Wish>,
    paused: BTreeSet<ConnId>,
}

impl Door {
    pub(crate) fn new(
        node: Node,
        clock: Clock,
        tap: Option<Box<dyn Tap + Send>>,
        workers: Workers,
        events: EventSender,
    ) -> Self {
        let (pacer, wishes, paused) = (Pacer::default(), VecDeque::new(), BTreeSet::new());
        Self { node, clock, tap, workers, events, pacer, wishes, paused }
    }

    /// The law of the door: after every `handle`, `poll` until `None`.
    pub(crate) fn feed(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        if let Some(tap) = &mut self.tap {
            tap.input(now, &input, &self.node);
        }
        self.node.handle(now, input);
        while let Some(output) = self.node.poll() {
            if let Some(tap) = &mut self.tap {
                tap.output(&output);
            }
            self.obey(output);
        }
    }

    /// Nothing enters any more: jobs that have begun are finished, and the tap hears of the end.
    pub(crate) fn shut(&mut self) {
        self.workers.finish();
        if let Some(tap) = &mut self.tap {
            tap.end();
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Job(job) => self.workers.submit(job),
            Output::Event(event) => {
                match event {
                    Event::PeerUp { share, conn, .. } => self.pacer.belongs(conn, share),
                    Event::Ended { share } => {
                        self.workers.stores().release(share);
                        self.pacer.set_share(self.clock.now(), share, Rates::default());
                    }
                    _ => {}
                }
                self.events.send(event);
            }
            Output::Dial { conn, share, to, key } => {
                self.pacer.belongs(conn, share);
                self.wishes.push_back(Wish::Dial { conn, to, key });
            }
            Output::Hangup { conn, why } => self.wishes.push_back(Wish::Hangup { conn, why }),
            Output::Flush { conn } => self.wishes.push_back(Wish::Flush { conn }),
            Output::Pause { conn } => {
                self.paused.insert(conn);
            }
            Output::Resume { conn } => {
                self.paused.remove(&conn);
                self.wishes.push_back(Wish::Resume { conn });
            }
        }
    }

    /// The next wish. They are few at any time: a turn of a socket makes some, then they are carried out.
    pub(crate) fn wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// A connection is gone: nothing of it may follow.
    pub(crate) fn disconnected(&mut self, conn: ConnId, why: LinkLoss) {
        self.paused.remove(&conn);
        self.pacer.forget(conn);
        self.feed(Input::Disconnected { conn, why });
    }

    /// Lets the node look at its timers, if one is due.
    pub(crate) fn look_at_timers(&mut self) {
        if self.node.wake().is_some_and(|(at, _)| at <= self.clock.now()) {
            self.feed(Input::Timeout);
        }
    }

    /// How long until the node must look at its timers.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.node.wake().map(|(at, _)| at.since(self.clock.now()))
    }
}

impl link::Door for Door {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn feed(&mut self, input: Input<'_>) {
        Self::feed(self, input);
    }

    fn flow(&self, conn: ConnId) -> Flow {
        if self.paused.contains(&conn) { Flow::Pause } else { Flow::Continue }
    }

    fn visit(&self, conn: ConnId, max: usize, take: &mut dyn FnMut(&[u8])) {
        self.node.sendable(conn, max).into_iter().for_each(take);
    }

    fn disconnected(&mut self, conn: ConnId, why: LinkLoss) {
        Self::disconnected(self, conn, why);
    }

    fn pacer(&mut self) -> Option<&mut Pacer> {
        Some(&mut self.pacer)
    }
}
