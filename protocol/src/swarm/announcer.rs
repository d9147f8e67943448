//! The trackers of a share: which is told what, and when. PROTOCOL §6.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::input::PeerHint;
use crate::job::{AnnounceError, AnnounceEvent, AnnounceReply, REPLY_PEERS_MAX, TrackerPeer};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::rng::Rng;
use crate::{Candidate, Now, Reach, TrackerUrl, Trackers};

/// Between two announces of a share to a tracker, whatever it says.
const INTERVAL_MIN: Duration = Duration::from_secs(60);
/// The same, at most.
const INTERVAL_MAX: Duration = Duration::from_secs(2 * 3600);
/// The first pause after a failure; doubles, with jitter.
const BACKOFF_MIN: Duration = Duration::from_secs(15);
/// The longest pause after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(30 * 60);
/// The shortest pause after a failure that time alone does not mend.
const REFUSED_PAUSE: Duration = Duration::from_secs(10 * 60);

/// A call that is due; it must be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Which tracker, for `answered`.
    pub(crate) number: usize,
    pub(crate) tracker: TrackerUrl,
    pub(crate) event: AnnounceEvent,
}

/// How far the share is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Having {
    Part,
    All,
}

/// What a tracker knows of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Having(Having),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        at: Now,
    },
    /// A call is under way; if it comes through, the tracker knows this.
    Calling {
        then: Told,
    },
    /// It hears no more of us.
    Over,
}

#[derive(Debug)]
struct Entry {
    tracker: TrackerUrl,
    state: State,
    told: Told,
    failures: u32,
    /// Even if there is hurry.
    not_before: Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    Ending,
}

#[derive(Debug)]
pub(crate) struct Announcer {
    entries: Vec<Entry>,
    having: Having,
    life: Life,
}

impl Announcer {
    /// Without trackers yet.
    pub(crate) const fn new(having: Having) -> Self {
        Self { entries: Vec::new(), having, life: Life::Running }
    }

    /// Takes further trackers, as many as a share may have. Each is due at once.
    pub(crate) fn add(&mut self, trackers: &Trackers, now: Now) {
        for tracker in trackers.iter() {
            let is_known = self.entries.iter().any(|entry| entry.tracker == *tracker);
            if !is_known && self.entries.len() < Trackers::MAX && self.life == Life::Running {
                self.entries.push(Entry {
                    tracker: tracker.clone(),
                    state: State::Waiting { at: now },
                    told: Told::Nothing,
                    failures: 0,
                    not_before: now,
                });
            }
        }
    }

    /// The tracker of a call.
    pub(crate) fn tracker(&self, number: usize) -> Option<&TrackerUrl> {
        self.entries.get(number).map(|entry| &entry.tracker)
    }

    /// Whether nothing is missing.
    pub(crate) fn has_all(&self) -> bool {
        self.having == Having::All
    }

    /// Whether no tracker hears more of us.
    pub(crate) fn is_over(&self) -> bool {
        self.entries.iter().all(|entry| entry.state == State::Over)
    }

    /// When something is due.
    pub(crate) fn wake(&self) -> Option<Now> {
        let due = |entry: &Entry| match entry.state {
            State::Waiting { at } => Some(at),
            State::Calling { .. } | State::Over => None,
        };
        self.entries.iter().filter_map(due).min()
    }

    /// The next call that is due, to be answered with `answered`.
    pub(crate) fn due(&mut self, now: Now) -> Option<Call> {
        let (having, life) = (self.having, self.life);
        let due = |entry: &Entry| matches!(entry.state, State::Waiting { at } if at <= now);
        let (number, entry) = self.entries.iter_mut().enumerate().find(|(_, entry)| due(entry))?;
        let then = if life == Life::Ending { Told::Nothing } else { Told::Having(having) };
        entry.state = State::Calling { then };
        let event = match (life, entry.told) {
            (Life::Ending, _) => AnnounceEvent::Stopped,
            (Life::Running, Told::Nothing) => AnnounceEvent::Started,
            (Life::Running, Told::Having(told)) if told != having => AnnounceEvent::Completed,
            (Life::Running, Told::Having(_)) => AnnounceEvent::None,
        };
        Some(Call { number, tracker: entry.tracker.clone(), event })
    }

    /// What came of a call, and whom the tracker named.
    pub(crate) fn answered(
        &mut self,
        number: usize,
        result: Result<AnnounceReply, AnnounceError>,
        now: Now,
        rng: &mut Rng,
    ) -> Vec<PeerHint> {
        let (having, life) = (self.having, self.life);
        let Some(entry) = self.entries.get_mut(number) else { return Vec::new() };
        let State::Calling { then } = entry.state else { return Vec::new() };
        match result {
            #[cfg(planted)]
            _ if life == Life::Ending && is(Bug::StoppedAgain) => {
                entry.state = State::Waiting { at: now };
                Vec::new()
            }
            Ok(reply) => {
                entry.failures = 0;
                entry.told = then;
                let floor = reply.min_interval.min(INTERVAL_MAX);
                let interval = reply.interval.clamp(INTERVAL_MIN.max(floor), INTERVAL_MAX);
                entry.not_before = now + floor;
                // A little later each time, so that those that began together do not stay together.
                entry.state = State::Waiting { at: now + interval + below(interval / 10, rng) };
                entry.catch_up(having, life, now);
                hints(&reply)
            }
            Err(_) if life == Life::Ending => {
                entry.state = State::Over;
                Vec::new()
            }
            Err(why) => {
                let pause = entry.failed(why, rng);
                entry.state = State::Waiting { at: now + pause };
                entry.not_before =
                    now + if matches!(why, AnnounceError::Busy { .. }) { pause } else { BACKOFF_MIN };
                Vec::new()
            }
        }
    }

    /// The share is whole: every tracker that knows of us is told.
    pub(crate) fn completed(&mut self, now: Now) {
        self.having = Having::All;
        self.catch_up(now);
    }

    /// We leave: every tracker that knows of us is told once, the others nothing.
    pub(crate) fn stop(&mut self, now: Now) {
        if self.life == Life::Running {
            self.life = Life::Ending;
            self.catch_up(now);
        }
    }

    /// Somebody is wanted: asks as soon as the trackers allow.
    pub(crate) fn hurry(&mut self, now: Now) {
        for entry in &mut self.entries {
            if let State::Waiting { at } = &mut entry.state {
                *at = (*at).min(now.max(entry.not_before));
            }
        }
    }

    fn catch_up(&mut self, now: Now) {
        for entry in &mut self.entries {
            entry.catch_up(self.having, self.life, now);
        }
    }
}

impl Entry {
    /// What the tracker should know and does not is due at once. A call that is under way comes first.
    fn catch_up(&mut self, having: Having, life: Life, now: Now) {
        let State::Waiting { at } = &mut self.state else { return };
        match (life, self.told) {
            (Life::Ending, Told::Nothing) => self.state = State::Over,
            (Life::Running, Told::Having(told)) if told == having => {}
            // It is tried again when it is due.
            (Life::Running, _) if self.failures > 0 || self.told == Told::Nothing => {}
            (Life::Ending | Life::Running, _) => *at = now,
        }
    }

    /// How long it is left alone.
    fn failed(&mut self, why: AnnounceError, rng: &mut Rng) -> Duration {
        #[cfg(planted)]
        if is(Bug::TrackerAtOnce) {
            return Duration::ZERO;
        }
        let full = BACKOFF_MIN.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let pause = full / 2 + below(full / 2, rng);
        match why {
            AnnounceError::Busy { pause: wanted } => pause.max(wanted.min(INTERVAL_MAX)),
            AnnounceError::Refused | AnnounceError::WrongTime | AnnounceError::BadReply => {
                pause.max(REFUSED_PAUSE)
            }
            AnnounceError::Unreachable | AnnounceError::Local => pause,
        }
    }
}

fn below(bound: Duration, rng: &mut Rng) -> Duration {
    Duration::from_nanos(rng.below(u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX)))
}

/// A hint a node, with all of its addresses. A tracker may name only what it can have seen itself: one on the internet
/// names no address of our network or machine, so that it cannot make us knock there.
fn hints(reply: &AnnounceReply) -> Vec<PeerHint> {
    let nearest = Reach::of(reply.from).max(Reach::Machine);
    let may = |address: &SocketAddr| address.port() != 0 && Reach::of(address.ip()) >= nearest;
    let mut hints: Vec<PeerHint> = Vec::new();
    for TrackerPeer { node, address } in reply.peers.iter().take(REPLY_PEERS_MAX) {
        let candidate = Candidate::Tcp(*address);
        if !may(address) {
            continue;
        }
        match hints.iter_mut().find(|hint| hint.key == Some(*node)) {
            Some(hint) if hint.addresses.contains(&candidate) => {}
            Some(hint) => hint.addresses.push(candidate),
            None => hints.push(PeerHint { key: Some(*node), addresses: alloc::vec![candidate] }),
        }
    }
    hints
}

#[cfg(test)]
mod tests;
