//! What a recording is made of. Written and read with one and the same types.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Afterwards, LinkLoss, Order, Path, PeerHint, Swarming};
use truecopy_protocol::job::{JobId, JobResult};
use truecopy_protocol::wire::{Answered, Offer, Reason};
use truecopy_protocol::{Config, ConnId, ContentId, Hash, NodeId, Now, ShareId, Trackers, UnixTime};

/// With what a node began. The first message of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The version of the program that recorded.
    pub program: String,
    /// The node's configuration.
    pub config: Config,
    /// The node's seed.
    pub seed: [u8; 32],
    /// When it began.
    pub now: Now,
}

/// Every further message of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// What entered the core.
    Input {
        /// When.
        now: Now,
        /// What.
        #[serde(borrow)]
        input: RecordedInput<'a>,
    },
    /// What the core answered to the last input. Left out if there was nothing.
    Outputs(#[serde(borrow)] Vec<Note<'a>>),
    /// A call of a stream.
    Stream(StreamShape),
    /// A call of a disk.
    Disk(DiskShape),
    /// The recording ended in good order.
    End,
}

/// An input, without the bytes of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordedInput<'a> {
    /// A connection has proven its keys.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Our role.
        role: Role,
        /// Our key.
        local: NodeId,
        /// The peer's key.
        peer: NodeId,
        /// What carries it.
        path: Path,
    },
    /// Plaintext from the peer.
    Received {
        /// The connection.
        conn: ConnId,
        /// What came, in order.
        #[serde(borrow)]
        runs: Vec<Run<'a>>,
    },
    /// The channel took bytes.
    Sent {
        /// The connection.
        conn: ConnId,
        /// How many.
        len: u64,
        /// FNV-1a of the control bytes among them, the bodies of share proofs left out; none if the node had less than
        /// that to send.
        control: Option<u64>,
    },
    /// A connection is gone.
    Disconnected {
        /// The connection.
        conn: ConnId,
        /// How.
        why: LinkLoss,
    },
    /// A job was answered.
    Done {
        /// Which.
        job: JobId,
        /// How.
        result: Cow<'a, JobResult>,
    },
    /// The user wanted something.
    Command(#[serde(borrow)] RecordedCommand<'a>),
    /// The civil time.
    Clock(UnixTime),
    /// A look at the timers.
    Timeout,
}

/// A run of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Run<'a> {
    /// Bytes that the core looks at: headers, messages, the manifest.
    Bytes(#[serde(borrow, serialize_with = "as_bytes")] &'a [u8]),
    /// So many bytes of files, or of a stream that is no longer understood.
    Absent(u32),
}

/// An access secret, by number: shares have equal secrets if and only if they have equal numbers here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// The secret of public shares.
    Public,
    /// A real one, which the recording does not hold.
    Hidden(u32),
}

/// Manifest and chunk hashes, as far as they were given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedShare<'a> {
    /// The encoded manifest.
    #[serde(borrow, serialize_with = "as_bytes")]
    pub manifest: &'a [u8],
    /// The chunk layers of all files with more than one chunk, in manifest order; none if only the manifest was given.
    pub layers: Option<Cow<'a, [Hash]>>,
}

/// A command, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordedCommand<'a> {
    /// See [`Command::Announce`](truecopy_protocol::input::Command::Announce).
    Announce(ShareId, ContentId, Secret),
    /// The share, bytes done, bytes in all.
    Preparing(ShareId, u64, u64),
    /// Serves a share.
    Share {
        /// Its name.
        share: ShareId,
        /// Its secret.
        secret: Secret,
        /// What it contains.
        #[serde(borrow)]
        content: RecordedShare<'a>,
        /// Whether its receivers may learn of each other, and where they are told to find us.
        swarm: (Swarming, Option<u16>),
        /// Which of its entries are there.
        #[serde(borrow)]
        held: Cow<'a, Selection>,
    },
    /// Fetches a share.
    Fetch {
        /// Its name.
        share: ShareId,
        /// What is wanted.
        content: ContentId,
        /// Its secret.
        secret: Secret,
        /// Who may have it.
        peers: Cow<'a, [PeerHint]>,
        /// What is known of it.
        #[serde(borrow)]
        known: Option<RecordedShare<'a>>,
        /// Whether peers may learn of each other, and where they are told to find us.
        swarm: (Swarming, Option<u16>),
        /// In which order, and what becomes of it.
        course: (Order, Afterwards),
    },
    /// Accepts the offer.
    Accept {
        /// The offered share.
        share: ShareId,
        /// What is wanted of it.
        selection: Cow<'a, Selection>,
        /// What comes before all else.
        first: Cow<'a, Selection>,
    },
    /// Declines the offer.
    Decline(ShareId, Reason),
    /// Names one more source.
    AddPeer(ShareId, Cow<'a, PeerHint>),
    /// Pauses a fetch.
    Pause(ShareId),
    /// Goes on.
    Resume(ShareId),
    /// Tries at once.
    Retry(ShareId),
    /// Ends a share.
    End(ShareId, Reason),
    /// Names trackers.
    AddTrackers(ShareId, Cow<'a, Trackers>),
    /// Goes back to the offer.
    Reconsider(ShareId),
    /// Opens a room.
    Room {
        /// Its name.
        room: ShareId,
        /// Its secret.
        secret: Secret,
        /// The key of this node there.
        local: NodeId,
        /// Where others find it.
        port: Option<u16>,
    },
    /// Says something in a room, to whom, by which tag.
    Say(ShareId, NodeId, u64, RecordedSay<'a>),
    /// Says something to everybody in a room.
    Call(ShareId, Cow<'a, str>),
}

/// What is said, without the secret of what is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordedSay<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// An offer, whose own secret is zero, and its secret.
    Offer(Offer, Secret),
    /// An answer.
    Answer(Answered),
}

/// An output, as far as it is needed to tell it from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note<'a> {
    /// What it is.
    pub kind: OutputKind,
    /// FNV-1a of its whole description.
    pub digest: u64,
    /// The beginning of its description.
    pub text: &'a str,
}

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputKind {
    /// A connection is to be made.
    Dial(ConnId),
    /// A connection is to be closed.
    Hangup(ConnId),
    /// There is something to send.
    Flush(ConnId),
    /// Reading is to stop.
    Pause(ConnId),
    /// Reading is to go on.
    Resume(ConnId),
    /// Work.
    Job(JobId),
    /// A peer has proven that it knows a share.
    PeerUp(ShareId, ConnId),
    /// Any other event.
    Event,
}

/// How one call of a stream went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamShape {
    /// The connection.
    pub conn: ConnId,
    /// The call.
    pub call: StreamCall,
    /// Bytes that it was asked to move.
    pub asked: u64,
    /// What it did.
    pub effect: Effect,
}

/// A call of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamCall {
    /// `read`.
    Read,
    /// `write`.
    Write,
    /// `shutdown_write`.
    ShutdownWrite,
}

/// How one call of a disk went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskShape {
    /// The call.
    pub call: DiskCall,
    /// The open file, by the order in which files were opened (from 1); 0 where the call has none.
    pub file: u32,
    /// Bytes that it was asked to move, or the length to be set; 0 where the call has none.
    pub asked: u64,
    /// What it did.
    pub effect: Effect,
}

/// A call of a disk; each by the name that it has in [`Disk`](crate::disk::Disk).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named after the calls")]
pub enum DiskCall {
    OpenRead,
    OpenUpdate,
    OpenCreate,
    ReadAt,
    WriteAt,
    Allocate,
    SetLen,
    SyncFile,
    SyncDir,
    SyncAll,
    Identity,
    SetAttributes,
    Metadata,
    List,
    CreateDir,
    CreateSymlink,
    ReadLink,
    RenameRefuse,
    RenameReplace,
    RemoveFile,
    RemoveDir,
    Lock,
    FreeSpace,
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// It succeeded and moved so many bytes (0 where it moves none).
    Done(u64),
    /// `WouldBlock`.
    WouldBlock,
    /// `Interrupted`.
    Interrupted,
    /// It failed with this error number of the operating system.
    Errno(i32),
    /// It failed with an error that has no number.
    Failed,
}

fn as_bytes<S: Serializer>(bytes: &&[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytes)
}
