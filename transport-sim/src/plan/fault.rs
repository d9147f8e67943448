//! What can go wrong in a run, one value each. Numbers (N…, D…, P…) are those of the catalogue in `docs/simulation.md`.

use serde::{Deserialize, Serialize};

use crate::disk::DiskFault;

/// A direction of a connection. Receivers dial senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the sender to the receiver.
    Down,
    /// From the receiver to the sender.
    Up,
}

/// How a process or its machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The process is killed: its sockets are closed by the kernel, the disk loses nothing.
    Kill,
    /// The power is cut: peers see nothing, what was not synced is lost or not.
    Power,
}

/// What a hostile sender does (N25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Some blocks have wrong bytes, and it says that they are right.
    WrongBytes,
    /// It sends an older state of the files.
    OldVersion,
    /// Blocks go out under the number of another block.
    WrongIndex,
    /// Frames of blocks are longer than they say.
    WrongLength,
    /// Some hashes do not lead to the root.
    WrongHashes,
    /// It claims chunks that it rejects then, as absent.
    LyingHave,
    /// It rejects other blocks than it was asked for.
    WrongReject,
    /// It takes requests and answers pings, and sends nothing.
    Silent,
    /// It sends what it wants, not what the protocol says.
    Noise,
    /// It tells of peers that are not there, and each peer of itself.
    FalsePeers,
}

/// Something that goes wrong. Times are milliseconds of the run; `nth` counts the connections that this receiver made
/// with this sender, from 0; offsets count the bytes of one direction of it, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are named alike in all variants, and explained above")]
pub enum Fault {
    /// A readiness notice is lost: the end is told again only with the next arrival (N6).
    LostEdge { receiver: u16, sender: u16, nth: u32, way: Way, arrival: u32 },
    /// Bytes take longer (N7); one direction of all connections of a host (N9).
    Delay { host: u16, way: Way, from_ms: u64, to_ms: u64, add_us: u64, jitter_us: u64 },
    /// A host sends no faster than this, in bytes a second (N8; N18 if it is very little).
    Slow { host: u16, from_ms: u64, to_ms: u64, rate: u64 },
    /// Segments are lost on the way and come again later, as TCP does (N10): so many in a thousand.
    Loss { host: u16, from_ms: u64, to_ms: u64, permille: u16 },
    /// Nothing passes between two hosts, in one direction or both (N11).
    Partition { receiver: u16, sender: u16, way: Option<Way>, from_ms: u64, to_ms: u64 },
    /// All hosts are cut off one after another, and come back in another order (N12).
    Swizzle { from_ms: u64, step_ms: u64, hold_ms: u64 },
    /// A connection is reset when this byte would be written (N13); what the other end has not read may go too (N14).
    Reset { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64, eats_unread: Eating },
    /// All connections between two hosts are reset at a time (N13).
    ResetAt { receiver: u16, sender: u16, at_ms: u64, eats_unread: Eating },
    /// One direction ends early as if properly, what follows vanishes (N16).
    EarlyFin { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64 },
    /// A process is stopped: connected, never answering, until it goes on (N17).
    Hang { host: u16, from_ms: u64, to_ms: u64 },
    /// Bits of one byte are inverted (N19). Not what TCP does.
    Flip { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64, mask: u8 },
    /// Bytes vanish (N20). Not what TCP does.
    DropBytes { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64, len: u32 },
    /// Bytes come twice (N20). Not what TCP does.
    DuplicateBytes { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64, len: u32 },
    /// Bytes change places with as many that follow (N20). Not what TCP does.
    SwapBytes { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64, len: u32 },
    /// Bytes of the connection before this one come in between (N22). Not what TCP does.
    Ghost { receiver: u16, sender: u16, nth: u32, way: Way, at_byte: u64, len: u32 },
    /// Dials to a host are refused (N23).
    Refuse { host: u16, from_ms: u64, to_ms: u64 },
    /// Dials to a host are not answered (N23).
    Ignore { host: u16, from_ms: u64, to_ms: u64 },
    /// Accepting takes longer (N23).
    SlowAccept { host: u16, from_ms: u64, to_ms: u64, add_ms: u64 },
    /// A host gets another address: its connections die without a word, and it is found again a while later (N24).
    Move { host: u16, at_ms: u64, lost_ms: u64 },
    /// A sender that means harm (N25).
    Hostile { host: u16, script: Script },
    /// Something happens to a disk (D1–D11, D13).
    Disk { host: u16, fault: DiskFault },
    /// Jobs of the disk take longer, and overtake each other (D12).
    SlowDisk { host: u16, from_ms: u64, to_ms: u64, add_ms: u64 },
    /// A process or machine ends at a time, and comes back (P1, N15 if the power is cut).
    Crash { host: u16, at_ms: u64, down_ms: u64, end: End },
    /// A process or machine ends at this call of its disk, and comes back (D4).
    CrashAtCall { host: u16, call: u64, down_ms: u64, end: End },
    /// A machine sleeps; its monotonic clock stands still meanwhile or goes on (P2).
    Sleep { host: u16, from_ms: u64, to_ms: u64, clock: SleepClock },
    /// A clock goes faster or slower, in millionths (P3).
    ClockRate { host: u16, ppm: i32 },
    /// The civil time jumps (P3).
    ClockJump { host: u16, at_ms: u64, seconds: i64 },
    /// The user looks at the offer for so long before accepting it.
    Think { receiver: u16, for_ms: u64 },
    /// The user pauses a fetch, and goes on.
    Pause { receiver: u16, from_ms: u64, to_ms: u64 },
    /// The user goes back to the offer, and has other files come first.
    Reconsider { receiver: u16, at_ms: u64 },
    /// The user of a host limits its rates, in bytes a second; 0: no limit. Those of the tuning hold before and after.
    Limit { host: u16, from_ms: u64, to_ms: u64, up: u64, down: u64 },
    /// The user stops the program in good order, and starts it again.
    Stop { host: u16, at_ms: u64, down_ms: u64 },
    /// Something is wrong with a tracker.
    Tracker { tracker: u16, from_ms: u64, to_ms: u64, trouble: TrackerTrouble },
    /// A sender speaks a newer version of the protocol with the same oldest one, with messages that may be skipped (P4).
    NewerPeer { host: u16 },
}

/// What is wrong with a tracker for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerTrouble {
    /// It cannot be reached.
    Gone,
    /// It cannot be reached, and knows nothing of before when it is back: no peers, no tokens.
    Forgets,
    /// It hears what it is told, and half of its answers are lost.
    LosesAnswers,
}

/// Whether a reset takes what has arrived and was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eating {
    /// Only what is under way is lost.
    UnderWay,
    /// What was not read is lost too.
    Unread,
}

/// What a monotonic clock does while the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SleepClock {
    /// It stands still.
    Stops,
    /// It goes on.
    Runs,
}

impl Fault {
    /// The hosts that it names.
    pub fn hosts(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match *self {
            Self::LostEdge { receiver, sender, .. }
            | Self::Partition { receiver, sender, .. }
            | Self::Reset { receiver, sender, .. }
            | Self::ResetAt { receiver, sender, .. }
            | Self::EarlyFin { receiver, sender, .. }
            | Self::Flip { receiver, sender, .. }
            | Self::DropBytes { receiver, sender, .. }
            | Self::DuplicateBytes { receiver, sender, .. }
            | Self::SwapBytes { receiver, sender, .. }
            | Self::Ghost { receiver, sender, .. } => (Some(receiver), Some(sender)),
            Self::Delay { host, .. }
            | Self::Slow { host, .. }
            | Self::Loss { host, .. }
            | Self::Hang { host, .. }
            | Self::Refuse { host, .. }
            | Self::Ignore { host, .. }
            | Self::SlowAccept { host, .. }
            | Self::Move { host, .. }
            | Self::Hostile { host, .. }
            | Self::Disk { host, .. }
            | Self::SlowDisk { host, .. }
            | Self::Crash { host, .. }
            | Self::CrashAtCall { host, .. }
            | Self::Sleep { host, .. }
            | Self::ClockRate { host, .. }
            | Self::ClockJump { host, .. }
            | Self::Limit { host, .. }
            | Self::Stop { host, .. }
            | Self::NewerPeer { host } => (Some(host), None),
            Self::Think { receiver, .. }
            | Self::Pause { receiver, .. }
            | Self::Reconsider { receiver, .. } => (Some(receiver), None),
            Self::Swizzle { .. } | Self::Tracker { .. } => (None, None),
        };
        [first, second].into_iter().flatten().map(usize::from)
    }

    /// Whether it changes bytes on their way, which TCP does not.
    pub const fn damages_bytes(&self) -> bool {
        matches!(
            self,
            Self::Flip { .. }
                | Self::DropBytes { .. }
                | Self::DuplicateBytes { .. }
                | Self::SwapBytes { .. }
                | Self::Ghost { .. }
        )
    }

    /// Whether bytes may have to be sent again for it.
    pub const fn spoils_bytes(&self) -> bool {
        self.damages_bytes() || matches!(self, Self::Hostile { .. } | Self::Disk { .. })
    }

    /// Whether a connection may be lost, or not come about, for it.
    pub const fn breaks_links(&self) -> bool {
        match self {
            Self::Delay { .. }
            | Self::Slow { .. }
            | Self::Loss { .. }
            | Self::Partition { .. }
            | Self::Swizzle { .. }
            | Self::Reset { .. }
            | Self::ResetAt { .. }
            | Self::EarlyFin { .. }
            | Self::Hang { .. }
            | Self::Flip { .. }
            | Self::DropBytes { .. }
            | Self::DuplicateBytes { .. }
            | Self::SwapBytes { .. }
            | Self::Ghost { .. }
            | Self::Refuse { .. }
            | Self::Ignore { .. }
            | Self::SlowAccept { .. }
            | Self::Move { .. }
            | Self::Hostile { .. }
            | Self::SlowDisk { .. }
            | Self::Crash { .. }
            | Self::CrashAtCall { .. }
            | Self::Sleep { .. }
            | Self::Tracker { .. }
            | Self::Stop { .. } => true,
            Self::LostEdge { .. }
            | Self::Disk { .. }
            | Self::ClockRate { .. }
            | Self::ClockJump { .. }
            | Self::Think { .. }
            | Self::Pause { .. }
            | Self::Reconsider { .. }
            | Self::Limit { .. }
            | Self::NewerPeer { .. } => false,
        }
    }

    /// Whether every connection that comes about ends with a goodbye that is heard.
    pub const fn leaves_links(&self) -> bool {
        matches!(
            self,
            Self::Stop { .. }
                | Self::Think { .. }
                | Self::Pause { .. }
                | Self::Reconsider { .. }
                | Self::Limit { .. }
                | Self::ClockRate { .. }
                | Self::ClockJump { .. }
                | Self::Tracker { .. }
                | Self::NewerPeer { .. }
        )
    }

    /// Whether a disk does what no disk should: says things that are not so.
    pub const fn lies(&self) -> bool {
        match self {
            Self::Disk { fault, .. } => matches!(
                fault,
                DiskFault::LyingSync { .. }
                    | DiskFault::MisdirectedWrite { .. }
                    | DiskFault::MisdirectedRead { .. }
                    | DiskFault::Rot { .. }
            ),
            _ => false,
        }
    }

    /// When it is over by itself, in milliseconds; what lasts for the whole run counts as over.
    pub const fn ends_ms(&self) -> u64 {
        match *self {
            Self::Delay { to_ms, .. } if to_ms == u32::MAX as u64 => 0,
            Self::Delay { to_ms, .. }
            | Self::Slow { to_ms, .. }
            | Self::Loss { to_ms, .. }
            | Self::Partition { to_ms, .. }
            | Self::Hang { to_ms, .. }
            | Self::Refuse { to_ms, .. }
            | Self::Ignore { to_ms, .. }
            | Self::SlowAccept { to_ms, .. }
            | Self::SlowDisk { to_ms, .. }
            | Self::Sleep { to_ms, .. }
            | Self::Limit { to_ms, .. }
            | Self::Tracker { to_ms, .. }
            | Self::Pause { to_ms, .. } => to_ms,
            Self::Swizzle { from_ms, step_ms, hold_ms } => from_ms + 20 * step_ms + hold_ms,
            Self::ResetAt { at_ms, .. } | Self::ClockJump { at_ms, .. } | Self::Reconsider { at_ms, .. } => {
                at_ms
            }
            Self::Think { for_ms, .. } => for_ms,
            Self::Move { at_ms, lost_ms, .. } => at_ms + lost_ms,
            Self::Crash { at_ms, down_ms, .. } | Self::Stop { at_ms, down_ms, .. } => at_ms + down_ms,
            Self::LostEdge { .. }
            | Self::Reset { .. }
            | Self::EarlyFin { .. }
            | Self::Flip { .. }
            | Self::DropBytes { .. }
            | Self::DuplicateBytes { .. }
            | Self::SwapBytes { .. }
            | Self::Ghost { .. }
            | Self::Hostile { .. }
            | Self::Disk { .. }
            | Self::CrashAtCall { .. }
            | Self::ClockRate { .. }
            | Self::NewerPeer { .. } => 0,
        }
    }

    /// Its kind, as plans name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LostEdge { .. } => "lost-edge",
            Self::Delay { .. } => "delay",
            Self::Slow { .. } => "slow",
            Self::Loss { .. } => "loss",
            Self::Partition { .. } => "partition",
            Self::Swizzle { .. } => "swizzle",
            Self::Reset { .. } => "reset",
            Self::ResetAt { .. } => "reset-at",
            Self::EarlyFin { .. } => "early-fin",
            Self::Hang { .. } => "hang",
            Self::Flip { .. } => "flip",
            Self::DropBytes { .. } => "drop-bytes",
            Self::DuplicateBytes { .. } => "duplicate-bytes",
            Self::SwapBytes { .. } => "swap-bytes",
            Self::Ghost { .. } => "ghost",
            Self::Refuse { .. } => "refuse",
            Self::Ignore { .. } => "ignore",
            Self::SlowAccept { .. } => "slow-accept",
            Self::Move { .. } => "move",
            Self::Hostile { .. } => "hostile",
            Self::Disk { .. } => "disk",
            Self::SlowDisk { .. } => "slow-disk",
            Self::Crash { .. } => "crash",
            Self::CrashAtCall { .. } => "crash-at-call",
            Self::Sleep { .. } => "sleep",
            Self::ClockRate { .. } => "clock-rate",
            Self::ClockJump { .. } => "clock-jump",
            Self::Think { .. } => "think",
            Self::Pause { .. } => "pause",
            Self::Reconsider { .. } => "reconsider",
            Self::Limit { .. } => "limit",
            Self::Stop { .. } => "stop",
            Self::Tracker { .. } => "tracker",
            Self::NewerPeer { .. } => "newer-peer",
        }
    }
}
