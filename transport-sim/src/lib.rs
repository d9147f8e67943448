//! The simulator: the core, pump, channel, link and store as every driver runs them, on virtual streams, disks and
//! clocks; everything that can go wrong with these, on demand; and oracles that see it when it does.
//!
//! [`plan::Plan`] says everything that happens in a run, [`world::run`] runs it, [`campaign`] makes plans of seeds. Equal
//! plans give equal runs, bit for bit. Must not know: protocol rules (but in oracles), sockets, real files.

pub mod bench;
pub mod campaign;
pub mod clear;
pub mod content;
pub mod coverage;
pub mod datagram;
pub mod disk;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod mutants;
pub mod oracle;
pub mod plan;
pub mod recorded;
pub mod report;
pub mod scenes;
pub mod shrink;
pub mod story;
pub mod stream;
pub mod tls;
pub mod world;
