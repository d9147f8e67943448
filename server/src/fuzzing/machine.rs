//! Two trackers with one store, and all that can happen to them, read from bytes.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use truecopy_protocol::fuzzing::Cursor;
use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

use crate::record::Replica;
use crate::tracker::replicated::Replicated;
use crate::tracker::{Announce, Config, Denied, Event, Gate, Proof, Reply, Tracker};

const START: u64 = 1_800_000_000;
const PEERS_MAX: usize = 12;
const REPLY_MAX: usize = 4;
/// Steps of one run at most: its time follows from the length of its input else.
const STEPS_MAX: usize = 2000;

struct World {
    replicas: Replicated,
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
        replicas: Replicated::new(vec![tracker(0), tracker(1)]),
        gate: Gate::new("http://tracker.example".to_owned(), [7; 32], UnixTime(0)),
        now: UnixTime(START),
    };
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.replicas.trackers.iter().for_each(Tracker::assert_counted);
        assert!(world.replicas.trackers.iter().all(|tracker| tracker.peers() <= PEERS_MAX));
    }
    world.replicas.settle(world.now);
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
            0 => self.replicas.write(at),
            1 => self.replicas.hear(at, self.now),
            2 => self.now = UnixTime(self.now.0 + u64::from(input.u16())),
            3 => {
                let mut changes = Vec::new();
                self.replicas.trackers[at].sweep(self.now, input.below(20), &mut changes);
                self.replicas.keep(at, changes);
            }
            4 => {
                let (discovery, node) = (DiscoveryKey([input.u8() % 3; 32]), NodeId([input.u8() % 6; 32]));
                let address = SocketAddr::new(source(input), input.u16());
                let mut changes = Vec::new();
                self.replicas.trackers[at].second(self.now, discovery, node, address, &mut changes);
                self.replicas.keep(at, changes);
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
        match self.replicas.trackers[at].announce(self.now, source, &announce, &proven, &mut changes) {
            Ok(reply) => honest(&reply, &node),
            Err(denied) => {
                assert!(matches!(denied, Denied::Early { .. } | Denied::Crowded | Denied::Full));
                assert!(changes.is_empty(), "nothing is kept of what is refused");
            }
        }
        self.replicas.keep(at, changes);
    }
}

fn honest(reply: &Reply, asker: &NodeId) {
    assert!(reply.peers.len() <= REPLY_MAX);
    assert!(reply.peers.iter().all(|told| told.node != *asker));
    let distinct: BTreeSet<_> = reply.peers.iter().map(|told| (told.node, told.address)).collect();
    assert_eq!(distinct.len(), reply.peers.len());
}
