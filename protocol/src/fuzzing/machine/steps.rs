//! What can happen next to a node, read from the input.

use alloc::vec::Vec;
use core::time::Duration;

use super::link::{Link, Standing};
use super::rig::{ERRORS, Rig};
use super::store::Luck;
use crate::config::Config;
use crate::content::identity::Role;
use crate::fuzzing::{Cursor, message};
use crate::input::{LinkLoss, READ_MAX};
use crate::wire::{BlockRun, Corrupt, HashRange, Message, Preparing, RejectWhy};
use crate::{ConnId, NodeId, ShareId};

/// Steps of one run at most.
pub(super) const STEPS_MAX: usize = 256;

/// The program's configuration, or one whose limits are met soon.
pub(super) fn config(input: &mut Cursor<'_>) -> Config {
    let small = Config {
        conns_max: 2,
        spans_max: 12,
        spans_reserved: 9,
        upload_spans_max: 2,
        requests_max: 6,
        window_max: 1 << 20,
        window_min: 1 << 18,
        control_max: 2048,
        active_chunks_max: 2,
        rehashes_max: 1,
        ..Config::default()
    };
    if input.one_in(2) { small } else { Config::default() }
}

/// Peers come, are dialled, are lost.
pub(super) fn connect(rig: &mut Rig, input: &mut Cursor<'_>) {
    let way = input.below(4);
    let dial = pick(input, rig.dials.len()).and_then(|at| rig.dials.keys().nth(at).copied());
    match (way, dial) {
        (0, Some(conn)) => rig.lose(conn, loss(input)),
        (1..=2, Some(conn)) => rig.dialled(conn),
        _ => rig.come(NodeId([8 + input.u8() % 4; 32])),
    }
}

/// A connection is lost, after what it had to say or in its midst.
pub(super) fn disconnect(rig: &mut Rig, input: &mut Cursor<'_>) {
    if let Some(conn) = pick_link(rig, input) {
        rig.lose(conn, loss(input));
    }
}

fn loss(input: &mut Cursor<'_>) -> LinkLoss {
    [
        LinkLoss::Closed,
        LinkLoss::Cut,
        LinkLoss::Refused,
        LinkLoss::Unreachable,
        LinkLoss::TimedOut,
        LinkLoss::Damaged,
        LinkLoss::WrongKey,
        LinkLoss::Local,
    ][input.below(8)]
}

/// The channel takes some of what the node has to send.
pub(super) fn take(rig: &mut Rig, input: &mut Cursor<'_>) {
    if let Some(conn) = pick_link(rig, input) {
        let max = [usize::MAX, 1, 100, 16 * 1024, usize::from(input.u8())][input.below(5)];
        rig.take(conn, max);
        let link = rig.links.iter().find(|link| link.conn == conn);
        if link.is_some_and(|link| link.standing == Standing::HungUp) && max == usize::MAX {
            rig.lose(conn, LinkLoss::Closed);
        }
    }
}

/// A job is answered, well or not.
pub(super) fn work(rig: &mut Rig, input: &mut Cursor<'_>) {
    let Some(at) = pick(input, rig.jobs.len()) else { return };
    let luck = if input.one_in(8) { Luck::Fails(ERRORS[input.below(ERRORS.len())]) } else { Luck::Good };
    rig.work(at, luck);
}

/// Time passes.
pub(super) fn wait(rig: &mut Rig, input: &mut Cursor<'_>) {
    match input.below(8) {
        0 => rig.wait(Duration::ZERO),
        1 => rig.wait(Duration::from_millis(100)),
        2 => rig.wait(Duration::from_secs(5)),
        3 => rig.wait(Duration::from_secs(40)),
        4 => rig.wait(Duration::from_secs(700)),
        5 => rig.wait(Duration::from_nanos(input.number())),
        _ => rig.wait_for_timer(),
    }
}

/// A peer sends any bytes.
pub(super) fn raw(rig: &mut Rig, input: &mut Cursor<'_>) {
    if let Some(conn) = pick_link(rig, input) {
        let (len, run_max) = (usize::from(input.u8()), run_max(input));
        rig.say(conn, input.bytes(len), run_max);
    }
}

/// A peer sends any message, many times over if it likes.
pub(super) fn any_message(rig: &mut Rig, input: &mut Cursor<'_>) {
    if let Some(conn) = pick_link(rig, input) {
        let (times, run_max) = (if input.one_in(8) { 300 } else { 1 }, run_max(input));
        let mut bytes = Vec::new();
        message(input).encode(&mut bytes);
        // A peer's patience has no end, that of this test has.
        let times = times.min(64 * 1024 / bytes.len());
        rig.say(conn, &bytes.repeat(times.max(1)), run_max);
    }
}

fn run_max(input: &mut Cursor<'_>) -> usize {
    [READ_MAX, READ_MAX, 1, 7][input.below(4)]
}

/// A peer says something that makes sense where it stands, or would a moment earlier or later.
pub(super) fn sense(rig: &mut Rig, input: &mut Cursor<'_>) {
    let Some(conn) = pick_link(rig, input) else { return };
    // What the node said last may be the question.
    rig.take(conn, usize::MAX);
    let is_source = rig.links.iter().any(|link| link.conn == conn && link.is_source());
    if is_source { source(rig, input, conn) } else { receiver(rig, input, conn) }
}

pub(super) fn source(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    let act = input.below(8);
    let guess = ShareId(u32::from(input.u8() % 4));
    let share = rig.model.share_of(conn).unwrap_or(guess);
    if !rig.store.knows(share) {
        return;
    }
    let content = rig.store.content(share);
    let why = [RejectWhy::Absent, RejectWhy::Changed, RejectWhy::Unreadable][input.below(3)];
    let Some(link) = rig.links.iter_mut().find(|link| link.conn == conn) else { return };
    match act {
        0 => open(rig, conn, share),
        1 => rig.say_messages(conn, &[Link::info(content), Link::have(content)]),
        2 | 3 => {
            if let Some(run) = pick(input, link.requests.len()).and_then(|at| link.requests.remove(at)) {
                let (frames, flip) = (input.below(17), input.one_in(6).then(|| usize::from(input.u16())));
                rig.send_run(conn, share, run, frames, flip);
            }
        }
        4 => {
            if let Some(range) =
                pick(input, link.hash_requests.len()).and_then(|at| link.hash_requests.remove(at))
                && let Some(mut hashes) = Link::hashes(content, range)
            {
                if input.one_in(6) {
                    let at = usize::from(input.u8()) % hashes.hashes.len();
                    hashes.hashes[at].0[0] ^= 1;
                }
                rig.say_messages(conn, &[Message::Hashes(hashes)]);
            }
        }
        5 => {
            let run = pick(input, link.requests.len()).and_then(|at| link.requests.remove(at));
            if let Some(run) = run {
                rig.say_messages(conn, &[Link::reject(run, why)]);
            }
        }
        6 => {
            if let Some(doubt) = link.doubts.pop_front() {
                let none = BlockRun { blob: doubt.blob, block: 0, count: 0 };
                let answer = if input.one_in(3) { Link::reject(none, why) } else { Message::Intact(doubt) };
                rig.say_messages(conn, &[answer]);
            }
        }
        _ => rig.say_messages(conn, &[Message::Preparing(Preparing { done: input.number(), total: 9 })]),
    }
}

pub(super) fn receiver(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    let act = input.below(6);
    let guess = ShareId(u32::from(input.u8() % 4));
    let share = rig.model.share_of(conn).unwrap_or(guess);
    if !rig.store.knows(share) {
        return;
    }
    let content = rig.store.content(share);
    let blob = u32::from(input.u8()) % (content.manifest.len() + 1);
    match act {
        0 => open(rig, conn, share),
        1 | 2 => {
            let shape = content.shape(crate::BlobId(blob));
            let blocks = shape.map_or(1, |shape| shape.blocks().max(1)) as u32;
            let block = u32::from(input.u8()) % blocks;
            let count = (1 + u32::from(input.u8()) % 16).min(16 - block % 16).min(blocks - block);
            let run = BlockRun { blob, block, count };
            rig.say_messages(conn, &[Message::Request(run)]);
        }
        3 => rig.say_messages(conn, &[Message::HashRequest(HashRange { blob, first: 0 })]),
        4 => rig.say_messages(conn, &[Message::Corrupt(Corrupt { blob, chunk: u32::from(input.u8() % 3) })]),
        _ => rig.say_messages(conn, &[if input.one_in(2) { Message::Paused } else { Message::Resumed }]),
    }
}

/// A peer greets, and proves that it knows the share or the room.
pub(super) fn open(rig: &mut Rig, conn: ConnId, share: ShareId) {
    rig.take(conn, usize::MAX);
    let Some(content) = rig.content_id(share) else { return };
    let Some(link) = rig.links.iter().find(|link| link.conn == conn) else { return };
    let proof = link.proof(&content);
    rig.say_messages(conn, &[Link::hello(), proof]);
}

/// A source does all that is due: greets, tells what it has, answers whatever was asked.
pub(super) fn serve_well(rig: &mut Rig, conn: ConnId) {
    rig.take(conn, usize::MAX);
    let Some(link) = rig.links.iter_mut().find(|link| link.conn == conn) else { return };
    // In a swarm whoever came gives as well.
    let gives = rig.model.share_of(conn).is_some_and(|share| rig.model.is_swarm(share));
    if link.role != Role::Initiator && !gives {
        return;
    }
    let Some(share) = rig.model.share_of(conn) else {
        let shares: Vec<ShareId> = rig.model.alive().filter(|share| !rig.model.is_served(*share)).collect();
        if let Some(share) = shares.first() {
            let content = rig.store.content(*share);
            open(rig, conn, *share);
            rig.say_messages(conn, &[Link::info(content), Link::have(content)]);
        }
        return;
    };
    let (requests, ranges) = (core::mem::take(&mut link.requests), core::mem::take(&mut link.hash_requests));
    let content = rig.store.content(share);
    for hashes in ranges.into_iter().filter_map(|range| Link::hashes(content, range)) {
        rig.say_messages(conn, &[Message::Hashes(hashes)]);
    }
    for run in requests {
        rig.send_run(conn, share, run, 4, None);
    }
}

/// One of so many, if there are any.
pub(super) fn pick(input: &mut Cursor<'_>, of: usize) -> Option<usize> {
    (of > 0).then(|| input.below(of))
}

/// One of the connections, the last one most easily.
pub(super) fn pick_link(rig: &Rig, input: &mut Cursor<'_>) -> Option<ConnId> {
    let at = pick(input, rig.links.len())?;
    Some(rig.links[rig.links.len() - 1 - at].conn)
}
