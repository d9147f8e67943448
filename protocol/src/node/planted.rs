//! What planted bugs do to a node, and what they need to remember for it.

use core::time::Duration;

use super::Node;
use crate::input::Input;
use crate::planted::{Bug, is};
use crate::session::Session;
use crate::swarm::download::Download;
use crate::wire::{Decoder, Heard};
use crate::{ConnId, Now, ShareId};

#[derive(Debug, Default)]
pub(super) struct State {
    /// How far the wall clock has run ahead since it was first told.
    ahead: i64,
    /// Of the last connection that was lost.
    decoder: Option<Decoder>,
}

impl Node {
    /// [`Bug::WallClock`].
    pub(super) fn wall_clock(&mut self, now: Now, input: &Input<'_>) -> Now {
        if !is(Bug::WallClock) {
            return now;
        }
        if let Input::Clock(time) = input
            && self.clock.1.0 > 0
        {
            self.planted.ahead += time.0.cast_signed() - self.unix_time().0.cast_signed();
        }
        let ahead = Duration::from_secs(self.planted.ahead.unsigned_abs());
        let told = now.since(Now::ZERO);
        let skewed = if self.planted.ahead < 0 { told.saturating_sub(ahead) } else { told + ahead };
        self.now.max(Now::ZERO + skewed)
    }

    /// [`Bug::DecoderKept`]: at the end of a connection.
    pub(super) fn keep_decoder(&mut self, session: &mut Session) {
        if is(Bug::DecoderKept) {
            self.planted.decoder = Some(core::mem::take(&mut session.decoder));
        }
    }

    /// [`Bug::DecoderKept`]: at the beginning of the next one.
    pub(super) fn reuse_decoder(&mut self, mut session: Session) -> Session {
        session.decoder = self.planted.decoder.take().unwrap_or_default();
        session
    }

    /// [`Bug::AskedTwice`]: what other connections owe is free for this one.
    pub(super) fn ask_twice(&mut self, share: ShareId, new: ConnId) {
        if !is(Bug::AskedTwice) {
            return;
        }
        let owed: alloc::vec::Vec<_> = self
            .conns
            .iter()
            .filter(|(id, _)| **id != new)
            .filter(|(_, conn)| conn.purpose.share() == Some(share))
            .filter_map(|(_, conn)| conn.download().map(Download::asked))
            .flatten()
            .collect();
        if let Some(transfer) = self.running(share) {
            owed.into_iter().for_each(|run| transfer.unask(run));
        }
    }

    /// [`Bug::SentIsHeard`].
    pub(super) fn believe_sent(&mut self, room: ShareId, id: ConnId, life: u64, number: u64) {
        if is(Bug::SentIsHeard) {
            // A room that speaks is one that hears.
            let _is_right = self.was_heard(room, id, Heard { life, number });
        }
    }
}
