//! The real program, end to end: processes that talk over loopback, sometimes through a proxy that harms the bytes.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

mod api;
mod basics;
mod broken;
mod campaign;
mod changed;
mod conflicts;
mod daemon;
mod disk;
mod hostile_names;
mod metadata;
mod node;
mod openapi;
mod process;
mod proxy;
mod resume;
mod schema;
#[path = "../../../transport-mio/tests/common/tracker.rs"]
mod server;
mod signals;
mod swarm;
mod terminal;
mod top;
mod tracker;
