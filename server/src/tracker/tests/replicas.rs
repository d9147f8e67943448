//! Several trackers that hear of one another's changes: whatever the order, all come to the same.

use super::super::replicated::Replicated;
use super::*;
use crate::record::Replica;

struct World(Replicated);

impl World {
    fn new(count: u16) -> Self {
        let tracker = |number| Tracker::new(Config { replica: Replica(number), ..free() }, number.into());
        Self(Replicated::new((0..count).map(tracker).collect()))
    }

    fn announce(&mut self, at: usize, now: UnixTime, source: IpAddr, announce: Announce) {
        let (_, changes) = take(&mut self.0.trackers[at], now, source, announce).unwrap();
        self.0.keep(at, changes);
    }

    /// What one knows, as it would keep it.
    fn known(&self, at: usize) -> BTreeMap<Key, Value> {
        let tracker = &self.0.trackers[at];
        let peers = tracker.shares.iter().flat_map(|(discovery, share)| {
            (0..share.len()).map(|place| {
                let (node, peer) = *share.get(place);
                (Key::Peer(*discovery, node), Value::Peer(peer))
            })
        });
        peers.collect()
    }
}

#[test]
fn a_peer_that_one_took_is_told_by_the_other() {
    let mut world = World::new(2);
    world.announce(0, NOW, v4(1), announce(share(0), node(1), Event::Started, 5));
    world.0.settle(NOW);
    let told = put(&mut world.0.trackers[1], later(1), v4(2), 2).peers;
    assert_eq!(told, [Told { node: node(1), address: (v4(1), 7000).into() }]);
}

#[test]
fn families_that_different_replicas_saw_come_together_everywhere_and_in_the_store() {
    let mut world = World::new(2);
    let one = announce(share(0), node(1), Event::Started, 5);
    world.announce(0, NOW, v4(1), one);
    world.announce(1, NOW, v6(1), one);
    world.0.settle(NOW);
    let (first, second) = (world.known(0), world.known(1));
    assert_eq!(first, second);
    assert_eq!(first, world.0.store);
    assert!(matches!(first.values().next(), Some(Value::Peer(Peer { v4: Some(_), v6: Some(_), .. }))));
}

#[test]
fn a_stop_that_is_heard_late_does_not_take_a_peer_that_came_back() {
    let mut world = World::new(2);
    let one = announce(share(0), node(1), Event::Started, 5);
    world.announce(0, NOW, v4(1), one);
    world.0.settle(NOW);
    world.announce(0, later(5), v4(1), Announce { event: Event::Stopped, ..one });
    world.announce(1, later(6), v4(1), one);
    world.0.settle(later(7));
    assert_eq!((world.known(0).len(), world.known(1).len(), world.0.store.len()), (1, 1, 1));
    world.announce(0, later(8), v4(1), Announce { event: Event::Stopped, ..one });
    world.0.settle(later(9));
    assert_eq!((world.known(0).len(), world.known(1).len(), world.0.store.len()), (0, 0, 0));
}

#[test]
fn completions_at_several_replicas_add_up() {
    let mut world = World::new(3);
    for number in 0..9 {
        let at = number as usize % 3;
        let one = announce(share(0), node(number), Event::Started, 5);
        world.announce(at, NOW, v4(number as u32), one);
        let done = announce(share(0), node(number), Event::Completed, 0);
        world.announce(at, NOW, v4(number as u32), done);
    }
    world.0.settle(NOW);
    for tracker in &world.0.trackers {
        assert_eq!(tracker.scrape(&share(0)), Scrape { seeders: 9, leechers: 0, completed: 9 });
    }
}

#[test]
fn whatever_happens_where_and_is_heard_when_all_come_to_the_same() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut world = World::new(3);
        for step in 0..200 {
            let (at, now) = (random.below(3), later(step / 4));
            match random.below(4) {
                0 => world.0.hear(at, now),
                1 => world.0.write(at),
                _ => {}
            }
            let event = [Event::None, Event::Started, Event::Stopped, Event::Completed][random.below(4)];
            let left = if event == Event::Completed { 0 } else { random.below(3) as u64 };
            let one = announce(share(random.below(2) as u64), node(random.below(5) as u64), event, left);
            let source = if random.below(2) == 0 { v4(1) } else { v6(1) };
            world.announce(at, now, source, one);
        }
        world.0.settle(later(60));
        world.0.store.retain(|key, _| matches!(key, Key::Peer(..)));
        for at in 0..3 {
            assert_eq!(world.known(at), world.0.store, "seed {seed}, replica {at}");
        }
        let counts: Vec<_> = world.0.trackers.iter().map(|tracker| tracker.scrape(&share(0))).collect();
        assert!(counts.iter().all(|scrape| *scrape == counts[0]), "seed {seed}: {counts:?}");
    }
}
