//! What came of a run: which errors are explained, what was demanded, and the figures.

use truecopy_protocol::ConnId;
use truecopy_protocol::content::geometry::SPAN;
use truecopy_protocol::job::{Outcome, Verdict as Signed};
use truecopy_protocol::output::{Event, Failure, Fault as Wrong, Goodbye, PeerGone};
use truecopy_protocol::wire::Reason;

use super::agenda::Life;
use super::host::Part;
use super::talk::Called;
use super::trace::Trace;
use super::watch::{Mark, Watched};
use super::{Phase, World};
use crate::coverage::Coverage;
use crate::disk::DiskFault;
use crate::oracle::{Blocks, Finding, Oracle, Violation};
use crate::plan::{Allowed, ChannelKind, End, Fault, Staying};

/// Dials of one host within ten seconds at most, for each of its sources (L4).
const DIALS_MAX: usize = 40;
/// Bytes that one interruption explains at most: what a connection may have under way.
const LOST_MAX: u64 = 16 << 20;

/// Bytes a second below which a connection may be given up although it moves: a handshake takes too long.
const SLOW: u64 = 1 << 10;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was demanded was done, and no claim was wrong.
    Pass,
    /// An oracle was violated.
    Fail(Box<Violation>),
    /// The run was stopped before its end, by its options.
    Stopped,
}

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Things that happened.
    pub events: u64,
    /// Nanoseconds of simulated time.
    pub nanos: u64,
    /// Connections made.
    pub connections: u64,
    /// Payload bytes that receivers took in.
    pub received: u64,
    /// Receivers that have everything.
    pub completed: u32,
    /// Receipts that senders saw.
    pub receipts: u64,
    /// Times that a program was started.
    pub runs: u32,
    /// The most bytes that one of the nodes that run at the end has held, as far as it was looked at: with many
    /// connections not after every input.
    pub memory: u64,
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub verdict: Verdict,
    /// What happened.
    pub trace: Trace,
    /// Which faults and branches were met.
    pub coverage: Coverage,
    /// Figures.
    pub stats: Stats,
    /// What each receiver had, by host.
    pub blocks: Vec<(u16, Blocks)>,
    /// When each receiver had placed everything, in nanoseconds, by host.
    pub finished: Vec<(u16, u64)>,
    /// The calls that were made, in worlds that talk.
    pub called: Vec<Called>,
    /// Who had what when, if that was asked for.
    pub watched: Option<Watched>,
}

impl Run {
    /// The violation, if there was one.
    pub fn violation(&self) -> Option<&Violation> {
        match &self.verdict {
            Verdict::Fail(violation) => Some(violation),
            Verdict::Pass | Verdict::Stopped => None,
        }
    }
}

impl World<'_> {
    /// Whether a disk does what no disk should: then what it says of itself is not held against the store.
    pub(super) fn disk_lies(&self, host: usize) -> bool {
        self.hosts[host].lies
    }

    fn has(&self, wanted: impl Fn(&Fault) -> bool) -> bool {
        self.plan.faults.iter().any(wanted)
    }

    /// Whether the power of this host's machine is cut.
    fn loses_power(&self, host: usize) -> bool {
        self.has(|fault| match *fault {
            Fault::Crash { host: of, end, .. } | Fault::CrashAtCall { host: of, end, .. } => {
                usize::from(of) == host && end == End::Power
            }
            _ => false,
        })
    }

    /// Whether another program writes to this host's files.
    pub(super) fn has_edit(&self, host: usize) -> bool {
        self.has(|fault| matches!(fault, Fault::Disk { host: of, fault: DiskFault::Edit { .. } } if usize::from(*of) == host))
    }

    pub(super) fn damages_bytes(&self) -> bool {
        self.plan.channel == ChannelKind::Clear && self.has(Fault::damages_bytes)
    }

    /// Whether the line is too slow for anybody.
    fn is_slow(&self) -> bool {
        let network = &self.plan.network;
        let round_trip = 2 * network.latency_us + network.jitter_us;
        let by_window = u64::from(network.window) * 1_000_000 / round_trip.max(1);
        by_window < SLOW || (1..SLOW).contains(&network.rate)
    }

    fn damages_between(&self, receiver: usize, sender: usize) -> usize {
        let is_between = |fault: &&Fault| fault.damages_bytes() && fault.hosts().eq([receiver, sender]);
        self.plan.faults.iter().filter(is_between).count()
    }

    fn has_hostile(&self) -> bool {
        self.has(|fault| matches!(fault, Fault::Hostile { .. }))
    }

    /// Whether no sender is left that could complete anything: then an error is what must come.
    fn nobody_is_honest(&self) -> bool {
        let is_hostile =
            |of: u16| self.has(|fault| matches!(fault, Fault::Hostile { host, .. } if *host == of));
        (0..self.plan.scenario.senders).all(is_hostile)
    }

    fn has_disk_fault(&self, part: Part) -> bool {
        let is_part = |host: u16| self.hosts[usize::from(host)].part == part;
        self.has(|fault| match fault {
            Fault::Disk { host, .. } | Fault::CrashAtCall { host, .. } => is_part(*host),
            _ => false,
        })
    }

    /// Whether the plan explains this error (S10).
    pub(super) fn judge_failure(&mut self, host: usize, why: Failure) {
        self.coverage.branch(failure_name(why));
        // Trackers know nobody whose announces they did not get or take.
        let is_untold = self.meets_by_trackers() && !self.plan.faults.is_empty();
        let explained = match why {
            Failure::NotAvailable => {
                let is_swarm = self.plan.scenario.swarm.is_swarm();
                let sender_goes = self.has(Fault::breaks_links) || self.has_disk_fault(Part::Sender);
                self.damages_bytes() || self.has_hostile() || is_swarm && sender_goes
            }
            Failure::NotFound(_) | Failure::LinkLost(_) | Failure::SenderLeft(_) => {
                is_untold
                    || self.has(Fault::breaks_links)
                    || self.damages_bytes()
                    || self.has_disk_fault(Part::Sender)
            }
            Failure::NoSuchShare | Failure::SourceChanged(_) | Failure::SourceUnreadable(_) => {
                self.has_disk_fault(Part::Sender) || self.damages_bytes() || self.has_hostile()
            }
            Failure::Storage(_) => self.has_disk_fault(Part::Receiver),
            Failure::Integrity(_) => {
                self.damages_bytes() || self.has_hostile() || self.has_disk_fault(Part::Sender)
            }
            Failure::BadOffer(_) | Failure::OfferTooLarge(_) | Failure::Version => {
                self.damages_bytes() || self.has_hostile()
            }
        };
        if !explained {
            let text = format!("receiver {host} ends with {why:?}, which nothing in the plan explains");
            self.fail(Some(host), Finding::new(Oracle::Error, failure_name(why), text));
        }
    }

    /// Nobody is sent away for what another did (S11).
    pub(super) fn judge_hangup(&mut self, life: Life, conn: ConnId, why: Goodbye) {
        let Goodbye::Misbehaved(wrong) = why else { return };
        self.coverage.branch("misbehaved");
        let Some((index, side)) = self.process(life).and_then(|process| process.ends.get(&conn).copied())
        else {
            return;
        };
        let conn = &self.conns[index];
        let other = conn.ends[1 - side].life.0;
        if let Some(watched) = &mut self.watched {
            watched.mark(self.now, other, Mark::Banned);
        }
        let is_hostile =
            self.has(|fault| matches!(fault, Fault::Hostile { host, .. } if usize::from(*host) == other));
        let is_damaged = conn.damaged
            && self.plan.channel == ChannelKind::Clear
            // Wrong bytes are asked for once more before anyone is blamed for them.
            && (wrong != Wrong::BadBytes || self.damages_between(conn.receiver, conn.sender) > 1);
        let bad_disk = wrong == Wrong::BadBytes && self.has_disk_fault(self.hosts[other].part);
        if !is_hostile && !is_damaged && !bad_disk {
            let text = format!("host {other} is honest and is sent away for {wrong:?}");
            self.fail(Some(life.0), Finding::new(Oracle::Blame, "an honest peer is blamed", text));
        }
    }

    /// Connections end for a reason: a goodbye, or something in the plan (S10).
    pub(super) fn judge_gone(&mut self, life: Life, why: PeerGone) {
        let is_said = match why {
            PeerGone::Said(Reason::TooSlow) | PeerGone::Dismissed(Reason::TooSlow) | PeerGone::Lost(_) => {
                false
            }
            PeerGone::Said(_) | PeerGone::Dismissed(_) | PeerGone::Misbehaved(_) => true,
        };
        self.coverage.branch(match why {
            PeerGone::Said(_) => "peer said goodbye",
            PeerGone::Dismissed(Reason::Replaced) => "twins parted",
            PeerGone::Dismissed(Reason::NotInterested) => "a peer without use gave way",
            PeerGone::Dismissed(_) => "peer dismissed",
            PeerGone::Misbehaved(_) => "peer misbehaved",
            PeerGone::Lost(_) => "peer lost",
        });
        if !is_said && !self.is_slow() && self.plan.faults.iter().all(Fault::leaves_links) {
            let text =
                format!("host {} loses a connection ({why:?}), which nothing in the plan explains", life.0);
            self.fail(Some(life.0), Finding::new(Oracle::Error, "a connection is lost for nothing", text));
        }
    }

    /// A receipt is genuine, and what it says stands there (S6).
    pub(super) fn judge_receipt(&mut self, host: usize, signed: Signed, outcome: &Outcome) {
        self.receipts += 1;
        let told = self.hosts.iter().any(|host| host.person.outcome.as_ref() == Some(outcome));
        if signed == Signed::Forged && (self.damages_bytes() || self.has_hostile()) {
            return self.coverage.branch("forged receipt seen");
        }
        if signed == Signed::Forged || !told {
            let text = format!("a receipt of {outcome:?} ({signed:?}), which no receiver has");
            self.fail(Some(host), Finding::new(Oracle::Progress, "a false receipt", text));
        }
    }

    pub(super) fn is_settled(&self, host: usize) -> bool {
        let Host { part, person, process, .. } = &self.hosts[host];
        let scenario = &self.plan.scenario;
        if scenario.only_talks() {
            return true;
        }
        let stays = scenario.staying == Staying::Seed || scenario.talk.is_some();
        if *part == Part::Sender || (person.outcome.is_some() && (process.is_none() || stays)) {
            return true;
        }
        let allowed = |why: Failure| {
            // What the disk has spoiled under a final name is found by the next run, as a conflict.
            let is_disks = matches!(why, Failure::Storage(_)) && self.hosts[host].disk.is_spoiled();
            is_disks
                || self.nobody_is_honest()
                || self.plan.heal.allowed.iter().any(|allowed| allowed.covers(why))
        };
        self.phase == Phase::Healed && person.settled.is_some_and(allowed)
    }

    pub(super) fn is_over(&self) -> bool {
        (0..self.hosts.len()).all(|host| self.is_settled(host)) && self.has_talked()
    }

    /// What can only be judged at the end (L4, L5).
    pub(super) fn look_back(&mut self) {
        let scenario = &self.plan.scenario;
        let is_swarm = scenario.swarm.is_swarm();
        let sources = match scenario.sources {
            // Those of the share, and those of the room.
            _ if scenario.talk.is_some() => 2 * scenario.hosts(),
            _ if is_swarm => scenario.hosts(),
            0 => usize::from(scenario.senders),
            some => usize::from(some),
        };
        let size = self.content.manifest.total_size();
        let window = self.plan.tuning.window.unwrap_or(LOST_MAX);
        let damages = self.plan.faults.iter().filter(|fault| fault.spoils_bytes()).count() as u64;
        for host in 0..self.hosts.len() {
            let state = &self.hosts[host];
            if state.dials_high > DIALS_MAX * sources {
                let text = format!("{} dials within ten seconds", state.dials_high);
                return self.fail(Some(host), Finding::new(Oracle::Storm, "a storm of dials", text));
            }
            let (before, last) = state.person.received;
            let explained = state.person.interruptions + damages;
            // What was verified and not synced yet goes with the power, however much it is.
            let lost_max = if self.loses_power(host) { size } else { size.min(window + (1 << 20)) };
            // What a slow source has sent of a span is thrown away if another is clearly faster.
            let taken_over = if is_swarm { scenario.hosts() as u64 * SPAN } else { 0 };
            let most = size + taken_over + explained * lost_max;
            if before + last > most {
                let text = format!("{} bytes came; {most} are explained", before + last);
                return self
                    .fail(Some(host), Finding::new(Oracle::Waste, "more bytes than losses explain", text));
            }
        }
        let receivers = u64::from(scenario.receivers);
        let smooth = crate::plan::Network { latency_us: self.plan.network.latency_us, ..Default::default() };
        let calm = self.plan.faults.is_empty() && scenario.present.is_empty() && self.plan.network == smooth;
        // In a swarm whoever gave the last chunk need not be whoever made the share.
        if calm && !is_swarm && !scenario.only_talks() && self.receipts < receivers {
            let text = format!("{} receipts were seen of {receivers} receivers", self.receipts);
            self.fail(None, Finding::new(Oracle::Completion, "a receipt is missing", text));
        }
    }

    pub(super) fn count_event(&mut self, event: &Event) {
        let name = match event {
            Event::Offer { .. } => "event offer",
            Event::PeerUp { .. } => "event peer-up",
            Event::PeerDown { .. } => "event peer-down",
            Event::Waiting { .. } => "event waiting",
            Event::Fetching { .. } => "event fetching",
            Event::Progress { .. } => "event progress",
            Event::Uploaded { .. } => "event uploaded",
            Event::Swarmed { .. } => "event swarmed",
            Event::Peers { .. } => "event peers",
            Event::PeerPaused { .. } => "event peer-paused",
            Event::Completed { .. } => "event completed",
            Event::Failed { .. } => "event failed",
            Event::Receipt { .. } => "event receipt",
            Event::SourceBroken { .. } => "event source-broken",
            Event::Tracker { .. } => "event tracker",
            Event::Unmet { .. } => "event unmet",
            Event::Reachable { .. } => "event reachable",
            Event::Heard { .. } => "event heard",
            Event::Delivered { .. } => "event delivered",
            Event::Undelivered { .. } => "event undelivered",
            Event::Ended { .. } => "event ended",
            Event::Refused { .. } => "event refused",
        };
        self.coverage.branch(name);
    }

    /// What streams, network, disks and messages did, told at the end.
    fn count_all(&mut self) {
        let coverage = &mut self.coverage;
        let streams = &self.streams;
        coverage.faults("short-write", streams.short_writes);
        coverage.faults("short-read", streams.short_reads);
        coverage.faults("would-block", streams.spurious);
        coverage.faults("window-full", streams.full);
        coverage.faults("interrupted", streams.interrupted);
        coverage.faults("damage", streams.damages);
        coverage.faults("eaten-by-reset", streams.eaten);
        coverage.faults("reset", streams.resets);
        coverage.faults("early-fin", streams.early_fins);
        let weather = &self.weather.counts;
        coverage.faults("delay", weather.delays);
        coverage.faults("slow", weather.slowed);
        coverage.faults("loss", weather.losses);
        coverage.faults("partition", weather.held);
        for conn in &mut self.conns {
            for name in conn.tap.seen.drain(..) {
                coverage.branch(name);
            }
        }
        for host in &self.hosts {
            host.disk.counts().each(&mut |name, times| coverage.faults(name, times));
        }
    }

    pub(super) fn into_run(mut self) -> Run {
        self.count_all();
        let person = |host: &Host| host.person.received.0 + host.person.received.1;
        let stats = Stats {
            events: self.events,
            nanos: self.now,
            connections: self.conns.len() as u64,
            received: self.hosts.iter().map(person).sum(),
            completed: self.hosts.iter().filter(|host| host.person.outcome.is_some()).count() as u32,
            receipts: self.receipts,
            runs: self.hosts.iter().map(|host| host.person.runs).sum(),
            memory: self
                .hosts
                .iter()
                .filter_map(|host| Some(host.process.as_ref()?.memory))
                .max()
                .unwrap_or(0),
        };
        let verdict = match self.violation.take() {
            Some(violation) => Verdict::Fail(Box::new(violation)),
            None if self.is_over() => Verdict::Pass,
            None => Verdict::Stopped,
        };
        let called = self.called();
        let finished = (0..).zip(&self.hosts);
        let finished = finished.filter_map(|(host, state)| Some((host, state.person.finished?))).collect();
        let take = |(host, state): (u16, Host)| state.blocks.map(|blocks| (host, blocks));
        let blocks = (0..).zip(self.hosts).filter_map(take).collect();
        let (trace, coverage, watched) = (self.trace, self.coverage, self.watched);
        Run { verdict, trace, coverage, stats, blocks, finished, called, watched }
    }
}

use super::host::Host;

impl Allowed {
    /// Whether an error is one of these.
    const fn covers(self, why: Failure) -> bool {
        match why {
            Failure::SourceChanged(_) | Failure::SourceUnreadable(_) => matches!(self, Self::SourceBroken),
            Failure::NotFound(_)
            | Failure::NoSuchShare
            | Failure::LinkLost(_)
            | Failure::NotAvailable
            | Failure::SenderLeft(_) => matches!(self, Self::Gone | Self::SourceBroken),
            Failure::Integrity(_) | Failure::BadOffer(_) | Failure::OfferTooLarge(_) => {
                matches!(self, Self::Integrity)
            }
            Failure::Storage(_) => matches!(self, Self::Storage),
            Failure::Version => false,
        }
    }
}

const fn failure_name(why: Failure) -> &'static str {
    match why {
        Failure::NotFound(_) => "failure not-found",
        Failure::NoSuchShare => "failure no-such-share",
        Failure::LinkLost(_) => "failure link-lost",
        Failure::NotAvailable => "failure not-available",
        Failure::Version => "failure version",
        Failure::SourceChanged(_) => "failure source-changed",
        Failure::SourceUnreadable(_) => "failure source-unreadable",
        Failure::SenderLeft(_) => "failure sender-left",
        Failure::Integrity(_) => "failure integrity",
        Failure::BadOffer(_) => "failure bad-offer",
        Failure::OfferTooLarge(_) => "failure offer-too-large",
        Failure::Storage(_) => "failure storage",
    }
}
