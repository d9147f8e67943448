//! Stories of whole hosts on a simulated network: the core, the pump, the channels and the store under an asynchronous
//! driver, with names, crashes and partitions. A second opinion beside the simulator of our own.
//!
//! The network is turmoil's. It takes every write whole, never sends a lost segment again, and ends the streams of a
//! crashed host politely; so streams are chopped here, and a partition ends by our own patience or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod broken;
mod calm;
mod chop;
// The same shares as those that cross real sockets.
#[allow(dead_code, reason = "the other tests use the rest of it")]
#[path = "../../../transport-mio/tests/loopback/content.rs"]
mod content;
mod door;
mod host;
mod moved;
mod program;
mod same;
mod secure;
mod trace;
mod world;
