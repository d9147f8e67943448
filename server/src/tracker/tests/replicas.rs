//! Several trackers that hear of one another's changes: whatever the order, all come to the same.

use super::*;
use crate::record::Replica;

/// Trackers with a store that they share: what each has not written yet, what was written, and up to where each has
/// heard of that.
struct World {
    trackers: Vec<Tracker>,
    pending: Vec<BTreeMap<Key, Edit>>,
    heard: Vec<usize>,
    log: Vec<Change>,
    store: BTreeMap<Key, Value>,
}

impl World {
    fn new(count: u16) -> Self {
        let tracker = |number| Tracker::new(Config { replica: Replica(number), ..free() }, number.into());
        Self {
            trackers: (0..count).map(tracker).collect(),
            pending: vec![BTreeMap::new(); count.into()],
            heard: vec![0; count.into()],
            log: Vec::new(),
            store: BTreeMap::new(),
        }
    }

    fn keep(&mut self, at: usize, changes: Vec<Change>) {
        self.pending[at].extend(changes.into_iter().map(|change| (change.key, change.edit)));
    }

    /// One writes what it has to write.
    fn write(&mut self, at: usize) {
        for (key, edit) in std::mem::take(&mut self.pending[at]) {
            match &edit {
                Edit::Put(value) => drop(self.store.insert(key.clone(), value.clone())),
                Edit::Remove { .. } => drop(self.store.remove(&key)),
            }
            self.log.push(Change { key, edit });
        }
    }

    fn announce(&mut self, at: usize, now: UnixTime, source: IpAddr, announce: Announce) {
        let (_, changes) = take(&mut self.trackers[at], now, source, announce).unwrap();
        self.keep(at, changes);
    }

    /// One hears the next change.
    fn hear(&mut self, at: usize, now: UnixTime) {
        let Some(Change { key, edit }) = self.log.get(self.heard[at]).cloned() else { return };
        self.heard[at] += 1;
        let mut back = Vec::new();
        self.trackers[at].merge(now, &key, edit, &mut back);
        self.keep(at, back);
    }

    fn hear_all(&mut self, now: UnixTime) {
        let end = self.log.len() + 10_000;
        while self.pending.iter().any(|pending| !pending.is_empty())
            || self.heard.iter().any(|heard| *heard < self.log.len())
        {
            (0..self.trackers.len()).for_each(|at| self.write(at));
            (0..self.trackers.len()).for_each(|at| self.hear(at, now));
            assert!(self.log.len() < end, "they tell each other the same for ever");
        }
    }

    /// What one knows, as it would keep it.
    fn known(&self, at: usize) -> BTreeMap<Key, Value> {
        let tracker = &self.trackers[at];
        tracker.assert_counted();
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
    world.hear_all(NOW);
    let told = put(&mut world.trackers[1], later(1), v4(2), 2).peers;
    assert_eq!(told, [Told { node: node(1), address: (v4(1), 7000).into() }]);
}

#[test]
fn families_that_different_replicas_saw_come_together_everywhere_and_in_the_store() {
    let mut world = World::new(2);
    let one = announce(share(0), node(1), Event::Started, 5);
    world.announce(0, NOW, v4(1), one);
    world.announce(1, NOW, v6(1), one);
    world.hear_all(NOW);
    let (first, second) = (world.known(0), world.known(1));
    assert_eq!(first, second);
    assert_eq!(first, world.store);
    assert!(matches!(first.values().next(), Some(Value::Peer(Peer { v4: Some(_), v6: Some(_), .. }))));
}

#[test]
fn a_stop_that_is_heard_late_does_not_take_a_peer_that_came_back() {
    let mut world = World::new(2);
    let one = announce(share(0), node(1), Event::Started, 5);
    world.announce(0, NOW, v4(1), one);
    world.hear_all(NOW);
    world.announce(0, later(5), v4(1), Announce { event: Event::Stopped, ..one });
    world.announce(1, later(6), v4(1), one);
    world.hear_all(later(7));
    assert_eq!((world.known(0).len(), world.known(1).len(), world.store.len()), (1, 1, 1));
    world.announce(0, later(8), v4(1), Announce { event: Event::Stopped, ..one });
    world.hear_all(later(9));
    assert_eq!((world.known(0).len(), world.known(1).len(), world.store.len()), (0, 0, 0));
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
    world.hear_all(NOW);
    for tracker in &world.trackers {
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
                0 => world.hear(at, now),
                1 => world.write(at),
                _ => {}
            }
            let event = [Event::None, Event::Started, Event::Stopped, Event::Completed][random.below(4)];
            let left = if event == Event::Completed { 0 } else { random.below(3) as u64 };
            let one = announce(share(random.below(2) as u64), node(random.below(5) as u64), event, left);
            let source = if random.below(2) == 0 { v4(1) } else { v6(1) };
            world.announce(at, now, source, one);
        }
        world.hear_all(later(60));
        world.store.retain(|key, _| matches!(key, Key::Peer(..)));
        for at in 0..3 {
            assert_eq!(world.known(at), world.store, "seed {seed}, replica {at}");
        }
        let counts: Vec<_> = world.trackers.iter().map(|tracker| tracker.scrape(&share(0))).collect();
        assert!(counts.iter().all(|scrape| *scrape == counts[0]), "seed {seed}: {counts:?}");
    }
}
