//! The trackers of a world: they name hosts to each other, and are asked no more often than they should.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use truecopy_protocol::input::Command;
use truecopy_protocol::job::{
    Announce, AnnounceError, AnnounceEvent, AnnounceReply, Job, REPLY_PEERS_MAX, TrackerPeer,
};
use truecopy_protocol::{NodeId, TrackerUrl, Trackers};

use super::agenda::Life;
use super::weather::{MS, below};
use super::{Phase, SHARE, World, net};
use crate::oracle::{Finding, Oracle};
use crate::plan::{Fault, Swarming};

/// What a tracker wants between two announces.
const INTERVAL: Duration = Duration::from_secs(120);
/// The same at least, if a node has a reason.
const INTERVAL_MIN: Duration = Duration::from_secs(15);
/// No clock of a host is so fast that less than this passes before a tracker is asked again (L4).
const PAUSE_MIN: u64 = 5_000 * MS;
/// Where trackers are: near enough to name hosts of this network.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 255, 1));

/// Who takes part, by key: where, and whether it lacks anything.
pub(super) type Known = BTreeMap<NodeId, (SocketAddr, Lacks)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacks {
    Nothing,
    Something,
}

/// What a process has told a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    UnderWay,
    /// The last call was answered then.
    Answered(u64),
    /// It was told that the process takes no part any more.
    Stopped,
}

fn url(number: u16) -> Option<TrackerUrl> {
    TrackerUrl::new(&format!("http://tracker{number}.test")).ok()
}

impl World<'_> {
    /// The share is announced at the trackers of the plan.
    pub(super) fn add_trackers(&mut self, life: Life) {
        let count = self.plan.scenario.trackers;
        // Only who may be met is named to others.
        if count == 0 || self.plan.scenario.swarm != Swarming::On {
            return;
        }
        let mut trackers = Trackers::default();
        (0..count).filter_map(url).for_each(|url| trackers.add(url));
        self.command(life, Command::AddTrackers { share: SHARE, trackers });
    }

    /// A core calls a tracker: one call at a time, a pause between two, and nothing after the end (L4).
    pub(super) fn judge_call(&mut self, host: usize, job: &Job) {
        let Job::Announce(job) = job else { return };
        let now = self.now;
        let is_due = matches!(job.event, AnnounceEvent::Completed | AnnounceEvent::Stopped);
        let next = if job.event == AnnounceEvent::Stopped { Calls::Stopped } else { Calls::UnderWay };
        let before = self.hosts[host].acts.calls.insert(job.tracker.as_str().to_owned(), next);
        let class = match before {
            Some(Calls::Stopped) => "a tracker is called after the end",
            Some(Calls::UnderWay) if !is_due => "a tracker is called twice at once",
            Some(Calls::Answered(at)) if !is_due && now < at + PAUSE_MIN => {
                "a tracker is called again at once"
            }
            _ => return,
        };
        let text = format!("host {host} calls {} with {:?}", job.tracker.as_str(), job.event);
        self.fail(Some(host), Finding::new(Oracle::Storm, class, text));
    }

    /// What a tracker answers.
    pub(super) fn called(&mut self, host: usize, job: &Announce) -> Result<AnnounceReply, AnnounceError> {
        let now = self.now;
        if let Some(calls @ Calls::UnderWay) = self.hosts[host].acts.calls.get_mut(job.tracker.as_str()) {
            *calls = Calls::Answered(now);
        }
        let is_away = |fault: &Fault| match *fault {
            Fault::NoTracker { from_ms, to_ms } => self.weather.window(from_ms, to_ms).holds(now),
            _ => false,
        };
        if self.phase == Phase::Hostile && self.plan.faults.iter().any(is_away) {
            self.coverage.fault("no-tracker");
            let pause = Duration::from_nanos(below(&mut self.job_draws[host], 30_000 * MS));
            let is_busy = self.job_draws[host].below(3) == 0;
            return Err(if is_busy { AnnounceError::Busy { pause } } else { AnnounceError::Unreachable });
        }
        let key = self.hosts[host].identity.node_id();
        let address = net::address(host, self.hosts[host].moved);
        let known = self.trackers.entry(job.tracker.as_str().to_owned()).or_default();
        let lacks = if job.left == 0 { Lacks::Nothing } else { Lacks::Something };
        if job.event == AnnounceEvent::Stopped {
            self.coverage.branch("tracker told of the end");
            known.remove(&key);
        } else {
            known.insert(key, (address, lacks));
        }
        let of = |lacks: Lacks| known.values().filter(|(_, of)| *of == lacks).count() as u64;
        let others = known.iter().filter(|(node, _)| **node != key);
        let peers = others.map(|(node, (address, _))| TrackerPeer { node: *node, address: *address });
        let peers: Vec<TrackerPeer> = peers.take(REPLY_PEERS_MAX).collect();
        let hosts = peers.iter().filter_map(|peer| net::host_at(peer.address)).map(|(host, _)| host);
        self.hosts[host].acts.hinted.extend(hosts);
        if !peers.is_empty() {
            self.coverage.branch("tracker named peers");
        }
        Ok(AnnounceReply {
            interval: INTERVAL,
            min_interval: INTERVAL_MIN,
            seeders: of(Lacks::Nothing),
            leechers: of(Lacks::Something),
            peers,
            from: ADDRESS,
        })
    }
}
