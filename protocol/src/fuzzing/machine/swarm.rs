//! A driver in swarms: shares that are fetched and served at once, peers that do both, trackers.

use alloc::vec::Vec;

use super::content::CONTENTS_MAX;
use super::link::Link;
use super::rig::{Rig, Sources, hint};
use super::steps::{
    STEPS_MAX, any_message, config, connect, disconnect, open, pick, pick_link, receiver, sense, serve_well,
    source, take, wait, work,
};
use crate::content::selection::Selection;
use crate::fuzzing::Cursor;
use crate::fuzzing::messages::address;
use crate::input::{Afterwards, Command, Swarming};
use crate::wire::{ChunkRange, Message, PEERS_MAX, PeerAddress, Reason, RejectWhy, Swarm};
use crate::{ConnId, NodeId, ShareId, TrackerUrl, Trackers};

/// Shares that a run may name.
const SHARES_MAX: usize = 3;

/// Swarms begin, peers come with parts and say what peers of a swarm say, in order or not: what is claimed stands
/// there, blocks are those of the share and were asked for, memory keeps to its limit, and everything ends.
pub fn machine_swarm(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let mut config = config(&mut input);
    config.upload_slots = 1 + input.below(3) as u32;
    let mut rig = Rig::new(config, Sources::Any);
    begin(&mut rig, &mut input);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        step(&mut rig, &mut input);
    }
    rig.drain();
}

fn step(rig: &mut Rig, input: &mut Cursor<'_>) {
    match input.below(16) {
        0 | 1 => {
            if let Some(conn) = pick_link(rig, input) {
                serve_well(rig, conn);
            }
        }
        2 | 3 => {
            if let Some(conn) = pick_link(rig, input) {
                words(rig, input, conn);
            }
        }
        4 => connect(rig, input),
        5 => either(rig, input),
        6 | 7 => work(rig, input),
        8 => rig.accept_offers(&Selection::All),
        9 => take(rig, input),
        10 | 11 => wait(rig, input),
        12 => disconnect(rig, input),
        13 => any_message(rig, input),
        14 => sense(rig, input),
        _ => command(rig, input),
    }
}

/// A share of a swarm begins, or is served from where it was placed.
fn begin(rig: &mut Rig, input: &mut Cursor<'_>) {
    let share = ShareId(input.below(SHARES_MAX) as u32);
    let (number, peers) = (input.below(CONTENTS_MAX), input.below(4));
    let afterwards = if input.one_in(2) { Afterwards::Seed } else { Afterwards::Leave };
    match input.below(4) {
        0 => rig.seed(share, number),
        1 => rig.fetch_in_swarm(share, number, peers, (Swarming::AsTold, afterwards)),
        _ => rig.fetch_in_swarm(share, number, peers, (Swarming::On, afterwards)),
    }
}

fn command(rig: &mut Rig, input: &mut Cursor<'_>) {
    let share = ShareId(input.below(SHARES_MAX) as u32);
    match input.below(9) {
        0 => rig.order(share, Command::Pause { share }),
        1 => rig.order(share, Command::Resume { share }),
        2 => rig.order(share, Command::AddPeer { share, peer: hint(input.below(4)) }),
        3 => rig.order(share, Command::AddTrackers { share, trackers: trackers(input) }),
        4 => rig.end(share, Reason::Leaving),
        5 => rig.seed(share, input.below(CONTENTS_MAX)),
        6 => rig.reconsider(share),
        _ => begin(rig, input),
    }
}

fn trackers(input: &mut Cursor<'_>) -> Trackers {
    let mut trackers = Trackers::default();
    for number in 0..input.below(3) {
        if let Ok(url) = TrackerUrl::new(&alloc::format!("http://tracker{number}.example")) {
            trackers.add(url);
        }
    }
    trackers
}

/// Whatever its role, a peer of a swarm gives and takes.
fn either(rig: &mut Rig, input: &mut Cursor<'_>) {
    if let Some(conn) = pick_link(rig, input) {
        rig.take(conn, usize::MAX);
        if input.one_in(2) { source(rig, input, conn) } else { receiver(rig, input, conn) }
    }
}

/// What peers of a swarm say to each other beside requests and their answers.
fn words(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    let guess = ShareId(input.below(SHARES_MAX) as u32);
    let act = input.below(10);
    let Some(share) = rig.model.share_of(conn) else {
        if rig.store.knows(guess) {
            open(rig, conn, guess);
            rig.say_messages(conn, &[Message::Swarm(Swarm { port: 7_000 })]);
        }
        return;
    };
    let content = rig.store.content(share);
    let message = match act {
        0 => Message::Swarm(Swarm { port: u16::from(input.u8()) }),
        1 => return rig.say_messages(conn, &[Link::info(content), have(input)]),
        2 => have(input),
        3 => Message::Peers(peers(input)),
        4 => Message::Choke,
        5 => Message::Unchoke,
        6 => Message::Interested,
        7 => Message::NotInterested,
        8 => return rig.say_messages(conn, &[Link::info(content), Link::have(content)]),
        _ => return rejects(rig, input, conn),
    };
    rig.say_messages(conn, &[message]);
}

/// Some chunks, mostly of those that there are.
fn have(input: &mut Cursor<'_>) -> Message {
    let range = |input: &mut Cursor<'_>| ChunkRange {
        first: u32::from(input.u8() % 8),
        count: u32::from(input.u8() % 3),
    };
    Message::Have((0..input.below(3)).map(|_| range(input)).collect())
}

/// Peers that may be there, may be banned, may be the node itself.
fn peers(input: &mut Cursor<'_>) -> Vec<PeerAddress> {
    let count = [1, 2, PEERS_MAX, PEERS_MAX + 1][input.below(4)];
    let peer = |input: &mut Cursor<'_>| {
        let key = NodeId([1 + input.u8() % 14; 32]);
        let near = ([10, 0, 0, key.0[0]], 7_000).into();
        PeerAddress { key, address: if input.one_in(4) { address(input) } else { near } }
    };
    (0..count).map(|_| peer(input)).collect()
}

/// What was asked is not given: it serves others, or does not have it.
fn rejects(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    let why = [RejectWhy::Choked, RejectWhy::Absent, RejectWhy::Cancelled][input.below(3)];
    rig.take(conn, usize::MAX);
    let link = rig.links.iter_mut().find(|link| link.conn == conn);
    let run = link.and_then(|link| pick(input, link.requests.len()).and_then(|at| link.requests.remove(at)));
    if let Some(run) = run {
        rig.say_messages(conn, &[Link::reject(run, why)]);
    }
}
