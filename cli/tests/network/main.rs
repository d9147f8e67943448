//! The real program, end to end: processes that talk over loopback, sometimes through a proxy that harms the bytes.
#![allow(missing_docs, reason = "a test")]
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

mod basics;
mod broken;
mod changed;
mod conflicts;
mod disk;
mod metadata;
mod process;
mod proxy;
mod resume;
mod schema;
mod signals;
mod terminal;
