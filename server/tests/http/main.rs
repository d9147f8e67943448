//! The server over real connections on loopback.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod announce;
mod lifecycle;
mod limits;
mod nginx;
mod openapi;
mod plain;
mod replicas;
mod second;
mod support;
