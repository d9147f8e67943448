//! Limits of rates over real sockets: measured over ten seconds, shared by peers, changed while bytes move.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use truecopy_protocol::ShareId;
use truecopy_protocol::output::Event;
use truecopy_transport::pace::{Rate, Rates};

use super::content::Content;
use super::host::{Host, Memory, SHARE, config};

const MEBI: u64 = 1 << 20;
const TEN_SECONDS: Duration = Duration::from_secs(10);

fn rate(bytes: u64) -> Option<Rate> {
    Some(Rate::new(bytes).expect("above the least"))
}

fn up(bytes: u64) -> Rates {
    Rates { up: rate(bytes), down: None }
}

/// Waits until a receiver was told of progress after this moment.
fn progress_after(receiver: &Host, moment: Instant) {
    receiver.until(|event| {
        let is_late = Instant::now() >= moment;
        (is_late && matches!(event, Event::Progress { .. })).then_some(())
    });
}

/// Bytes a second that landed at each receiver over so long.
fn measure(receivers: &[Host], memories: &[Arc<Memory>], over: Duration) -> Vec<f64> {
    let landed = || memories.iter().map(|memory| memory.landed.load(Ordering::Relaxed));
    let (begun, before) = (Instant::now(), landed().collect::<Vec<_>>());
    progress_after(&receivers[0], begun + over);
    let seconds = begun.elapsed().as_secs_f64();
    landed().zip(before).map(|(after, before)| (after - before) as f64 / seconds).collect()
}

fn assert_close(real: f64, wanted: u64) {
    let wanted = wanted as f64;
    assert!((real - wanted).abs() <= wanted * 0.05, "{real} bytes a second, not {wanted}");
}

#[test]
fn ten_seconds_keep_to_the_limit_and_a_change_holds_at_once() {
    let content = Content::new(&[160 << 20]);
    let mut limited = config();
    limited.rates = up(4 * MEBI);
    let sender = Host::start(limited);
    sender.serve(&content);
    let receivers = [Host::start(config())];
    let memories = [receivers[0].fetch(&content, &sender)];
    progress_after(&receivers[0], Instant::now());
    assert_close(measure(&receivers, &memories, TEN_SECONDS)[0], 4 * MEBI);
    // Of the share alone, below that of all.
    sender.handle.set_share_rates(SHARE, up(MEBI)).unwrap();
    sender.handle.set_share_rates(ShareId(99), up(64 << 10)).unwrap();
    assert_close(measure(&receivers, &memories, TEN_SECONDS)[0], MEBI);
    sender.handle.set_share_rates(SHARE, Rates::default()).unwrap();
    sender.handle.set_share_rates(ShareId(99), Rates::default()).unwrap();
    sender.handle.set_rates(Rates::default()).unwrap();
    let lifted = Instant::now();
    receivers[0].completed();
    assert!(lifted.elapsed() < TEN_SECONDS, "the rest comes at once");
    assert!(*memories[0].files.lock().unwrap() == content.files);
}

#[test]
fn three_receivers_get_equal_parts_of_what_is_sent() {
    let content = Content::new(&[64 << 20]);
    let mut limited = config();
    limited.rates = up(6 * MEBI);
    let sender = Host::start(limited);
    sender.serve(&content);
    let receivers: Vec<Host> = (0..3).map(|_| Host::start(config())).collect();
    let memories: Vec<_> = receivers.iter().map(|receiver| receiver.fetch(&content, &sender)).collect();
    progress_after(&receivers[0], Instant::now());
    let rates = measure(&receivers, &memories, TEN_SECONDS);
    rates.iter().for_each(|rate| assert_close(*rate, 2 * MEBI));
}

#[test]
fn what_is_received_keeps_to_its_limit() {
    let content = Content::new(&[64 << 20]);
    let sender = Host::start(config());
    sender.serve(&content);
    let mut limited = config();
    limited.rates = Rates { up: None, down: rate(3 * MEBI) };
    let receivers = [Host::start(limited)];
    let memories = [receivers[0].fetch(&content, &sender)];
    progress_after(&receivers[0], Instant::now());
    assert_close(measure(&receivers, &memories, TEN_SECONDS)[0], 3 * MEBI);
}
