//! The pure, I/O-free core of truecopy: a state machine that moves files between peers and touches nothing itself.
//!
//! It has no clock, no sockets, no files, no threads, no keys, and no randomness but its seed. A driver owns all of
//! these: mio over real sockets, or a simulator over virtual ones. Both run this very code.
//!
//! > **The law.** After every [`Node::handle`], call [`Node::poll`] until it returns `None`; only then `handle` again.
//! > Time never goes backwards. Every [`Job`](job::Job) is answered, in any order.
//!
//! # The loop
//!
//! One enum goes in ([`Input`](input::Input)), one comes out ([`Output`](output::Output)). Bulk bytes are pulled: what
//! a connection may send is [`Node::sendable`], and [`Input::Sent`](input::Input::Sent) says what the channel took.
//! Time is a query: [`Node::wake`].
//!
//! ```
//! use std::time::Duration;
//! use truecopy_protocol::input::{Command, Fetch, Input, PeerHint};
//! use truecopy_protocol::output::{Event, Output};
//! use truecopy_protocol::{AccessSecret, Config, ContentId, Node, Now, ShareId};
//!
//! let mut now = Now::ZERO;
//! let mut node = Node::new(Config::default(), [7; 32], now);
//! let peers = vec![PeerHint { key: None, addresses: vec!["192.0.2.1:7000".parse()?] }];
//! let (share, content, secret) = (ShareId(0), ContentId([1; 32]), AccessSecret::PUBLIC);
//! let fetch = Fetch::new(share, content, secret, peers);
//!
//! let mut failed = None;
//! let mut input = Input::Command(Command::Fetch(fetch));
//! loop {
//!     node.handle(now, input);
//!     let mut refused = None;
//!     while let Some(output) = node.poll() {
//!         match output {
//!             // Nobody listens there; a driver would open a socket.
//!             Output::Dial { conn, .. } => refused = Some(conn),
//!             Output::Event(Event::Failed { why, .. }) => failed = Some(why),
//!             // What a driver does with the others: carry out, hand to a worker, tell the user.
//!             Output::Hangup { .. } | Output::Flush { .. } | Output::Pause { .. } | Output::Resume { .. } => {}
//!             Output::Job(_) | Output::Event(_) => {}
//!         }
//!     }
//!     input = match (refused, node.wake()) {
//!         (Some(conn), _) => {
//!             let why = truecopy_protocol::input::LinkLoss::Refused;
//!             Input::Disconnected { conn, why }
//!         }
//!         (None, Some((at, _why))) => {
//!             now = at;
//!             Input::Timeout
//!         }
//!         (None, None) => break,
//!     };
//! }
//! // It dialled with growing pauses, then gave up and said why.
//! assert!(failed.is_some());
//! assert!(now.since(Now::ZERO) >= Duration::from_secs(60));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/two_peers.rs` is a whole driver: two nodes, a link, storage in memory.
//!
//! # Layers
//!
//! [`wire`] and [`content`] know only bytes. A `session` is one connection, `swarm` is one share, `node` is the root
//! that routes between them, keeps the limits and hands out jobs. Each looks down only; siblings never meet.
//!
//! Faults have an owner: a peer's becomes a hang-up ([`Fault`](output::Fault)), a user's a
//! [`Refusal`](output::Refusal), the host's a [`StorageError`](job::StorageError), the driver's an assertion.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "fuzzing"))]
extern crate std;

mod candidate;
mod config;
pub mod content;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod ids;
pub mod input;
pub mod job;
mod node;
pub mod output;
#[cfg(planted)]
pub mod planted;
mod pool;
mod reach;
mod rng;
mod session;
mod swarm;
mod talk;
mod time;
mod timers;
mod tracker;
pub mod wire;

pub use candidate::{BadCandidate, Candidate, HostName};
pub use config::{Config, Detail};
pub use ids::{
    AccessSecret, BlobId, ChunkIndex, ConnId, ContentId, DiscoveryKey, EntryIndex, Hash, NodeId, ShareId,
    hex, unhex,
};
pub use node::Node;
pub use reach::Reach;
pub use time::{Now, UnixTime};
pub use timers::Timer;
pub use tracker::{BadTrackerUrl, BadTrackers, TrackerUrl, Trackers};
