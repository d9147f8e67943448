//! Whole hosts in simulated worlds.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod campaigns;
mod limits;
mod plans;
mod regress;
mod trackers;
