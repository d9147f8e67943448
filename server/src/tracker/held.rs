//! How many keys each source holds, so that nobody fills a share, or the tracker, with names of its own.

use std::collections::BTreeMap;

use truecopy_protocol::DiscoveryKey;

use super::Peer;
use super::limit::Source;

/// Keys by source and share. A peer with addresses of both families is held by both sources.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<(Source, DiscoveryKey), u32>);

impl Held {
    /// Whether the source may hold a further key in the share: `in_share` of one share and `overall` at most.
    pub(super) fn has_room(
        &self,
        source: Source,
        discovery: DiscoveryKey,
        in_share: usize,
        overall: usize,
    ) -> bool {
        let here = self.0.get(&(source, discovery)).map_or(0, |count| *count as usize);
        if here >= in_share {
            return false;
        }
        let all = (source, DiscoveryKey([0; 32]))..=(source, DiscoveryKey([0xff; 32]));
        let mut sum = 0_usize;
        // Looks at no more shares than the source may have keys.
        self.0.range(all).all(|(_, count)| {
            sum += *count as usize;
            sum < overall
        })
    }

    /// A peer of the share was this, and is that now.
    pub(super) fn moved(&mut self, discovery: DiscoveryKey, was: Option<&Peer>, is: Option<&Peer>) {
        let sources = |peer: Option<&Peer>| peer.map_or([None; 2], Peer::sources);
        let (was, is) = (sources(was), sources(is));
        if was == is {
            return;
        }
        for source in is.into_iter().flatten() {
            *self.0.entry((source, discovery)).or_default() += 1;
        }
        for source in was.into_iter().flatten() {
            let key = (source, discovery);
            match self.0.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.0.remove(&key)),
            }
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Held {
    pub(super) fn total(&self) -> usize {
        self.0.values().map(|count| *count as usize).sum()
    }
}
