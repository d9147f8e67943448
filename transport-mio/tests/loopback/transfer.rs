//! Shares that arrive.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use truecopy_mio::Listen;
use truecopy_protocol::Candidate;
use truecopy_protocol::input::{Command, LinkLoss};
use truecopy_protocol::job::Verdict;
use truecopy_protocol::output::{Event, PeerGone};
use truecopy_protocol::wire::Reason;

use super::content::Content;
use super::host::{Host, Memory, SHARE, config};
use super::stuck::StuckAfter;

#[test]
fn a_share_arrives_and_its_receipt_comes_back() {
    let content = Content::mixed();
    let (sender, receiver) = (Host::start(config()), Host::start(config()));
    let source = sender.serve(&content);
    let memory = receiver.fetch(&content, &sender);
    let outcome = receiver.completed();
    assert_eq!(outcome.bytes, content.len());
    assert!(*memory.files.lock().unwrap() == content.files);
    assert_eq!(source.read.load(Ordering::Relaxed), content.len(), "nothing is read twice");
    let (peer, verdict) = sender.until(|event| match event {
        Event::Receipt { peer, verdict, .. } => Some((*peer, *verdict)),
        _ => None,
    });
    assert_eq!((peer, verdict), (receiver.id, Verdict::Genuine));
    receiver.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
}

#[test]
fn many_receivers_are_served_at_once() {
    let content = Content::mixed();
    let sender = Host::start(config());
    sender.serve(&content);
    let receivers: Vec<Host> = (0..8).map(|_| Host::start(config())).collect();
    let memories: Vec<_> = receivers.iter().map(|receiver| receiver.fetch(&content, &sender)).collect();
    for (receiver, memory) in receivers.iter().zip(&memories) {
        receiver.completed();
        assert!(*memory.files.lock().unwrap() == content.files);
    }
}

#[test]
fn a_sender_that_was_killed_is_found_again_and_nothing_is_sent_twice() {
    let content = Content::new(&[200_000; 150]);
    let mut stuck = config();
    let keys = stuck.keys.clone();
    stuck.wrap = Some(Box::new(StuckAfter { read: usize::MAX, written: 5_000_000 }));
    let first = Host::start(stuck);
    let before = first.serve(&content);
    let receiver = Host::start(config());
    let memory = receiver.fetch(&content, &first);
    // Killed in the middle: after the first bytes are proven.
    receiver.until(|event| {
        matches!(event, Event::Progress { progress, .. } if progress.verified > 0).then_some(())
    });
    let address = first.address();
    first.kill();
    receiver.until(|event| match event {
        Event::PeerDown { why: PeerGone::Lost(LinkLoss::Cut), .. } => Some(()),
        _ => None,
    });
    let mut again = config();
    (again.keys, again.listen) = (keys, vec![Listen::At(address)]);
    let second = Host::start(again);
    let after = second.serve(&content);
    receiver.completed();
    assert!(*memory.files.lock().unwrap() == content.files);
    let read = before.read.load(Ordering::Relaxed) + after.read.load(Ordering::Relaxed);
    let kept = content.len() - after.read.load(Ordering::Relaxed);
    assert!(kept > 3_000_000, "what had arrived is not sent again");
    assert!(read <= content.len() + (8 << 20), "at most what was under way is read twice");
}

#[test]
fn whoever_comes_before_the_share_is_there_waits_for_it() {
    let content = Content::new(&[100_000]);
    let (sender, receiver) = (Host::start(config()), Host::start(config()));
    receiver.seek(&content, Some(sender.id), Candidate::Tcp(sender.address()));
    receiver.until(|event| matches!(event, Event::Waiting { .. }).then_some(()));
    assert!(receiver.events.recv_timeout(Duration::from_millis(200)).is_err(), "nothing is said to it yet");
    sender.serve(&content);
    receiver.accept(&Arc::new(Memory::default()));
    receiver.completed();
}

#[test]
fn a_name_is_resolved_and_its_addresses_are_tried() {
    let content = Content::new(&[100_000]);
    let sender = Host::start(config());
    sender.serve(&content);
    let receiver = Host::start(config());
    let memory = Arc::new(Memory::default());
    // "localhost" may be ::1 first, where nobody listens.
    let port = sender.address().port();
    let localhost = format!("localhost:{port}").parse().unwrap();
    receiver.seek(&content, Some(sender.id), localhost);
    receiver.accept(&memory);
    receiver.completed();
}

#[test]
fn the_goodbye_arrives_with_its_reason() {
    let content = Content::new(&[100_000]);
    let sender = Host::start(config());
    sender.serve(&content);
    let receiver = Host::start(config());
    receiver.seek(&content, Some(sender.id), Candidate::Tcp(sender.address()));
    receiver.until(|event| matches!(event, Event::Offer { .. }).then_some(()));
    sender.handle.command(Command::End { share: SHARE, reason: Reason::Leaving }).unwrap();
    let why = receiver.until(|event| match event {
        Event::PeerDown { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(why, PeerGone::Said(Reason::Leaving));
    sender.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
}

#[test]
fn listening_can_begin_later_and_everywhere() {
    let mut silent = config();
    silent.listen = Vec::new();
    let sender = Host::start(silent);
    assert!(sender.handle.addresses().is_empty());
    let addresses = sender.handle.listen(Listen::Everywhere { port: 0 }).unwrap();
    let content = Content::new(&[100_000]);
    sender.serve(&content);
    for address in addresses {
        let local = if address.is_ipv6() { "[::1]" } else { "127.0.0.1" };
        let address = format!("{local}:{}", address.port()).parse().unwrap();
        let receiver = Host::start(config());
        receiver.seek(&content, Some(sender.id), Candidate::Tcp(address));
        receiver.accept(&Arc::new(Memory::default()));
        receiver.completed();
    }
}

#[test]
fn a_stopped_reactor_says_so() {
    let host = Host::start(config());
    let handle = host.handle.clone();
    host.kill();
    assert!(handle.command(Command::Pause { share: SHARE }).is_err());
    assert!(handle.listen(Listen::Everywhere { port: 0 }).is_err());
    handle.stop();
}

#[test]
fn an_idle_reactor_ends_its_events_when_it_stops() {
    let host = Host::start(config());
    assert!(host.events.recv_timeout(Duration::ZERO).is_err());
    host.handle.stop();
    let end = host.events.recv_timeout(Duration::from_secs(20));
    assert_eq!(end.err(), Some(std::sync::mpsc::RecvTimeoutError::Disconnected));
}
