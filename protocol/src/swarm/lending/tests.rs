use alloc::collections::BTreeSet;
use alloc::vec;

use super::{LENT, Lending, OUT_MAX};
use crate::{ConnId, Now};

const ONE: ConnId = ConnId(1);
const TWO: ConnId = ConnId(2);

#[test]
fn a_chunk_goes_to_one_until_it_is_seen_there() {
    let mut lending = Lending::new(9);
    assert!(lending.ask(3, ONE, Now::ZERO) && lending.ask(3, ONE, Now::ZERO));
    assert!(!lending.ask(3, TWO, Now::ZERO));
    assert_eq!(lending.seen(3, ONE), Some((3, BTreeSet::from([TWO]))), "whoever waited may ask now");
    assert!(lending.ask(3, TWO, Now::ZERO));
}

#[test]
fn who_goes_or_takes_too_long_keeps_nobody_waiting() {
    let mut lending = Lending::new(9);
    lending.ask(3, ONE, Now::ZERO);
    lending.ask(4, ONE, Now::ZERO);
    assert!(!lending.ask(3, TWO, Now::ZERO));
    assert_eq!(lending.gone(ONE), vec![(3, BTreeSet::from([TWO]))]);
    assert!(lending.ask(3, TWO, Now::ZERO));
    assert!(!lending.ask(3, ONE, Now::ZERO));
    assert_eq!(lending.expired(Now::ZERO + LENT), vec![(3, BTreeSet::from([ONE]))]);
    lending.ask(5, ONE, Now::ZERO);
    assert!(lending.ask(5, TWO, Now::ZERO + LENT), "it need not be told of to be over");
}

#[test]
fn whoever_asks_for_everything_keeps_others_from_little() {
    let mut lending = Lending::new(900);
    assert!((0..900).all(|chunk| lending.ask(chunk, ONE, Now::ZERO)));
    let refused = (0..900).filter(|chunk| !lending.ask(*chunk, TWO, Now::ZERO)).count();
    assert_eq!(refused, OUT_MAX);
}

#[test]
fn whoever_passes_nothing_on_owes_until_others_have_it() {
    let mut lending = Lending::new(9);
    for chunk in 0..4 {
        assert!(!lending.owes(ONE));
        lending.ask(chunk, ONE, Now::ZERO);
        lending.seen(chunk, ONE);
    }
    assert!(lending.owes(ONE) && !lending.owes(TWO));
    assert_eq!(lending.debtors(), BTreeSet::from([ONE]));
    lending.seen(2, TWO);
    assert!(!lending.owes(ONE), "one of them is passed on");
    lending.ask(5, ONE, Now::ZERO);
    lending.seen(5, TWO);
    assert!(!lending.owes(ONE), "what came to another by another way is owed by nobody");
    lending.ask(6, ONE, Now::ZERO);
    lending.seen(6, ONE);
    assert!(lending.owes(ONE));
    lending.gone(ONE);
    assert!(!lending.owes(ONE));
}
