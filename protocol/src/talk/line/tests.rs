use alloc::string::ToString;

use super::*;
use crate::UnixTime;
use crate::wire::{Text, Word};

fn word(text: &str) -> Word {
    Word::Text(Text { time: UnixTime(1), text: text.to_string() })
}

fn at(seconds: u64) -> Now {
    Now::ZERO + Duration::from_secs(seconds)
}

#[test]
fn what_was_not_acknowledged_is_said_again_on_the_next_connection() {
    let mut out = Outgoing::default();
    for (number, text) in (1..).zip(["a", "b", "c"]) {
        out.say(number, word(text), Some(9), at(0)).unwrap();
    }
    assert_eq!(out.next(at(0)).map(|(number, _)| number), Some(1));
    assert_eq!(out.next(at(0)).map(|(number, _)| number), Some(2));
    assert_eq!(out.heard(1), [9]);
    out.reconnected();
    let again: Vec<u64> = core::iter::from_fn(|| out.next(at(0)).map(|(number, _)| number)).collect();
    assert_eq!(again, [2, 3]);
    assert_eq!(out.heard(3).len(), 2);
    assert!(out.is_empty() && out.memory() == 0);
}

#[test]
fn the_first_word_goes_out_at_once_and_those_that_follow_it_closely_together() {
    let mut out = Outgoing::default();
    let say = |out: &mut Outgoing, number| out.say(number, word("x"), None, at(1)).unwrap();
    assert_eq!(out.due(at(1)), None);
    say(&mut out, 1);
    assert_eq!(out.due(at(1)), Some(at(1)));
    assert!(out.next(at(1)).is_some());
    assert_eq!(out.due(at(1)), None, "it has gone out, though nobody has acknowledged it");
    say(&mut out, 2);
    assert_eq!(out.due(at(1)), Some(at(1) + GATHERED));
    out.reconnected();
    assert_eq!(out.due(at(1)), Some(at(1)), "somebody came back: what waited for it waits no longer");
    assert_eq!([out.next(at(1)).unwrap().0, out.next(at(1)).unwrap().0], [1, 2]);
    (3..).take(GATHERED_MAX - 1).for_each(|number| say(&mut out, number));
    assert_eq!(out.due(at(1)), Some(at(1) + GATHERED));
    say(&mut out, 1000);
    assert_eq!(out.due(at(1)), Some(at(1)), "who says much does not wait");
}

#[test]
fn a_word_that_comes_twice_is_news_once_and_numbers_may_have_gaps() {
    let mut hearing = Hearing::default();
    assert!(hearing.hear(7, 1) && hearing.hear(7, 4));
    assert!(!hearing.hear(7, 4) && !hearing.hear(7, 2));
    assert!(hearing.hear(8, 1), "another run of the program begins anew");
}

#[test]
fn words_wait_for_a_bounded_time_and_in_bounded_memory() {
    let mut out = Outgoing::default();
    out.say(1, word("old"), Some(5), at(0)).unwrap();
    out.say(2, word("new"), None, at(8)).unwrap();
    let patience = Duration::from_secs(10);
    assert_eq!(out.expires(patience), Some(at(10)));
    assert_eq!(out.expire(at(10), patience), [5]);
    assert_eq!(out.next(at(0)).map(|(number, _)| number), Some(2));
    let long = "x".repeat(10_000);
    let said = (3..).take_while(|number| out.say(*number, word(&long), None, at(9)).is_ok()).count();
    assert!(said < 27 && out.memory() <= WAITING_BYTES_MAX, "{said}");
}
