//! Reactors that talk over loopback: real sockets, real threads, files in memory or on a real disk.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod chaos;
mod content;
mod disk;
mod ends;
mod host;
mod hostile;
mod links;
mod rates;
mod stuck;
#[path = "../common/tracker.rs"]
mod tracker;
mod trackers;
mod transfer;
