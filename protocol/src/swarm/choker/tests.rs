use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Candidate, Choker, Credit, Manners, Record, Stand};
use crate::ConnId;
use crate::content::geometry::SPAN;
use crate::rng::Rng;
use crate::swarm::download::Interest;

/// Peers that give and take so much in each round.
fn peers(rates: &[(u64, u64)]) -> Vec<Candidate> {
    let peer = |(number, (gives, takes)): (usize, &(u64, u64))| {
        let mut record = Record::default();
        (1..9).for_each(|round| record.round(gives * round, takes * round));
        let credit = if *gives > 0 { Credit::Earned } else { Credit::Open };
        let interest = Interest::Interested;
        Candidate { conn: ConnId(number as u64), stand: Stand::Leecher, interest, record, credit }
    };
    rates.iter().enumerate().map(peer).collect()
}

/// How often each is served in so many rounds.
fn served(peers: &[Candidate], stand: Stand, slots: usize, rounds: u32) -> BTreeMap<u64, u32> {
    let (mut choker, mut rng, mut times) = (Choker::default(), Rng::new([7; 32]), BTreeMap::new());
    for _ in 0..rounds {
        let served = choker.round(peers, stand, slots, 0, &mut |bound| rng.below(bound));
        assert!(served.len() <= slots, "no more than there are places");
        served.iter().for_each(|conn| *times.entry(conn.0).or_default() += 1);
    }
    times
}

#[test]
fn as_long_as_there_are_places_everybody_is_served() {
    for count in [1, 2, 5] {
        let times = served(&peers(&[(0, 0), (9, 9), (0, 5), (1, 0), (0, 0)][..count]), Stand::Leecher, 5, 50);
        assert!((0..count as u64).all(|peer| times[&peer] == 50), "{times:?}");
    }
}

#[test]
fn whoever_gives_most_is_always_served_and_whoever_gives_nothing_only_by_turns() {
    let mut rates = alloc::vec![(0, 900); 20];
    rates.extend([(500, 1), (400, 1), (300, 1), (200, 1), (100, 1)]);
    let times = served(&peers(&rates), Stand::Leecher, 5, 300);
    assert!((20..24).all(|peer| times.get(&peer) == Some(&300)), "{times:?}");
    let free: Vec<u32> = (0..20).map(|peer| times.get(&peer).copied().unwrap_or(0)).collect();
    assert!(free.iter().sum::<u32>() <= 300, "they share one place");
    assert!(free.iter().filter(|times| **times > 0).count() >= 18, "each gets its turn: {free:?}");
}

#[test]
fn whoever_has_everything_serves_all_by_turns() {
    let times = served(&peers(&[(0, 10); 40]), Stand::Seeder, 5, 400);
    assert!((0..40).all(|peer| times.get(&peer).is_some_and(|times| *times > 0)), "{times:?}");
}

#[test]
fn whoever_wants_nothing_is_not_served() {
    let mut all = peers(&[(5, 5); 12]);
    all[3].interest = Interest::NotInterested;
    let times = served(&all, Stand::Leecher, 4, 100);
    assert_eq!(times.get(&3), None);
}

#[test]
fn in_a_crowd_whoever_never_gave_is_served_by_turns_alone_once_somebody_gave() {
    let mut all = peers(&[(0, 9); 9]);
    assert_eq!(Manners::of(&all, Stand::Leecher, 5), Manners::Easy, "nobody has anything to give yet");
    all.extend(peers(&[(7, 9)]));
    assert_eq!(Manners::of(&all, Stand::Leecher, 5), Manners::Strict);
    assert_eq!(Manners::of(&all, Stand::Seeder, 5), Manners::Easy, "whoever has everything is given nothing");
    assert_eq!(
        Manners::of(&all[5..], Stand::Leecher, 5),
        Manners::Easy,
        "in a small circle it costs nothing"
    );
    all.iter_mut().for_each(|peer| peer.stand = Stand::Seeder);
    assert_eq!(Manners::of(&all, Stand::Leecher, 5), Manners::Easy, "those that want nothing are no crowd");
}

#[test]
fn a_turn_is_worth_a_part_of_a_place_and_a_span_at_least() {
    let mut all = peers(&[(0, 9); 9]);
    all[0].credit = Credit::Indebted;
    let mut choker = Choker::default();
    let mut draw = |_| 0;
    choker.round(&all, Stand::Leecher, 5, 400 * SPAN, &mut draw);
    assert_eq!(choker.worth(&all[0], Manners::Strict), 20 * SPAN);
    assert_eq!(choker.worth(&all[0], Manners::Easy), u64::MAX);
    choker.round(&all, Stand::Leecher, 5, 0, &mut draw);
    assert_eq!(choker.worth(&all[0], Manners::Strict), SPAN);
    all[0].credit = Credit::Earned;
    assert_eq!(choker.worth(&all[0], Manners::Strict), u64::MAX);
}

#[test]
fn whoever_keeps_what_it_alone_was_given_comes_after_all_others() {
    let mut all = peers(&[(0, 500), (0, 1), (0, 1), (0, 1)]);
    all[0].credit = Credit::Spent;
    let times = served(&all, Stand::Seeder, 2, 300);
    assert_eq!(times.get(&0), None, "{times:?}");
    let times = served(&all, Stand::Seeder, 4, 10);
    assert_eq!(times.get(&0), Some(&10), "nobody else wants its place");
}
