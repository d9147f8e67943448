use truecopy_protocol::output::{Progress, Waiting};
use truecopy_protocol::{ConnId, ShareId};

use super::*;

fn progress(verified: u64) -> Event {
    Event::Progress { share: ShareId(1), progress: Progress { verified, ..Progress::default() } }
}

fn fetching() -> Event {
    Event::Fetching { share: ShareId(1) }
}

#[test]
fn unread_progress_is_replaced_by_newer() {
    let (sender, events) = queue();
    sender.send(progress(1));
    sender.send(progress(2));
    assert!(matches!(events.try_recv(), Ok(Event::Progress { progress, .. }) if progress.verified == 2));
    assert_eq!(events.try_recv().err(), Some(TryRecvError::Empty));
}

#[test]
fn progress_does_not_overtake_other_events_of_its_share() {
    let (sender, events) = queue();
    sender.send(progress(1));
    sender.send(fetching());
    sender.send(progress(2));
    assert!(matches!(events.try_recv(), Ok(Event::Progress { progress, .. }) if progress.verified == 1));
    assert!(matches!(events.try_recv(), Ok(Event::Fetching { .. })));
    assert!(matches!(events.try_recv(), Ok(Event::Progress { progress, .. }) if progress.verified == 2));
}

#[test]
fn endless_news_of_many_receivers_fill_a_bounded_queue() {
    let (sender, events) = queue();
    for bytes in 0..10_000 {
        for conn in 0..8 {
            sender.send(Event::Uploaded { share: ShareId(1), conn: ConnId(conn), bytes });
        }
        sender.send(progress(bytes));
        sender.send(Event::Waiting { share: ShareId(2), why: Waiting::Dialing });
    }
    assert_eq!(std::iter::from_fn(|| events.try_recv().ok()).count(), 10);
}

#[test]
fn the_end_comes_after_what_was_said_before() {
    let (sender, events) = queue();
    sender.send(fetching());
    drop(sender);
    assert!(events.recv_timeout(Duration::ZERO).is_ok());
    assert_eq!(events.recv_timeout(Duration::from_secs(9)).err(), Some(RecvTimeoutError::Disconnected));
}

#[test]
fn a_wait_is_ended_by_whoever_wakes_it_even_before_it_begins() {
    let (sender, events) = queue();
    let long = Duration::from_secs(600);
    events.waker().wake();
    assert_eq!(events.recv_timeout(long).err(), Some(RecvTimeoutError::Timeout));
    let waker = events.waker();
    let thread = std::thread::spawn(move || waker.wake());
    assert_eq!(events.recv_timeout(long).err(), Some(RecvTimeoutError::Timeout));
    thread.join().unwrap();
    // What has happened comes first.
    events.waker().wake();
    sender.send(fetching());
    assert!(events.recv_timeout(long).is_ok());
}
