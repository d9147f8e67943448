//! At the end of a transfer, what slow sources still owe is asked of those that have nothing left to do.

use alloc::collections::BTreeSet;
use core::time::Duration;

use super::Node;
use super::fetch::Stage;
use crate::content::geometry::SPAN;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::download::Download;
use crate::wire::{BlockRun, Message};
use crate::{ConnId, Now, ShareId};

/// What a source will deliver within this time is left to it.
const SOON: Duration = Duration::from_secs(1);

/// What a take-over wins.
struct Gain {
    /// So much of what the slow one owes is for the fast one.
    bytes: u64,
    /// Whether the fast one has sent a whole span before the slow one has sent half of what it owes.
    is_clear: bool,
}

/// How long a source that owes something needs for it, judged by what it lately did; `None` while nothing is known of it.
fn needs(download: &Download, now: Now) -> Option<Duration> {
    let (owed, rate) = (download.owed(), download.rate(now)?);
    let nanos = u128::from(owed) * 1_000_000_000 / u128::from(rate.max(1));
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

impl Node {
    /// Takes requests back from the source that would take longest, for a source that is free: so many that both are done
    /// at about the same time. Whether there were any.
    pub(super) fn take_over(&mut self, share: ShareId, free: ConnId) -> bool {
        // What was read when it is taken back, or has begun to come, is thrown away: that may be little of all.
        if !self.running(share).is_some_and(|transfer| transfer.may_throw_span()) {
            return false;
        }
        let Some(slow) = self.slowest(share, free) else { return false };
        let Some(Gain { bytes, is_clear }) = self.gain(slow, free) else { return false };
        let movable = self.movable(share, slow, free);
        let Some(from) = self.download(slow) else { return false };
        let mut runs = from.take_back(bytes, |run| movable.contains(&run));
        // What has begun to come is surely thrown away: that must be worth it, or two sources take it from each other in turn.
        if runs.is_empty()
            && is_clear
            && let Some((run, spare)) = from.take_back_incoming(|run| movable.contains(&run))
        {
            runs.push(run);
            if let Some(transfer) = self.running(share) {
                transfer.throw_span();
            }
            if let Some(batch) = spare {
                self.pool.put(batch.buf);
            }
        }
        #[cfg(planted)]
        if is(Bug::TakenBackForgotten) {
            return false;
        }
        if let Some(transfer) = self.running(share) {
            runs.iter().for_each(|run| transfer.unask(*run));
        }
        #[cfg(planted)]
        if is(Bug::TakenBackUntold) {
            return !runs.is_empty();
        }
        self.with_session(slow, |session| runs.iter().for_each(|run| session.send(&Message::Cancel(*run))));
        !runs.is_empty()
    }

    /// What is won if one source does a part of what another owes, if it is faster.
    fn gain(&self, slow: ConnId, free: ConnId) -> Option<Gain> {
        let (from, to) = (self.source(slow)?, self.source(free)?);
        let from_rate = from.rate(self.now)?;
        // Of a source that was not asked for anything yet nothing is known: it is taken to be twice as fast.
        let to_rate = Some(to.last_rate()).filter(|rate| *rate > 0).unwrap_or(2 * from_rate + 1);
        let part =
            u128::from(from.owed()) * u128::from(to_rate) / (u128::from(from_rate) + u128::from(to_rate));
        let bytes = u64::try_from(part).unwrap_or(u64::MAX);
        // A whole span from the one against the rest of it from the other.
        let is_clear = 2 * SPAN * from_rate < from.owed() * to_rate;
        (to_rate > from_rate).then_some(Gain { bytes, is_clear })
    }

    /// What one source owes and another could give.
    fn movable(&self, share: ShareId, slow: ConnId, free: ConnId) -> BTreeSet<BlockRun> {
        let (Some(from), Some(to)) = (self.source(slow), self.source(free)) else { return BTreeSet::new() };
        let Some(Stage::Running(_, transfer)) = self.fetches.get(&share).map(|fetch| &fetch.stage) else {
            return BTreeSet::new();
        };
        let may = |run: &BlockRun| {
            let place = transfer.position(*run);
            place.is_some_and(|(place, _)| {
                to.have().contains(place.chunk) && !transfer.is_suspect(place.chunk)
            })
        };
        from.runs().into_iter().filter(may).collect()
    }

    /// The source that needs longest for what it owes, if that is long.
    fn slowest(&self, share: ShareId, but: ConnId) -> Option<ConnId> {
        let now = self.now;
        let owing = self.conns.iter().filter_map(|(id, conn)| match conn.exchange()? {
            (of, exchange) if of == share && *id != but => {
                let download = exchange.download.as_ref().filter(|download| download.owed() > 0)?;
                Some((needs(download, now)?, *id))
            }
            _ => None,
        });
        owing.filter(|(time, _)| *time > SOON).max().map(|(_, id)| id)
    }

    fn source(&self, id: ConnId) -> Option<&Download> {
        self.conns.get(&id)?.download()
    }
}
