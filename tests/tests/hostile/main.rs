//! Hostile peers and a hostile network against whole nodes: real sockets, real TLS, real disks.
//!
//! The tests bear the names of the attacks. What a hostile sender does is in `sender`, what a hostile receiver does in
//! `receiver`, and what may happen on the way in `middle`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail loudly too")]

mod host;
mod invented;
mod middle;
mod receiver;
mod sender;
mod wire;
mod world;
