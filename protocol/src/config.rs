//! Limits and durations of a node. Every queue of the core has its limit here.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::content::geometry::SPAN;
use crate::swarm::download::ASKED_BYTES;
use crate::talk::line::WAITING_BYTES_MAX;
use crate::wire::{BODY_MAX, ChunkRange, RANGES_MAX};

/// The configuration of a node. `Config::default()` is what the program runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Connections at once, both directions.
    pub conns_max: u32,
    /// Span buffers (256 KiB each) at once, for everything that is received, landed, read or sent. More than are
    /// reserved. With as many more as there are connections, receivers that do not read cannot starve others.
    pub spans_max: u32,
    /// Buffers kept for receiving: uploads take none of them. At least 9: eight, and one for each source that is asked
    /// at once.
    pub spans_reserved: u32,
    /// Spans one receiver may have read ahead for it.
    pub upload_spans_max: u32,
    /// Requests that one peer may have open with us, and we with one peer.
    pub requests_max: u32,
    /// Bytes asked for and not yet received, per peer: the ceiling of the learned window.
    pub window_max: u64,
    /// The floor of the learned window, in bytes.
    pub window_min: u64,
    /// Bytes of control messages waiting for a peer to read them; over that it is hung up on.
    pub control_max: u32,
    /// Chunks of one share in work at once.
    pub active_chunks_max: u32,
    /// Rehash jobs of one share at once.
    pub rehashes_max: u32,
    /// Encoded bytes of a manifest that is fetched.
    pub manifest_max: u32,
    /// Entries of a manifest that is fetched.
    pub entries_max: u32,
    /// From the proven channel to the open session.
    pub handshake_timeout: Duration,
    /// From a dial to the proven channel.
    pub dial_timeout: Duration,
    /// A second address of the same peer is tried after this time.
    pub dial_stagger: Duration,
    /// Silence after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after which a connection is given up.
    pub silence_max: Duration,
    /// Open requests without a single byte of answer.
    pub stall_max: Duration,
    /// Something to send, and the peer takes none of it.
    pub unread_max: Duration,
    /// The first pause before a new dial; doubles, with jitter.
    pub backoff_min: Duration,
    /// The longest pause before a new dial.
    pub backoff_max: Duration,
    /// No peer was ever reached.
    pub find_timeout: Duration,
    /// The last peer was lost and none came back.
    pub lost_timeout: Duration,
    /// Between two synced checkpoints, if there is something to sync.
    pub checkpoint_interval: Duration,
    /// Between two progress events of a share.
    pub progress_interval: Duration,
    /// How much is told of what moves.
    pub detail: Detail,
    /// Peers of a swarm that are served at once, one of them by turns (the optimistic slot).
    pub upload_slots: u32,
    /// Peers of one share that are dialled of our own accord.
    pub peers_wanted: u32,
    /// Verified chunks are told after this time at the latest.
    pub have_interval: Duration,
    /// Between two decisions on whom to serve.
    pub choke_interval: Duration,
    /// Between two tellings of new peers to peers.
    pub gossip_interval: Duration,
    /// How long a word of a room waits for a peer that is gone.
    pub words_wait: Duration,
}

/// How much is told of what moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    /// How far shares are.
    #[default]
    Shares,
    /// And how each peer stands ([`Event::Peers`](crate::output::Event::Peers)).
    Peers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            conns_max: 64,
            spans_max: 112,
            spans_reserved: 16,
            upload_spans_max: 6,
            requests_max: 2048,
            window_max: 16 << 20,
            window_min: 1 << 20,
            control_max: 256 << 10,
            active_chunks_max: 256,
            rehashes_max: 4,
            manifest_max: 64 << 20,
            entries_max: 4_000_000,
            handshake_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(15),
            dial_stagger: Duration::from_millis(250),
            ping_after: Duration::from_secs(10),
            silence_max: Duration::from_secs(35),
            stall_max: Duration::from_secs(30),
            unread_max: Duration::from_secs(60),
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(15),
            find_timeout: Duration::from_secs(60),
            lost_timeout: Duration::from_secs(600),
            checkpoint_interval: Duration::from_secs(5),
            progress_interval: Duration::from_millis(100),
            detail: Detail::Shares,
            upload_slots: 5,
            peers_wanted: 32,
            have_interval: Duration::from_millis(200),
            choke_interval: Duration::from_secs(10),
            gossip_interval: Duration::from_secs(10),
            words_wait: Duration::from_secs(300),
        }
    }
}

/// Free buffers below which reading is paused: one connection's delivery takes no more.
pub(crate) const SPANS_LOW: usize = 4;
/// Free buffers above which it goes on.
pub(crate) const SPANS_HIGH: usize = 8;

/// The shortest time after which something is tried again.
const PAUSE_MIN: Duration = Duration::from_millis(1);

impl Config {
    /// Raised where a node could not work with less.
    pub(crate) fn sane(mut self) -> Self {
        self.conns_max = self.conns_max.max(1);
        self.spans_reserved = self.spans_reserved.max(SPANS_HIGH as u32 + 1);
        self.spans_max = self.spans_max.max(self.spans_reserved.saturating_add(1));
        // What is set anew when it is due must be due later.
        for pause in [
            &mut self.dial_timeout,
            &mut self.backoff_min,
            &mut self.backoff_max,
            &mut self.find_timeout,
            &mut self.have_interval,
            &mut self.choke_interval,
            &mut self.gossip_interval,
            &mut self.words_wait,
        ] {
            *pause = (*pause).max(PAUSE_MIN);
        }
        self
    }

    /// The same with so many connections at once, and with a buffer more for each that they are more.
    pub fn with_conns(mut self, conns_max: u32) -> Self {
        self.spans_max = self.spans_max.saturating_add(conns_max.saturating_sub(self.conns_max));
        self.conns_max = conns_max;
        self
    }

    /// Sources that may be asked for blocks at once. Each holds a buffer that cannot go to the disk before its run is
    /// whole, so that many are always left when reading must go on.
    pub(crate) const fn sources_max(&self) -> usize {
        self.spans_reserved as usize - SPANS_HIGH
    }

    /// Bytes that the buffers of a node, its channels and its pumps hold at most. Manifests and tables of shares
    /// come on top, in proportion to their entries and chunks; `channel` is what one channel and pump may hold.
    pub fn memory_max(&self, channel: u64) -> u64 {
        let tables = ASKED_BYTES * self.requests_max as usize + RANGES_MAX * size_of::<ChunkRange>();
        // The limit of control bytes is looked at after each message, of which the largest has a whole body.
        let control = u64::from(self.control_max) + 2 * BODY_MAX as u64;
        let conn = BODY_MAX as u64 + control + channel + tables as u64;
        // As many again may be closing.
        2 * u64::from(self.conns_max) * (conn + WAITING_BYTES_MAX as u64) + u64::from(self.spans_max) * SPAN
    }
}

#[cfg(test)]
mod tests;
