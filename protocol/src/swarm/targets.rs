//! The sources of a fetch: which address is dialled when, and how long a lost one is left alone.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::input::{LinkLoss, PeerHint};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::rng::Rng;
use crate::{Candidate, ConnId, NodeId, Now};

#[derive(Debug)]
enum State {
    /// Dial the address `next` at `at`; earlier ones may still be under way.
    Dialing {
        next: usize,
        at: Now,
    },
    Up(ConnId),
    Waiting {
        until: Now,
    },
    /// It will never serve us.
    Dead,
}

#[derive(Debug)]
struct Target {
    origin: Origin,
    key: Option<NodeId>,
    /// What it proved when it was last there.
    proven: Option<NodeId>,
    addresses: Vec<Candidate>,
    state: State,
    /// Dials under way, and when each is given up.
    dials: BTreeMap<ConnId, Now>,
    attempts: u32,
    last_loss: LinkLoss,
}

/// How a target became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By the user, a ticket or a tracker.
    Named,
    /// By another peer: a hint, no more.
    Heard,
}

/// A dial that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) to: Candidate,
    pub(crate) key: Option<NodeId>,
}

/// How a target is left after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Other addresses are still tried.
    Dialing,
    /// It is left alone until then.
    Waiting { until: Now, why: LinkLoss, attempts: u32 },
    /// Not one of ours.
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Targets {
    targets: Vec<Target>,
}

/// Sources of one share and one origin at most.
const TARGETS_MAX: usize = 256;
/// Failed attempts after which one that was only heard of is forgotten.
const HEARD_ATTEMPTS: u32 = 4;

impl Targets {
    pub(crate) fn add(&mut self, hint: PeerHint, origin: Origin, now: Now) {
        if origin == Origin::Heard {
            self.targets.retain(|known| known.origin == Origin::Named || !matches!(known.state, State::Dead));
        }
        let of_this_origin = self.targets.iter().filter(|known| known.origin == origin).count();
        if of_this_origin >= TARGETS_MAX || hint.addresses.is_empty() {
            return;
        }
        let is_known = |known: &Target| match origin {
            Origin::Named => known.key == hint.key && known.addresses == hint.addresses,
            // One that is known already is no news, wherever it is said to be.
            Origin::Heard => known.proven.or(known.key) == hint.key,
        };
        if self.targets.iter().any(is_known) {
            return;
        }
        self.targets.push(Target {
            origin,
            proven: None,
            key: hint.key,
            addresses: hint.addresses,
            state: State::Dialing { next: 0, at: now },
            dials: BTreeMap::new(),
            attempts: 0,
            last_loss: LinkLoss::TimedOut,
        });
    }

    /// When something is due.
    pub(crate) fn wake(&self, wanted: usize) -> Option<Now> {
        let is_crowded = self.in_use() >= wanted;
        let wake = |target: &Target| target.wake(target.origin == Origin::Named || !is_crowded);
        self.targets.iter().filter_map(wake).min()
    }

    /// Targets that are connected or being dialled.
    fn in_use(&self) -> usize {
        let is_used = |target: &&Target| match target.state {
            State::Up(_) => true,
            State::Dialing { next, .. } => next > 0,
            State::Waiting { .. } | State::Dead => false,
        };
        self.targets.iter().filter(is_used).count()
    }

    /// The next dial that is due, to be answered with `dialled`. `met`: the connections of peers that are here already.
    /// Those that were only heard of are dialled as long as there are fewer than `wanted`.
    pub(crate) fn due(
        &mut self,
        now: Now,
        wanted: usize,
        met: &BTreeMap<NodeId, ConnId>,
    ) -> Option<(usize, Due)> {
        let is_crowded = self.in_use() >= wanted;
        for (index, target) in self.targets.iter_mut().enumerate() {
            let idle = matches!(target.state, State::Waiting { .. } | State::Dialing { next: 0, .. });
            if idle && let Some(conn) = target.proven.or(target.key).and_then(|key| met.get(&key)) {
                target.state = State::Up(*conn);
            }
            if idle && is_crowded && target.origin == Origin::Heard {
                continue;
            }
            if let State::Waiting { until } = target.state
                && until <= now
            {
                target.state = State::Dialing { next: 0, at: now };
            }
            if let State::Dialing { next, at } = target.state
                && at <= now
                && let Some(to) = target.addresses.get(next)
            {
                return Some((index, Due { to: to.clone(), key: target.key }));
            }
        }
        None
    }

    /// The due dial of this target has this connection.
    pub(crate) fn dialled(&mut self, index: usize, conn: ConnId, now: Now, config: &Config) {
        let Some(target) = self.targets.get_mut(index) else { return };
        if let State::Dialing { next, .. } = target.state {
            target.dials.insert(conn, now + config.dial_timeout);
            target.state = State::Dialing { next: next + 1, at: now + config.dial_stagger };
        }
    }

    /// Dials that have taken too long.
    pub(crate) fn expired(&self, now: Now) -> Vec<ConnId> {
        let dials = self.targets.iter().flat_map(|target| target.dials.iter());
        dials.filter(|(_, until)| **until <= now).map(|(conn, _)| *conn).collect()
    }

    /// A dial reached its peer. Returns the dials that are no longer needed; `Err` if the peer is there already.
    pub(crate) fn connected(&mut self, conn: ConnId, peer: NodeId) -> Result<Vec<ConnId>, ()> {
        let Some(target) = self.targets.iter_mut().find(|target| target.dials.contains_key(&conn)) else {
            return Ok(Vec::new());
        };
        target.dials.remove(&conn);
        if matches!(target.state, State::Up(_)) {
            return Err(());
        }
        target.proven = Some(peer);
        target.state = State::Up(conn);
        Ok(core::mem::take(&mut target.dials).into_keys().collect())
    }

    /// The peer proved that it knows the share: the next loss begins with a short pause again.
    pub(crate) fn proved(&mut self, conn: ConnId) {
        self.up(conn).for_each(|target| target.attempts = 0);
    }

    /// The peer will never serve us.
    pub(crate) fn bury(&mut self, conn: ConnId) {
        self.up(conn).for_each(|target| target.state = State::Dead);
    }

    /// Whoever has this key will never serve us.
    pub(crate) fn bury_key(&mut self, key: &NodeId) {
        for target in &mut self.targets {
            if target.proven.or(target.key) == Some(*key) {
                target.state = State::Dead;
            }
        }
    }

    /// A dial or a connection is gone. One peer may be known at several addresses: then it is lost at all of them, for the
    /// connection was theirs.
    pub(crate) fn lost(
        &mut self,
        conn: ConnId,
        why: LinkLoss,
        now: Now,
        rng: &mut Rng,
        config: &Config,
    ) -> Next {
        let mut next = Next::Unknown;
        for target in &mut self.targets {
            if target.dials.contains_key(&conn) || target.is_up(conn) {
                let after = target.lost(conn, why, now, rng, config);
                next = if next == Next::Unknown { after } else { next };
            }
        }
        next
    }

    /// Of two connections to one peer the other one stays.
    pub(crate) fn replaced(&mut self, conn: ConnId, by: ConnId) {
        self.up(conn).for_each(|target| target.state = State::Up(by));
    }

    /// Dials at once whoever is waited for.
    pub(crate) fn hurry(&mut self, now: Now) {
        for target in &mut self.targets {
            if matches!(target.state, State::Waiting { .. }) {
                target.state = State::Dialing { next: 0, at: now };
                target.attempts = 0;
            }
        }
    }

    /// Whether nobody is left who could ever serve us.
    pub(crate) fn all_dead(&self) -> bool {
        let mut named = self.targets.iter().filter(|target| target.origin == Origin::Named).peekable();
        named.peek().is_some() && named.all(|target| matches!(target.state, State::Dead))
    }

    /// All dials and connections of this fetch's own.
    pub(crate) fn dials(&self) -> Vec<ConnId> {
        self.targets.iter().flat_map(|target| target.dials.keys().copied()).collect()
    }

    fn up(&mut self, conn: ConnId) -> impl Iterator<Item = &mut Target> {
        self.targets.iter_mut().filter(move |target| target.is_up(conn))
    }
}

impl Target {
    fn is_up(&self, conn: ConnId) -> bool {
        matches!(self.state, State::Up(up) if up == conn)
    }

    fn lost(&mut self, conn: ConnId, why: LinkLoss, now: Now, rng: &mut Rng, config: &Config) -> Next {
        self.dials.remove(&conn);
        self.last_loss = why;
        match self.state {
            State::Dialing { next, .. } if next < self.addresses.len() => {
                // The next address need not wait its turn.
                self.state = State::Dialing { next, at: now };
                return Next::Dialing;
            }
            State::Dialing { .. } if !self.dials.is_empty() => return Next::Dialing,
            State::Dead | State::Waiting { .. } => return Next::Unknown,
            State::Up(up) if up != conn => return Next::Unknown,
            State::Dialing { .. } | State::Up(_) => {}
        }
        let until = now + backoff(self.attempts, rng, config);
        self.attempts += 1;
        if self.origin == Origin::Heard && self.attempts >= HEARD_ATTEMPTS {
            self.state = State::Dead;
            return Next::Unknown;
        }
        self.state = State::Waiting { until };
        Next::Waiting { until, why, attempts: self.attempts }
    }

    fn wake(&self, may_begin: bool) -> Option<Now> {
        let turn = match self.state {
            State::Dialing { next: 0, .. } | State::Waiting { .. } if !may_begin => None,
            State::Dialing { next, at } => (next < self.addresses.len()).then_some(at),
            State::Waiting { until } => Some(until),
            State::Up(_) | State::Dead => None,
        };
        turn.into_iter().chain(self.dials.values().copied()).min()
    }
}

/// Doubles from the shortest to the longest pause; half of it is random, so that many receivers do not dial as one.
fn backoff(attempts: u32, rng: &mut Rng, config: &Config) -> Duration {
    #[cfg(planted)]
    if is(Bug::NoBackoff) {
        return Duration::ZERO;
    }
    let full = config.backoff_min.saturating_mul(1 << attempts.min(16)).min(config.backoff_max);
    let half = full / 2;
    half + Duration::from_nanos(rng.below(u64::try_from(half.as_nanos()).unwrap_or(u64::MAX)))
}
