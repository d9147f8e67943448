//! The swarm of a share: what peers are told of each other and of what we have, and whom we do not meet.

use alloc::collections::BTreeMap;

use super::Node;
use super::exchange::{Conn, Purpose};
use super::fetch::{Fetching, Stage, targets};
use super::ready::own_layer;
use crate::content::identity::Role;
use crate::content::manifest::Manifest;
use crate::input::{Path, PeerHint, Swarming};
use crate::output::{Event, Fault};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::session::{Ends, ShareKey};
use crate::swarm::circle::Part;
use crate::swarm::download::{Download, Interest, Told};
use crate::swarm::have;
use crate::swarm::targets::Origin;
use crate::swarm::transfer::Transfer;
use crate::swarm::upload::Upload;
use crate::timers::Timer;
use crate::wire::{ChunkRange, Message, PEERS_MAX, PeerAddress, Reason, Swarm};
use crate::{Candidate, ConnId, NodeId, ShareId};

impl Node {
    pub(super) fn is_swarm(&self, share: ShareId) -> bool {
        self.circles.get(&share).is_some_and(|circle| circle.is_on())
    }

    /// Whether others may fetch from what we have of a share, and we from them.
    pub(super) fn is_fetched_in_swarm(&self, share: ShareId) -> bool {
        self.is_swarm(share) && self.fetches.contains_key(&share)
    }

    /// The key of a share that strangers may name.
    pub(super) fn key_of(&self, share: ShareId) -> Option<ShareKey> {
        if let Some(serving) = self.serving.get(&share) {
            return Some(serving.key);
        }
        if let Some(room) = self.rooms.get(&share) {
            return Some(room.key());
        }
        let fetch = self.fetches.get(&share).filter(|_| self.is_swarm(share))?;
        let is_open = fetch.wants_peers() || fetch.transfer().is_some();
        is_open.then_some(fetch.key)
    }

    /// Not ourselves, and nobody who is banned.
    pub(super) fn may_meet(&mut self, share: ShareId, ends: &Ends) -> bool {
        let is_banned =
            self.circles.get(&share).is_some_and(|circle| circle.is_banned(&ends.peer, ends.path));
        let seeks = self.fetches.contains_key(&share) || self.rooms.contains_key(&share);
        let is_met = is_banned || (ends.peer == ends.local && seeks);
        #[cfg(planted)]
        let is_met = is_met && !is(Bug::MeetsItself);
        if is_met && let Some(known) = targets(&mut self.fetches, &mut self.rooms, share) {
            known.bury_key(&ends.peer);
        }
        !is_met
    }

    /// A peer of a swarm that gave what is proven wrong is not met again. Other faults may be of its program's age.
    pub(super) fn ban(&mut self, share: ShareId, peer: NodeId, path: Path, fault: Fault) {
        if !matches!(fault, Fault::BadBytes | Fault::BadProof | Fault::BadManifest) {
            return;
        }
        #[cfg(planted)]
        if is(Bug::BanForgotten) {
            return;
        }
        if let Some(circle) = self.circles.get_mut(&share).filter(|circle| circle.is_on()) {
            circle.ban(peer, path);
            if let Some(known) = targets(&mut self.fetches, &mut self.rooms, share) {
                known.bury_key(&peer);
            }
        }
    }

    pub(super) fn arm_swarm(&mut self, share: ShareId) {
        if self.is_swarm(share) {
            if !self.rooms.contains_key(&share) {
                self.timers.arm(Timer::Choke(share), self.now + self.config.choke_interval);
            }
            self.timers.arm(Timer::Gossip(share), self.now + self.config.gossip_interval);
        }
    }

    pub(super) fn leave_swarm(&mut self, share: ShareId) {
        self.circles.remove(&share);
        for timer in [Timer::Choke(share), Timer::Seats(share), Timer::Gossip(share), Timer::Have(share)] {
            self.timers.cancel(timer);
        }
    }

    /// The first words to a peer.
    pub(super) fn greet(&mut self, share: ShareId, id: ConnId) {
        // A share that is not prepared yet has no circle.
        let circle = self.circles.get(&share).filter(|circle| circle.is_on());
        let swarm = circle.map(|circle| Swarm { port: circle.port.unwrap_or(0) });
        // What a receiver has is told to those alone that take part.
        let stock = if self.serving.contains_key(&share) { self.stock(share) } else { alloc::vec![] };
        let wants = self.fetches.contains_key(&share) || self.rooms.contains_key(&share);
        self.with_session(id, |session| {
            if let Some(swarm) = swarm {
                session.send(&Message::Swarm(swarm));
                if !wants {
                    // It takes no place at those that fetch.
                    session.send(&Message::NotInterested);
                }
            }
            stock.iter().for_each(|message| session.send(message));
        });
    }

    /// A peer takes part in the swarm of a share.
    pub(super) fn joins(&mut self, share: ShareId, id: ConnId, swarm: Swarm) -> Result<(), Fault> {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        let (role, peer, path) = (conn.session.role, conn.session.peer, conn.session.path);
        let Some((_, exchange)) = conn.exchange_mut() else { return Ok(()) };
        let before = core::mem::replace(&mut exchange.acquaintance.part, Part::Taken);
        if let Some(download) = &mut exchange.download {
            download.tell(Told::Seeking, now);
        }
        let Some(circle) = self.circles.get_mut(&share) else { return Ok(()) };
        if circle.swarming == Swarming::AsTold && role == Role::Initiator {
            self.join(share);
        } else if before == Part::Unknown {
            self.tell_stock(share, id);
        }
        let is_on = self.is_swarm(share) && !self.rooms.contains_key(&share);
        if let Some((_, exchange)) = self.conns.get_mut(&id).and_then(Conn::exchange_mut)
            && is_on
            && exchange.upload.is_none()
        {
            exchange.upload = Some(Upload::default());
            self.seat(share, id);
        }
        let Some(circle) = self.circles.get_mut(&share).filter(|circle| circle.is_on()) else {
            return Ok(());
        };
        if let Some(met) = circle.met(peer, path, swarm.port)
            && let Some(known) = targets(&mut self.fetches, &mut self.rooms, share)
        {
            let hint = PeerHint { key: Some(met.key), addresses: alloc::vec![Candidate::Tcp(met.address)] };
            known.add(hint, Origin::Heard, now);
            if self.rooms.contains_key(&share) {
                self.event(Event::Reachable { room: share, peer: met.key, address: met.address });
            }
        }
        self.tell_peers(share, id);
        Ok(())
    }

    /// A source says that the share may be swarmed: everybody is told what we have.
    fn join(&mut self, share: ShareId) {
        if let Some(circle) = self.circles.get_mut(&share) {
            circle.swarming = Swarming::On;
        }
        self.event(Event::Swarmed { share });
        let manifest = self.fetches.get(&share).and_then(|fetch| fetch.manifest().cloned());
        if let Some(manifest) = manifest {
            self.keep_own_layer(share, &manifest);
        }
        self.arm_swarm(share);
        for id in self.open_of(share) {
            if let Some(download) = self.download(id) {
                download.of_many();
            }
            self.greet(share, id);
            self.tell_stock(share, id);
        }
    }

    /// A receiver tells what it has to a peer that takes part in the swarm.
    pub(super) fn tell_stock(&mut self, share: ShareId, id: ConnId) {
        if self.is_fetched_in_swarm(share) && self.takes_part(id) {
            let stock = self.stock(share);
            self.with_session(id, |session| stock.iter().for_each(|message| session.send(message)));
        }
    }

    pub(super) fn takes_part(&self, id: ConnId) -> bool {
        let exchange = self.conns.get(&id).and_then(Conn::exchange);
        exchange.is_some_and(|(_, exchange)| exchange.acquaintance.part == Part::Taken)
    }

    /// The manifest is here: peers of a swarm are told, and what they told is counted.
    pub(super) fn manifest_known(&mut self, share: ShareId, manifest: &Manifest) {
        let is_swarm = self.is_swarm(share);
        if is_swarm {
            self.keep_own_layer(share, manifest);
        }
        for id in self.open_of(share) {
            let told = self.download(id).map_or(Ok(()), |download| download.settle(manifest.chunk_count()));
            if let Err(fault) = told {
                self.misbehaved(id, fault);
            } else if self.download(id).is_some_and(|download| download.have().is_too_much()) {
                // What it told first was not kept; it will tell it again.
                self.dismiss(id, Reason::Replaced);
            } else {
                self.tell_stock(share, id);
            }
        }
    }

    fn keep_own_layer(&mut self, share: ShareId, manifest: &Manifest) {
        if let Some(fetch) = self.fetches.get_mut(&share) {
            fetch.own_layer.get_or_insert_with(|| own_layer(manifest).into());
        }
    }

    /// The transfer begins: who has what is counted.
    pub(super) fn count_haves(&mut self, share: ShareId) {
        let Some(Stage::Running(_, transfer)) = self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        else {
            return;
        };
        for conn in self.conns.values_mut().filter(|conn| conn.purpose.share() == Some(share)) {
            let Some(have) = conn.download_mut().map(Download::have_mut) else { continue };
            have.look_anew();
            if let Some(bits) = have.bits() {
                bits.runs().flat_map(|(first, count)| first..first + count).for_each(|of| transfer.seen(of));
            }
        }
        // Whoever has nothing yet serves others meanwhile.
        for id in self.open_of(share) {
            self.mind_interest(share, id);
        }
    }

    /// A peer has more chunks.
    pub(super) fn told_have(
        &mut self,
        share: ShareId,
        id: ConnId,
        ranges: &[ChunkRange],
        chunks: Option<u32>,
    ) -> Result<(), Fault> {
        if !self.fetches.contains_key(&share) {
            // Nothing is wanted any more: it is served from its place.
            self.seen_there(share, id, ranges);
            return Ok(());
        }
        let now = self.now;
        let mut news = alloc::vec![];
        let Some(download) = self.download(id) else { return Ok(()) };
        if download.told() < Told::Info {
            return Err(Fault::OutOfTurn);
        }
        download.tell_have(ranges, chunks, &mut |chunk| news.push(chunk))?;
        download.tell(Told::Have, now);
        if let Some(transfer) = self.running(share) {
            news.into_iter().for_each(|chunk| transfer.seen(chunk));
        }
        self.mind_interest(share, id);
        self.ask(share, id);
        Ok(())
    }

    /// Chunks were verified: peers are told at once, unless they were told of others just now.
    pub(super) fn has_news(&mut self, share: ShareId) {
        let is_swarm = self.is_swarm(share);
        let Some(transfer) = self.running(share).filter(|transfer| transfer.has_news()) else { return };
        if is_swarm {
            let told = self.circles.get(&share).and_then(|circle| circle.news_told);
            let due = told.map_or(self.now, |told| self.now.max(told + self.config.have_interval));
            self.timers.arm(Timer::Have(share), due);
        } else {
            // Nobody is told; whoever is later is told everything.
            transfer.take_news();
        }
    }

    pub(super) fn tell_news(&mut self, share: ShareId) {
        let mut news = match self.fetches.get_mut(&share).and_then(Fetching::transfer_mut) {
            Some(transfer) => transfer.take_news(),
            None => return,
        };
        if let Some(circle) = self.circles.get_mut(&share) {
            circle.news_told = Some(self.now);
        }
        news.sort_unstable();
        let told = have::ranges(&news);
        for id in self.open_of(share) {
            // Also to those that have everything: they give first what is nowhere else.
            if self.takes_part(id) {
                self.with_session(id, |session| {
                    told.iter().for_each(|ranges| session.send(&Message::Have(ranges.clone())));
                });
            }
            self.mind_interest(share, id);
        }
    }

    /// Tells a peer whether it has something that we want, if that has changed.
    pub(super) fn mind_interest(&mut self, share: ShareId, id: ConnId) {
        if !self.is_swarm(share) {
            return;
        }
        let Some(fetch) = self.fetches.get(&share) else { return };
        let Some(download) = self.conns.get_mut(&id).and_then(Conn::download_mut) else { return };
        let is_interesting = match &fetch.stage {
            Stage::Running(_, transfer) => transfer.is_interesting(download.have_mut()),
            Stage::Committing(..) | Stage::Placed(_) | Stage::Ending(..) | Stage::Ended => false,
            Stage::Seeking
            | Stage::Manifest(..)
            | Stage::Offered(_)
            | Stage::Opening(_)
            | Stage::Reconsidering(..) => true,
        };
        let (interest, message) = if is_interesting {
            (Interest::Interested, Message::Interested)
        } else {
            (Interest::NotInterested, Message::NotInterested)
        };
        if download.interest(interest) {
            self.with_session(id, |session| session.send(&message));
        }
    }

    /// Tells all peers of those that have come since.
    pub(super) fn gossip(&mut self, share: ShareId) {
        for id in self.open_of(share) {
            self.tell_peers(share, id);
        }
        self.arm_swarm(share);
    }

    fn tell_peers(&mut self, share: ShareId, id: ConnId) {
        let Some(circle) = self.circles.get(&share).filter(|circle| circle.is_on()) else { return };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let peer = conn.session.peer;
        let Some((_, exchange)) = conn.exchange_mut() else { return };
        if exchange.acquaintance.part != Part::Taken {
            return;
        }
        let news = circle.news(&mut exchange.acquaintance, &peer);
        if !news.is_empty() {
            self.with_session(id, |session| session.send(&Message::Peers(news)));
        }
    }

    /// A peer tells of others: hints, no more.
    pub(super) fn heard_of(
        &mut self,
        share: ShareId,
        id: ConnId,
        peers: &[PeerAddress],
    ) -> Result<(), Fault> {
        let Some((_, exchange)) = self.conns.get_mut(&id).and_then(Conn::exchange_mut) else { return Ok(()) };
        if peers.len() > PEERS_MAX || exchange.acquaintance.hears(peers.len()) {
            return Err(Fault::Flood);
        }
        let Some(circle) = self.circles.get(&share).filter(|circle| circle.is_on()) else { return Ok(()) };
        let Some(known) = targets(&mut self.fetches, &mut self.rooms, share) else { return Ok(()) };
        for peer in peers {
            if !circle.is_banned(&peer.key, Path::Tcp(peer.address)) {
                let addresses = alloc::vec![Candidate::Tcp(peer.address)];
                known.add(PeerHint { key: Some(peer.key), addresses }, Origin::Heard, self.now);
            }
        }
        self.dial_due(share);
        Ok(())
    }

    /// The peers of a share that are here.
    pub(super) fn met(&self, share: ShareId) -> BTreeMap<NodeId, ConnId> {
        let open =
            self.conns.iter().filter(|(_, conn)| matches!(conn.purpose, Purpose::Open(of, _) if of == share));
        open.map(|(id, conn)| (conn.session.peer, *id)).collect()
    }

    /// Another open connection to the same peer for the same share, and who made it.
    pub(super) fn twin(&self, share: ShareId, id: ConnId) -> Option<(ConnId, Role)> {
        let peer = self.conns.get(&id)?.session.peer;
        let is_twin = |(other, conn): &(&ConnId, &Conn)| {
            **other != id
                && conn.session.peer == peer
                && matches!(conn.purpose, Purpose::Open(of, _) if of == share)
        };
        self.conns.iter().find(is_twin).map(|(twin, conn)| (*twin, conn.session.role))
    }

    /// Of two connections to one peer one stays: of two that the same end has made the newer one, else that of the end with
    /// the smaller key. Both ends come to the same choice.
    pub(super) fn part_twins(&mut self, share: ShareId, id: ConnId) {
        if !self.is_fetched_in_swarm(share) && !self.rooms.contains_key(&share) {
            return;
        }
        let Some(ends) = self.conns.get(&id).map(|conn| conn.session.ends()) else { return };
        let Some((twin, role)) = self.twin(share, id) else { return };
        let ours_stays = ends.local < ends.peer;
        let new_stays = role == ends.role || (ends.role == Role::Initiator) == ours_stays;
        self.dismiss(if new_stays { twin } else { id }, Reason::Replaced);
    }
}

/// What is in the hands of a transfer that may be told.
impl Fetching {
    /// As [`transfer`](Self::transfer).
    pub(super) const fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        match &mut self.stage {
            Stage::Running(_, transfer)
            | Stage::Committing(_, transfer)
            | Stage::Placed(Some((_, transfer))) => Some(transfer),
            _ => None,
        }
    }
}
