//! Connections from proven channel to goodbye.

use alloc::boxed::Box;
use core::time::Duration;

use super::fetch::{Stage, Will};
use super::{Conn, Node, Purpose, Reading};
use crate::content::identity::{Nonce, Role};
use crate::input::LinkLoss;
use crate::output::{Event, Fault, Goodbye, Output, PeerGone};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::session::{Ends, Incoming, Liveness, Session, ShareKey};
use crate::swarm::download::Download;
use crate::swarm::upload::Upload;
use crate::timers::Timer;
use crate::wire::{Message, Prove, Reason};
use crate::{ConnId, NodeId, ShareId};

/// A connection is looked at as often as this, so that stalls are seen in time.
const LOOK: Duration = Duration::from_secs(5);

impl Node {
    pub(super) fn connected(&mut self, id: ConnId, ends: Ends) {
        let share = match ends.role {
            // So many may be told that we are busy, and no more.
            Role::Responder if self.conns.len() >= 2 * self.config.conns_max as usize => {
                self.outputs.push_back(Output::Hangup { conn: id, why: Goodbye::Said(Reason::Busy) });
                return;
            }
            Role::Responder => None,
            Role::Initiator => match self.dials.remove(&id) {
                Some(share) if self.welcome_dialled(share, id) => Some(share),
                _ => {
                    self.outputs.push_back(Output::Hangup { conn: id, why: Goodbye::Said(Reason::Replaced) });
                    return;
                }
            },
        };
        let wanted = share.and_then(|share| self.fetches.get(&share)).map(|fetch| fetch.key);
        let session = Session::new(ends, wanted, Nonce(self.nonces.bytes32()), self.now);
        #[cfg(planted)]
        let session = self.reuse_decoder(session);
        self.conns.insert(id, Conn { session, purpose: Purpose::Strange(share), reading: Reading::Open });
        self.timers.set(Timer::Handshake(id), self.now + self.config.handshake_timeout);
        self.outputs.push_back(Output::Flush { conn: id });
        self.make_room();
    }

    /// Of more connections than there is room for, the oldest that has not proven to know a share gives way: whoever
    /// knows one needs no time to prove it.
    fn make_room(&mut self) {
        let live = |conn: &&Conn| !matches!(conn.purpose, Purpose::Leaving(_));
        if self.conns.values().filter(live).count() <= self.config.conns_max as usize {
            return;
        }
        let stranger = |(_, conn): &(&ConnId, &Conn)| matches!(conn.purpose, Purpose::Strange(None));
        let oldest = self.conns.iter().find(stranger).or_else(|| {
            let dialled = |(_, conn): &(&ConnId, &Conn)| matches!(conn.purpose, Purpose::Strange(Some(_)));
            self.conns.iter().rfind(dialled)
        });
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.dismiss(id, Reason::Busy);
        }
    }

    pub(super) fn received(&mut self, id: ConnId, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let Some(next) = self.with_session_now(id, |session, now| session.receive(now, &mut rest)) else {
                return;
            };
            let outcome = match next {
                Ok(None) => break,
                Ok(Some(incoming)) => self.route(id, incoming),
                Err(fault) => Err(fault),
            };
            // It makes us say more than it reads.
            let flood = || {
                let conn = self.conns.get(&id)?;
                (conn.session.outbox.control_waiting() > self.config.control_max as usize)
                    .then_some(Fault::Flood)
            };
            if let Some(fault) = outcome.err().or_else(flood) {
                self.misbehaved(id, fault);
                break;
            }
        }
    }

    fn with_session_now<T>(
        &mut self,
        id: ConnId,
        change: impl FnOnce(&mut Session, crate::Now) -> T,
    ) -> Option<T> {
        let now = self.now;
        self.with_session(id, |session| change(session, now))
    }

    fn route(&mut self, id: ConnId, incoming: Incoming<'_>) -> Result<(), Fault> {
        match incoming {
            Incoming::Asked(prove) => {
                self.asked(id, prove);
                Ok(())
            }
            Incoming::Opened => {
                self.opened(id);
                Ok(())
            }
            Incoming::Farewell(reason) => {
                self.farewelled(id, reason);
                Ok(())
            }
            Incoming::Message(message) => match self.conns.get(&id).map(|conn| &conn.purpose) {
                Some(Purpose::Uploads(share, _)) => self.serve_message(*share, id, message),
                Some(Purpose::Downloads(share, _)) => self.fetch_message(*share, id, message),
                Some(Purpose::Strange(_) | Purpose::Leaving(_)) | None => Err(Fault::OutOfTurn),
            },
            Incoming::Blocks(head) => self.blocks_begin(id, head),
            Incoming::Payload(run) => self.payload(id, run),
        }
    }

    /// An initiator names a share. Unknown shares and wrong proofs look alike to it.
    fn asked(&mut self, id: ConnId, prove: Prove) {
        let proves =
            |key: &ShareKey| self.conns.get(&id).is_some_and(|conn| conn.session.proves(&prove, key));
        let known = self.discoveries.get(&prove.discovery).copied();
        let found = known.and_then(|share| Some((share, self.serving.get(&share)?.key)));
        let Some((share, key)) = found.filter(|(_, key)| proves(key)) else {
            // A share that is ending: it may come back, which one that never was cannot.
            let ends = |key: &ShareKey| key.discovery() == prove.discovery && proves(key);
            let ending = self.unserved.values().find(|(key, _)| ends(key)).map(|(_, reason)| *reason);
            return self.dismiss(id, ending.unwrap_or(Reason::NoSuchShare));
        };
        self.with_session(id, |session| session.admit(&key));
        self.up(id, share, Purpose::Uploads(share, Upload::default()));
        self.greet_receiver(share, id);
    }

    fn opened(&mut self, id: ConnId) {
        let Some(share) = self.conns.get(&id).and_then(|conn| conn.purpose.share()) else { return };
        let download = Download::new(&self.config, self.now);
        self.up(id, share, Purpose::Downloads(share, Box::new(download)));
        self.source_up(share, id);
        #[cfg(planted)]
        self.ask_twice(share, id);
    }

    fn up(&mut self, id: ConnId, share: ShareId, purpose: Purpose) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.purpose = purpose;
        let (peer, role, path) = (conn.session.peer, conn.session.role, conn.session.path);
        self.timers.cancel(Timer::Handshake(id));
        self.timers.set(Timer::Liveness(id), self.now + LOOK.min(self.config.ping_after));
        self.event(Event::PeerUp { share, conn: id, peer, role, path });
    }

    fn farewelled(&mut self, id: ConnId, reason: Reason) {
        self.leave(id, PeerGone::Said(reason), Goodbye::Heard(reason));
    }

    /// Says goodbye with this reason.
    pub(super) fn dismiss(&mut self, id: ConnId, reason: Reason) {
        self.with_session(id, |session| session.farewell(reason));
        self.leave(id, PeerGone::Dismissed(reason), Goodbye::Said(reason));
    }

    /// Hangs up on a peer that broke the protocol.
    pub(super) fn misbehaved(&mut self, id: ConnId, fault: Fault) {
        self.with_session(id, |session| session.farewell(Reason::Misbehaved));
        self.leave(id, PeerGone::Misbehaved(fault), Goodbye::Misbehaved(fault));
    }

    /// The connection serves nothing any more; what it has to say still goes out.
    fn leave(&mut self, id: ConnId, gone: PeerGone, why: Goodbye) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if matches!(conn.purpose, Purpose::Leaving(_)) {
            return;
        }
        let (peer, share) = (conn.session.peer, conn.purpose.share());
        let purpose = core::mem::replace(&mut conn.purpose, Purpose::Leaving(share));
        if conn.reading == Reading::Paused {
            conn.reading = Reading::Open;
            self.outputs.push_back(Output::Resume { conn: id });
        }
        let unsent = conn.session.outbox.cut();
        unsent.into_iter().for_each(|buf| self.pool.put(buf));
        self.outputs.push_back(Output::Hangup { conn: id, why });
        self.timers.cancel(Timer::Handshake(id));
        self.timers.cancel(Timer::Liveness(id));
        self.retired(id, purpose, peer, gone);
    }

    /// Takes a purpose apart: what was on its way is asked of others.
    fn retired(&mut self, id: ConnId, purpose: Purpose, peer: NodeId, gone: PeerGone) {
        self.starving.retain(|waiting| *waiting != id);
        self.waiting.retain(|waiting| *waiting != id);
        match purpose {
            Purpose::Leaving(_) | Purpose::Strange(None) => {}
            Purpose::Strange(Some(share)) => self.source_gone(share, id, gone),
            Purpose::Uploads(share, upload) => {
                self.tell_upload(share, id, &upload);
                let down = Event::PeerDown { share, conn: id, peer, why: gone };
                if upload.is_checking() {
                    self.last_words.insert(id, down);
                } else {
                    self.event(down);
                }
            }
            Purpose::Downloads(share, download) => {
                self.event(Event::PeerDown { share, conn: id, peer, why: gone });
                self.reclaim(share, id, *download);
                self.source_gone(share, id, gone);
            }
        }
    }

    pub(super) fn disconnected(&mut self, id: ConnId, why: LinkLoss) {
        if let Some(share) = self.dials.remove(&id) {
            self.source_gone(share, id, PeerGone::Lost(why));
            return;
        }
        let Some(mut conn) = self.conns.remove(&id) else { return };
        self.timers.cancel(Timer::Handshake(id));
        self.timers.cancel(Timer::Liveness(id));
        for buf in conn.session.outbox.clear() {
            self.pool.put(buf);
        }
        #[cfg(planted)]
        self.keep_decoder(&mut conn.session);
        let share = conn.purpose.share();
        self.retired(id, conn.purpose, conn.session.peer, PeerGone::Lost(why));
        if let Some(share) = share {
            self.maybe_ended(share);
        }
    }

    pub(super) fn sent(&mut self, id: ConnId, len: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let before = conn.session.outbox.payload_sent();
        for buf in conn.session.sent(self.now, len) {
            self.pool.put(buf);
        }
        let payload = conn.session.outbox.payload_sent() - before;
        if let Purpose::Uploads(share, upload) = &mut conn.purpose {
            let share = *share;
            upload.bytes += payload;
            if payload > 0 {
                self.timers.arm(Timer::Progress(share), self.now + self.config.progress_interval);
            }
            self.feed_upload(id);
        }
    }

    pub(super) fn handshake_expired(&mut self, id: ConnId) {
        self.dismiss(id, Reason::TooSlow);
    }

    /// Since when a source that we fetch from has nothing that is still wanted.
    fn barren_since(&mut self, id: ConnId) -> Option<crate::Now> {
        let Some(Conn { purpose: Purpose::Downloads(share, download), .. }) = self.conns.get_mut(&id) else {
            return None;
        };
        let fetch = self.fetches.get(share)?;
        let Stage::Running(_, transfer) = &fetch.stage else { return None };
        let could_be_asked = fetch.will == Will::Go && download.is_free() && transfer.is_hungry();
        let is_of_use = !could_be_asked || transfer.could_use(|chunk| download.has(chunk));
        download.looked_at(is_of_use, self.now)
    }

    /// Looks whether a peer still lives, reads, and answers.
    pub(super) fn look_at(&mut self, id: ConnId) {
        #[cfg(planted)]
        if is(Bug::NoTimeout) {
            return;
        }
        let barren_since = self.barren_since(id);
        let (now, config) = (self.now, &self.config);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (mut stalled, mut serves, mut source) = (false, false, None);
        if conn.reading == Reading::Paused {
            conn.session.unpaused(now);
        }
        if let Purpose::Downloads(share, download) = &mut conn.purpose {
            source = Some(*share);
            if conn.reading == Reading::Paused {
                download.unpaused(now);
            }
            let due = download.stalled_since();
            stalled = due.is_some_and(|since| now.since(since) >= config.stall_max);
            // Being there is not enough for one that owes us something.
            serves = due.is_none() && barren_since.is_none();
        }
        if barren_since.is_some_and(|since| now.since(since) >= config.stall_max) {
            return self.dismiss(id, Reason::NotInterested);
        }
        let liveness = conn.session.look(now, config);
        let next = match liveness {
            Liveness::Dead | Liveness::Unread => None,
            Liveness::Fine(_) | Liveness::Ping(_) | Liveness::Pong(_) if stalled => None,
            Liveness::Fine(at) => Some(at),
            Liveness::Ping(at) => {
                let word = now.as_nanos();
                self.with_session(id, |session| session.send(&Message::Ping(word)));
                Some(at)
            }
            Liveness::Pong(at) => {
                self.with_session(id, |session| session.send(&Message::Pong(0)));
                Some(at)
            }
        };
        match next {
            Some(at) => {
                self.timers.set(Timer::Liveness(id), at.min(now + LOOK));
                if let Some(share) = source.filter(|_| serves) {
                    self.settled(share, id);
                }
            }
            None => self.dismiss(id, Reason::TooSlow),
        }
    }
}
