//! Receivers that whoever serves a share dials, for they may not reach it: somebody behind a router who offers files to a
//! node that takes connections. Only in a swarm: there either end of a connection may fetch.

use alloc::collections::BTreeMap;

use super::Node;
use super::fetch::{Fetching, targets};
use super::rooms::Room;
use crate::input::{LinkLoss, PeerHint};
use crate::output::{PeerGone, Refusal};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::targets::{Origin, Targets};
use crate::timers::Timer;
use crate::wire::Reason;
use crate::{ConnId, ShareId};

/// Whom a fetch or a room looks for, or whoever serves a share calls on.
pub(super) fn dialled<'a>(
    fetches: &'a mut BTreeMap<ShareId, Fetching>,
    rooms: &'a mut BTreeMap<ShareId, Room>,
    called: &'a mut BTreeMap<ShareId, Targets>,
    share: ShareId,
) -> Option<&'a mut Targets> {
    match called.get_mut(&share) {
        Some(targets) => Some(targets),
        None => targets(fetches, rooms, share),
    }
}

impl Node {
    /// Calls on a receiver. One that is not reached in a few attempts is left alone: it may come by itself.
    pub(super) fn call_on(&mut self, share: ShareId, peer: PeerHint) {
        if !self.is_swarm(share) {
            return self.refuse(share, Refusal::NotNow);
        }
        #[cfg(planted)]
        if is(Bug::FirstCalled) && self.called.contains_key(&share) {
            return;
        }
        self.called.entry(share).or_default().add(peer, Origin::Heard, self.now);
        self.dial_due(share);
    }

    /// A receiver has taken something: the attempts to reach it are counted anew.
    pub(super) fn callee_proved(&mut self, share: ShareId, id: ConnId) {
        if let Some(called) = self.called.get_mut(&share) {
            called.proved(id);
        }
    }

    /// A receiver that was called on, or a dial of one, is gone.
    pub(super) fn callee_gone(&mut self, share: ShareId, id: ConnId, gone: PeerGone) {
        let (now, config) = (self.now, &self.config);
        let Some(called) = self.called.get_mut(&share) else { return };
        let loss = match gone {
            PeerGone::Lost(why) => why,
            PeerGone::Dismissed(Reason::TooSlow) => LinkLoss::TimedOut,
            PeerGone::Dismissed(_)
            | PeerGone::Said(
                Reason::Busy
                | Reason::Leaving
                | Reason::TooSlow
                | Reason::Replaced
                | Reason::NotInterested
                | Reason::NoSuchShare,
            ) => LinkLoss::Closed,
            // It has what it wants, or wants it no more.
            PeerGone::Said(_) | PeerGone::Misbehaved(_) => {
                called.bury(id);
                return self.set_dial_timer(share);
            }
        };
        called.lost(id, loss, now, &mut self.jitter, config);
        self.set_dial_timer(share);
    }

    /// Nobody is called on any more.
    pub(super) fn call_on_nobody(&mut self, share: ShareId) {
        let Some(called) = self.called.remove(&share) else { return };
        self.drop_dials(called.dials());
        self.timers.cancel(Timer::Dial(share));
    }
}
