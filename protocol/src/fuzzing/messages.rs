//! A message of the protocol, read from bytes.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::Cursor;
use crate::content::identity::{Nonce, ShareProof};
use crate::job::Outcome;
use crate::wire::{
    Answer, Answered, BlockRun, Call, ChunkRange, Corrupt, Features, HashRange, Hashes, Heard, Hello, Info,
    Line, Message, Offer, PeerAddress, Preparing, Prove, Proven, Reason, Receipt, Reject, RejectWhy, Swarm,
    Text, Word,
};
use crate::{AccessSecret, ContentId, DiscoveryKey, Hash, NodeId, UnixTime};

/// Any message, of any content.
pub fn message(input: &mut Cursor<'_>) -> Message {
    match input.below(28) {
        0 => Message::Hello(Hello {
            version: input.number32() as u16,
            version_min: input.number32() as u16,
            features: Features(input.number()),
            nonce: Nonce(input.name32()),
        }),
        1 => Message::Prove(Prove {
            discovery: DiscoveryKey(input.name32()),
            proof: ShareProof(input.name32()),
        }),
        2 => Message::Proven(Proven { proof: ShareProof(input.name32()) }),
        3 => Message::Info(Info { size: input.number(), root: Hash(input.name32()) }),
        4 => Message::Have(
            many(input)
                .map(|input| ChunkRange { first: input.number32(), count: input.number32() })
                .collect(),
        ),
        5 => Message::Request(run(input)),
        6 => Message::Reject(Reject { run: run(input), why: why(input) }),
        7 => Message::HashRequest(range(input)),
        8 => Message::Hashes(Hashes { range: range(input), hashes: hashes(input), proof: hashes(input) }),
        9 => Message::Corrupt(corrupt(input)),
        10 => Message::Intact(corrupt(input)),
        11 => Message::Ping(input.number()),
        12 => Message::Pong(input.number()),
        13 => Message::Goodbye(Reason::from(input.number32() as u16)),
        14 => Message::Preparing(Preparing { done: input.number(), total: input.number() }),
        15 => Message::Receipt(Receipt {
            selection: Hash(input.name32()),
            outcome: Outcome {
                placed: input.number(),
                already: input.number(),
                skipped: input.number(),
                bytes: input.number(),
            },
            time: UnixTime(input.number()),
            signature: [input.name32(), input.name32()],
        }),
        16 => Message::Paused,
        17 => Message::Cancel(run(input)),
        19 => Message::Swarm(Swarm { port: input.number32() as u16 }),
        20 => Message::Peers(
            many(input)
                .map(|input| PeerAddress { key: NodeId(input.name32()), address: address(input) })
                .collect(),
        ),
        21 => Message::Choke,
        22 => Message::Unchoke,
        23 => Message::Interested,
        24 => Message::NotInterested,
        25 => Message::Heard(Heard { life: input.number(), number: input.number() }),
        26 => Message::Line(Line { life: input.number(), number: input.number(), word: word(input) }),
        _ => Message::Resumed,
    }
}

fn word(input: &mut Cursor<'_>) -> Word {
    match input.below(4) {
        0 => Word::Text(text(input)),
        1 => Word::Call(Call {
            origin: NodeId(input.name32()),
            life: input.number(),
            number: input.number(),
            text: text(input),
            signature: [input.name32(), input.name32()],
        }),
        2 => Word::Offer(Offer {
            number: input.number(),
            content: ContentId(input.name32()),
            secret: AccessSecret(input.name32()),
            name: text(input).text,
            size: input.number(),
            files: input.number32(),
        }),
        _ => {
            let answer = [Answer::Accepted, Answer::Declined, Answer::Withdrawn][input.below(3)];
            Word::Answer(Answered { life: input.number(), number: input.number(), answer })
        }
    }
}

fn text(input: &mut Cursor<'_>) -> Text {
    let time = UnixTime(input.number());
    let text = ["", "a", "naïve", "日本語\u{202e}\n\u{1b}[2J"][input.below(4)].repeat(1 + input.below(40));
    Text { time, text }
}

fn run(input: &mut Cursor<'_>) -> BlockRun {
    BlockRun { blob: input.number32(), block: input.number32(), count: input.number32() }
}

fn range(input: &mut Cursor<'_>) -> HashRange {
    HashRange { blob: input.number32(), first: input.number32() }
}

fn corrupt(input: &mut Cursor<'_>) -> Corrupt {
    Corrupt { blob: input.number32(), chunk: input.number32() }
}

fn why(input: &mut Cursor<'_>) -> RejectWhy {
    [RejectWhy::Changed, RejectWhy::Unreadable, RejectWhy::Absent, RejectWhy::Cancelled, RejectWhy::Choked]
        [input.below(5)]
}

/// An address of either version, with any port.
pub(super) fn address(input: &mut Cursor<'_>) -> SocketAddr {
    let name = input.name32();
    let ip = match input.below(2) {
        0 => IpAddr::from([name[0], name[1], name[2], name[3]]),
        _ => {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&name[..16]);
            IpAddr::from(bytes)
        }
    };
    SocketAddr::new(ip, input.number32() as u16)
}

fn hashes(input: &mut Cursor<'_>) -> Vec<Hash> {
    many(input).map(|input| Hash(input.name32())).collect()
}

/// Some turns, each of which takes from the input.
fn many<'a, 'b>(input: &'b mut Cursor<'a>) -> Turns<'a, 'b> {
    Turns { left: usize::from(input.u8()), input }
}

struct Turns<'a, 'b> {
    left: usize,
    input: &'b mut Cursor<'a>,
}

impl<'a> Turns<'a, '_> {
    fn map<T>(self, mut turn: impl FnMut(&mut Cursor<'a>) -> T) -> impl Iterator<Item = T> {
        let Self { left, input } = self;
        (0..left).map_while(move |_| (!input.is_empty()).then(|| turn(input)))
    }
}
