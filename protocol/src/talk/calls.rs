//! Calls: words to everybody in a room, signed by who said them and passed on by who heard them.

use alloc::collections::{BTreeSet, VecDeque};

use alloc::vec::Vec;

#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::Call;
use crate::{DiscoveryKey, NodeId};

/// Calls that are remembered, so that they are given to the user and passed on once.
const SEEN_MAX: usize = 16_384;

/// A call: who said it, in which run of its program, which of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId {
    pub(crate) origin: NodeId,
    pub(crate) life: u64,
    pub(crate) number: u64,
}

impl CallId {
    pub(crate) const fn of(call: &Call) -> Self {
        Self { origin: call.origin, life: call.life, number: call.number }
    }
}

/// The bytes that the origin of a call signs (PROTOCOL §7.4).
pub(crate) fn statement(room: &DiscoveryKey, call: &Call) -> Vec<u8> {
    let mut bytes = b"truecopy/1 call".to_vec();
    bytes.extend_from_slice(&room.0);
    bytes.extend_from_slice(&call.origin.0);
    for number in [call.life, call.number, call.text.time.0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(call.text.text.as_bytes());
    bytes
}

/// The calls that were heard lately.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    seen: BTreeSet<CallId>,
    order: VecDeque<CallId>,
}

impl Calls {
    /// Whether a call was heard.
    pub(crate) fn knows(&self, call: &CallId) -> bool {
        #[cfg(planted)]
        if is(Bug::CallAgain) {
            return false;
        }
        self.seen.contains(call)
    }

    /// Whether a call is news.
    pub(crate) fn hear(&mut self, call: CallId) -> bool {
        if !self.seen.insert(call) {
            #[cfg(planted)]
            return is(Bug::CallAgain);
            #[cfg(not(planted))]
            return false;
        }
        self.order.push_back(call);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_news_once_and_memory_is_bounded() {
        let mut calls = Calls::default();
        let call = |number| CallId { origin: NodeId([1; 32]), life: 1, number };
        assert!((0..40_000).all(|number| calls.hear(call(number))));
        assert!(!calls.hear(call(39_999)) && !calls.hear(call(30_000)));
        assert_eq!((calls.seen.len(), calls.order.len()), (SEEN_MAX, SEEN_MAX));
    }
}
