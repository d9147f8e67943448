//! The pure, I/O-free core of truecopy.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod candidate;
mod config;
pub mod content;
mod ids;
pub mod input;
pub mod job;
mod node;
pub mod output;
mod pool;
mod rng;
mod session;
mod swarm;
mod time;
mod timers;
pub mod wire;

pub use candidate::{BadCandidate, Candidate, HostName};
pub use config::Config;
pub use ids::{
    AccessSecret, BlobId, ChunkIndex, ConnId, ContentId, DiscoveryKey, EntryIndex, Hash, NodeId, ShareId, hex,
};
pub use node::Node;
pub use time::{Now, UnixTime};
pub use timers::Timer;
