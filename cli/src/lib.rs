//! The program `truecopy` as a library: the command line, what it tells, what it remembers. Thin: whatever is a rule of
//! the protocol lives below it.

pub mod addresses;
pub mod api;
pub mod args;
pub mod clock;
pub mod commands;
pub mod control;
pub mod crowd;
pub mod descriptors;
pub mod engine;
pub mod escape;
pub mod exit;
pub mod glob;
pub mod home;
pub mod limits;
pub mod net;
pub mod output;
pub mod record;
pub mod rooms;
pub mod run;
pub mod sealed;
pub mod seeds;
pub mod shares;
pub mod standing;
pub mod sums;
pub mod trace;
pub mod trackers;
pub mod witness;
pub mod words;
