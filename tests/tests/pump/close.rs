//! Ends: closing words, drains, resets.

use truecopy_sim::stream::{Break, Direction, Eats, Shape, pair};
use truecopy_transport::channel::ChannelError;
use truecopy_transport::pump::{Breakage, Flow, ReadState};

use crate::tls::tls_pair;
use crate::toy::{Closing, End, Last, run};

/// The first end closes as soon as its bytes are in the channel, while the other pours bytes at it. A pump that dropped
/// its stream then would make a reset, and the reset would eat the first one's last words.
#[test]
fn closing_with_unread_input_loses_nothing_that_was_sent() {
    for seed in 0..60 {
        let shapes = (Shape::seeded(seed), Shape::seeded(seed + 500));
        let (left, right) = pair(seed, shapes.0.into(), shapes.1.into());
        let (a, b) = tls_pair();
        let mut a = End::new(a, left, (1, 30_000), 2, Closing::AfterSending);
        let mut b = End::new(b, right, (2, 2_000_000), 1, Closing::AfterHearing(usize::MAX));
        run(seed, &mut a, &mut b);
        assert_eq!((b.heard.len, b.heard.last), (30_000, Some(Last::Closed)), "seed {seed}");
    }
}

#[test]
fn a_stream_that_ends_without_the_closing_word_is_cut() {
    let (left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 5000), 2, Closing::Never);
    let mut b = End::new(b, right, (2, 0), 1, Closing::Never);
    for _ in 0..10 {
        a.turn();
        b.turn();
    }
    assert_eq!(b.heard.len, 5000);
    a.stream = None;
    assert_eq!(b.turn().0, ReadState::Ended);
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
    let broken = Some(Last::Broken(Breakage::Stream(std::io::ErrorKind::ConnectionReset)));
    assert_eq!((a.heard.last, b.heard.last), (broken, broken));
}

#[test]
fn a_pause_keeps_what_is_buffered_and_a_small_budget_comes_back() {
    let (left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 200_000), 2, Closing::Never);
    let mut b = End::new(b, right, (2, 0), 1, Closing::Never);
    for _ in 0..3 {
        a.turn();
        b.turn();
    }
    let mut stream = b.stream.take().unwrap();
    let (mut a2, heard) = (a, b.heard.len);
    a2.turn();
    let mut delivered = 0;
    let mut pauses = 0;
    for _ in 0..1000 {
        let state = b.pump.receive(&mut stream, 1, &mut |received| {
            if let truecopy_transport::pump::Received::Plaintext(bytes) = received {
                delivered += bytes.len();
            }
            Flow::Pause
        });
        pauses += usize::from(state == ReadState::Paused);
        a2.turn();
        if heard + delivered == 200_000 {
            break;
        }
    }
    assert_eq!(heard + delivered, 200_000);
    assert!(delivered == 0 || pauses > 0);
}
