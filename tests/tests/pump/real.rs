//! The scenarios of the seeded streams again, with the same assertions, over real sockets.

use std::sync::atomic::Ordering;

use truecopy_transport::channel::ChannelError;
use truecopy_transport::pump::Breakage;

use crate::close::{an_end_without_the_closing_word_is_a_cut, closing_loses_nothing};
use crate::legal::{clear_pair, exchange_over, seeded_lens};
use crate::socket::{BLOCKED, SHORT, sockets};
use crate::tls::tls_pair;
use crate::toy::{Closing, End, Last, turns};

/// Buffers from far below a record to far above.
const BUFFERS: [usize; 4] = [3000, 10_000, 50_000, 500_000];

#[test]
fn streams_arrive_whole_over_real_sockets() {
    for seed in 0..24 {
        let buffer = BUFFERS[seed as usize % BUFFERS.len()];
        exchange_over(seed, tls_pair(), sockets(buffer), seeded_lens(seed, 300_000));
        exchange_over(seed, clear_pair(), sockets(buffer), seeded_lens(seed, 300_000));
    }
    let [short, blocked] = [&SHORT, &BLOCKED].map(|count| count.load(Ordering::Relaxed));
    assert!(short > 50 && blocked > 50, "{short} short writes, {blocked} blocked calls");
}

#[test]
fn closing_with_unread_input_loses_nothing_over_real_sockets() {
    for (seed, buffer) in (0..).zip(BUFFERS) {
        closing_loses_nothing(seed, sockets(buffer));
    }
}

#[test]
fn a_real_socket_that_ends_without_the_closing_word_is_cut() {
    for buffer in BUFFERS {
        an_end_without_the_closing_word_is_a_cut(sockets(buffer));
    }
}

/// Whoever asks the kernel first hears of a reset, the other call sees an end: so it is either, and never `Closed`.
#[test]
fn a_real_reset_is_never_taken_for_the_end() {
    for buffer in BUFFERS {
        let (left, right) = sockets(buffer);
        let (a, b) = tls_pair();
        let mut a = End::new(a, left, (1, 50_000), 2, Closing::Never);
        let mut b = End::new(b, right, (2, 50_000), 1, Closing::Never);
        turns("some is heard", || {
            a.turn();
            b.turn();
            b.heard.len > 0
        });
        a.stream.take().unwrap().reset();
        turns("the reset is noticed", || {
            b.turn();
            b.heard.last.is_some()
        });
        let legal =
            [Breakage::Stream(std::io::ErrorKind::ConnectionReset), Breakage::Channel(ChannelError::Cut)];
        assert!(legal.iter().any(|why| b.heard.last == Some(Last::Broken(*why))), "{:?}", b.heard);
    }
}
