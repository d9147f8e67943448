//! The messages and their bodies. PROTOCOL §5.

use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::frame::{BODY_MAX, DecodeError, HEADER};
use super::talk::{Heard, Line};
use crate::content::identity::{Nonce, ShareProof};
use crate::job::Outcome;
use crate::{DiscoveryKey, Hash, NodeId, UnixTime};

/// The newest version of the protocol that this build speaks.
pub const PROTOCOL_VERSION: u16 = 1;
/// The oldest.
pub const PROTOCOL_MIN: u16 = 1;
/// Ranges in one `have` at most.
pub const RANGES_MAX: usize = 4096;

/// Tags. Odd ones may be skipped by whoever does not know them; an unknown even one ends the session.
pub(crate) mod tag {
    pub(crate) const HELLO: u16 = 0;
    pub(crate) const PROVE: u16 = 2;
    pub(crate) const PROVEN: u16 = 4;
    pub(crate) const INFO: u16 = 6;
    pub(crate) const HAVE: u16 = 8;
    pub(crate) const REQUEST: u16 = 10;
    pub(crate) const BLOCKS: u16 = 12;
    pub(crate) const REJECT: u16 = 14;
    pub(crate) const HASH_REQUEST: u16 = 16;
    pub(crate) const HASHES: u16 = 18;
    pub(crate) const PING: u16 = 20;
    pub(crate) const PONG: u16 = 22;
    pub(crate) const GOODBYE: u16 = 24;
    pub(crate) const CORRUPT: u16 = 26;
    pub(crate) const INTACT: u16 = 28;
    pub(crate) const CANCEL: u16 = 30;
    pub(crate) const CHOKE: u16 = 32;
    pub(crate) const UNCHOKE: u16 = 34;
    pub(crate) const INTERESTED: u16 = 36;
    pub(crate) const NOT_INTERESTED: u16 = 38;
    pub(crate) const LINE: u16 = 40;
    pub(crate) const HEARD: u16 = 42;
    pub(crate) const PREPARING: u16 = 1;
    pub(crate) const RECEIPT: u16 = 3;
    pub(crate) const PAUSED: u16 = 5;
    pub(crate) const RESUMED: u16 = 7;
    pub(crate) const SWARM: u16 = 9;
    pub(crate) const PEERS: u16 = 11;
}

/// Feature bits of a peer; unknown bits are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features(pub u64);

/// The first message of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The newest version it speaks.
    pub version: u16,
    /// The oldest version it speaks.
    pub version_min: u16,
    /// What it can do beyond the version.
    pub features: Features,
    /// Fresh random bytes for proofs and receipts.
    pub nonce: Nonce,
}

/// The initiator names a share and proves that it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prove {
    /// Which share.
    pub discovery: DiscoveryKey,
    /// Proof of ContentId and access secret (PROTOCOL §5.2).
    pub proof: ShareProof,
}

/// The responder's proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Proof of ContentId and access secret.
    pub proof: ShareProof,
}

/// What the manifest is; size and root must hash to the ContentId.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Encoded bytes of the manifest.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A run of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRange {
    /// The first chunk.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// A run of blocks within one span of one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlockRun {
    /// The blob.
    pub blob: u32,
    /// The first block.
    pub block: u32,
    /// How many: 1 to 16.
    pub count: u32,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RejectWhy {
    /// The source file is no longer the one that was hashed.
    Changed,
    /// The source cannot be read.
    Unreadable,
    /// The peer does not have these blocks.
    Absent,
    /// It was cancelled in time.
    Cancelled,
    /// The peer is choked.
    Choked,
}

/// A request that will not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The request.
    pub run: BlockRun,
    /// Why.
    pub why: RejectWhy,
}

/// Asks for chunk hashes of one blob: `first` a multiple of 512, at most 512 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HashRange {
    /// The blob.
    pub blob: u32,
    /// The first chunk within the blob.
    pub first: u32,
}

/// Chunk hashes and what leads from them to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// Which.
    pub range: HashRange,
    /// The hashes, to the end of the range or of the blob.
    pub hashes: Vec<Hash>,
    /// Uncle hashes from the range's subtree up (PROTOCOL §3.2).
    pub proof: Vec<Hash>,
}

/// A chunk of one blob whose bytes did not give its hash, or were found to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrupt {
    /// The blob.
    pub blob: u32,
    /// The chunk within the blob.
    pub chunk: u32,
}

/// The share is being hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparing {
    /// Bytes hashed.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A receiver's signed word (PROTOCOL §5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Digest of what was selected.
    pub selection: Hash,
    /// What stands in the destination.
    pub outcome: Outcome,
    /// The receiver's clock.
    pub time: UnixTime,
    /// Ed25519, in two halves.
    pub signature: [[u8; 32]; 2],
}

/// Peers of this share may know of each other (PROTOCOL §5.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swarm {
    /// The port at which its sender takes connections, at the address it is seen at; 0: at none.
    pub port: u16,
}

/// Peers in one `peers` at most.
pub const PEERS_MAX: usize = 50;

/// A peer of the share, on somebody's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// The key that it proved.
    pub key: NodeId,
    /// Where it takes connections.
    pub address: SocketAddr,
}

/// Why a session ends. Unknown codes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub enum Reason {
    /// All that was wanted is placed.
    Done,
    /// The user declined the offer.
    Declined,
    /// The user cancelled; the state is kept.
    Cancelled,
    /// The program ends; the state is kept.
    Leaving,
    /// No such share, or no proof of knowing it.
    NoSuchShare,
    /// No common version.
    Version,
    /// Too many connections.
    Busy,
    /// The source changed while it was served.
    SourceChanged,
    /// The source cannot be read.
    SourceUnreadable,
    /// The offer was refused as unsafe or over a limit.
    Refused,
    /// The other side broke the protocol.
    Misbehaved,
    /// The other side took too long.
    TooSlow,
    /// Another connection to the same peer replaces this one.
    Replaced,
    /// The receiver's disk failed or is full.
    Storage,
    /// The other side has nothing that this one still wants.
    NotInterested,
    /// A reason of a newer version.
    Other(u16),
}

impl From<u16> for Reason {
    fn from(code: u16) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Declined,
            2 => Self::Cancelled,
            3 => Self::Leaving,
            4 => Self::NoSuchShare,
            5 => Self::Version,
            6 => Self::Busy,
            7 => Self::SourceChanged,
            8 => Self::SourceUnreadable,
            9 => Self::Refused,
            10 => Self::Misbehaved,
            11 => Self::TooSlow,
            12 => Self::Replaced,
            13 => Self::Storage,
            14 => Self::NotInterested,
            other => Self::Other(other),
        }
    }
}

impl From<Reason> for u16 {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Done => 0,
            Reason::Declined => 1,
            Reason::Cancelled => 2,
            Reason::Leaving => 3,
            Reason::NoSuchShare => 4,
            Reason::Version => 5,
            Reason::Busy => 6,
            Reason::SourceChanged => 7,
            Reason::SourceUnreadable => 8,
            Reason::Refused => 9,
            Reason::Misbehaved => 10,
            Reason::TooSlow => 11,
            Reason::Replaced => 12,
            Reason::Storage => 13,
            Reason::NotInterested => 14,
            Reason::Other(code) => code,
        }
    }
}

/// Every message but `blocks`, whose payload is never held as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// §5.1
    Hello(Hello),
    /// §5.2
    Prove(Prove),
    /// §5.2
    Proven(Proven),
    /// §5.3
    Info(Info),
    /// §5.4
    Have(Vec<ChunkRange>),
    /// §5.5
    Request(BlockRun),
    /// §5.5
    Reject(Reject),
    /// §5.5: another source is asked for these.
    Cancel(BlockRun),
    /// §5.6
    HashRequest(HashRange),
    /// §5.6
    Hashes(Hashes),
    /// §5.7: "this chunk of yours is wrong; look at your disk".
    Corrupt(Corrupt),
    /// §5.7: "it is right on my disk".
    Intact(Corrupt),
    /// §5.8
    Ping(u64),
    /// §5.8
    Pong(u64),
    /// §5.10
    Goodbye(Reason),
    /// §5.3, may be skipped.
    Preparing(Preparing),
    /// §5.9, may be skipped.
    Receipt(Receipt),
    /// §5.8, may be skipped: the user paused; silence is meant.
    Paused,
    /// §5.8, may be skipped.
    Resumed,
    /// §5.11, may be skipped.
    Swarm(Swarm),
    /// §5.11, may be skipped: others that have the share or want it.
    Peers(Vec<PeerAddress>),
    /// §5.12: requests are rejected from now on.
    Choke,
    /// §5.12: requests are served from now on.
    Unchoke,
    /// §5.12: the other side has something that is wanted.
    Interested,
    /// §5.12
    NotInterested,
    /// §7.2: a word, in a room.
    Line(Line),
    /// §7.2: words that were given to the user.
    Heard(Heard),
}

impl Message {
    const fn tag(&self) -> u16 {
        match self {
            Self::Hello(_) => tag::HELLO,
            Self::Prove(_) => tag::PROVE,
            Self::Proven(_) => tag::PROVEN,
            Self::Info(_) => tag::INFO,
            Self::Have(_) => tag::HAVE,
            Self::Request(_) => tag::REQUEST,
            Self::Reject(_) => tag::REJECT,
            Self::Cancel(_) => tag::CANCEL,
            Self::HashRequest(_) => tag::HASH_REQUEST,
            Self::Hashes(_) => tag::HASHES,
            Self::Corrupt(_) => tag::CORRUPT,
            Self::Intact(_) => tag::INTACT,
            Self::Ping(_) => tag::PING,
            Self::Pong(_) => tag::PONG,
            Self::Goodbye(_) => tag::GOODBYE,
            Self::Preparing(_) => tag::PREPARING,
            Self::Receipt(_) => tag::RECEIPT,
            Self::Paused => tag::PAUSED,
            Self::Resumed => tag::RESUMED,
            Self::Swarm(_) => tag::SWARM,
            Self::Peers(_) => tag::PEERS,
            Self::Choke => tag::CHOKE,
            Self::Unchoke => tag::UNCHOKE,
            Self::Interested => tag::INTERESTED,
            Self::NotInterested => tag::NOT_INTERESTED,
            Self::Line(_) => tag::LINE,
            Self::Heard(_) => tag::HEARD,
        }
    }

    /// Whether an odd tag is known to this version.
    pub(crate) const fn knows(tag: u16) -> bool {
        matches!(tag, tag::PREPARING | tag::RECEIPT | tag::PAUSED | tag::RESUMED | tag::SWARM | tag::PEERS)
    }

    /// Appends the frame of this message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.tag().to_le_bytes());
        match self {
            Self::Hello(body) => append(out, body),
            Self::Prove(body) => append(out, body),
            Self::Proven(body) => append(out, body),
            Self::Info(body) => append(out, body),
            Self::Have(body) => append(out, body),
            Self::Request(body) | Self::Cancel(body) => append(out, body),
            Self::Reject(body) => append(out, body),
            Self::HashRequest(body) => append(out, body),
            Self::Hashes(body) => append(out, body),
            Self::Corrupt(body) | Self::Intact(body) => append(out, body),
            Self::Ping(body) | Self::Pong(body) => append(out, body),
            Self::Goodbye(body) => append(out, body),
            Self::Preparing(body) => append(out, body),
            Self::Receipt(body) => append(out, body),
            Self::Swarm(body) => append(out, body),
            Self::Peers(body) => append(out, body),
            Self::Line(body) => append(out, body),
            Self::Heard(body) => append(out, body),
            Self::Paused
            | Self::Resumed
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested => {}
        }
        let len = out.len() - start - HEADER;
        debug_assert!(len <= BODY_MAX, "our own messages keep to the limit");
        out[start..start + 4].copy_from_slice(&(len as u32).to_le_bytes());
    }

    /// Decodes a body; `None` for an unknown tag that may be skipped. Trailing bytes are ignored (PROTOCOL §4.2).
    pub(crate) fn decode(tag: u16, body: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match tag {
            tag::HELLO => Self::Hello(read(tag, body)?),
            tag::PROVE => Self::Prove(read(tag, body)?),
            tag::PROVEN => Self::Proven(read(tag, body)?),
            tag::INFO => Self::Info(read(tag, body)?),
            tag::HAVE => Self::Have(read(tag, body)?),
            tag::REQUEST => Self::Request(read(tag, body)?),
            tag::REJECT => Self::Reject(read(tag, body)?),
            tag::CANCEL => Self::Cancel(read(tag, body)?),
            tag::HASH_REQUEST => Self::HashRequest(read(tag, body)?),
            tag::HASHES => Self::Hashes(read(tag, body)?),
            tag::CORRUPT => Self::Corrupt(read(tag, body)?),
            tag::INTACT => Self::Intact(read(tag, body)?),
            tag::PING => Self::Ping(read(tag, body)?),
            tag::PONG => Self::Pong(read(tag, body)?),
            tag::GOODBYE => Self::Goodbye(read(tag, body)?),
            tag::PREPARING => Self::Preparing(read(tag, body)?),
            tag::RECEIPT => Self::Receipt(read(tag, body)?),
            tag::PAUSED => Self::Paused,
            tag::RESUMED => Self::Resumed,
            tag::SWARM => Self::Swarm(read(tag, body)?),
            tag::PEERS => Self::Peers(read(tag, body)?),
            tag::CHOKE => Self::Choke,
            tag::UNCHOKE => Self::Unchoke,
            tag::INTERESTED => Self::Interested,
            tag::NOT_INTERESTED => Self::NotInterested,
            tag::LINE => Self::Line(read(tag, body)?),
            tag::HEARD => Self::Heard(read(tag, body)?),
            odd if odd % 2 == 1 => return Ok(None),
            even => return Err(DecodeError::UnknownTag(even)),
        }))
    }
}

fn append<T: Serialize>(out: &mut Vec<u8>, body: &T) {
    // Writing to a growing vector has no way to fail for these plain types.
    match postcard::to_extend(body, core::mem::take(out)) {
        Ok(grown) => *out = grown,
        Err(_) => debug_assert!(false, "plain data serialises"),
    }
}

fn read<'a, T: Deserialize<'a>>(tag: u16, body: &'a [u8]) -> Result<T, DecodeError> {
    postcard::take_from_bytes(body).map(|(value, _)| value).map_err(|_| DecodeError::BadBody(tag))
}
