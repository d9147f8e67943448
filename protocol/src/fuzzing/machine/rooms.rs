//! A node in a room, among peers that say what they like.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::link::US;
use super::rig::{Rig, Sources, hint};
use super::steps::{
    STEPS_MAX, any_message, config, connect, disconnect, open, pick_link, raw, take, wait, work,
};
use super::talk::text;
use crate::fuzzing::Cursor;
use crate::input::{Command, Say};
use crate::wire::{
    Answer, Answered, Call, Heard, Line, Message, Offer, PeerAddress, Reason, Swarm, TEXT_MAX, Word,
};
use crate::{AccessSecret, ConnId, ContentId, NodeId, ShareId};

/// Rooms that a run may name.
const ROOMS_MAX: usize = 3;
/// A share that is served beside them, where no word has a place.
const SHARE: ShareId = ShareId(ROOMS_MAX as u32);

/// Peers come into a room, say words and calls under any number, acknowledge what they heard or never did, and are lost;
/// the user says things too: each word is heard once, acknowledged only if it was said, and its sender is told once;
/// memory keeps to its limit, and everything ends.
pub fn machine_rooms(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let mut rig = Rig::new(config(&mut input), Sources::Any);
    rig.room(ShareId(0), Some(7));
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
        0..=3 => with_link(rig, input, speak),
        4 => with_link(rig, input, acknowledge),
        5 => with_link(rig, input, enter),
        6 => connect(rig, input),
        7 => disconnect(rig, input),
        8 => say(rig, input),
        9 => command(rig, input),
        10 => take(rig, input),
        11 | 12 => work(rig, input),
        13 => wait(rig, input),
        14 => any_message(rig, input),
        _ => raw(rig, input),
    }
}

fn with_link(rig: &mut Rig, input: &mut Cursor<'_>, act: fn(&mut Rig, &mut Cursor<'_>, ConnId)) {
    if let Some(conn) = pick_link(rig, input) {
        act(rig, input, conn);
    }
}

fn room(input: &mut Cursor<'_>) -> ShareId {
    ShareId(input.below(ROOMS_MAX) as u32)
}

/// One of those that may come, or be dialled, or the node itself, or nobody.
fn node(input: &mut Cursor<'_>) -> NodeId {
    [NodeId([8; 32]), NodeId([9; 32]), NodeId([10; 32]), NodeId([2; 32]), US, NodeId([99; 32])]
        [input.below(6)]
}

/// A peer proves that it knows a room, or the share.
fn enter(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    let of = ShareId(input.below(ROOMS_MAX + 1) as u32);
    open(rig, conn, of);
    rig.say_messages(conn, &[Message::Swarm(Swarm { port: u16::from(input.u8()) })]);
}

/// A peer says one thing, many times over if it likes: whoever has not come in yet does so first.
fn speak(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    if rig.model.share_of(conn).is_none() {
        open(rig, conn, ShareId(0));
    }
    let (life, number) = (input.number() % 3, input.number());
    let mut messages = Vec::new();
    // Numbers that follow each other, or one again and again.
    let (times, step) = ([1, 1, 3, 100][input.below(4)], u64::from(input.u8() % 2));
    for nth in 0..times {
        let number = number.wrapping_add(nth * step);
        messages.push(Message::Line(Line { life, number, word: word(input, life, number) }));
    }
    rig.say_messages(conn, &messages);
}

fn word(input: &mut Cursor<'_>, life: u64, number: u64) -> Word {
    match input.below(8) {
        0..=2 => Word::Text(text(&[life, number])),
        3..=5 => {
            let (origin, life, number) = (node(input), input.number() % 3, input.number() % 8);
            let text = text(&[u64::from(origin.0[0]), life, number]);
            Word::Call(Call { origin, life, number, text, signature: [[7; 32]; 2] })
        }
        6 => Word::Offer(offer(input, life)),
        _ if input.one_in(4) => {
            let mut long = text(&[]);
            long.text = "x".repeat(TEXT_MAX + usize::from(input.u8() % 2));
            Word::Text(long)
        }
        _ => Word::Answer(Answered { life, number, answer: Answer::Declined }),
    }
}

fn offer(input: &mut Cursor<'_>, number: u64) -> Offer {
    let (content, secret) = (ContentId(input.name32()), AccessSecret(input.name32()));
    let name = "n".repeat(usize::from(input.u8()) + usize::from(input.u8() % 2));
    Offer { number, content, secret, name, size: input.number(), files: input.number32() }
}

/// A peer acknowledges what the node has said, or what it never did.
fn acknowledge(rig: &mut Rig, input: &mut Cursor<'_>, conn: ConnId) {
    rig.take(conn, usize::MAX);
    let last = rig.links.iter().find(|link| link.conn == conn).and_then(|link| link.line);
    let (life, number) = match last {
        Some((life, number)) if !input.one_in(4) => (life, number.saturating_sub(u64::from(input.u8() % 4))),
        Some((life, _)) if input.one_in(2) => (life, input.number()),
        _ => (input.number(), input.number()),
    };
    rig.say_messages(conn, &[Message::Heard(Heard { life, number })]);
}

/// The user says something to somebody, once or until no more can wait.
fn say(rig: &mut Rig, input: &mut Cursor<'_>) {
    let (room, to) = (room(input), node(input));
    let (times, len) = ([1, 1, 1, 40][input.below(4)], [0, 0, 0, TEXT_MAX, TEXT_MAX + 1][input.below(5)]);
    for _ in 0..times {
        rig.say_to(room, to, |tag| {
            // Digits that mean the same, however many there are.
            let digits = tag.to_string();
            Say::Text("0".repeat(len.saturating_sub(digits.len())) + &digits)
        });
    }
}

fn command(rig: &mut Rig, input: &mut Cursor<'_>) {
    let room = room(input);
    match input.below(8) {
        0..=2 => rig.order(room, Command::Call { room, text: "0".into() }),
        3 => rig.order(room, Command::AddPeer { share: room, peer: hint(input.below(4)) }),
        4 => rig.room(room, [None, Some(0), Some(9)][input.below(3)]),
        5 => rig.end(room, Reason::Leaving),
        6 => rig.serve(SHARE, 0, true),
        _ => with_link(rig, input, |rig, input, conn| {
            let peer = |input: &mut Cursor<'_>| {
                let key = node(input);
                PeerAddress { key, address: ([10, 0, 0, key.0[0]], 7_000).into() }
            };
            let peers = (0..input.below(4)).map(|_| peer(input)).collect();
            rig.say_messages(conn, &[Message::Peers(peers)]);
        }),
    }
}
