//! Named deadlines: the next one is a query, never a command to the driver.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::{ConnId, Now, ShareId};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The session must be open by now.
    Handshake(ConnId),
    /// Look whether the peer still lives.
    Liveness(ConnId),
    /// A dial must have succeeded by now, or another address is due.
    Dial(ShareId),
    /// Sync what was claimed.
    Checkpoint(ShareId),
    /// Tell the user how far it is.
    Progress(ShareId),
    /// Without a peer for too long.
    GiveUp(ShareId),
    /// Tell peers what was verified.
    Have(ShareId),
    /// Decide whom to serve.
    Choke(ShareId),
    /// Look whether peers that are served make use of it.
    Seats(ShareId),
    /// Tell peers of peers.
    Gossip(ShareId),
    /// A tracker is to be told something.
    Announce(ShareId),
    /// Words of a room have waited for long.
    Words(ShareId),
    /// Words of a room were heard and are to be acknowledged.
    Heard(ShareId),
    /// Words of a room were gathered and are to be said.
    Speak(ShareId),
}

/// All deadlines of a node. Setting and the next one are O(log n).
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<Timer, Now>,
    order: BTreeSet<(Now, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Now) {
        self.cancel(timer);
        self.due.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// Sets it unless it is set already.
    pub(crate) fn arm(&mut self, timer: Timer, at: Now) {
        if !self.due.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.due.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<(Now, Timer)> {
        self.order.first().copied()
    }

    /// A deadline that has passed; it is unset.
    pub(crate) fn expire(&mut self, now: Now) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}
