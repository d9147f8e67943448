//! Ends: closing words, drains, resets.

use truecopy_sim::stream::{Break, Direction, Eats, Shape, pair};
use truecopy_transport::channel::ChannelError;
use truecopy_transport::channel::tls::Tls;
use truecopy_transport::pump::{Breakage, Flow, ReadState, Received, WriteState};
use truecopy_transport::stream::Stream;

use crate::tls::tls_pair;
use crate::toy::{Closing, End, Last, Toy, run, turns};

/// The first end closes as soon as its bytes are in the channel, while the other pours bytes at it. A pump that dropped
/// its stream then would make a reset, and the reset would eat the first one's last words.
#[test]
fn closing_with_unread_input_loses_nothing_that_was_sent() {
    for seed in 0..60 {
        let shapes = (Shape::seeded(seed), Shape::seeded(seed + 500));
        closing_loses_nothing(seed, pair(seed, shapes.0.into(), shapes.1.into()));
    }
}

pub(crate) fn closing_loses_nothing<S: Stream>(seed: u64, (left, right): (S, S)) {
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 30_000), 2, Closing::AfterSending);
    let mut b = End::new(b, right, (2, 2_000_000), 1, Closing::AfterHearing(usize::MAX));
    run(seed, &mut a, &mut b);
    assert_eq!((b.heard.len, b.heard.last), (30_000, Some(Last::Closed)), "seed {seed}");
}

#[test]
fn a_stream_that_ends_without_the_closing_word_is_cut() {
    an_end_without_the_closing_word_is_a_cut(pair(0, Direction::smooth(), Direction::smooth()));
}

pub(crate) fn an_end_without_the_closing_word_is_a_cut<S: Stream>((left, right): (S, S)) {
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 5000), 2, Closing::Never);
    let mut b = End::new(b, right, (2, 0), 1, Closing::Never);
    turns("all is heard", || {
        a.turn();
        b.turn();
        b.heard.len == 5000
    });
    a.stream = None;
    turns("the end is noticed", || b.turn().0 == ReadState::Ended);
    assert_eq!(b.heard.last, Some(Last::Broken(Breakage::Channel(ChannelError::Cut))));
}

#[test]
fn a_reset_is_told_as_what_it_is() {
    let reset = Break::Reset { at: 20_000, eats: Eats::Unread };
    let (left, right) = pair(0, Direction::smooth().broken(reset), Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 50_000), 2, Closing::Never);
    let mut b = End::new(b, right, (2, 50_000), 1, Closing::Never);
    run(0, &mut a, &mut b);
    // The writer's write was told of it: what it reads after that is an end without the closing word.
    assert_eq!(a.heard.last, Some(Last::Broken(Breakage::Channel(ChannelError::Cut))));
    let reset = Breakage::Stream(std::io::ErrorKind::ConnectionReset);
    assert_eq!(b.heard.last, Some(Last::Broken(reset)));
}

/// An end of which nothing has been heard but the proof, with so many bytes waiting in its stream.
fn with_bytes_waiting(len: usize) -> End<Tls> {
    let (left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 0), 2, Closing::Never);
    let mut b = End::new(b, right, (2, len), 1, Closing::Never);
    while b.source.left() > 0 {
        a.turn();
        b.turn();
    }
    assert_eq!(a.heard.len, 0);
    // The bytes are in the stream; its other end must not be closed.
    std::mem::forget(b);
    a
}

#[test]
fn a_pause_keeps_what_is_buffered_and_nothing_is_lost() {
    let mut end = with_bytes_waiting(200_000);
    let (mut stream, mut heard, mut pauses) = (end.stream.take().unwrap(), 0, 0);
    while heard < 200_000 {
        let state = end.pump.receive(&mut stream, usize::MAX, &mut |received| {
            let Received::Plaintext(bytes) = received else { panic!("{received:?}") };
            heard += bytes.len();
            Flow::Pause
        });
        assert_eq!(state, ReadState::Paused);
        pauses += 1;
    }
    assert!(pauses >= 200_000 / (16 * 1024), "one record a call");
}

#[test]
fn a_used_up_budget_is_told_apart_from_a_stream_that_has_nothing() {
    let mut end = with_bytes_waiting(50_000);
    let mut stream = end.stream.take().unwrap();
    assert_eq!(end.pump.receive(&mut stream, 1, &mut |_| Flow::Continue), ReadState::Budget);
    assert_eq!(end.pump.receive(&mut stream, 1, &mut |_| Flow::Continue), ReadState::WouldBlock);
    // More than the stream's window.
    let mut source = Toy::new(1, 400_000);
    assert_eq!(end.pump.transmit(&mut stream, &mut source, 1), WriteState::Budget);
    assert_eq!(end.pump.transmit(&mut stream, &mut source, 1), WriteState::WouldBlock);
}
