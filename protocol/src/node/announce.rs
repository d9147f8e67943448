//! Shares that trackers are told of: when, what, and what becomes of whom they name. PROTOCOL §6.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::Node;
use super::jobs::{Jobs, Pending};
use crate::job::{Announce, AnnounceError, AnnounceReply, Job};
use crate::output::{Event, Output, Refusal, TrackerCounts};
use crate::rng::Rng;
use crate::swarm::announcer::{Announcer, Call, Having};
use crate::swarm::targets::Origin;
use crate::timers::Timer;
use crate::{DiscoveryKey, Now, ShareId, Trackers};

/// For so long a share that ends waits until its trackers have heard of it. Who heard nothing forgets us after a while.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The shares that are announced.
#[derive(Debug)]
pub(super) struct Announces {
    jitter: Rng,
    shares: BTreeMap<ShareId, Announced>,
}

#[derive(Debug)]
struct Announced {
    discovery: DiscoveryKey,
    announcer: Announcer,
    /// The share ends, and waits no longer than that.
    farewell: Option<Now>,
}

impl Announces {
    /// None yet. The random choices have a stream of their own, so that they shift no others.
    pub(super) fn new(rng: &Rng) -> Self {
        Self { jitter: rng.child("announces"), shares: BTreeMap::new() }
    }
}

impl Node {
    pub(super) fn add_trackers(&mut self, share: ShareId, trackers: &Trackers) {
        let (discovery, having) = if let Some(serving) = self.serving.get(&share) {
            (serving.key.discovery(), Having::All)
        } else if let Some(fetch) = self.fetches.get(&share).filter(|fetch| fetch.wants_peers()) {
            (fetch.key.discovery(), Having::Part)
        } else {
            let is_known = self.is_taken(share);
            return self.refuse(share, if is_known { Refusal::NotNow } else { Refusal::UnknownShare });
        };
        let new = || Announced { discovery, announcer: Announcer::new(having), farewell: None };
        self.announces.shares.entry(share).or_insert_with(new).announcer.add(trackers, self.now);
        self.announce_due(share);
    }

    /// Whether trackers may still name peers of a share.
    pub(super) fn is_announced(&self, share: ShareId) -> bool {
        self.announces.shares.contains_key(&share)
    }

    /// Hands out the calls that are due, and sets the next date.
    pub(super) fn announce_due(&mut self, share: ShareId) {
        let left = self.left(share);
        let Some(announced) = self.announces.shares.get_mut(&share) else { return };
        while let Some(call) = announced.announcer.due(self.now) {
            let job = self.jobs.announce(share, &call, announced.discovery, left);
            self.outputs.push_back(Output::Job(job));
        }
        let (wake, farewell) = (announced.announcer.wake(), announced.farewell);
        if farewell.is_some_and(|until| until <= self.now || announced.announcer.is_over()) {
            self.announces.shares.remove(&share);
            self.timers.cancel(Timer::Announce(share));
            return self.maybe_ended(share);
        }
        match wake.into_iter().chain(farewell).min() {
            Some(at) => self.timers.set(Timer::Announce(share), at),
            None => self.timers.cancel(Timer::Announce(share)),
        }
    }

    /// A tracker has answered, or not.
    pub(super) fn tracker_answered(
        &mut self,
        share: ShareId,
        number: usize,
        result: Result<AnnounceReply, AnnounceError>,
    ) {
        let now = self.now;
        let Announces { jitter, shares } = &mut self.announces;
        let Some(announced) = shares.get_mut(&share) else { return };
        let Some(tracker) = announced.announcer.tracker(number).cloned() else { return };
        let said =
            result.as_ref().map(|reply| TrackerCounts { seeders: reply.seeders, leechers: reply.leechers });
        let said = said.map_err(|why| *why);
        let hints = announced.announcer.answered(number, result, now, jitter);
        let is_lonely = hints.is_empty();
        if announced.farewell.is_none() {
            self.event(Event::Tracker { share, tracker, said });
        }
        if let Some(fetch) = self.fetches.get_mut(&share).filter(|fetch| fetch.wants_peers()) {
            hints.into_iter().for_each(|hint| fetch.targets.add(hint, Origin::Heard, now));
            if is_lonely && said.is_ok() && self.conns_of(share).is_empty() {
                self.hurry_trackers(share);
            }
            self.dial_due(share);
        }
        self.announce_due(share);
    }

    /// Peers are wanted: trackers are asked as soon as they allow.
    pub(super) fn hurry_trackers(&mut self, share: ShareId) {
        if let Some(announced) = self.announces.shares.get_mut(&share) {
            announced.announcer.hurry(self.now);
            self.announce_due(share);
        }
    }

    /// The share is whole.
    pub(super) fn announce_completed(&mut self, share: ShareId) {
        if let Some(announced) = self.announces.shares.get_mut(&share) {
            announced.announcer.completed(self.now);
            self.announce_due(share);
        }
    }

    /// The share ends. Whoever calls this looks afterwards whether it has ended.
    pub(super) fn announce_stopped(&mut self, share: ShareId) {
        if let Some(announced) = self.announces.shares.get_mut(&share)
            && announced.farewell.is_none()
        {
            announced.announcer.stop(self.now);
            announced.farewell = Some(self.now + FAREWELL_MAX);
            self.announce_due(share);
        }
    }

    /// Bytes that we lack; more than none as long as it is not known what there is.
    fn left(&self, share: ShareId) -> u64 {
        if let Some(left) = self.not_held(share) {
            return left;
        }
        let is_whole =
            self.announces.shares.get(&share).is_some_and(|announced| announced.announcer.has_all());
        let Some(fetch) = self.fetches.get(&share).filter(|_| !is_whole) else { return 0 };
        let total = fetch.manifest().map_or(0, |manifest| manifest.total_size());
        let verified = fetch.transfer().map_or(0, |transfer| transfer.progress.verified);
        total.saturating_sub(verified).max(1)
    }
}

impl Jobs {
    fn announce(&mut self, share: ShareId, call: &Call, discovery: DiscoveryKey, left: u64) -> Job {
        let id = self.add(Pending::Tracker { share, number: call.number });
        let (tracker, event) = (call.tracker.clone(), call.event);
        Job::Announce(Announce { id, share, tracker, discovery, left, event })
    }
}
