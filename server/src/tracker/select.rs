//! Which peers are named in a reply: drawn evenly, bounded, of both address families, never the asker.

use std::collections::BTreeMap;

use truecopy_protocol::NodeId;

use super::share::Share;
use super::{Random, Told};

/// How many peers are looked at for each one named, in search of the rarer family.
const DRAWS_PER_PEER: usize = 4;

/// Up to `max` peers with contacts not older than `oldest`.
pub(super) fn choose(
    share: &Share,
    asker: &NodeId,
    oldest: u32,
    max: usize,
    random: &mut Random,
) -> Vec<Told> {
    let half = max / 2;
    let (most_v4, most_v6) = share.families();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for place in draws(share.len(), max * DRAWS_PER_PEER, random) {
        if v4.len() + v6.len() >= max && v4.len() >= half.min(most_v4) && v6.len() >= half.min(most_v6) {
            break;
        }
        let (node, peer) = share.get(place);
        if node == asker {
            continue;
        }
        let Some(peer) = peer.fresh(oldest) else { continue };
        let (a, b) = peer.addresses();
        v4.extend(a.map(|address| Told { node: *node, address }));
        v6.extend(b.map(|address| Told { node: *node, address }));
    }
    // Each family gets its half, and what the other leaves.
    v6.truncate(max - v4.len().min(max - half));
    v4.truncate(max - v6.len());
    v4.append(&mut v6);
    v4
}

/// Distinct numbers below `len` in random order, `count` at most: the start of a shuffle that only remembers what it
/// moved.
fn draws(len: usize, count: usize, random: &mut Random) -> impl Iterator<Item = usize> {
    let mut moved: BTreeMap<usize, usize> = BTreeMap::new();
    (0..count.min(len)).map(move |next| {
        let drawn = next + random.below(len - next);
        let there = moved.get(&next).copied().unwrap_or(next);
        moved.insert(drawn, there).unwrap_or(drawn)
    })
}
