//! How many keys each source holds, so that nobody fills a share, or the tracker, with names of its own.

use std::collections::BTreeMap;

use truecopy_protocol::DiscoveryKey;

use super::Peer;
use super::limit::Source;

/// Keys by source and share, and by source alone. A peer with addresses of both families is held by both sources.
#[derive(Debug, Default)]
pub(super) struct Held {
    in_share: BTreeMap<(Source, DiscoveryKey), u32>,
    overall: BTreeMap<Source, u32>,
}

impl Held {
    /// Whether the source may hold a further key in the share: `in_share` of one share and `overall` at most.
    pub(super) fn has_room(
        &self,
        source: Source,
        discovery: DiscoveryKey,
        in_share: usize,
        overall: usize,
    ) -> bool {
        let here = self.in_share.get(&(source, discovery)).map_or(0, |count| *count as usize);
        let all = self.overall.get(&source).map_or(0, |count| *count as usize);
        here < in_share && all < overall
    }

    /// A peer of the share was this, and is that now.
    pub(super) fn moved(&mut self, discovery: DiscoveryKey, was: Option<&Peer>, is: Option<&Peer>) {
        let sources = |peer: Option<&Peer>| peer.map_or([None; 2], Peer::sources);
        let (was, is) = (sources(was), sources(is));
        if was == is {
            return;
        }
        for source in is.into_iter().flatten() {
            *self.in_share.entry((source, discovery)).or_default() += 1;
            *self.overall.entry(source).or_default() += 1;
        }
        for source in was.into_iter().flatten() {
            take(&mut self.in_share, &(source, discovery));
            take(&mut self.overall, &source);
        }
    }
}

/// One less; nothing is kept of none.
fn take<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Held {
    /// All keys, counted either way.
    pub(super) fn total(&self) -> usize {
        let overall: usize = self.overall.values().map(|count| *count as usize).sum();
        assert_eq!(overall, self.in_share.values().map(|count| *count as usize).sum::<usize>());
        overall
    }
}
