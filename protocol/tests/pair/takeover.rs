//! Requests that are taken back from slow sources.

use std::time::Duration;

use truecopy_protocol::wire::{BlockRun, Message, Reject, RejectWhy};

use crate::content::{Content, SPANS};
use crate::raw::{Raw, Said};
use crate::world::World;

fn rejects(raw: &Raw) -> Vec<Reject> {
    let reject = |said: &Said| match said {
        Said::Message(Message::Reject(reject)) => Some(*reject),
        _ => None,
    };
    raw.said.iter().filter_map(reject).collect()
}

const fn run(block: u32) -> BlockRun {
    BlockRun { blob: 1, block, count: 16 }
}

#[test]
fn a_request_that_is_taken_back_in_time_is_rejected_as_cancelled() {
    let mut raw = Raw::receiver_of(&Content::files(&[40 * SPANS]));
    raw.open();
    raw.works = false;
    let runs: Vec<BlockRun> = (0..20).map(|span| run(16 * span)).collect();
    runs.iter().for_each(|run| raw.say(&Message::Request(*run)));
    raw.say(&Message::Cancel(runs[19]));
    assert_eq!(rejects(&raw), [Reject { run: runs[19], why: RejectWhy::Cancelled }]);
    raw.say(&Message::Cancel(runs[0]));
    assert_eq!(rejects(&raw).len(), 1, "the first one is being read: its blocks come");
    raw.works = true;
    raw.wait(1, |_| {});
    let blocks = raw.said.iter().filter(|said| matches!(said, Said::Blocks(head) if head.block % 16 == 0));
    assert_eq!(blocks.count(), 19, "each request is answered once");
}

#[test]
fn a_cancel_of_what_was_not_asked_for_is_ignored() {
    let mut raw = Raw::receiver_of(&Content::files(&[SPANS]));
    raw.open();
    raw.say(&Message::Cancel(run(0)));
    assert_eq!((rejects(&raw).len(), raw.hangup), (0, None));
}

#[test]
fn a_reject_of_what_was_not_taken_back_is_a_lie() {
    let mut raw = Raw::sender_of(&Content::files(&[1000]));
    raw.accepted();
    let run = raw.requests().into_iter().find(|run| run.blob == 1).unwrap();
    raw.say(&Message::Reject(Reject { run, why: RejectWhy::Cancelled }));
    assert!(raw.hangup.is_some());
}

#[test]
fn two_equal_sources_are_left_to_their_work() {
    let content = Content::files(&[30 * SPANS]);
    for seed in 0..5 {
        let mut world = World::new(seed);
        let sources = [world.sender(&content), world.sender(&content)];
        let receiver = world.receiver(&content, &sources);
        world.finish(receiver);
        assert_eq!(world.hosts[receiver].store.landed, content.manifest.total_size(), "nothing comes twice");
        world.run(Duration::from_secs(1), |_| false);
    }
}
