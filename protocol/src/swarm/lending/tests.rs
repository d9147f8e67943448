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
