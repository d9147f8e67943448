//! Recordings: a run is a value.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod hostile;
mod replay;
mod shapes;
mod world;
