//! A message of the protocol, read from bytes.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::Cursor;
use crate::content::identity::{Nonce, ShareProof};
use crate::job::Outcome;
use crate::wire::{
    BlockRun, ChunkRange, Corrupt, Features, HashRange, Hashes, Hello, Info, Message, PeerAddress, Preparing,
    Prove, Proven, Reason, Receipt, Reject, RejectWhy, Swarm,
};
use crate::{DiscoveryKey, Hash, NodeId, UnixTime};

/// Any message, of any content.
pub fn message(input: &mut Cursor<'_>) -> Message {
    match input.below(25) {
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
        _ => Message::Resumed,
    }
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
