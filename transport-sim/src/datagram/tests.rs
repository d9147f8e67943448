//! The links against what their knobs allow, and each knob alone.

mod knobs;
mod model;

use std::num::NonZeroU64;
use std::time::Duration;

use truecopy_protocol::Now;

use super::*;
use crate::stream::Random;

/// A datagram that no other one is taken for: its number, then bytes that follow from it.
fn content(number: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(number, "content");
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize_with(len.max(8), || random.draw() as u8);
    bytes.truncate(len);
    bytes
}

/// Receives everything that arrives up to a time, each at its own time and not a moment earlier.
fn drain(link: &mut Link, until: Now) -> Vec<(Now, Vec<u8>)> {
    let mut arrived = vec![];
    while let Some(at) = link.next_arrival().filter(|at| *at <= until) {
        if let Some(before) = at.as_nanos().checked_sub(1) {
            assert_eq!(link.receive(Now::from_nanos(before)), None, "before it arrives");
        }
        arrived.push((at, link.receive(at).unwrap()));
    }
    arrived
}

const LATER: Now = Now::from_nanos(u64::MAX);
