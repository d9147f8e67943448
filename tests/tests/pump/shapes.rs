//! What streams do at their ends and limits, asked of the simulated ones and of real sockets alike: the simulator may
//! not be kinder than the kernel.

use std::io::{ErrorKind, Result};

use truecopy_sim::stream::{Shape, pair};
use truecopy_transport::stream::Stream;

use crate::socket::sockets;
use crate::toy::turns;

/// Bytes of a window, about.
const WINDOW: usize = 20_000;

type Boxed = Box<dyn Stream>;

/// Asks both kinds of streams the same.
fn on_both(ask: fn(&str, Boxed, Boxed)) {
    let shape = Shape { window: WINDOW, ..Shape::SMOOTH };
    let (a, b) = pair(0, shape.into(), shape.into());
    ask("simulated", Box::new(a), Box::new(b));
    let (a, b) = sockets(WINDOW);
    ask("real", Box::new(a), Box::new(b));
}

/// The call again until it is served: what was written needs a moment to arrive.
fn served<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut answer = Err(ErrorKind::WouldBlock.into());
    turns("the call is served", || {
        answer = call();
        !matches!(&answer, Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    answer
}

/// Reads until the stream ends or fails: what came, and how it ended.
fn read_all(stream: &mut Boxed) -> (Vec<u8>, Result<()>) {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match served(|| stream.read(&mut buf)) {
            Ok(0) => return (all, Ok(())),
            Ok(len) => all.extend_from_slice(&buf[..len]),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Writes until the stream takes no more; how much it took.
fn fill(stream: &mut Boxed) -> usize {
    let (mut taken, bytes) = (0, [7; 8192]);
    loop {
        match stream.write(&bytes) {
            Ok(len) => taken += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return taken,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_was_written_before_an_end_is_read_before_it_and_the_other_direction_goes_on() {
    on_both(|kind, mut a, mut b| {
        assert_eq!(a.write(b"the last word").unwrap(), 13);
        a.shutdown_write().unwrap();
        a.shutdown_write().unwrap();
        assert_eq!(a.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe, "{kind}");
        let (heard, end) = read_all(&mut b);
        assert!(heard == b"the last word" && end.is_ok(), "{kind}: {heard:?} {end:?}");
        assert_eq!(b.read(&mut [0; 9]).unwrap(), 0, "{kind}: the end stays the end");
        assert_eq!(b.write(b"answer").unwrap(), 6, "{kind}");
        drop(b);
        let (heard, end) = read_all(&mut a);
        assert!(heard == b"answer" && end.is_ok(), "{kind}: {heard:?} {end:?}");
    });
}

#[test]
fn a_full_window_takes_a_part_then_nothing_and_goes_on_when_it_is_read() {
    on_both(|kind, mut a, mut b| {
        let taken = fill(&mut a);
        assert!(taken > 0 && a.write(b"x").unwrap_err().kind() == ErrorKind::WouldBlock, "{kind}");
        let mut heard = 0;
        while heard < taken {
            heard += served(|| b.read(&mut [0; 4096])).unwrap();
        }
        assert_eq!(heard, taken, "{kind}");
        assert_eq!(b.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock, "{kind}");
        let len = served(|| a.write(&[1; 100 * WINDOW])).unwrap();
        assert!(0 < len && len < 100 * WINDOW, "{kind}: {len} is a short write");
    });
}

#[test]
fn closing_with_unread_input_resets_and_eats_what_is_under_way() {
    on_both(|kind, mut a, mut b| {
        let written = fill(&mut a);
        b.write(b"unread").unwrap();
        // It must have arrived, or there is nothing unread.
        served(|| a.read(&mut [0; 1])).unwrap();
        drop(a);
        let (heard, end) = read_all(&mut b);
        assert!(heard.len() < written, "{kind}: {} of {written} bytes came through", heard.len());
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset, "{kind}");
    });
}

#[test]
fn nothing_can_be_sent_or_ended_after_a_reset() {
    on_both(|kind, mut a, mut b| {
        b.write(b"unread").unwrap();
        served(|| a.read(&mut [0; 1])).unwrap();
        drop(a);
        assert_eq!(read_all(&mut b).1.unwrap_err().kind(), ErrorKind::ConnectionReset, "{kind}");
        // It is told once.
        assert_eq!(b.read(&mut [0; 9]).unwrap(), 0, "{kind}");
        assert_eq!(b.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe, "{kind}");
        assert_eq!(b.shutdown_write().unwrap_err().kind(), ErrorKind::NotConnected, "{kind}");
    });
}

#[test]
fn writing_to_a_peer_that_has_closed_fails_soon_and_from_then_on() {
    on_both(|kind, mut a, b| {
        drop(b);
        assert_eq!(served(|| a.read(&mut [0; 9])).unwrap(), 0, "{kind}");
        assert_eq!(a.write(b"x").unwrap(), 1, "{kind}: the first bytes are taken, and lost");
        turns("a write fails", || a.write(b"x").is_err());
        for _ in 0..3 {
            assert_eq!(a.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe, "{kind}");
        }
        assert_eq!(a.read(&mut [0; 9]).unwrap(), 0, "{kind}: the end stays the end")
    });
}
