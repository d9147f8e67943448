//! What must hold for every input.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
mod geometry;
mod judge;
mod link;
mod manifest;
mod metadata;
mod paths;
mod proofs;
mod room;
mod ticket;
mod tree;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use truecopy_protocol::{TrackerUrl, Trackers};

/// So many cases for what costs more, unless `PROPTEST_CASES` says otherwise.
fn few(cases: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(cases),
    }
}

/// Lists of trackers of every length.
fn trackers() -> impl Strategy<Value = Trackers> {
    let host = prop_oneof![
        "[a-z][a-z0-9]{0,9}(\\.[a-z]{2,9}){0,3}",
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u8; 16]>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
    ];
    let url = ("https?", host, prop::option::of(1..=u16::MAX)).prop_map(|(scheme, host, port)| {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        TrackerUrl::new(&format!("{scheme}://{host}{port}")).unwrap()
    });
    vec(url, 0..=Trackers::MAX).prop_map(Trackers::from_iter)
}
