//! What enters the core.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::content::identity::Role;
use crate::content::layers::Layers;
use crate::content::manifest::Manifest;
use crate::content::selection::Selection;
use crate::job::Done;
use crate::wire::{Answered, Offer, Reason};
use crate::{AccessSecret, Candidate, ConnId, ContentId, NodeId, ShareId, Trackers, UnixTime};

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// TCP to this remote address.
    Tcp(SocketAddr),
    /// A stream within a program: simulations and tests.
    Memory,
}

/// How a connection was lost, as the driver saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkLoss {
    /// The peer closed it properly.
    Closed,
    /// It ended without the closing word.
    Cut,
    /// The peer refused the connection, or nothing listens there.
    Refused,
    /// There is no way to the address, or the name is unknown.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Bytes were changed on the way, or the peer does not speak the channel's protocol.
    Damaged,
    /// The peer proved another key than the one that was asked for.
    WrongKey,
    /// This machine could not: no descriptors, no memory.
    Local,
}

/// A source of a share, as a ticket or the user names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerHint {
    /// The key that it must prove; without one any key is accepted, then knowledge of the content is proven.
    pub key: Option<NodeId>,
    /// Where it may be.
    pub addresses: Vec<Candidate>,
}

/// Whether peers of a share may learn of each other, and give each other what they have. A property of the share: on for
/// what is published, off for what is sent to somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Swarming {
    /// Only whoever serves the whole share knows its receivers.
    #[default]
    Off,
    /// As the first source says.
    AsTold,
    /// They may.
    On,
}

/// In which order chunks are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// From the first to the last.
    #[default]
    Sequential,
    /// What the fewest peers have comes first, random among equals.
    RarestFirst,
}

/// What becomes of a share that was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Afterwards {
    /// Its connections are closed.
    #[default]
    Leave,
    /// They stay: a `Share` command for it follows, or an `End`.
    Seed,
}

/// A share to be served.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its name within this node; the same as in an earlier `Announce`.
    pub share: ShareId,
    /// Its access secret.
    pub secret: AccessSecret,
    /// What it contains.
    pub manifest: Arc<Manifest>,
    /// The chunk hashes of its larger files, as far as they are held.
    pub layers: Arc<Layers>,
    /// Which of its entries are there: of others nothing is told, and nothing is given.
    pub held: Selection,
    /// Whether its receivers may learn of each other.
    pub swarm: Swarming,
    /// The port that peers of a swarm are told to find us at; none: they are not told any.
    pub port: Option<u16>,
}

impl Share {
    /// A whole share whose receivers do not learn of each other.
    pub const fn new(
        share: ShareId,
        secret: AccessSecret,
        manifest: Arc<Manifest>,
        layers: Arc<Layers>,
    ) -> Self {
        Self { share, secret, manifest, layers, held: Selection::All, swarm: Swarming::Off, port: None }
    }
}

/// A share to be fetched.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Its name within this node.
    pub share: ShareId,
    /// What is wanted.
    pub content: ContentId,
    /// Its access secret.
    pub secret: AccessSecret,
    /// Who may have it.
    pub peers: Vec<PeerHint>,
    /// The manifest, where a metadata file or an earlier run has it.
    pub manifest: Option<Arc<Manifest>>,
    /// Chunk hashes, where a metadata file has them.
    pub layers: Option<Arc<Layers>>,
    /// Whether to give to other receivers, and to learn of them.
    pub swarm: Swarming,
    /// The port that peers of a swarm are told to find us at; none: they are not told any.
    pub port: Option<u16>,
    /// In which order it is fetched.
    pub order: Order,
    /// What becomes of it when all is placed.
    pub afterwards: Afterwards,
}

impl Fetch {
    /// A plain fetch of a content from these peers.
    pub const fn new(share: ShareId, content: ContentId, secret: AccessSecret, peers: Vec<PeerHint>) -> Self {
        Self {
            share,
            content,
            secret,
            peers,
            manifest: None,
            layers: None,
            swarm: Swarming::Off,
            port: None,
            order: Order::Sequential,
            afterwards: Afterwards::Leave,
        }
    }
}

/// What is said to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A text, of at most [`TEXT_MAX`](crate::wire::TEXT_MAX) bytes.
    Text(String),
    /// Files that it may have. The share must be served.
    Offer(Offer),
    /// An answer to an offer of its.
    Answer(Answered),
}

/// What the user wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Tells receivers that a share of this content is being prepared.
    Announce {
        /// Its name within this node.
        share: ShareId,
        /// What it will be.
        content: ContentId,
        /// Its access secret.
        secret: AccessSecret,
    },
    /// How far the preparation is.
    Preparing {
        /// An announced share.
        share: ShareId,
        /// Bytes hashed.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Serves a share.
    Share(Share),
    /// Fetches a share, up to the offer.
    Fetch(Fetch),
    /// Accepts the offer: fetch these entries. The driver has prepared the storage.
    Accept {
        /// The offered share.
        share: ShareId,
        /// What is wanted of it.
        selection: Selection,
        /// What of that is asked for before all else. Everything first is nothing first.
        first: Selection,
    },
    /// Declines the offer.
    Decline {
        /// The offered share.
        share: ShareId,
        /// What the sender is told.
        reason: Reason,
    },
    /// Goes back to the offer, so that something else of the share can be wanted: nothing more is asked for, and once
    /// all that was verified is claimed, `Event::Offer` comes again, for an `Accept` or a `Decline`. No job for the share
    /// is on its way then: the driver may make its storage anew. What was verified stays so.
    Reconsider {
        /// A fetched share that was accepted and is not being placed yet.
        share: ShareId,
    },
    /// Names one more source; of a room one more node; of a share that is served to a swarm a receiver, which is dialled a
    /// few times, for it may not reach us.
    AddPeer {
        /// A share, or a room.
        share: ShareId,
        /// Whom to dial.
        peer: PeerHint,
    },
    /// Names trackers: the share is announced there, and peers that they name are dialled.
    AddTrackers {
        /// A share that is served, prepared or fetched.
        share: ShareId,
        /// The trackers; of all that a share is given the first [`Trackers::MAX`] count.
        trackers: Trackers,
    },
    /// Asks for nothing more until `Resume`.
    Pause {
        /// A fetched share.
        share: ShareId,
    },
    /// Goes on.
    Resume {
        /// A paused share.
        share: ShareId,
    },
    /// Dials at once whoever is waited for.
    Retry {
        /// A fetched share.
        share: ShareId,
    },
    /// Opens a room: nodes that know its secret meet there, and say things to each other. Nodes of it are named by
    /// `AddPeer`, and by each other.
    Room {
        /// Its name within this node: as no share's.
        room: ShareId,
        /// Whoever knows it may come in. All zero: everybody.
        secret: AccessSecret,
        /// The key that this node proves there.
        local: NodeId,
        /// The port that others are told to find us at; none: they are not told any.
        port: Option<u16>,
    },
    /// Says something to one node of a room, now or when it is there again; `Delivered` or `Undelivered` follows.
    Say {
        /// The room.
        room: ShareId,
        /// To whom.
        to: NodeId,
        /// By which the answer names it.
        tag: u64,
        /// What.
        say: Say,
    },
    /// Says something to everybody in a room, signed: whoever hears it passes it on.
    Call {
        /// The room.
        room: ShareId,
        /// At most [`TEXT_MAX`](crate::wire::TEXT_MAX) bytes.
        text: String,
    },
    /// Ends a share, with a last checkpoint, or leaves a room; `Event::Ended` follows.
    End {
        /// Any share or room.
        share: ShareId,
        /// What peers are told.
        reason: Reason,
    },
}

impl Command {
    /// Accepts an offer; nothing of it comes first.
    pub const fn accept(share: ShareId, selection: Selection) -> Self {
        Self::Accept { share, selection, first: Selection::none() }
    }
}

/// What enters the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// A dial succeeded or a peer came; the channel has proven both keys.
    Connected {
        /// The dialled connection, or a new one of the driver's (below 2^63).
        conn: ConnId,
        /// Our role: initiator if we dialled.
        role: Role,
        /// The key that we proved.
        local: NodeId,
        /// The key that the peer proved.
        peer: NodeId,
        /// What carries it.
        path: Path,
    },
    /// Plaintext from the peer: any cut of its stream.
    Received {
        /// The connection.
        conn: ConnId,
        /// Borrowed for the call. At most `READ_MAX` bytes.
        bytes: &'a [u8],
    },
    /// The channel took so many bytes of `sendable`. None of them, but the stream took some of what the channel had
    /// before: then the peer reads, slowly.
    Sent {
        /// The connection.
        conn: ConnId,
        /// How many.
        len: usize,
    },
    /// The connection is gone, dialled or proven. No input for it may follow.
    Disconnected {
        /// The connection.
        conn: ConnId,
        /// How.
        why: LinkLoss,
    },
    /// A job is done.
    Done(Done),
    /// The user wants something.
    Command(Command),
    /// The civil time, for statements. Never sets a deadline.
    Clock(UnixTime),
    /// Time has come to look at the timers; always legal.
    Timeout,
}

/// Bytes of one `Received` at most: what one record of the channel carries.
pub const READ_MAX: usize = 16 * 1024;
