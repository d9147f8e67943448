//! The store on a disk that fails, and on a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail loudly too")]

mod attacks;
mod conflicts;
mod crash;
mod errors;
mod plans;
mod real;
mod share;
mod sizes;
