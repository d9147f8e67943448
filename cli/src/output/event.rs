//! Everything that can be told, with raw names: each mode escapes them in its own way.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use truecopy_mio::prepare::{Progress, WhyDropped};
use truecopy_protocol::output::Turn;

/// Who can fetch a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever knows its ContentId.
    Public,
    /// Whoever has the secret that the link carries.
    Secret,
}

impl Access {
    /// A word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Secret => "secret",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Files are being found and hashed.
    Reading(Reading),
    /// What a share holds: prepared, offered, or read from a file or ticket.
    Share {
        /// Where this was learned.
        stage: Stage,
        /// What it holds.
        contents: Contents<'a>,
    },
    /// One entry of a share, in a listing.
    Entry {
        /// Its path.
        path: &'a [u8],
        /// What it is.
        what: Listed<'a>,
    },
    /// Something was found but is not sent.
    Dropped {
        /// Its path.
        path: &'a [u8],
        /// Why.
        why: WhyDropped,
    },
    /// The ticket, and the line to type on the other machine.
    Ticket {
        /// `truecopy:…`.
        ticket: &'a str,
    },
    /// What a ticket names; its secret is not among it.
    TicketNames {
        /// The name of the content, in hexadecimal.
        content: &'a str,
        /// The sender's key, in hexadecimal.
        node: &'a str,
        /// Where the sender is.
        addresses: &'a [String],
        /// Where its peers announce themselves.
        trackers: &'a [String],
    },
    /// A link.
    ShareLink {
        /// `truecopy-link:…`.
        link: &'a str,
    },
    /// What a link names; its secret is not among it.
    LinkNames {
        /// The name of the content, in hexadecimal.
        content: &'a str,
        /// Who can fetch it.
        access: Access,
        /// Where its peers announce themselves.
        trackers: &'a [String],
    },
    /// An address is listened on.
    Listening {
        /// The address.
        address: &'a str,
    },
    /// A metadata file was written.
    Written {
        /// Where.
        path: &'a Path,
        /// Its bytes.
        bytes: u64,
    },
    /// Nothing moves, and this is why.
    Waiting(Waiting<'a>),
    /// A peer was found and has proven its key.
    Connected(Link<'a>),
    /// A peer is gone.
    Disconnected {
        /// Who and where.
        link: Link<'a>,
        /// Why.
        why: Gone<'a>,
    },
    /// Work of an earlier run is used.
    Resumed {
        /// Bytes that are verified already.
        verified: u64,
        /// All bytes.
        total: u64,
    },
    /// Limits of rates hold from now on, in bytes a second; none: as fast as it goes.
    Limits {
        /// Of what is sent.
        up: Option<u64>,
        /// Of what is received.
        down: Option<u64>,
    },
    /// How far a transfer is.
    Moving(Moved<'a>),
    /// How much one receiver was sent.
    Sent(Sent<'a>),
    /// How much a receiver gave to another, while it fetches or afterwards.
    Given {
        /// The name of the share.
        name: &'a [u8],
        /// Bytes handed to the connection.
        bytes: u64,
        /// To whom.
        link: Link<'a>,
        /// Bytes handed to all since the program started.
        all: u64,
    },
    /// How the peers of a share stand.
    Peers(&'a [PeerRow<'a>]),
    /// Which chunks are here.
    Map {
        /// Proven chunks, and all chunks, of each of some equal stretches of the share.
        cells: &'a [(u32, u32)],
    },
    /// A share that is remembered to be served.
    Kept(KeptShare<'a>),
    /// It is remembered no more.
    Forgotten(KeptShare<'a>),
    /// A name at the destination is taken.
    Conflict {
        /// The path.
        path: &'a [u8],
        /// What was done about it.
        what: Conflict<'a>,
    },
    /// Something was left out at the destination.
    Skipped {
        /// Its path.
        path: &'a [u8],
        /// Why, in words of this program.
        why: &'a str,
    },
    /// A receiver has signed that it has everything.
    Receipt {
        /// The receiver's key, in hexadecimal.
        node: &'a str,
        /// Where it is.
        address: &'a str,
        /// What it has.
        placed: Placed,
    },
    /// Everything is verified and in its place.
    Done {
        /// What was placed.
        placed: Placed,
        /// The name of the content, in hexadecimal.
        content: &'a str,
        /// Where.
        path: &'a Path,
    },
    /// A file differs from what it should be.
    Differs {
        /// Its path.
        path: &'a [u8],
        /// How.
        how: Difference<'a>,
    },
    /// A comparison is over.
    Verified {
        /// Files that are whole.
        files: u64,
        /// Bytes that were read.
        bytes: u64,
        /// Differences.
        differences: u64,
        /// The name of the content, in hexadecimal.
        content: &'a str,
    },
    /// Something half done, in a listing.
    HalfDone(HalfDone<'a>),
    /// Something half done was removed.
    Removed(HalfDone<'a>),
    /// The standard SHA-256 of a file.
    Digest(DigestOf<'a>),
    /// A recording was run again.
    Replayed(Replayed<'a>),
    /// What the program does now, or what the user can do, in words of this program.
    Note {
        /// What.
        text: &'a str,
    },
    /// Something that should be known, in words of this program; names in it are already escaped.
    Warning {
        /// What.
        text: &'a str,
    },
}

/// What came of running a recording again. Texts are descriptions that may hold names from anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed<'a> {
    /// The version of the program that recorded.
    pub program: &'a str,
    /// Inputs that were given again.
    pub inputs: u64,
    /// From the start to the last of them, in milliseconds.
    pub lasted: u64,
    /// Recorded calls of streams.
    pub streams: u64,
    /// Recorded calls of disks.
    pub disks: u64,
    /// How the recording ends; none if that was not reached.
    pub end: Option<RecordingEnd>,
    /// Where it first went another way; none if it did not.
    pub unlike: Option<Unlike<'a>>,
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// In good order.
    Finished,
    /// The program was killed, or is still running.
    CutOff,
    /// The rest is not readable.
    Damaged,
}

/// Where a run first went another way than the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlike<'a> {
    /// The number of the input, from 0.
    pub input: u64,
    /// Its time since the start, in milliseconds.
    pub at: u64,
    /// The input.
    pub what: &'a str,
    /// What was done then.
    pub recorded: &'a str,
    /// What is done now.
    pub replayed: &'a str,
}

/// Found and hashed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The counters.
    pub progress: Progress,
}

/// Where the contents of a share were learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Our own, ready to be sent.
    Prepared,
    /// Offered by a peer.
    Offered,
    /// From a metadata file or ticket.
    Listed,
}

/// What a share holds.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Files.
    pub files: u64,
    /// Files, links and empty folders.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of a chunk.
    pub chunk: u64,
    /// The name of the content, in hexadecimal.
    pub content: &'a str,
}

/// What an entry in a listing is.
#[derive(Clone, Copy, Debug)]
pub enum Listed<'a> {
    /// A file.
    File {
        /// Bytes.
        size: u64,
        /// Root of its hash tree, in hexadecimal.
        root: &'a str,
        /// Permission bits.
        mode: u16,
    },
    /// An empty folder.
    Folder,
    /// A link.
    Symlink {
        /// Where to.
        target: &'a [u8],
    },
}

/// Why nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting<'a> {
    /// Nobody has come yet.
    Receivers,
    /// The connection is being made.
    Connecting {
        /// Where to.
        address: &'a str,
    },
    /// The last attempt failed; the next comes by itself.
    Retrying {
        /// What failed, in words of this program.
        why: &'a str,
        /// When the next attempt is made.
        next: Duration,
    },
    /// The sender still hashes.
    Preparing {
        /// How far it is.
        percent: u8,
    },
    /// The other side is paused.
    PausedThere,
    /// This side is paused.
    PausedHere,
    /// What an earlier run left is hashed again.
    Rechecking,
    /// The disk has to write first.
    Disk,
    /// Another process holds this share at this place.
    Held {
        /// Its number.
        process: Option<u32>,
    },
    /// The user has to decide.
    Decision,
    /// The list of files is on its way.
    Manifest,
    /// What is here already is compared.
    Comparing,
    /// The other side goes on.
    Resumed,
}

/// A connection to a peer.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The peer's key, in hexadecimal.
    pub node: &'a str,
    /// How it is reached, as `tcp`.
    pub path: &'a str,
    /// Its address.
    pub address: &'a str,
}

/// Why a peer is gone.
#[derive(Clone, Copy, Debug)]
pub enum Gone<'a> {
    /// It has all it wanted.
    Finished,
    /// It said so.
    Goodbye {
        /// Its reason, in words of this program.
        why: &'a str,
    },
    /// The connection broke.
    Lost {
        /// How, in words of this program.
        why: &'a str,
    },
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// The name of the share.
    pub name: &'a [u8],
    /// Bytes that are verified: on this disk, or as the receiver says.
    pub verified: u64,
    /// Bytes that came, verified or not.
    pub received: u64,
    /// Bytes that are wanted.
    pub total: u64,
    /// Through what, if one peer delivers.
    pub link: Option<Link<'a>>,
    /// Peers that take part.
    pub peers: u32,
}

/// How much one receiver was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The name of the share.
    pub name: &'a [u8],
    /// Bytes handed to the connection. What the receiver has of them, its receipt says.
    pub bytes: u64,
    /// Bytes of the share.
    pub total: u64,
    /// To whom.
    pub link: Link<'a>,
    /// Bytes handed to all receivers since the program started.
    pub all: u64,
    /// Receivers that are connected.
    pub receivers: u32,
}

/// How one peer of a share stands.
#[derive(Clone, Copy, Debug)]
pub struct PeerRow<'a> {
    /// Who and where.
    pub link: Link<'a>,
    /// Whether we dialled it.
    pub is_dialled: bool,
    /// Payload bytes that came from it.
    pub received: u64,
    /// Payload bytes that went to it.
    pub sent: u64,
    /// Bytes a second that come from it, lately.
    pub down: u64,
    /// Bytes a second that go to it, lately.
    pub up: u64,
    /// Chunks that it says it has.
    pub has: u32,
    /// Chunks of the share; 0 if it does not say.
    pub of: u32,
    /// Whether it serves us.
    pub theirs: Turn,
    /// Whether we serve it.
    pub ours: Turn,
}

impl PeerRow<'_> {
    /// Who serves whom, in words.
    pub const fn state(&self) -> &'static str {
        match (self.theirs, self.ours) {
            (Turn::Waits, Turn::Waits) => "chokes us, choked by us",
            (Turn::Waits, _) => "chokes us",
            (_, Turn::Waits) => "choked by us",
            (Turn::Served, Turn::Served) => "gives and takes",
            (Turn::Served, Turn::Idle) => "gives",
            (Turn::Idle, Turn::Served) => "takes",
            (Turn::Idle, Turn::Idle) => "idle",
        }
    }
}

/// A share that is remembered to be served.
#[derive(Clone, Copy, Debug)]
pub struct KeptShare<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The name of the content, in hexadecimal.
    pub content: &'a str,
    /// The folder that holds it, or the first of several.
    pub folder: &'a Path,
}

/// What was done about a taken name.
#[derive(Clone, Copy, Debug)]
pub enum Conflict<'a> {
    /// Nothing yet: it stands in the way.
    Taken {
        /// How, in words of this program.
        why: &'a str,
    },
    /// It is the same: nothing to do.
    AlreadyHere,
    /// Left out.
    Skipped,
    /// Placed under another name.
    Renamed {
        /// The new name.
        to: &'a [u8],
    },
    /// What was there is gone.
    Replaced,
}

/// What was placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Files placed.
    pub files: u64,
    /// Files that were there, the same.
    pub already: u64,
    /// Entries left out.
    pub skipped: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// How a file differs.
#[derive(Clone, Copy, Debug)]
pub enum Difference<'a> {
    /// It is not here.
    Missing,
    /// It is here but should not be.
    Extra,
    /// It is something else.
    OtherKind,
    /// The link points elsewhere.
    OtherTarget,
    /// The content differs.
    Content {
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
        /// Where it differs.
        ranges: &'a [Range<u64>],
    },
    /// It cannot be read.
    Unreadable {
        /// What the system said.
        why: &'a str,
    },
}

/// The digest of a file.
#[derive(Clone, Copy, Debug)]
pub struct DigestOf<'a> {
    /// Its path.
    pub path: &'a [u8],
    /// SHA-256 in hexadecimal.
    pub sha256: &'a str,
}

/// A half-done share in a destination.
#[derive(Clone, Copy, Debug)]
pub struct HalfDone<'a> {
    /// The folder of its staging.
    pub folder: &'a [u8],
    /// The name of the share, if it can be read.
    pub name: Option<&'a [u8]>,
    /// Bytes that are verified.
    pub verified: u64,
    /// Bytes of the share; 0 if they are not known yet.
    pub total: u64,
    /// Whether someone works on it.
    pub held: Holding,
}

/// Whether someone works on a half-done share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Nobody.
    Free,
    /// Another process.
    Held {
        /// Its number, if it is known.
        process: Option<u32>,
    },
}
