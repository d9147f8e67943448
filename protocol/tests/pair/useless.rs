//! Sources that are of no use, and senders that are about to be none.

use truecopy_protocol::input::Command;
use truecopy_protocol::output::{Failure, Goodbye};
use truecopy_protocol::wire::{BlockRun, Message, Reason, Reject, RejectWhy};

use crate::content::Content;
use crate::raw::Raw;
use crate::world::SHARE;

/// The requests for files.
fn wanted(raw: &Raw) -> Vec<BlockRun> {
    raw.requests().into_iter().filter(|run| run.blob != 0).collect()
}

fn rejects_everything(raw: &mut Raw) {
    for run in wanted(raw) {
        raw.say(&Message::Reject(Reject { run, why: RejectWhy::Absent }));
    }
}

#[test]
fn a_source_without_anything_that_is_wanted_is_left_after_a_while() {
    let mut raw = Raw::sender_of(&Content::files(&[1000, 2000]));
    raw.accepted();
    rejects_everything(&mut raw);
    assert_eq!((raw.hangup, wanted(&raw).len()), (None, 2), "nothing is asked for twice");
    let patience = raw.config.stall_max.as_secs() + 10;
    raw.wait(patience, |_| {});
    assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::NotInterested)));
    assert_eq!(raw.failure(), None, "it may come back with more");
}

#[test]
fn a_fetch_whose_only_source_never_has_anything_ends_and_says_so() {
    let mut raw = Raw::sender_of(&Content::files(&[1000, 2000]));
    raw.accepted();
    let limit = raw.config.lost_timeout.as_secs() + 100;
    for _ in 0..limit {
        rejects_everything(&mut raw);
        raw.said.clear();
        raw.wait(1, |_| {});
        if raw.failure().is_some() {
            break;
        }
        if raw.hangup.is_some() {
            raw.lose();
            while raw.dials.is_empty() {
                raw.wait(1, |_| {});
            }
            raw.connect();
            raw.open();
            raw.offer();
        }
    }
    assert_eq!(raw.failure(), Some(Failure::NotAvailable));
}

#[test]
fn who_comes_while_a_share_ends_is_told_why_it_ends_and_not_that_it_never_was() {
    let mut raw = Raw::receiver_of(&Content::files(&[1000]));
    raw.open();
    raw.command(Command::End { share: SHARE, reason: Reason::Leaving });
    // The first connection is not closed yet.
    raw.connect();
    raw.open_to_a_goodbye();
    assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::Leaving)));
}
