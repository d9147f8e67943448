//! A node and its trackers: what it tells them, and what it does with what they say.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(missing_docs, reason = "a test")]

use std::time::Duration;

use truecopy_protocol::input::{Command, Fetch, Input, LinkLoss, PeerHint};
use truecopy_protocol::job::{Announce, AnnounceError, AnnounceEvent, AnnounceReply, Job, TrackerPeer};
use truecopy_protocol::output::{Event, Failure, Output, Refusal};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{
    AccessSecret, Candidate, Config, ConnId, ContentId, Node, NodeId, Now, ShareId, Timer, Trackers,
};

const SHARE: ShareId = ShareId(3);
const CONTENT: ContentId = ContentId([1; 32]);
const SECRET: AccessSecret = AccessSecret([2; 32]);

/// A node, and what it wants just now.
struct World {
    node: Node,
    now: Now,
    calls: Vec<Announce>,
    dials: Vec<(ConnId, Candidate)>,
    events: Vec<Event>,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let node = Node::new(config, [7; 32], Now::ZERO);
        Self { node, now: Now::ZERO, calls: Vec::new(), dials: Vec::new(), events: Vec::new() }
    }

    fn fetching(peers: Vec<PeerHint>) -> Self {
        Self::new().fetch(peers)
    }

    fn fetch(mut self, peers: Vec<PeerHint>) -> Self {
        let fetch = Fetch::new(SHARE, CONTENT, SECRET, peers);
        self.give(Input::Command(Command::Fetch(fetch)));
        self
    }

    fn give(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input);
        while let Some(output) = self.node.poll() {
            match output {
                Output::Job(Job::Announce(job)) => self.calls.push(job),
                Output::Dial { conn, to, .. } => self.dials.push((conn, to)),
                Output::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    fn add_trackers(&mut self, names: &[&str]) {
        let trackers = names.iter().map(|name| name.parse().unwrap()).collect();
        self.command(Command::AddTrackers { share: SHARE, trackers });
    }

    /// The only call that is under way.
    #[track_caller]
    fn call(&mut self) -> Announce {
        assert_eq!(self.calls.len(), 1, "{:?}", self.calls);
        self.calls.remove(0)
    }

    fn answer(&mut self, call: Announce, result: Result<AnnounceReply, AnnounceError>) {
        self.give(Input::Done(call.done(result)));
    }

    /// Lets time pass, with every dial refused, until there is a call.
    fn until_call(&mut self) -> Announce {
        while self.calls.is_empty() {
            self.step();
        }
        self.call()
    }

    fn step(&mut self) {
        match self.dials.pop() {
            Some((conn, _)) => self.give(Input::Disconnected { conn, why: LinkLoss::Refused }),
            None => {
                self.now = self.node.wake().unwrap().0;
                self.give(Input::Timeout);
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Ended { .. }))
    }
}

fn reply(peers: &[&str]) -> Result<AnnounceReply, AnnounceError> {
    let peer = |(number, address): (u8, &&str)| TrackerPeer {
        node: NodeId([number; 32]),
        address: address.parse().unwrap(),
    };
    Ok(AnnounceReply {
        interval: Duration::from_secs(1800),
        min_interval: Duration::from_secs(60),
        seeders: 1,
        leechers: 2,
        peers: (1..).zip(peers).map(peer).collect(),
        from: "198.51.44.1".parse().unwrap(),
    })
}

#[test]
fn whoever_a_tracker_names_is_dialled() {
    let mut world = World::fetching(Vec::new());
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    assert_eq!((call.share, call.tracker.as_str()), (SHARE, "http://a.example"));
    assert_eq!(call.discovery, truecopy_protocol::content::identity::discovery_key(&CONTENT, &SECRET));
    assert_eq!((call.event, call.left), (AnnounceEvent::Started, 1));
    world.answer(call, reply(&["198.51.44.7:7000", "127.0.0.1:7000"]));
    let dialled: Vec<String> = world.dials.iter().map(|(_, to)| to.to_string()).collect();
    assert_eq!(dialled, ["198.51.44.7:7000"], "nobody on our own machine");
    let told = world
        .events
        .iter()
        .any(|event| matches!(event, Event::Tracker { said: Ok(counts), .. } if counts.seeders == 1));
    assert!(told, "{:?}", world.events);
}

#[test]
fn a_lonely_fetch_asks_again_as_soon_as_the_tracker_allows() {
    let config = Config { find_timeout: Duration::from_secs(300), ..Config::default() };
    let mut world = World::with(config).fetch(Vec::new());
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    world.answer(call, reply(&[]));
    let again = world.until_call();
    assert_eq!((again.event, world.now), (AnnounceEvent::None, Now::ZERO + Duration::from_secs(60)));
}

#[test]
fn the_last_source_that_is_of_no_use_ends_a_fetch_only_if_no_tracker_names_others_in_time() {
    let peer = PeerHint { key: None, addresses: vec!["192.0.2.1:9".parse().unwrap()] };
    let mut world = World::fetching(vec![peer]);
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    world.answer(call, Err(AnnounceError::Unreachable));
    let failed = |world: &World| world.events.iter().any(|event| matches!(event, Event::Failed { .. }));
    while !failed(&world) {
        world.step();
        while let Some(call) = world.calls.pop() {
            world.answer(call, Err(AnnounceError::Unreachable));
        }
    }
    assert_eq!(world.now, Now::ZERO + Duration::from_secs(60));
    let why =
        |event: &Event| matches!(event, Event::Failed { why: Failure::NotFound(LinkLoss::Refused), .. });
    assert!(world.events.iter().any(why), "{:?}", world.events);
}

#[test]
fn a_share_that_ends_tells_its_trackers_first() {
    let mut world = World::fetching(Vec::new());
    world.add_trackers(&["http://a.example", "http://b.example"]);
    let (second, first) = (world.calls.pop().unwrap(), world.calls.pop().unwrap());
    world.answer(first, reply(&[]));
    world.answer(second, Err(AnnounceError::Unreachable));
    world.command(Command::End { share: SHARE, reason: Reason::Leaving });
    let call = world.call();
    assert_eq!((call.tracker.as_str(), call.event), ("http://a.example", AnnounceEvent::Stopped));
    assert!(!world.has_ended());
    world.answer(call, reply(&[]));
    assert!(world.has_ended());
    assert_eq!(world.node.wake(), None);
}

#[test]
fn a_tracker_that_does_not_answer_holds_the_end_up_for_a_second() {
    let mut world = World::fetching(Vec::new());
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    world.command(Command::End { share: SHARE, reason: Reason::Leaving });
    assert!(!world.has_ended());
    assert_eq!(world.node.wake(), Some((Now::ZERO + Duration::from_secs(1), Timer::Announce(SHARE))));
    world.step();
    assert!(world.has_ended());
    // Its answer comes when nobody waits for it any more.
    let events = world.events.len();
    world.answer(call, reply(&["198.51.44.7:7000"]));
    assert_eq!((world.events.len(), world.dials.len(), world.calls.len()), (events, 0, 0));
    assert_eq!(world.node.wake(), None);
}

#[test]
fn a_share_that_no_tracker_has_heard_of_ends_at_once() {
    let mut world = World::fetching(Vec::new());
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    world.answer(call, Err(AnnounceError::BadReply));
    world.command(Command::End { share: SHARE, reason: Reason::Leaving });
    assert!(world.has_ended() && world.calls.is_empty());
}

#[test]
fn a_share_that_is_served_lacks_nothing_and_dials_nobody() {
    let mut world = World::new();
    world.command(Command::Announce { share: SHARE, content: CONTENT, secret: SECRET });
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    assert_eq!((call.event, call.left), (AnnounceEvent::Started, 0));
    world.answer(call, reply(&["198.51.44.7:7000"]));
    assert!(world.dials.is_empty());
    let again = world.until_call();
    assert_eq!((again.event, again.left), (AnnounceEvent::None, 0));
    assert!(world.now >= Now::ZERO + Duration::from_secs(1800));
    world.answer(again, reply(&[]));
    world.command(Command::End { share: SHARE, reason: Reason::Done });
    let last = world.call();
    assert_eq!(last.event, AnnounceEvent::Stopped);
    world.answer(last, reply(&[]));
    assert!(world.has_ended());
}

#[test]
fn trackers_of_no_share_are_refused() {
    let mut world = World::new();
    world.add_trackers(&["http://a.example"]);
    let refused = |event: &Event| matches!(event, Event::Refused { why: Refusal::UnknownShare, .. });
    assert!(world.events.iter().any(refused));
    assert!(world.calls.is_empty());
}

#[test]
fn retry_asks_trackers_too() {
    let mut world = World::fetching(Vec::new());
    world.add_trackers(&["http://a.example"]);
    let call = world.call();
    world.answer(call, Err(AnnounceError::Refused));
    world.now += Duration::from_secs(20);
    world.command(Command::Retry { share: SHARE });
    assert_eq!(world.call().event, AnnounceEvent::Started);
    // Trackers that it has already are not asked twice.
    let trackers = Trackers::from_iter(["http://a.example".parse().unwrap()]);
    world.command(Command::AddTrackers { share: SHARE, trackers });
    assert!(world.calls.is_empty());
}
