//! A driver that does whatever a driver may, in any order, among peers that mostly mean well.

use alloc::vec::Vec;

use super::content::CONTENTS_MAX;
use super::rig::{Rig, Sources, hint};
use super::steps::{
    STEPS_MAX, any_message, config, connect, disconnect, pick_link, sense, serve_well, take, wait, work,
};
use crate::content::selection::Selection;
use crate::fuzzing::Cursor;
use crate::input::Command;
use crate::wire::Reason;
use crate::{EntryIndex, ShareId};

/// Shares that a run may name.
const SHARES_MAX: usize = 5;

/// Commands, connections, messages, answers and time in any order, against a model of what a user may be told.
pub fn machine_operations(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let mut rig = Rig::new(config(&mut input), Sources::Any);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        step(&mut rig, &mut input);
    }
    rig.drain();
}

fn step(rig: &mut Rig, input: &mut Cursor<'_>) {
    match input.below(20) {
        0..=2 => command(rig, input),
        3 => begin(rig, input),
        4 => rig.accept_offers(&Selection::All),
        5..=8 => {
            if let Some(conn) = pick_link(rig, input) {
                serve_well(rig, conn);
            }
        }
        9 | 10 => sense(rig, input),
        11 => any_message(rig, input),
        12 | 13 => connect(rig, input),
        14 => disconnect(rig, input),
        15 => take(rig, input),
        16 | 17 => work(rig, input),
        _ => wait(rig, input),
    }
}

fn share(input: &mut Cursor<'_>) -> ShareId {
    // A handful fits.
    ShareId(input.below(SHARES_MAX) as u32)
}

/// A share begins, perhaps with what an earlier run has left.
fn begin(rig: &mut Rig, input: &mut Cursor<'_>) {
    let share = share(input);
    let number = input.below(CONTENTS_MAX);
    match input.below(4) {
        0 => rig.serve(share, number, true),
        1 => rig.serve(share, number, false),
        _ => {
            let (peers, is_new) = (input.below(4), rig.model.stage(share).is_none());
            rig.fetch(share, number, peers);
            if is_new && input.one_in(4) {
                earlier(rig, input, share);
            }
        }
    }
}

fn earlier(rig: &mut Rig, input: &mut Cursor<'_>, share: ShareId) {
    let is_trusted = input.one_in(4);
    let count = rig.store.content(share).manifest.chunk_count();
    for chunk in 0..count.min(8) {
        match input.below(4) {
            0 => rig.store.leave(share, chunk, false),
            1 => rig.store.leave(share, chunk, !is_trusted),
            _ => {}
        }
    }
    if input.one_in(4) {
        rig.store.settle(share, EntryIndex(u32::from(input.u8() % 4)));
    }
    if is_trusted {
        rig.store.trust(share);
    }
}

fn command(rig: &mut Rig, input: &mut Cursor<'_>) {
    let share = share(input);
    match input.below(11) {
        0 => rig.accept(share, selection(input)),
        1 => rig.decline(share, reason(input)),
        2 => rig.end(share, reason(input)),
        3 => rig.order(share, Command::Pause { share }),
        4 => rig.order(share, Command::Resume { share }),
        5 => rig.order(share, Command::Retry { share }),
        6 => rig.order(share, Command::AddPeer { share, peer: hint(input.below(4)) }),
        7 => rig.order(share, Command::Preparing { share, done: input.number(), total: input.number() }),
        8 => rig.reconsider(share),
        _ => begin(rig, input),
    }
}

fn selection(input: &mut Cursor<'_>) -> Selection {
    if input.one_in(2) {
        return Selection::All;
    }
    // In any order and twice, as a driver may say it.
    let entries: Vec<EntryIndex> = (0..input.below(6)).map(|_| EntryIndex(u32::from(input.u8()))).collect();
    Selection::Some(entries)
}

fn reason(input: &mut Cursor<'_>) -> Reason {
    Reason::from(u16::from(input.u8() % 16))
}
