use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mio::{Events, Poll};

use super::*;

const BELL: Token = Token(0);
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

fn mailbox() -> (Poll, Arc<Mailbox<u32>>) {
    let poll = Poll::new().unwrap();
    let mailbox = Arc::new(Mailbox::new(poll.registry(), BELL).unwrap());
    (poll, mailbox)
}

fn wakes(poll: &mut Poll, patience: Option<Duration>) -> usize {
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, patience).unwrap();
    events.iter().count()
}

#[test]
fn nobody_rings_while_the_loop_is_awake() {
    let (mut poll, mailbox) = mailbox();
    mailbox.post(1);
    assert_eq!(wakes(&mut poll, Some(Duration::ZERO)), 0);
    assert_eq!(mailbox.fall_asleep(), Sleep::Not, "a letter came before");
    mailbox.awake();
    assert_eq!(mailbox.take(), [1]);
    assert_eq!(mailbox.fall_asleep(), Sleep::Sound);
    mailbox.post(2);
    mailbox.post(3);
    assert_eq!(wakes(&mut poll, PATIENCE), 1);
    assert_eq!(mailbox.take(), [2, 3]);
}

#[test]
fn no_wake_is_lost_however_the_threads_meet() {
    const LETTERS: u32 = 20_000;
    let (mut poll, mailbox) = mailbox();
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || (0..LETTERS).for_each(|letter| mailbox.put(letter).unwrap()))
        })
        .collect();
    let mut read = 0;
    while read < 3 * LETTERS as usize {
        if mailbox.fall_asleep() == Sleep::Sound {
            assert_eq!(wakes(&mut poll, PATIENCE), 1, "a letter came and nobody rang");
        }
        mailbox.awake();
        read += mailbox.take().len();
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn a_full_box_holds_writers_up_until_it_is_read_or_closed() {
    let (_poll, mailbox) = mailbox();
    let writer = {
        let mailbox = Arc::clone(&mailbox);
        thread::spawn(move || (0..).map(|letter| mailbox.put(letter)).take_while(Result::is_ok).count())
    };
    let mut read = 0;
    while read < 10 * WAITING_MAX {
        let taken = mailbox.take().len();
        assert!(taken <= WAITING_MAX);
        read += taken;
        thread::yield_now();
    }
    mailbox.close();
    assert!(writer.join().unwrap() >= read);
    assert_eq!(mailbox.put(1), Err(1));
}
