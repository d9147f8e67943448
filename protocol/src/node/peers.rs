//! Connections from proven channel to goodbye.

use alloc::boxed::Box;
use core::time::Duration;

use super::Node;
use super::exchange::{Conn, Exchange, Purpose, Reading};
use super::fetch::{Fetching, Stage, Will};
use super::lend::Returned;
use crate::content::identity::{Nonce, Role};
use crate::input::LinkLoss;
use crate::output::{Event, Fault, Goodbye, Output, PeerGone};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::session::{Ends, Incoming, Liveness, Session, ShareKey};
use crate::swarm::circle::Part;
use crate::swarm::download::{Download, Interest, Told};
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
                Some(share) if self.welcome_dialled(share, id, ends.peer) && self.may_meet(share, &ends) => {
                    Some(share)
                }
                _ => {
                    self.outputs.push_back(Output::Hangup { conn: id, why: Goodbye::Said(Reason::Replaced) });
                    return;
                }
            },
        };
        let wanted = share.and_then(|share| self.wanted_key(share));
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
        if let Some(id) = self.useless() {
            // The newcomer may be of more use.
            return self.dismiss(id, Reason::NotInterested);
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

    /// A peer of a swarm that has nothing for us, as we have nothing for it.
    fn useless(&self) -> Option<ConnId> {
        let found = self.conns.iter().find(|(id, conn)| {
            let Some((share, exchange)) = conn.exchange() else { return false };
            let Some(fetch) = self.fetches.get(&share) else {
                // Two that have everything.
                let wants =
                    exchange.upload.as_ref().is_none_or(|upload| upload.interest == Interest::Interested);
                return self.is_swarm(share) && exchange.acquaintance.part == Part::Taken && !wants;
            };
            let has_something = fetch.transfer().is_some_and(|transfer| transfer.verified().count() > 0);
            let gives = has_something && exchange.upload.as_ref().is_some_and(Upload::is_served);
            exchange.acquaintance.part == Part::Taken && !gives && !self.is_of_use(share, **id)
        });
        found.map(|(id, _)| *id)
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
            Incoming::Message(message) => self.open_message(id, message),
            Incoming::Blocks(head) => self.blocks_begin(id, head),
            Incoming::Payload(run) => self.payload(id, run),
        }
    }

    /// A message of an open session: to whichever direction it belongs.
    fn open_message(&mut self, id: ConnId, message: Message) -> Result<(), Fault> {
        let Some((share, exchange)) = self.conns.get(&id).and_then(Conn::exchange) else {
            return Err(Fault::OutOfTurn);
        };
        let (uploads, downloads) = (exchange.upload.is_some(), exchange.download.is_some());
        match message {
            Message::Line(line) => self.line_came(share, id, line),
            Message::Heard(heard) => self.was_heard(share, id, heard),
            Message::Swarm(swarm) => self.joins(share, id, swarm),
            Message::Peers(peers) => self.heard_of(share, id, &peers),
            Message::Request(_)
            | Message::Cancel(_)
            | Message::HashRequest(_)
            | Message::Corrupt(_)
            | Message::Receipt(_)
            | Message::Paused
            | Message::Resumed
            | Message::Interested
            | Message::NotInterested
                if uploads =>
            {
                self.serve_message(share, id, message)
            }
            Message::Info(_)
            | Message::Have(_)
            | Message::Hashes(_)
            | Message::Reject(_)
            | Message::Intact(_)
            | Message::Preparing(_)
            | Message::Choke
            | Message::Unchoke
                if downloads =>
            {
                self.fetch_message(share, id, message)
            }
            Message::Have(ranges) => {
                self.seen_there(share, id, &ranges);
                Ok(())
            }
            // Words for the other direction, which both sides may say at any time; harmless.
            Message::Paused
            | Message::Resumed
            | Message::Receipt(_)
            | Message::Interested
            | Message::NotInterested => Ok(()),
            Message::Info(_) | Message::Preparing(_) | Message::Choke | Message::Unchoke
                if self.is_swarm(share) =>
            {
                Ok(())
            }
            _ => Err(Fault::OutOfTurn),
        }
    }

    /// An initiator names a share. Unknown shares and wrong proofs look alike to it.
    fn asked(&mut self, id: ConnId, prove: Prove) {
        let proves =
            |key: &ShareKey| self.conns.get(&id).is_some_and(|conn| conn.session.proves(&prove, key));
        let known = self.discoveries.get(&prove.discovery).copied();
        let found = known.and_then(|share| Some((share, self.key_of(share)?)));
        let Some((share, key)) = found.filter(|(_, key)| proves(key)) else {
            // A share that is ending: it may come back, which one that never was cannot.
            let ends = |key: &ShareKey| key.discovery() == prove.discovery && proves(key);
            let ending = self.unserved.values().find(|(key, _)| ends(key)).map(|(_, reason)| *reason);
            return self.dismiss(id, ending.unwrap_or(Reason::NoSuchShare));
        };
        let ends = self.conns.get(&id).map(|conn| conn.session.ends());
        if ends.is_none_or(|ends| !self.may_meet(share, &ends)) {
            return self.dismiss(id, Reason::Busy);
        }
        self.with_session(id, |session| session.admit(&key));
        let download = self.is_fetched_in_swarm(share).then(|| self.new_download(share));
        let upload = (!self.rooms.contains_key(&share)).then(Upload::default);
        let exchange = Exchange { download, upload, ..Exchange::default() };
        self.up(id, share, exchange);
    }

    fn opened(&mut self, id: ConnId) {
        let Some(share) = self.conns.get(&id).and_then(|conn| conn.purpose.share()) else { return };
        // What was wanted when it was dialled may have been placed since.
        let download = self.fetches.contains_key(&share).then(|| self.new_download(share));
        // Whoever takes part in a swarm says so before it asks for anything.
        self.up(id, share, Exchange { download, ..Exchange::default() });
        self.source_up(share, id);
        #[cfg(planted)]
        self.ask_twice(share, id);
    }

    fn new_download(&self, share: ShareId) -> Download {
        let mut download = Download::new(&self.config, self.now);
        if self.is_swarm(share) {
            download.of_many();
        }
        if let Some(manifest) = self.fetches.get(&share).and_then(Fetching::manifest) {
            // It has told nothing yet.
            let _fits = download.settle(manifest.chunk_count());
        }
        download
    }

    fn up(&mut self, id: ConnId, share: ShareId, exchange: Exchange) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.purpose = Purpose::Open(share, Box::new(exchange));
        let (peer, role, path) = (conn.session.peer, conn.session.role, conn.session.path);
        self.timers.cancel(Timer::Handshake(id));
        self.timers.set(Timer::Liveness(id), self.now + LOOK.min(self.config.ping_after));
        self.event(Event::PeerUp { share, conn: id, peer, role, path });
        self.greet(share, id);
        self.seat(share, id);
        self.part_twins(share, id);
        self.node_up(share, id);
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
        let (peer, path, share) = (conn.session.peer, conn.session.path, conn.purpose.share());
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
        if let (PeerGone::Misbehaved(fault), Some(share)) = (gone, share) {
            self.ban(share, peer, path, fault);
        }
    }

    /// Takes a purpose apart: what was on its way is asked of others.
    fn retired(&mut self, id: ConnId, purpose: Purpose, peer: NodeId, gone: PeerGone) {
        self.starving.retain(|waiting| *waiting != id);
        self.waiting.retain(|waiting| *waiting != id);
        match purpose {
            Purpose::Leaving(_) | Purpose::Strange(None) => {}
            Purpose::Strange(Some(share)) => self.source_gone(share, id, gone),
            Purpose::Open(share, exchange) => {
                let Exchange { download, upload, .. } = *exchange;
                let down = Event::PeerDown { share, conn: id, peer, why: gone };
                if let Some(upload) = &upload {
                    self.tell_upload(share, id, upload);
                    if upload.bytes > 0 {
                        self.callee_proved(share, id);
                    }
                }
                if upload.is_some_and(|upload| upload.is_checking()) {
                    self.last_words.insert(id, down);
                } else {
                    self.event(down);
                }
                if let Some(circle) = self.circles.get_mut(&share) {
                    circle.gone(&peer);
                }
                self.take_loans_back(share, Returned::Gone(id));
                self.fill_slots(share);
                if let Some(download) = download {
                    self.reclaim(share, id, download);
                    self.source_gone(share, id, gone);
                } else if self.rooms.contains_key(&share) || self.serving.contains_key(&share) {
                    self.source_gone(share, id, gone);
                }
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
        let mut is_gone = false;
        for buf in conn.session.sent(self.now, len) {
            self.pool.put(buf);
            is_gone = true;
        }
        let payload = conn.session.outbox.payload_sent() - before;
        if let Some((share, Exchange { upload: Some(upload), .. })) = conn.exchange_mut() {
            upload.bytes += payload;
            if payload > 0 {
                self.timers.arm(Timer::Progress(share), self.now + self.config.progress_interval);
            }
            if is_gone {
                self.span_gone(id);
            }
            self.feed_upload(id);
        }
        self.speak_on(id);
    }

    pub(super) fn handshake_expired(&mut self, id: ConnId) {
        self.dismiss(id, Reason::TooSlow);
    }

    /// Whether a source could give something that is wanted, or could later.
    pub(super) fn is_of_use(&self, share: ShareId, id: ConnId) -> bool {
        let Some(conn) = self.conns.get(&id) else { return false };
        let (Some(fetch), Some(download)) = (self.fetches.get(&share), conn.download()) else { return false };
        if fetch.useless.contains(&conn.session.peer) {
            return false;
        }
        match &fetch.stage {
            Stage::Running(_, transfer) => {
                let could_be_asked = fetch.will == Will::Go && transfer.is_owed() && download.is_free();
                let seeks = download.told() <= Told::Seeking;
                !seeks && (!could_be_asked || transfer.could_use(download.have()))
            }
            // Whoever only seeks as we do brings us no further.
            _ => download.told() != Told::Seeking,
        }
    }

    /// Since when a source that we fetch from has nothing that is still wanted. One that takes part in the swarm may have
    /// something later, and is left alone while there is room for others.
    fn barren_since(&mut self, id: ConnId) -> Option<crate::Now> {
        let (share, exchange) = self.conns.get(&id)?.exchange()?;
        let takes_part = exchange.acquaintance.part == Part::Taken;
        let is_crowded = self.conns.len() >= self.config.conns_max as usize;
        let is_of_use = self.is_of_use(share, id);
        let (now, may_grow) = (self.now, takes_part && !is_crowded);
        let is_running = self.running(share).is_some();
        let download = self.download(id)?;
        if is_running && !may_grow { download.looked_at(is_of_use, now) } else { None }
    }

    /// Looks whether a peer still lives, reads, and answers.
    pub(super) fn look_at(&mut self, id: ConnId) {
        #[cfg(planted)]
        if is(Bug::NoTimeout) {
            return;
        }
        let barren_since = self.barren_since(id);
        let of = self.conns.get(&id).and_then(Conn::exchange).map(|(share, _)| share);
        let is_of_use = of.is_some_and(|share| self.is_of_use(share, id));
        let (now, config) = (self.now, &self.config);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (mut stalled, mut serves, mut source) = (false, false, None);
        if conn.reading == Reading::Paused {
            conn.session.unpaused(now);
        }
        let is_paused = conn.reading == Reading::Paused;
        if let Some((share, exchange)) = conn.exchange_mut() {
            exchange.acquaintance.looked_at();
            if let Some(download) = &mut exchange.download {
                source = Some(share);
                if is_paused {
                    download.unpaused(now);
                }
                let due = download.stalled_since();
                stalled = due.is_some_and(|since| now.since(since) >= config.stall_max);
                // Being there is not enough for one that owes us something.
                serves = due.is_none() && barren_since.is_none() && is_of_use;
            }
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
                match source {
                    Some(share) if serves => self.settled(share, id),
                    Some(share)
                        if !is_of_use && self.fetches.get(&share).is_some_and(Fetching::wants_peers) =>
                    {
                        self.timers.arm(Timer::GiveUp(share), now + self.config.lost_timeout);
                    }
                    _ => {}
                }
            }
            None => self.dismiss(id, Reason::TooSlow),
        }
    }
}
