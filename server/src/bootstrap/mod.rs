//! Plain peers: addresses for those who know nobody yet, without a proof of who is there.
//!
//! Pure: says whom to dial and is told what came of it. An address is handed out once something answered there, and
//! no longer when nothing does.

mod reach;
mod second;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use truecopy_protocol::{Candidate, Now};

pub use self::reach::{Dials, Reachable};
pub use self::second::{Wish, Wishes};
use crate::record::{Change, Key, Value};
use crate::tracker::Random;

/// Between two checks of an address.
const CHECK_EVERY: Duration = Duration::from_secs(600);
/// After a check that could not be made.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Checks in a row that an address which once answered may fail.
const FAILURES_MAX: u8 = 3;

/// Why an address is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It could never be dialled.
    #[error("the address is not one that this server would dial")]
    Forbidden,
    /// No room for further ones.
    #[error("the registry is full")]
    Full,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A connection was made.
    Answered,
    /// None was, or the name leads nowhere that may be dialled.
    Silent,
    /// Its network was dialled too recently.
    Postponed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing has answered there yet.
    New,
    /// Something has; then this many checks failed.
    Known { failures: u8 },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    /// When it is to be checked; none while it is.
    check_at: Option<Now>,
}

/// All plain peers.
#[derive(Debug)]
pub struct Registry {
    reachable: Reachable,
    max: usize,
    random: Random,
    entries: BTreeMap<Candidate, Entry>,
}

impl Registry {
    /// An empty one for `max` addresses.
    pub const fn new(reachable: Reachable, max: usize, seed: u64) -> Self {
        Self { reachable, max, random: Random::new(seed), entries: BTreeMap::new() }
    }

    /// Takes an address, to be checked soon. One that is known already stays as it is.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn register(&mut self, now: Now, candidate: Candidate) -> Result<(), Refused> {
        if let Candidate::Tcp(address) = &candidate
            && !self.reachable.may(address.ip())
        {
            return Err(Refused::Forbidden);
        }
        if self.entries.contains_key(&candidate) {
            return Ok(());
        }
        if self.entries.len() >= self.max {
            return Err(Refused::Full);
        }
        self.entries.insert(candidate, Entry { state: State::New, check_at: Some(now) });
        Ok(())
    }

    /// Takes back an address that answered in an earlier run.
    pub fn restore(&mut self, now: Now, candidate: Candidate) {
        if self.register(now, candidate.clone()).is_ok()
            && let Some(entry) = self.entries.get_mut(&candidate)
        {
            entry.state = State::Known { failures: 0 };
        }
    }

    /// Another server that shares the store found nothing there any more.
    pub fn forget(&mut self, candidate: &Candidate) {
        self.entries.remove(candidate);
    }

    /// Up to `max` addresses to check now. Each is due again only after [`checked`](Self::checked).
    pub fn due(&mut self, now: Now, max: usize) -> Vec<Candidate> {
        let due = self.entries.iter_mut().filter(|(_, entry)| entry.check_at.is_some_and(|at| at <= now));
        due.take(max)
            .map(|(candidate, entry)| {
                entry.check_at = None;
                candidate.clone()
            })
            .collect()
    }

    /// Learns what came of a check.
    pub fn checked(&mut self, now: Now, candidate: &Candidate, check: Check, changes: &mut Vec<Change>) {
        let Some(entry) = self.entries.get_mut(candidate) else { return };
        entry.check_at = Some(now + CHECK_EVERY);
        match (check, entry.state) {
            (Check::Postponed, _) => entry.check_at = Some(now + RETRY_AFTER),
            (Check::Answered, state) => {
                if matches!(state, State::New) {
                    changes.push(Change::put(Key::Plain(candidate.clone()), Value::Plain));
                }
                entry.state = State::Known { failures: 0 };
            }
            (Check::Silent, State::Known { failures }) if failures + 1 < FAILURES_MAX => {
                entry.state = State::Known { failures: failures + 1 };
            }
            (Check::Silent, state) => {
                if matches!(state, State::Known { .. }) {
                    changes.push(Change::remove(Key::Plain(candidate.clone()), 0));
                }
                self.entries.remove(candidate);
            }
        }
    }

    /// Up to `max` random addresses at which something has answered.
    pub fn choose(&mut self, max: usize) -> Vec<Candidate> {
        let known = self.entries.iter().filter(|(_, entry)| matches!(entry.state, State::Known { .. }));
        let mut known: Vec<&Candidate> = known.map(|(candidate, _)| candidate).collect();
        let count = max.min(known.len());
        for place in 0..count {
            let drawn = place + self.random.below(known.len() - place);
            known.swap(place, drawn);
        }
        known[..count].iter().map(|candidate| (*candidate).clone()).collect()
    }

    /// Which addresses are dialled.
    pub const fn reachable(&self) -> Reachable {
        self.reachable
    }

    /// Addresses that are known, answering or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The network that a dial burdens: a /24 of IPv4, a /48 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The first 24 bits.
    V4(u32),
    /// The first 48 bits.
    V6(u64),
}

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits() >> 8),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 80) as u64),
        }
    }
}

#[cfg(test)]
mod tests;
