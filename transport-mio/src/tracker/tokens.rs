//! What trackers gave instead of a signature. Secrets: whoever has one may announce this node from its address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use truecopy_protocol::{DiscoveryKey, TrackerUrl};

/// Tokens kept at once; one that is dropped costs a signature.
const TOKENS_MAX: usize = 1024;
/// Digits of a token at most.
pub(super) const TOKEN_MAX: usize = 256;

/// A token holds for one share and one observed address: hence for one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Four,
    Six,
}

#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<(TrackerUrl, DiscoveryKey, Family), String>>);

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TrackerUrl, DiscoveryKey, Family), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the token out: it is put back if it still holds.
    pub(super) fn take(&self, tracker: &TrackerUrl, discovery: DiscoveryKey, at: IpAddr) -> Option<String> {
        self.lock().remove(&(tracker.clone(), discovery, family(at)))
    }

    pub(super) fn keep(&self, tracker: &TrackerUrl, discovery: DiscoveryKey, at: IpAddr, token: String) {
        let mut tokens = self.lock();
        if tokens.len() >= TOKENS_MAX {
            tokens.pop_first();
        }
        tokens.insert((tracker.clone(), discovery, family(at)), token);
    }
}

const fn family(at: IpAddr) -> Family {
    match at {
        IpAddr::V4(_) => Family::Four,
        IpAddr::V6(_) => Family::Six,
    }
}
