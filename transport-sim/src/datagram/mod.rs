//! Seeded datagram links in memory: what a network does to datagrams, each trouble with a knob of its own.
//!
//! No I/O and no time of its own: the caller says when it sends and receives, and asks when something arrives. Equal
//! seeds and equal calls give equal results. Without trouble a link is a queue with a latency. All memory is bounded.

mod link;
mod pair;
mod path;

pub use link::Link;
pub use pair::{DatagramPair, End};
pub use path::{LinkCounts, OVERHEAD, Path};

#[cfg(test)]
mod tests;
