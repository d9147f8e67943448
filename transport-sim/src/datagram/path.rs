//! What a link does to datagrams, and how often it did.

use std::num::NonZeroU64;
use std::time::Duration;

/// Bytes that a datagram costs on the line and in queues beside its content: the headers of IPv4 and UDP.
pub const OVERHEAD: usize = 28;

/// The knobs of one direction, all independent: removing one shifts no draw of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Content of a datagram in bytes; longer ones vanish.
    pub mtu: usize,
    /// Datagrams that vanish, in a thousand.
    pub loss_permille: u16,
    /// Datagrams that come twice, in a thousand.
    pub duplicate_permille: u16,
    /// Datagrams that are held back so that later ones overtake them, in a thousand.
    pub reorder_permille: u16,
    /// How long they are held back at most.
    pub reorder_by: Duration,
    /// Datagrams that lose their end, in a thousand.
    pub truncate_permille: u16,
    /// Datagrams some bytes of which are changed, in a thousand. Most are caught by checksums; these are not.
    pub corrupt_permille: u16,
    /// Of the last datagrams before a restart, those that arrive after it, in a thousand.
    pub ghost_permille: u16,
    /// How late they come at most, beside the latency.
    pub ghost_delay: Duration,
    /// How long every datagram is under way.
    pub latency: Duration,
    /// How much longer it may take. The order stays.
    pub jitter: Duration,
    /// Bytes a second, overhead included; none: no limit.
    pub bandwidth: Option<NonZeroU64>,
    /// Bytes, overhead included, that may wait for the line; what comes when it is full vanishes. An idle line takes any
    /// one datagram.
    pub queue_max: usize,
    /// Bytes, overhead included, that may be under way or arrived and not received; what comes on top vanishes.
    pub flight_max: usize,
}

impl Path {
    /// A path without any trouble and without latency.
    pub const SMOOTH: Self = Self {
        mtu: 65_507,
        loss_permille: 0,
        duplicate_permille: 0,
        reorder_permille: 0,
        reorder_by: Duration::from_millis(50),
        truncate_permille: 0,
        corrupt_permille: 0,
        ghost_permille: 0,
        ghost_delay: Duration::from_secs(1),
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        bandwidth: None,
        queue_max: 256 * 1024,
        flight_max: 4 * 1024 * 1024,
    };
}

/// How often each trouble really came, so that a test can tell that it met it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Datagrams given to the link.
    pub sent: u64,
    /// Datagrams received, copies and ghosts too.
    pub received: u64,
    /// Datagrams longer than the path takes.
    pub oversized: u64,
    /// Datagrams lost by chance.
    pub lost: u64,
    /// Datagrams that found the queue of the line full.
    pub queue_full: u64,
    /// Datagrams, copies and ghosts that found too many bytes under way.
    pub flight_full: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Datagrams that lost their end.
    pub truncated: u64,
    /// Datagrams some bytes of which were changed.
    pub corrupted: u64,
    /// Datagrams received after one of the same incarnation that was sent later.
    pub reordered: u64,
    /// Datagrams of an earlier incarnation received.
    pub ghosts: u64,
    /// Datagrams under way that a restart ended.
    pub cut_off: u64,
}
