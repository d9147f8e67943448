//! A node that serves one share and fetches another, among peers that want to hurt it.

use super::rig::{Rig, Sources};
use super::steps::{STEPS_MAX, any_message, config, connect, disconnect, pick, raw, sense, take, wait, work};
use crate::ShareId;
use crate::content::selection::Selection;
use crate::fuzzing::Cursor;

/// Any bytes from peers, time in any steps, jobs answered in any order. The last bytes of the fetched share never
/// come: whatever else is said, nothing is claimed or complete without its bytes.
pub fn machine_bytes(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let mut rig = Rig::new(config(&mut input), Sources::Withhold);
    rig.serve(ShareId(0), 0, true);
    let (number, peers) = (1 + input.below(2), 1 + input.below(2));
    rig.fetch(ShareId(1), number, peers);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        step(&mut rig, &mut input);
        rig.accept_offers(&Selection::All);
    }
    rig.drain();
}

fn step(rig: &mut Rig, input: &mut Cursor<'_>) {
    match input.below(16) {
        0..=4 => sense(rig, input),
        5 | 6 => work(rig, input),
        7 => take(rig, input),
        8 => any_message(rig, input),
        9 => raw(rig, input),
        10 | 11 => connect(rig, input),
        12 => disconnect(rig, input),
        13 => deliver(rig, input),
        _ => wait(rig, input),
    }
}

/// What was held back while the node did not read.
fn deliver(rig: &mut Rig, input: &mut Cursor<'_>) {
    if let Some(conn) = pick(input, rig.links.len()).map(|at| rig.links[at].conn) {
        rig.deliver(conn, usize::MAX);
    }
}
