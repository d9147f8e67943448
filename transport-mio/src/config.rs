//! What a reactor is made with.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use truecopy_protocol::{Config, ConnId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;
use truecopy_transport::record::{RecordedStream, Recording, Tap};
use truecopy_transport::stream::Stream;

use crate::listen::Listen;
use crate::workers::workers_for_machine;

/// What a reactor is made with.
pub struct ReactorConfig {
    /// Limits and durations of the core.
    pub config: Config,
    /// Seed of the core's random choices. No secret: it stands in recordings.
    pub seed: [u8; 32],
    /// The keys of this node, not empty. The first one is proven on every connection; receipts are signed by whichever
    /// was proven.
    pub keys: Vec<KeyPair>,
    /// Where to listen; nowhere if empty. Whoever comes before the first command waits for it.
    pub listen: Vec<Listen>,
    /// Threads that read, hash and write; one more does what takes long.
    pub workers: NonZeroUsize,
    /// Limits of the sockets.
    pub limits: Limits,
    /// Limits of the rates over all connections, from the start: see [`Handle::set_rates`](crate::Handle::set_rates).
    pub rates: Rates,
    /// Sees everything at the core's door.
    pub tap: Option<Box<dyn Tap + Send>>,
    /// Stands between every socket and its pump.
    pub wrap: Option<Box<dyn Wrap>>,
}

impl ReactorConfig {
    /// A node with one key that listens nowhere, for this machine.
    pub fn new(key: KeyPair, seed: [u8; 32]) -> Self {
        Self {
            config: Config::default(),
            seed,
            keys: vec![key],
            listen: Vec::new(),
            workers: workers_for_machine(),
            limits: Limits::default(),
            rates: Rates::default(),
            tap: None,
            wrap: None,
        }
    }

    /// Records the run of the node and the calls of its streams. The recording must have begun with this
    /// configuration, this seed and [`Reactor::START`](crate::Reactor::START).
    pub fn record(&mut self, recording: &Recording) {
        self.tap = Some(Box::new(recording.recorder()));
        self.wrap = Some(Box::new(recording.clone()));
    }
}

impl fmt::Debug for ReactorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReactorConfig")
            .field("config", &self.config)
            .field("listen", &self.listen)
            .field("workers", &self.workers)
            .field("limits", &self.limits)
            .field("rates", &self.rates)
            .finish_non_exhaustive()
    }
}

/// Limits of the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the connected socket to the proven key.
    pub handshake_timeout: Duration,
    /// Accepted connections that have not proven a key; the oldest gives way.
    pub half_open_max: usize,
    /// Those of one address (IPv6: of one /64); the oldest of them gives way.
    pub half_open_per_source_max: usize,
    /// Sockets of connections in all, those that are ending included.
    pub sockets_max: usize,
}

impl Limits {
    /// The usual ones for so many connections at once ([`Config::conns_max`]).
    pub const fn for_conns(conns: u32) -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            half_open_max: 64,
            half_open_per_source_max: 16,
            // As many again may be ending; strangers and dials come on top.
            sockets_max: 2 * conns as usize + 128,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::for_conns(Config::default().conns_max)
    }
}

/// Stands between sockets and pumps: records what the calls did, or makes trouble on purpose.
pub trait Wrap: Send {
    /// Wraps the stream of a new connection.
    fn wrap(&mut self, conn: ConnId, stream: Box<dyn Stream + Send>, nudge: Nudge) -> Box<dyn Stream + Send>;
}

impl Wrap for Recording {
    fn wrap(&mut self, conn: ConnId, stream: Box<dyn Stream + Send>, _: Nudge) -> Box<dyn Stream + Send> {
        Box::new(RecordedStream::new(stream, conn, Some(self.clone())))
    }
}

/// Says that a wrapped stream may be asked again. Needed by whoever answers `WouldBlock` where the socket would not:
/// no readiness would follow.
#[derive(Clone)]
pub struct Nudge(Arc<dyn Fn() + Send + Sync>);

impl Nudge {
    pub(crate) fn new(nudge: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(nudge))
    }

    /// Soon, both directions are tried again.
    pub fn again(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Nudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nudge")
    }
}
