use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::Picker;
use crate::input::Order;
use crate::swarm::have::Have;
use crate::wire::ChunkRange;

fn having(chunks: u32, which: impl IntoIterator<Item = u32>) -> Have {
    let mut have = Have::default();
    have.settle(chunks).unwrap();
    for first in which {
        have.tell(&[ChunkRange { first, count: 1 }], &mut |_| {}).unwrap();
    }
    have
}

/// A picker with these chunks missing, and so many peers that have each.
fn picker(counts: &[u16]) -> Picker {
    let mut picker = Picker::new(counts.len() as u32, Order::RarestFirst, 1);
    for (chunk, count) in (0..).zip(counts) {
        picker.add(chunk);
        (0..*count).for_each(|_| picker.seen(chunk));
    }
    picker
}

impl Picker {
    /// Everything lies where it should.
    fn check(&self, missing: &BTreeSet<u32>, counts: &[u16]) {
        let there: BTreeSet<u32> = self.order.iter().copied().collect();
        assert_eq!(&there, missing);
        assert_eq!(self.order.len(), missing.len());
        let ordered: Vec<u16> = self.order.iter().map(|chunk| counts[*chunk as usize]).collect();
        assert!(ordered.is_sorted_by(|a, b| a >= b), "{ordered:?}");
        for (at, chunk) in (0..).zip(&self.order) {
            assert_eq!(self.place[*chunk as usize], at);
        }
        for (count, start) in (0..).zip(&self.starts) {
            let above = ordered.iter().filter(|of| **of > count).count();
            assert_eq!(*start as usize, above, "where count {count} starts");
        }
    }
}

proptest! {
    #[test]
    fn chunks_lie_in_the_order_of_their_counts_whatever_happens(ops in many((0..4_u8, 0..20_u32), 0..300)) {
        let mut picker = Picker::new(20, Order::RarestFirst, 3);
        let (mut missing, mut counts) = (BTreeSet::new(), [0_u16; 20]);
        for (op, chunk) in ops {
            match op {
                0 => { picker.add(chunk); missing.insert(chunk); }
                1 => { picker.remove(chunk); missing.remove(&chunk); }
                2 => { picker.seen(chunk); counts[chunk as usize] += 1; }
                _ => { picker.unseen(chunk); counts[chunk as usize] = counts[chunk as usize].saturating_sub(1); }
            }
        }
        picker.check(&missing, &counts);
    }

    #[test]
    fn whatever_a_peer_has_of_what_is_missing_is_found(
        missing in many(0..5_000_u32, 1..40), has in many(0..5_000_u32, 1..40),
    ) {
        let mut picker = Picker::new(5_000, Order::RarestFirst, 9);
        missing.iter().for_each(|chunk| picker.add(*chunk));
        let mut have = having(5_000, has.iter().copied());
        let picked = picker.pick(&mut have, None);
        let common = missing.iter().any(|chunk| has.contains(chunk));
        prop_assert_eq!(picked.is_some(), common);
        prop_assert!(picked.is_none_or(|chunk| have.contains(chunk) && picker.is_missing(chunk)));
        prop_assert_eq!(picker.has_any(&have), common);
        prop_assert_eq!(picker.finds_any(&mut have), common);
    }
}

#[test]
fn the_rarest_comes_first() {
    let mut picker = picker(&[3, 1, 2, 5]);
    let mut all = having(4, 0..4);
    for expected in [1, 2, 0, 3] {
        let picked = picker.pick(&mut all, None).unwrap();
        assert_eq!(picked, expected);
        picker.remove(picked);
    }
    assert_eq!(picker.pick(&mut all, None), None);
}

#[test]
fn equals_are_drawn_at_random() {
    let mut picker = picker(&[0; 64]);
    let mut all = having(64, 0..64);
    let drawn: BTreeSet<u32> = (0..400).filter_map(|_| picker.pick(&mut all, None)).collect();
    assert!(drawn.len() > 50, "{} of 64", drawn.len());
}

#[test]
fn the_next_of_a_run_is_preferred_among_equals_only() {
    let mut picker = picker(&[1, 1, 1, 2]);
    let mut all = having(4, 0..4);
    assert_eq!(picker.pick(&mut all, Some(1)), Some(2));
    assert_ne!(picker.pick(&mut all, Some(2)), Some(3), "it is less rare");
}

#[test]
fn in_order_the_first_that_a_peer_has_comes_first() {
    let mut picker = Picker::new(100, Order::Sequential, 1);
    (0..100).for_each(|chunk| picker.add(chunk));
    assert_eq!(picker.pick(&mut having(100, 0..100), None), Some(0));
    assert_eq!(picker.pick(&mut having(100, [90, 7]), None), Some(7));
    picker.remove(7);
    assert_eq!(picker.pick(&mut having(100, [90, 7]), None), Some(90));
}

#[test]
fn a_peer_with_few_common_chunks_of_many_is_served_the_rarest_it_has() {
    let mut counts = alloc::vec![0; 70_000];
    (60_000..60_010).for_each(|chunk: usize| counts[chunk] = 9);
    counts[60_004] = 2;
    let mut picker = picker(&counts);
    assert_eq!(picker.pick(&mut having(70_000, 60_000..60_010), None), Some(60_004));
}
