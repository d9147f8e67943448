//! Two trackers with one store, and all that can happen to them, read from bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use truecopy_protocol::fuzzing::Cursor;
use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

use crate::record::{Change, Edit, Key, Replica, Value};
use crate::tracker::{Announce, Config, Denied, Event, Gate, Proof, Reply, Tracker};

const START: u64 = 1_800_000_000;
const PEERS_MAX: usize = 12;
const REPLY_MAX: usize = 4;
/// Steps of one run at most: its time follows from the length of its input else.
const STEPS_MAX: usize = 2000;

struct World {
    trackers: [Tracker; 2],
    pending: [BTreeMap<Key, Edit>; 2],
    heard: [usize; 2],
    log: Vec<Change>,
    store: BTreeMap<Key, Value>,
    gate: Gate,
    now: UnixTime,
}

/// Announces, second addresses, sweeps, writes and news in any order: replies are bounded and honest, all is counted
/// rightly, and once everything was heard both trackers know what the store has.
pub fn tracker_machine(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let tracker = |number: u16| {
        let config = Config {
            peers_max: PEERS_MAX,
            reply_max: REPLY_MAX,
            share_keys_max: 3,
            source_keys_max: 4,
            idle_max: 2,
            replica: Replica(number),
            ..Config::default()
        };
        Tracker::new(config, number.into())
    };
    let mut world = World {
        trackers: [tracker(0), tracker(1)],
        pending: Default::default(),
        heard: [0; 2],
        log: Vec::new(),
        store: BTreeMap::new(),
        gate: Gate::new("http://tracker.example".to_owned(), [7; 32], UnixTime(0)),
        now: UnixTime(START),
    };
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.trackers.iter().for_each(Tracker::assert_counted);
        assert!(world.trackers.iter().all(|tracker| tracker.peers() <= PEERS_MAX));
    }
    world.settle();
}

fn source(input: &mut Cursor<'_>) -> IpAddr {
    let number = input.below(5) as u32;
    if number < 3 {
        IpAddr::V4((0x0a00_0000 + number).into())
    } else {
        IpAddr::V6(((0x2001_0db8_u128 << 96) + (u128::from(number) << 64)).into())
    }
}

impl World {
    fn step(&mut self, input: &mut Cursor<'_>) {
        let at = input.below(2);
        match input.below(8) {
            0 => self.write(at),
            1 => self.hear(at),
            2 => self.now = UnixTime(self.now.0 + u64::from(input.u16())),
            3 => {
                let mut changes = Vec::new();
                self.trackers[at].sweep(self.now, input.below(20), &mut changes);
                self.keep(at, changes);
            }
            4 => {
                let (discovery, node) = (DiscoveryKey([input.u8() % 3; 32]), NodeId([input.u8() % 6; 32]));
                let address = SocketAddr::new(source(input), input.u16());
                let mut changes = Vec::new();
                self.trackers[at].second(self.now, discovery, node, address, &mut changes);
                self.keep(at, changes);
            }
            _ => self.announce(at, input),
        }
    }

    fn announce(&mut self, at: usize, input: &mut Cursor<'_>) {
        let event = [Event::None, Event::Started, Event::Stopped, Event::Completed][input.below(4)];
        let left = if event == Event::Completed { 0 } else { input.below(3) as u64 };
        let (discovery, node) = (DiscoveryKey([input.u8() % 3; 32]), NodeId([input.u8() % 6; 32]));
        let Ok(port) = (7000 + u16::from(input.u8() % 2)).try_into() else { return };
        let source = source(input);
        let token = self.gate.token(self.now, &node, &discovery, source);
        let announce = Announce { discovery, node, port, left, event, proof: Proof::Token(token) };
        let proven = self.gate.check(self.now, source, &announce);
        let Ok(proven) = proven else { panic!("a token that was given just now holds") };
        let mut changes = Vec::new();
        match self.trackers[at].announce(self.now, source, &announce, &proven, &mut changes) {
            Ok(reply) => honest(&reply, &node),
            Err(denied) => {
                assert!(matches!(denied, Denied::Early { .. } | Denied::Crowded | Denied::Full));
                assert!(changes.is_empty(), "nothing is kept of what is refused");
            }
        }
        self.keep(at, changes);
    }

    fn keep(&mut self, at: usize, changes: Vec<Change>) {
        self.pending[at].extend(changes.into_iter().map(|change| (change.key, change.edit)));
    }

    fn write(&mut self, at: usize) {
        for (key, edit) in std::mem::take(&mut self.pending[at]) {
            match &edit {
                Edit::Put(value) => drop(self.store.insert(key.clone(), value.clone())),
                Edit::Remove { .. } => drop(self.store.remove(&key)),
            }
            self.log.push(Change { key, edit });
        }
    }

    fn hear(&mut self, at: usize) {
        let Some(Change { key, edit }) = self.log.get(self.heard[at]).cloned() else { return };
        self.heard[at] += 1;
        let mut back = Vec::new();
        self.trackers[at].merge(self.now, &key, edit, &mut back);
        self.keep(at, back);
    }

    /// Everything is written and heard: that comes to an end.
    fn settle(mut self) {
        let end = self.log.len() + 1000;
        while self.pending.iter().any(|pending| !pending.is_empty())
            || self.heard.iter().any(|heard| *heard < self.log.len())
        {
            for at in [0, 1] {
                self.write(at);
                self.hear(at);
            }
            assert!(self.log.len() < end, "they tell each other the same for ever");
        }
        self.trackers.iter().for_each(Tracker::assert_counted);
    }
}

fn honest(reply: &Reply, asker: &NodeId) {
    assert!(reply.peers.len() <= REPLY_MAX);
    assert!(reply.peers.iter().all(|told| told.node != *asker));
    let distinct: BTreeSet<_> = reply.peers.iter().map(|told| (told.node, told.address)).collect();
    assert_eq!(distinct.len(), reply.peers.len());
}
