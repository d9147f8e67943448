//! Whom the peers of a swarm serve, decided anew every few seconds. PROTOCOL §5.12.

use alloc::vec::Vec;

use super::Node;
use super::exchange::Conn;
use super::lend::Returned;
use crate::swarm::choker::{Candidate, Choker, Credit, Stand};
use crate::swarm::download::{Choking, Interest};
use crate::wire::{Message, Reject, RejectWhy};
use crate::{ConnId, ShareId};

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
        for conn in self.conns.values_mut() {
            let came = conn.download().map_or(0, |download| download.bytes());
            if let Some((of, exchange)) = conn.exchange_mut()
                && of == share
                && let Some(upload) = &mut exchange.upload
            {
                let went = upload.bytes;
                upload.record.round(came, went);
            }
        }
        self.choose(share);
        self.take_loans_back(share, Returned::Late);
        self.arm_swarm(share);
    }

    fn stand(&self, share: ShareId) -> Stand {
        if self.serving.contains_key(&share) { Stand::Seeder } else { Stand::Leecher }
    }

    fn choose(&mut self, share: ShareId) {
        let (candidates, slots) = (self.candidates(share), self.config.upload_slots as usize);
        let stand = self.stand(share);
        let rng = &mut self.jitter;
        let Some(circle) = self.circles.get_mut(&share) else { return };
        let served = circle.choker.round(&candidates, stand, slots, &mut |bound| rng.below(bound));
        for peer in &candidates {
            let choking = if served.contains(&peer.conn) { Choking::Unchoked } else { Choking::Choked };
            if peer.interest == Interest::Interested {
                self.set_choking(peer.conn, choking);
            }
        }
    }

    /// Between two rounds: places that have become free go to those that wait.
    pub(super) fn fill_slots(&mut self, share: ShareId) {
        if !self.is_swarm(share) {
            return;
        }
        let stand = self.stand(share);
        let mut waiting = self.candidates(share);
        waiting.retain(|peer| peer.interest == Interest::Interested);
        let wanting = waiting.len();
        waiting.retain(|peer| self.is_choked(peer.conn));
        let served = wanting - waiting.len();
        for _ in served..self.config.upload_slots as usize {
            let rng = &mut self.jitter;
            let Some(next) = Choker::next(&waiting, stand, &mut |bound| rng.below(bound)) else { return };
            waiting.retain(|peer| peer.conn != next);
            self.set_choking(next, Choking::Unchoked);
        }
    }

    fn is_choked(&self, id: ConnId) -> bool {
        let upload = self.conns.get(&id).and_then(Conn::upload);
        upload.is_some_and(|upload| upload.choking == Choking::Choked)
    }

    /// A peer that keeps for itself what it alone was given gives its place to another, if one waits.
    pub(super) fn mind_debt(&mut self, share: ShareId, id: ConnId) {
        let owes = self.circles.get(&share).is_some_and(|circle| circle.lending.owes(id));
        let waits = |peer: &Candidate| {
            peer.credit == Credit::Good && peer.interest == Interest::Interested && self.is_choked(peer.conn)
        };
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
        let served = self.conns.values().filter(|conn| conn.purpose.share() == Some(share));
        let served = served.filter(|conn| conn.upload().is_some_and(|upload| upload.is_served())).count();
        if served > self.config.upload_slots as usize {
            self.set_choking(id, Choking::Choked);
        }
    }

    fn candidates(&self, share: ShareId) -> Vec<Candidate> {
        let of = |(id, conn): (&ConnId, &Conn)| {
            let upload = conn.upload().filter(|_| conn.purpose.share() == Some(share))?;
            let owes = self.circles.get(&share).is_some_and(|circle| circle.lending.owes(*id));
            let credit = if owes { Credit::Spent } else { Credit::Good };
            Some(Candidate { conn: *id, interest: upload.interest, record: upload.record, credit })
        };
        self.conns.iter().filter_map(of).collect()
    }

    fn set_choking(&mut self, id: ConnId, choking: Choking) {
        let Some(upload) = self.upload(id) else { return };
        if core::mem::replace(&mut upload.choking, choking) == choking {
            return;
        }
        match choking {
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
