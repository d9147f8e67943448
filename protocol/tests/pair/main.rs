//! Two and more nodes in one loop: whole transfers, in every kind of weather.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod content;
mod hostile;
mod raw;
mod reconsider;
mod resume;
mod rng;
mod rooms;
mod store;
mod swarm;
mod takeover;
mod told;
mod transfers;
mod useless;
mod weather;
mod world;
