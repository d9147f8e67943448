//! What leaves the core.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::content::identity::Role;
use crate::content::manifest::Manifest;
use crate::input::{LinkLoss, Path};
use crate::job::{AnnounceError, Job, Outcome, StorageError, Verdict};
use crate::wire::{Answered, DecodeError, Offer, Reason, Text};
use crate::{Candidate, ConnId, EntryIndex, NodeId, ShareId, TrackerUrl, UnixTime};

/// What leaves the core. A driver is one exhaustive `match`.
#[derive(Debug)]
pub enum Output {
    /// Connect to this address, and prove a key to whoever answers.
    Dial {
        /// The connection to be; `Connected` or `Disconnected` answers.
        conn: ConnId,
        /// For which share: the driver may have a key for it.
        share: ShareId,
        /// Where to.
        to: Candidate,
        /// The key that must be proven there; none: any.
        key: Option<NodeId>,
    },
    /// Send what is `sendable`, then close properly; `Disconnected` answers.
    Hangup {
        /// The connection.
        conn: ConnId,
        /// Why: for the log.
        why: Goodbye,
    },
    /// `sendable` went from empty to something.
    Flush {
        /// The connection.
        conn: ConnId,
    },
    /// Deliver no more `Received` of this connection until `Resume`.
    Pause {
        /// The connection.
        conn: ConnId,
    },
    /// Deliver again.
    Resume {
        /// The connection.
        conn: ConnId,
    },
    /// Work; must be answered.
    Job(Job),
    /// Something the user may want to know.
    Event(Event),
}

/// Why we hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// For a reason that the peer was told.
    Said(Reason),
    /// The peer said goodbye first.
    Heard(Reason),
    /// The peer broke the protocol.
    Misbehaved(Fault),
}

/// How a peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no frame or message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A message that has no place in this state.
    #[error("a message came out of turn")]
    OutOfTurn,
    /// Blocks that nobody asked for, or not in order.
    #[error("blocks came that nobody asked for")]
    Unasked,
    /// A request outside of the share, or not shaped as PROTOCOL §5.5 says.
    #[error("a request outside of the share")]
    BadRequest,
    /// More open requests or unread answers than allowed.
    #[error("too many requests")]
    Flood,
    /// Hashes that do not lead to the root.
    #[error("hashes that do not lead to the root")]
    BadProof,
    /// A manifest that is not what the ContentId names, or is malformed.
    #[error("a manifest that is not the one asked for")]
    BadManifest,
    /// Bytes whose hash is wrong, again after the peer said they are right.
    #[error("wrong bytes, twice")]
    BadBytes,
    /// A word of a room that is too long, or a call that its origin has not signed.
    #[error("a word that is too long or wrongly signed")]
    BadWord,
    /// The proof of knowing the share is wrong.
    #[error("a wrong proof of knowing the share")]
    BadMac,
}

/// Why a share is not moving just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Addresses are being dialled.
    Dialing,
    /// The last attempt failed so; the next one comes at a later time.
    Backoff {
        /// How it failed.
        why: LinkLoss,
        /// Milliseconds until the next attempt.
        retry_ms: u64,
        /// Failed attempts since the peer was last there.
        attempts: u32,
    },
    /// The peer is still hashing.
    Preparing {
        /// Bytes hashed.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The user paused.
    Paused,
    /// Earlier runs' bytes are being checked.
    Rechecking,
    /// The manifest is on its way.
    Manifest,
    /// Everything is verified; files are being placed.
    Placing,
}

/// Why a fetch ended without its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No peer was reached in time; the last attempt failed so.
    NotFound(LinkLoss),
    /// The peers are there and do not have the share.
    NoSuchShare,
    /// The peer was lost and did not come back in time; what is verified is kept.
    LinkLost(LinkLoss),
    /// The peers are there, and none has what is missing; what is verified is kept.
    NotAvailable,
    /// No common version of the protocol.
    Version,
    /// The sender's file changed while it was sent.
    SourceChanged(Option<EntryIndex>),
    /// The sender cannot read its file.
    SourceUnreadable(Option<EntryIndex>),
    /// The sender ended the share.
    SenderLeft(Reason),
    /// What came was wrong, again and again.
    Integrity(Fault),
    /// The offer does not keep to the rules, or is over a limit.
    BadOffer(crate::content::manifest::ManifestError),
    /// The offer's manifest is larger than the limit, in bytes.
    OfferTooLarge(u64),
    /// Our own disk.
    Storage(StorageError),
}

/// How far a share is. Bytes of files; only what is verified counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes verified and staged, or already in place.
    pub verified: u64,
    /// Bytes wanted in all.
    pub wanted: u64,
    /// Bytes of earlier runs that were hashed again.
    pub rechecked: u64,
    /// Bytes of earlier runs that still wait for it.
    pub to_recheck: u64,
    /// Payload bytes received in this run, verified or not.
    pub received: u64,
}

/// Something the user may want to know.
#[derive(Clone, Debug)]
pub enum Event {
    /// The manifest is here and keeps to the rules: `Accept` or `Decline`.
    Offer {
        /// The fetched share.
        share: ShareId,
        /// What is offered.
        manifest: Arc<Manifest>,
    },
    /// A peer has proven that it knows the share.
    PeerUp {
        /// The share.
        share: ShareId,
        /// The connection.
        conn: ConnId,
        /// Its key.
        peer: NodeId,
        /// Our role: initiator if we dialled.
        role: Role,
        /// What carries it.
        path: Path,
    },
    /// A peer of a share is gone.
    PeerDown {
        /// The share.
        share: ShareId,
        /// The connection.
        conn: ConnId,
        /// Its key.
        peer: NodeId,
        /// Why.
        why: PeerGone,
    },
    /// A fetch waits, and for what.
    Waiting {
        /// The share.
        share: ShareId,
        /// For what.
        why: Waiting,
    },
    /// A fetch goes on: bytes are on their way.
    Fetching {
        /// The share.
        share: ShareId,
    },
    /// How far a fetch is.
    Progress {
        /// The share.
        share: ShareId,
        /// How far.
        progress: Progress,
    },
    /// Bytes handed to one receiver's channel so far.
    Uploaded {
        /// The share.
        share: ShareId,
        /// The connection.
        conn: ConnId,
        /// Payload bytes.
        bytes: u64,
    },
    /// The first source said that the share is swarmed ([`Swarming::AsTold`](crate::input::Swarming::AsTold)): from now
    /// on its peers learn of each other.
    Swarmed {
        /// The share.
        share: ShareId,
    },
    /// The peers of a share, at the progress interval while there are any; only with
    /// [`Detail::Peers`](crate::Detail::Peers).
    Peers {
        /// The share.
        share: ShareId,
        /// Who has proven that it knows the share, by connection.
        peers: Vec<PeerState>,
    },
    /// A receiver paused or went on.
    PeerPaused {
        /// The share.
        share: ShareId,
        /// The connection.
        conn: ConnId,
        /// What it does now.
        now: Pausing,
    },
    /// Everything wanted is verified and placed.
    Completed {
        /// The share.
        share: ShareId,
        /// What stands there.
        outcome: Outcome,
    },
    /// A fetch ended without its files. What is verified is kept.
    Failed {
        /// The share.
        share: ShareId,
        /// Why.
        why: Failure,
    },
    /// A receiver's receipt, and whether the signature held.
    Receipt {
        /// The share.
        share: ShareId,
        /// The connection.
        conn: ConnId,
        /// Who signed.
        peer: NodeId,
        /// What the receiver says stands there.
        outcome: Outcome,
        /// The receiver's clock.
        time: UnixTime,
        /// Whether it is the receiver's signature over exactly this.
        verdict: Verdict,
    },
    /// Our own source is not what was hashed, or cannot be read: the share can no longer be served.
    SourceBroken {
        /// The served share.
        share: ShareId,
        /// Which file.
        entry: EntryIndex,
        /// How.
        why: StorageError,
    },
    /// A tracker has answered an announce, or not.
    Tracker {
        /// The share.
        share: ShareId,
        /// Which tracker.
        tracker: TrackerUrl,
        /// What it said of the share, or why it said nothing.
        said: Result<TrackerCounts, AnnounceError>,
    },
    /// A node that was dialled for a room is not met: it is not in that room, or broke the protocol.
    Unmet {
        /// The room.
        room: ShareId,
        /// Why.
        why: PeerGone,
    },
    /// A node of a room takes connections at this address: it is where its shares can be fetched.
    Reachable {
        /// The room.
        room: ShareId,
        /// Its key.
        peer: NodeId,
        /// The address that it is seen at, with the port that it named.
        address: SocketAddr,
    },
    /// Somebody in a room said something.
    Heard {
        /// The room.
        room: ShareId,
        /// Who said it: for a call, who made it.
        from: NodeId,
        /// What.
        heard: Heard,
    },
    /// What was said to a node was given to its user.
    Delivered {
        /// The room.
        room: ShareId,
        /// To whom it was said.
        to: NodeId,
        /// As it was said.
        tag: u64,
    },
    /// What was said to a node was not acknowledged in time, or could not wait: it may have come or not.
    Undelivered {
        /// The room.
        room: ShareId,
        /// To whom it was said.
        to: NodeId,
        /// As it was said.
        tag: u64,
    },
    /// A share is closed: peers were told, the last checkpoint is written.
    Ended {
        /// The share.
        share: ShareId,
    },
    /// A command that makes no sense now.
    Refused {
        /// Its share.
        share: ShareId,
        /// Why.
        why: Refusal,
    },
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// To us.
    Text(Text),
    /// To everybody in the room; the signature holds.
    Call(Text),
    /// Files that we may have.
    Offer {
        /// The run of the program that offers: an answer names it.
        life: u64,
        /// What.
        offer: Offer,
    },
    /// An answer to an offer of ours.
    Answer(Answered),
}

/// How many peers a share has, as a tracker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerCounts {
    /// Peers that have everything.
    pub seeders: u64,
    /// Peers that lack something.
    pub leechers: u64,
}

/// How one peer of a share stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// The connection.
    pub conn: ConnId,
    /// Its key.
    pub peer: NodeId,
    /// Our role: initiator if we dialled.
    pub role: Role,
    /// What carries it.
    pub path: Path,
    /// Payload bytes that came from it.
    pub received: u64,
    /// Payload bytes that went to it.
    pub sent: u64,
    /// Chunks that it says it has.
    pub has: u32,
    /// Chunks of the share; 0 while that is not known, or if we have it all and need not know.
    pub of: u32,
    /// Whether it serves us.
    pub theirs: Turn,
    /// Whether we serve it.
    pub ours: Turn,
}

/// Whether one side of a connection is served by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It wants nothing, or nothing was asked for.
    Idle,
    /// It is choked: others have the places.
    Waits,
    /// What it asks for comes.
    Served,
}

/// Whether a receiver asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pausing {
    /// It wants nothing for now.
    Paused,
    /// It goes on.
    Resumed,
}

/// Why a peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerGone {
    /// It said so.
    Said(Reason),
    /// We said so.
    Dismissed(Reason),
    /// It broke the protocol.
    Misbehaved(Fault),
    /// The link was lost.
    Lost(LinkLoss),
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such share in this node.
    #[error("no such share")]
    UnknownShare,
    /// The name is taken.
    #[error("the share's name is taken")]
    Duplicate,
    /// A text is too long, or so much waits for the node already that no more can.
    #[error("too much")]
    TooMuch,
    /// Not in this state.
    #[error("not now")]
    NotNow,
}
