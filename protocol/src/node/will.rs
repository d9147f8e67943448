//! What the user wants of a running fetch: to pause, to go on, to try at once.

use super::Node;
use super::fetch::{Will, targets};
use crate::ShareId;
use crate::output::{Event, Refusal, Waiting};
use crate::wire::Message;

impl Node {
    pub(super) fn pause(&mut self, share: ShareId) {
        if self.set_will(share, Will::Pause, &Message::Paused) {
            self.event(Event::Waiting { share, why: Waiting::Paused });
        }
    }

    pub(super) fn resume(&mut self, share: ShareId) {
        if self.set_will(share, Will::Go, &Message::Resumed) {
            self.event(Event::Fetching { share });
            self.fill(share);
        }
    }

    /// Whether that is news.
    fn set_will(&mut self, share: ShareId, will: Will, message: &Message) -> bool {
        match self.fetches.get_mut(&share) {
            Some(fetch) if !fetch.wants_peers() => {
                self.refuse(share, Refusal::NotNow);
                return false;
            }
            Some(fetch) if fetch.will == will => return false,
            Some(fetch) => fetch.will = will,
            None => {
                self.refuse(share, Refusal::UnknownShare);
                return false;
            }
        }
        for id in self.conns_of(share) {
            if self.download(id).is_some() {
                self.with_session(id, |session| session.send(message));
            }
        }
        true
    }

    pub(super) fn retry(&mut self, share: ShareId) {
        let now = self.now;
        match targets(&mut self.fetches, &mut self.rooms, share) {
            Some(targets) => targets.hurry(now),
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        self.hurry_trackers(share);
        self.dial_due(share);
    }
}
