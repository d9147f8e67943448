//! Nodes that find each other by a tracker alone.

use std::sync::Arc;

use truecopy_protocol::Trackers;
use truecopy_protocol::input::Command;
use truecopy_protocol::job::AnnounceError;
use truecopy_protocol::output::{Event, TrackerCounts};
use truecopy_protocol::wire::Reason;

use super::content::Content;
use super::host::{Host, Memory, SHARE, config};
use super::tracker::Tracker;

impl Host {
    fn announce_at(&self, tracker: &Tracker) {
        let trackers = Trackers::from_iter([tracker.url.clone()]);
        self.handle.command(Command::AddTrackers { share: SHARE, trackers }).unwrap();
    }

    /// What a tracker said.
    fn said(&self) -> Result<TrackerCounts, AnnounceError> {
        self.until(|event| match event {
            Event::Tracker { said, .. } => Some(*said),
            _ => None,
        })
    }

    fn end_share(&self) {
        self.handle.command(Command::End { share: SHARE, reason: Reason::Leaving }).unwrap();
        self.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
    }
}

#[test]
fn a_receiver_that_knows_nobody_finds_the_sender_by_their_tracker() {
    let tracker = Tracker::start();
    let content = Content::mixed();
    let sender = Host::start(config());
    sender.serve(&content);
    sender.announce_at(&tracker);
    assert_eq!(sender.said(), Ok(TrackerCounts { seeders: 1, leechers: 0 }));

    let receiver = Host::start(config());
    receiver.seek_among(content.manifest.content_id(), Vec::new());
    receiver.announce_at(&tracker);
    let memory = Arc::new(Memory::default());
    receiver.accept(&memory);
    assert_eq!(receiver.completed().bytes, content.len());
    assert!(*memory.files.lock().unwrap() == content.files);
    receiver.until(|event| matches!(event, Event::Ended { .. }).then_some(()));

    // It has said goodbye: the tracker names it no more.
    let looker = Host::start(config());
    looker.seek_among(content.manifest.content_id(), Vec::new());
    looker.announce_at(&tracker);
    assert_eq!(looker.said(), Ok(TrackerCounts { seeders: 1, leechers: 1 }));
    looker.end_share();
    sender.end_share();
}

#[test]
fn a_transfer_goes_on_when_its_tracker_is_gone() {
    let mut tracker = Tracker::start();
    tracker.end();
    let content = Content::mixed();
    let (sender, receiver) = (Host::start(config()), Host::start(config()));
    sender.serve(&content);
    sender.announce_at(&tracker);
    assert_eq!(sender.said(), Err(AnnounceError::Unreachable));
    let memory = receiver.fetch(&content, &sender);
    receiver.announce_at(&tracker);
    assert_eq!(receiver.completed().bytes, content.len());
    assert!(*memory.files.lock().unwrap() == content.files);
    receiver.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
}

#[test]
fn a_tracker_that_hangs_holds_up_neither_the_transfer_nor_the_end() {
    // Connections are taken by the kernel, and nobody answers them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let trackers = Trackers::from_iter([url]);
    let content = Content::mixed();
    let (sender, receiver) = (Host::start(config()), Host::start(config()));
    sender.serve(&content);
    sender.handle.command(Command::AddTrackers { share: SHARE, trackers: trackers.clone() }).unwrap();
    let memory = receiver.fetch(&content, &sender);
    receiver.handle.command(Command::AddTrackers { share: SHARE, trackers }).unwrap();
    assert_eq!(receiver.completed().bytes, content.len());
    assert!(*memory.files.lock().unwrap() == content.files);
    let start = std::time::Instant::now();
    receiver.until(|event| matches!(event, Event::Ended { .. }).then_some(()));
    sender.end_share();
    drop((receiver, sender));
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}
