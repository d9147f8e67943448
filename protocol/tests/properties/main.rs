//! What must hold for every input.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
mod geometry;
mod judge;
mod manifest;
mod metadata;
mod paths;
mod proofs;
mod ticket;
mod tree;

use proptest::test_runner::Config;

/// So many cases for what costs more, unless `PROPTEST_CASES` says otherwise.
fn few(cases: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(cases),
    }
}
