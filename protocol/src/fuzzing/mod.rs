//! Bodies of the fuzz targets of this crate: ordinary functions of some bytes, which panic if a promise is broken.
//!
//! `fuzz/` calls them with whatever leads to new code, tests call them with what was found that way. They live here
//! so that they see what drivers do not; so does what the benchmark of the picker drives. Nothing of it is in a build
//! without the feature `fuzzing`.

mod cursor;
mod machine;
mod manifest;
mod messages;
mod picking;
mod ticket;
mod tree_proofs;
mod wire;

pub use cursor::Cursor;
pub use machine::{machine_bytes, machine_operations, machine_rooms, machine_swarm};
pub use manifest::manifest;
pub use messages::message;
pub use picking::Picking;
pub use ticket::{link, ticket};
pub use tree_proofs::tree_proofs;
pub use wire::{frame_decode, frame_round_trip, split_equivalence};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its file and of its corpus in `fuzz/`.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
    /// Bytes of memory that a run may take at once beside what its input could fill: whatever lengths the input
    /// claims, no more than this is set aside.
    pub memory_max: usize,
}

impl Target {
    /// A target that may take so many bytes.
    pub const fn new(name: &'static str, run: fn(&[u8]), memory_max: usize) -> Self {
        Self { name, run, memory_max }
    }
}

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target::new("frame_decode", frame_decode, 512 << 10),
    Target::new("frame_round_trip", frame_round_trip, 512 << 10),
    Target::new("split_equivalence", split_equivalence, 512 << 10),
    Target::new("machine_bytes", machine_bytes, 8 << 20),
    Target::new("machine_operations", machine_operations, 8 << 20),
    Target::new("machine_swarm", machine_swarm, 8 << 20),
    Target::new("machine_rooms", machine_rooms, 8 << 20),
    Target::new("manifest", manifest, 512 << 10),
    Target::new("tree_proofs", tree_proofs, 512 << 10),
    Target::new("ticket", ticket, 512 << 10),
    Target::new("link", link, 512 << 10),
];
