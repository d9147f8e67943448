//! The pure, I/O-free core of truecopy.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod content;
mod ids;
pub mod job;
mod time;

pub use ids::{
    AccessSecret, BlobId, ChunkIndex, ConnId, ContentId, DiscoveryKey, EntryIndex, Hash, NodeId, ShareId, hex,
};
pub use time::{Now, UnixTime};
