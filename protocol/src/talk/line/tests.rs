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
    assert_eq!(out.next().map(|(number, _)| number), Some(1));
    assert_eq!(out.next().map(|(number, _)| number), Some(2));
    assert_eq!(out.heard(1), [9]);
    out.reconnected();
    let again: Vec<u64> = core::iter::from_fn(|| out.next().map(|(number, _)| number)).collect();
    assert_eq!(again, [2, 3]);
    assert_eq!(out.heard(3).len(), 2);
    assert!(out.is_empty() && out.memory() == 0);
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
    assert_eq!(out.next().map(|(number, _)| number), Some(2));
    let long = "x".repeat(10_000);
    let said = (3..).take_while(|number| out.say(*number, word(&long), None, at(9)).is_ok()).count();
    assert!(said < 27 && out.memory() <= WAITING_BYTES_MAX, "{said}");
}
