//! Whom the peers of a swarm serve, decided anew every few seconds. PROTOCOL §5.12.

use alloc::vec::Vec;

use super::Node;
use super::exchange::Conn;
use super::lend::Returned;
use crate::content::geometry::SPAN;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::choker::{Candidate, Choker, Credit, Manners, Stand};
use crate::swarm::download::{Choking, Download, Interest};
use crate::swarm::upload::Use;
use crate::timers::Timer;
use crate::wire::{Message, Reject, RejectWhy};
use crate::{ConnId, ShareId};

/// Looks at the places between two rounds.
const LOOKS: u32 = 20;
/// So many peers that ask for something keep a line busy: while there are fewer, others are served as well.
const WORKING_MIN: usize = 2;

impl Node {
    /// A peer wants something of us, or nothing more.
    pub(super) fn peer_interest(&mut self, id: ConnId, interest: Interest) {
        let Some((share, _)) = self.conns.get(&id).and_then(Conn::exchange) else { return };
        let Some(upload) = self.upload(id) else { return };
        let was = core::mem::replace(&mut upload.interest, interest);
        if was == interest || !self.is_swarm(share) {
            return;
        }
        if interest == Interest::Interested {
            self.seat(share, id);
        }
        // A place may be free, for it or by it: nobody need wait for the next round.
        self.fill_slots(share);
    }

    /// A round is over.
    pub(super) fn choke_round(&mut self, share: ShareId) {
        let mut sent = 0;
        for conn in self.conns.values_mut() {
            let came = conn.download().map_or(0, |download| download.bytes());
            if let Some((of, exchange)) = conn.exchange_mut()
                && of == share
                && let Some(upload) = &mut exchange.upload
            {
                sent += upload.record.since(upload.bytes);
                upload.record.round(came, upload.bytes);
            }
        }
        self.choose(share, sent);
        self.take_loans_back(share, Returned::Late);
        self.arm_swarm(share);
    }

    fn choose(&mut self, share: ShareId, sent: u64) {
        let (candidates, slots) = (self.candidates(share), self.config.upload_slots as usize);
        let stand = self.stand(share);
        let rng = &mut self.jitter;
        let Some(circle) = self.circles.get_mut(&share) else { return };
        let served = circle.choker.round(&candidates, stand, slots, sent, &mut |bound| rng.below(bound));
        let manners = Manners::of(&candidates, stand, slots);
        for peer in candidates.iter().filter(|peer| peer.is_waiting()) {
            if served.contains(&peer.conn) {
                self.serve_on(share, peer, manners);
            } else {
                self.set_choking(peer.conn, Choking::Choked);
            }
        }
        self.arm_seats(share);
    }

    fn stand(&self, share: ShareId) -> Stand {
        if self.serving.contains_key(&share) { Stand::Seeder } else { Stand::Leecher }
    }

    fn arm_seats(&mut self, share: ShareId) {
        self.timers.arm(Timer::Seats(share), self.now + self.config.choke_interval / LOOKS);
    }

    /// Between two rounds: places that have become free go to those that wait.
    pub(super) fn fill_slots(&mut self, share: ShareId) {
        if self.is_swarm(share) {
            self.fill_places(share, self.config.upload_slots as usize);
        }
    }

    fn fill_places(&mut self, share: ShareId, places: usize) {
        #[cfg(planted)]
        if is(Bug::TurnKept) {
            return;
        }
        let candidates = self.candidates(share);
        let stand = self.stand(share);
        let manners = Manners::of(&candidates, stand, self.config.upload_slots as usize);
        let wanting = || candidates.iter().filter(|peer| peer.is_waiting());
        let mut waiting: Vec<Candidate> =
            wanting().copied().filter(|peer| self.is_choked(peer.conn)).collect();
        let served = wanting().count() - waiting.len();
        waiting.retain(|peer| manners.admit(peer));
        if !waiting.is_empty() {
            self.arm_seats(share);
        }
        for _ in served..places {
            let rng = &mut self.jitter;
            let Some(next) = Choker::next(&waiting, stand, &mut |bound| rng.below(bound)) else { return };
            for peer in waiting.extract_if(.., |peer| peer.conn == next) {
                self.serve_on(share, &peer, manners);
            }
        }
    }

    /// Peers that are served and ask for nothing keep no place from those that wait: something is always on its way.
    pub(super) fn look_at_seats(&mut self, share: ShareId) {
        self.end_turns(share);
        let (mut served, mut working) = (0, 0);
        for conn in self.conns.values_mut() {
            let is_sending = conn.session.outbox.loans() > 0;
            if let Some((of, exchange)) = conn.exchange_mut()
                && of == share
                && let Some(upload) = exchange.upload.as_mut().filter(|upload| upload.is_served())
            {
                served += 1;
                working += usize::from(upload.look(is_sending) == Use::Used);
            }
        }
        let slots = self.config.upload_slots as usize;
        let spare = WORKING_MIN.min(slots).saturating_sub(working).min((2 * slots).saturating_sub(served));
        self.fill_places(share, slots.max(served + spare));
    }

    /// Whoever never gave has had its turn when it has been sent what that is worth; whoever has given meanwhile goes on.
    fn end_turns(&mut self, share: ShareId) {
        let candidates = self.candidates(share);
        let manners = Manners::of(&candidates, self.stand(share), self.config.upload_slots as usize);
        let mut served = candidates;
        served.retain(|peer| peer.is_waiting() && !self.is_choked(peer.conn));
        for peer in &served {
            if self.worth(share, peer, manners) == u64::MAX {
                self.grant(peer.conn, u64::MAX);
            } else if self.upload(peer.conn).is_some_and(|upload| upload.is_spent()) {
                self.set_choking(peer.conn, Choking::Choked);
            } else {
                self.arm_seats(share);
            }
        }
    }

    fn worth(&self, share: ShareId, peer: &Candidate, manners: Manners) -> u64 {
        self.circles.get(&share).map_or(u64::MAX, |circle| circle.choker.worth(peer, manners))
    }

    fn grant(&mut self, id: ConnId, bytes: u64) {
        let Some(upload) = self.upload(id) else { return };
        let has_waited = upload.is_spent();
        upload.grant(bytes);
        if has_waited {
            self.feed_upload(id);
        }
    }

    /// Serves a peer from now on.
    fn serve_on(&mut self, share: ShareId, peer: &Candidate, manners: Manners) {
        let worth = self.worth(share, peer, manners);
        self.grant(peer.conn, worth);
        self.set_choking(peer.conn, Choking::Unchoked);
    }

    fn is_choked(&self, id: ConnId) -> bool {
        let upload = self.conns.get(&id).and_then(Conn::upload);
        upload.is_some_and(|upload| upload.choking == Choking::Choked)
    }

    /// A peer that keeps for itself what it alone was given gives its place to another, if one waits.
    pub(super) fn mind_debt(&mut self, share: ShareId, id: ConnId) {
        let owes = self.circles.get(&share).is_some_and(|circle| circle.lending.owes(id));
        let waits =
            |peer: &Candidate| peer.credit > Credit::Spent && peer.is_waiting() && self.is_choked(peer.conn);
        if owes && !self.is_choked(id) && self.candidates(share).iter().any(waits) {
            self.set_choking(id, Choking::Choked);
            self.fill_slots(share);
        }
    }

    /// A newcomer is served at once if there is a place, else it waits for its turn.
    pub(super) fn seat(&mut self, share: ShareId, id: ConnId) {
        if !self.is_swarm(share) {
            return;
        }
        let (candidates, slots) = (self.candidates(share), self.config.upload_slots as usize);
        let manners = Manners::of(&candidates, self.stand(share), slots);
        let served = candidates.iter().filter(|peer| peer.is_waiting() && !self.is_choked(peer.conn)).count();
        let Some(peer) = candidates.iter().find(|peer| peer.conn == id) else { return };
        if served > slots || !manners.admit(peer) {
            self.set_choking(id, Choking::Choked);
        } else if !self.is_choked(id) {
            self.serve_on(share, peer, manners);
        }
    }

    fn candidates(&self, share: ShareId) -> Vec<Candidate> {
        let debtors = self.circles.get(&share).map(|circle| circle.lending.debtors()).unwrap_or_default();
        let of = |(id, conn): (&ConnId, &Conn)| {
            let upload = conn.upload().filter(|_| conn.purpose.share() == Some(share))?;
            let owes = debtors.contains(id);
            let download = conn.download();
            let credit = match (owes, download.map_or(0, Download::bytes)) {
                (true, _) => Credit::Spent,
                (false, 0) if upload.bytes >= SPAN => Credit::Indebted,
                (false, 0) => Credit::Open,
                (false, _) => Credit::Earned,
            };
            let is_whole = download.is_some_and(|download| download.have().is_whole());
            let stand = if is_whole { Stand::Seeder } else { Stand::Leecher };
            Some(Candidate { conn: *id, stand, interest: upload.interest, record: upload.record, credit })
        };
        self.conns.iter().filter_map(of).collect()
    }

    fn set_choking(&mut self, id: ConnId, choking: Choking) {
        let Some(upload) = self.upload(id) else { return };
        if core::mem::replace(&mut upload.choking, choking) == choking {
            return;
        }
        upload.seated();
        match choking {
            #[cfg(planted)]
            Choking::Unchoked if is(Bug::UnchokeUntold) => {}
            Choking::Unchoked => drop(self.with_session(id, |session| session.send(&Message::Unchoke))),
            Choking::Choked => {
                let runs = upload.choke();
                if let Some(share) = self.conns.get(&id).and_then(|conn| conn.purpose.share()) {
                    self.take_loans_back(share, Returned::Choked(id));
                }
                self.with_session(id, |session| {
                    session.send(&Message::Choke);
                    for run in runs {
                        session.send(&Message::Reject(Reject { run, why: RejectWhy::Choked }));
                    }
                });
            }
        }
    }
}
