//! Shares that we fetch, and their sources: dialled, met, lost, given up.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use super::Node;
use super::calling::dialled;
use super::claims::Checkpoints;
use super::exchange::Conn;
use super::jobs::Pending;
use super::rooms::Room;
use crate::content::identity::Role;
use crate::content::layers::Layers;
use crate::content::manifest::Manifest;
use crate::content::selection::Selection;
use crate::input::{Afterwards, Fetch, LinkLoss, Order, PeerHint, Swarming};
use crate::output::{Event, Failure, Fault, Goodbye, Output, PeerGone, Refusal, Waiting};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::session::ShareKey;
use crate::swarm::circle::Circle;
use crate::swarm::download::{Choking, Download, Told, Use};
use crate::swarm::offer::ManifestFetch;
use crate::swarm::targets::{Next, Origin, Targets};
use crate::swarm::transfer::{Before, Choice, Transfer};
use crate::timers::Timer;
use crate::wire::{Corrupt, Message, Reason, Reject, RejectWhy};
use crate::{BlobId, ConnId, ContentId, EntryIndex, Hash, NodeId, ShareId};

/// How many sources that were sent away for good are remembered.
const USELESS_MAX: usize = 256;

/// A share that is fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) key: ShareKey,
    pub(super) content: ContentId,
    pub(super) layers: Option<Arc<Layers>>,
    pub(super) targets: Targets,
    pub(super) stage: Stage,
    pub(super) will: Will,
    pub(super) met: Met,
    pub(super) last_loss: LinkLoss,
    pub(super) patience: Patience,
    /// Why a source was sent away for good: the reason to give if nobody else comes.
    pub(super) grudge: Option<Failure>,
    /// Who was sent away for good: one that comes back is no hope before it delivers.
    pub(super) useless: BTreeSet<NodeId>,
    /// `Land` jobs on their way.
    pub(super) lands: u32,
    pub(super) checkpoints: Checkpoints,
    pub(super) choice: Choice,
    /// What is known of an earlier choice.
    pub(super) before: Before,
    pub(super) order: Order,
    pub(super) afterwards: Afterwards,
    /// The chunk hashes of the manifest itself, once somebody may ask for them.
    pub(super) own_layer: Option<Arc<[Hash]>>,
}

/// Whether a peer ever proved that it knows the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Nobody,
    Somebody,
    /// And since then nobody delivered, and the last one had nothing that we want.
    Useless,
}

/// Whether the time to give up came while a source was there that had not served us yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Left,
    /// With that source the fetch ends.
    Over,
}

/// What the user wants of a running fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Will {
    Go,
    Pause,
}

/// How far a fetch is.
#[derive(Debug)]
pub(super) enum Stage {
    /// No peer has told what the manifest is.
    Seeking,
    /// One source sends the manifest; none is there for it just now.
    Manifest(Option<ConnId>, ManifestFetch),
    /// The user looks at the offer.
    Offered(Arc<Manifest>),
    /// The storage is being opened.
    Opening(Arc<Manifest>),
    Running(Arc<Manifest>, Transfer),
    /// The user wants another choice: what is on its way to the disk is claimed first.
    Reconsidering(Arc<Manifest>, Transfer),
    /// Everything is verified: the claims are written, then the files placed.
    Committing(Arc<Manifest>, Transfer),
    /// Placed; peers are told. What peers may ask for until it is served from its place.
    Placed(Option<(Arc<Manifest>, Transfer)>),
    /// It ends: the last claims are written first.
    Ending(Option<Transfer>, End),
    /// Nothing is left to do but to let connections close.
    Ended,
}

/// How a fetch ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Failed(Failure),
    Told,
}

impl Fetching {
    pub(super) const fn manifest(&self) -> Option<&Arc<Manifest>> {
        match &self.stage {
            Stage::Offered(manifest)
            | Stage::Opening(manifest)
            | Stage::Running(manifest, _)
            | Stage::Reconsidering(manifest, _)
            | Stage::Committing(manifest, _)
            | Stage::Placed(Some((manifest, _))) => Some(manifest),
            Stage::Seeking | Stage::Manifest(..) | Stage::Ending(..) | Stage::Placed(None) | Stage::Ended => {
                None
            }
        }
    }

    /// What is there, as far as it is verified.
    pub(super) const fn transfer(&self) -> Option<&Transfer> {
        match &self.stage {
            Stage::Running(_, transfer)
            | Stage::Reconsidering(_, transfer)
            | Stage::Committing(_, transfer)
            | Stage::Placed(Some((_, transfer))) => Some(transfer),
            _ => None,
        }
    }

    /// What is there and is given to others, now or soon.
    pub(super) const fn given(&self) -> Option<&Transfer> {
        match &self.stage {
            Stage::Reconsidering(..) => None,
            _ => self.transfer(),
        }
    }

    /// Whether the staging may be read for others: not while its files are put in their places.
    pub(super) const fn may_read(&self) -> bool {
        matches!(&self.stage, Stage::Running(_, transfer) if !transfer.is_complete())
    }

    /// Whether peers are still of use.
    pub(super) const fn wants_peers(&self) -> bool {
        matches!(
            self.stage,
            Stage::Seeking
                | Stage::Manifest(..)
                | Stage::Offered(_)
                | Stage::Opening(_)
                | Stage::Running(..)
                | Stage::Reconsidering(..)
        )
    }
}

impl Node {
    pub(super) fn fetch(&mut self, spec: Fetch) {
        let share = spec.share;
        if self.is_taken(share) {
            return self.refuse(share, Refusal::Duplicate);
        }
        let mut targets = Targets::default();
        for hint in spec.peers {
            targets.add(hint, Origin::Named, self.now);
        }
        // What belongs to another content is of no use.
        let offer = spec.manifest.filter(|manifest| manifest.content_id() == spec.content);
        let layers = spec.layers.filter(|layers| layers.manifest().content_id() == spec.content);
        let fetch = Fetching {
            key: ShareKey::new(spec.content, spec.secret),
            content: spec.content,
            layers,
            targets,
            stage: offer.clone().map_or(Stage::Seeking, Stage::Offered),
            will: Will::Go,
            met: Met::Nobody,
            last_loss: LinkLoss::TimedOut,
            patience: Patience::Left,
            grudge: None,
            useless: BTreeSet::new(),
            lands: 0,
            checkpoints: Checkpoints::default(),
            choice: Choice { wanted: Selection::All, first: Selection::none() },
            before: Before::default(),
            order: spec.order,
            afterwards: spec.afterwards,
            own_layer: None,
        };
        if spec.swarm != Swarming::Off {
            // A share that is served as well is served by that.
            self.discoveries.entry(fetch.key.discovery()).or_insert(share);
        }
        self.circles.insert(share, Circle::new(spec.swarm, spec.port));
        self.fetches.insert(share, fetch);
        if let Some(manifest) = &offer {
            self.manifest_known(share, manifest);
        }
        self.arm_swarm(share);
        self.timers.set(Timer::GiveUp(share), self.now + self.config.find_timeout);
        if let Some(manifest) = offer {
            self.event(Event::Offer { share, manifest });
        }
        self.event(Event::Waiting { share, why: Waiting::Dialing });
        self.dial_due(share);
    }

    pub(super) fn add_peer(&mut self, share: ShareId, peer: PeerHint) {
        let now = self.now;
        if self.serving.contains_key(&share) {
            return self.call_on(share, peer);
        }
        match targets(&mut self.fetches, &mut self.rooms, share) {
            Some(targets) => targets.add(peer, Origin::Named, now),
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        self.dial_due(share);
    }

    /// Gives up late dials, makes due ones, and sets the next date.
    pub(super) fn dial_due(&mut self, share: ShareId) {
        let now = self.now;
        if self.fetches.get(&share).is_some_and(|fetch| !fetch.wants_peers()) {
            return;
        }
        let Some(known) = dialled(&mut self.fetches, &mut self.rooms, &mut self.called, share) else {
            return;
        };
        for conn in known.expired(now) {
            self.dials.remove(&conn);
            self.outputs.push_back(Output::Hangup { conn, why: Goodbye::Said(Reason::TooSlow) });
            self.source_gone(share, conn, PeerGone::Lost(LinkLoss::TimedOut));
        }
        let met = self.met(share);
        let wanted = self.config.peers_wanted as usize;
        while let Some(known) = dialled(&mut self.fetches, &mut self.rooms, &mut self.called, share)
            && let Some((index, due)) = known.due(now, wanted, &met)
        {
            let conn = ConnId(self.next_dial);
            self.next_dial += 1;
            known.dialled(index, conn, now, &self.config);
            self.dials.insert(conn, share);
            self.outputs.push_back(Output::Dial { conn, share, to: due.to, key: due.key });
        }
        self.set_dial_timer(share);
    }

    pub(super) fn set_dial_timer(&mut self, share: ShareId) {
        let wanted = self.config.peers_wanted as usize;
        let known = dialled(&mut self.fetches, &mut self.rooms, &mut self.called, share);
        match known.and_then(|targets| targets.wake(wanted)) {
            Some(at) => self.timers.set(Timer::Dial(share), at),
            None => self.timers.cancel(Timer::Dial(share)),
        }
    }

    /// A dialled connection is there; whether it is of use.
    pub(super) fn welcome_dialled(&mut self, share: ShareId, conn: ConnId, peer: NodeId) -> bool {
        if self.fetches.get(&share).is_some_and(|fetch| !fetch.wants_peers()) {
            return false;
        }
        let known = dialled(&mut self.fetches, &mut self.rooms, &mut self.called, share);
        let Some(known) = known else { return false };
        let Ok(needless) = known.connected(conn, peer) else { return false };
        for dial in needless {
            self.dials.remove(&dial);
            self.outputs.push_back(Output::Hangup { conn: dial, why: Goodbye::Said(Reason::Replaced) });
        }
        self.set_dial_timer(share);
        true
    }

    /// A source has proven that it knows the share.
    pub(super) fn source_up(&mut self, share: ShareId, id: ConnId) {
        let role = self.conns.get(&id).map(|conn| conn.session.role);
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        // Who comes to us may be looking for the share as we are.
        if fetch.met == Met::Nobody && role == Some(Role::Initiator) {
            fetch.met = Met::Somebody;
            // Found: from now on it can only be lost.
            self.timers.cancel(Timer::GiveUp(share));
        }
        if fetch.will == Will::Pause {
            self.with_session(id, |session| session.send(&Message::Paused));
        } else if matches!(fetch.stage, Stage::Running(..)) {
            self.event(Event::Fetching { share });
        }
    }

    /// A source has been there for a while or has delivered: the next loss begins with short pauses again.
    pub(super) fn settled(&mut self, share: ShareId, id: ConnId) {
        let peer = self.conns.get(&id).map(|conn| conn.session.peer);
        if let Some(fetch) = self.fetches.get_mut(&share) {
            fetch.targets.proved(id);
            if let Some(peer) = peer {
                fetch.useless.remove(&peer);
            }
            fetch.met = Met::Somebody;
            fetch.patience = Patience::Left;
            self.timers.cancel(Timer::GiveUp(share));
        }
    }

    /// A source, or a dial of one, is gone; why decides whether it is tried again.
    pub(super) fn source_gone(&mut self, share: ShareId, id: ConnId, gone: PeerGone) {
        if self.rooms.contains_key(&share) {
            return self.node_gone(share, id, gone);
        }
        if self.serving.contains_key(&share) {
            return self.callee_gone(share, id, gone);
        }
        if !self.fetches.get(&share).is_some_and(Fetching::wants_peers) {
            return;
        }
        if gone == PeerGone::Dismissed(Reason::NotInterested)
            && let Some(fetch) = self.fetches.get_mut(&share)
        {
            fetch.met = Met::Useless;
        }
        let loss = match gone {
            PeerGone::Lost(why) => why,
            PeerGone::Dismissed(Reason::TooSlow) => LinkLoss::TimedOut,
            PeerGone::Dismissed(Reason::Busy) => LinkLoss::Local,
            PeerGone::Dismissed(Reason::NotInterested | Reason::Replaced) => LinkLoss::Closed,
            // A receiver that has all it wants, or wants no more: it says nothing of the share.
            PeerGone::Said(
                Reason::Done | Reason::Declined | Reason::Refused | Reason::Storage | Reason::NoSuchShare,
            ) if self.is_swarm(share) => LinkLoss::Closed,
            PeerGone::Said(
                Reason::Busy
                | Reason::Leaving
                | Reason::TooSlow
                | Reason::Cancelled
                | Reason::Replaced
                | Reason::NotInterested,
            ) => LinkLoss::Closed,
            PeerGone::Said(reason) | PeerGone::Dismissed(reason) => {
                return self.source_useless(share, id, failure_of(reason));
            }
            #[cfg(planted)]
            PeerGone::Misbehaved(_) if is(Bug::BanForgotten) => LinkLoss::Closed,
            PeerGone::Misbehaved(fault) => return self.source_useless(share, id, Failure::Integrity(fault)),
        };
        self.source_lost(share, id, loss);
    }

    fn source_lost(&mut self, share: ShareId, id: ConnId, loss: LinkLoss) {
        let (now, config) = (self.now, &self.config);
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let next = fetch.targets.lost(id, loss, now, &mut self.jitter, config);
        fetch.last_loss = loss;
        let timeout = match fetch.met {
            Met::Somebody | Met::Useless => config.lost_timeout,
            Met::Nobody => config.find_timeout,
        };
        let patience = fetch.patience;
        if self.conns_of(share).is_empty() {
            if patience == Patience::Over {
                return self.give_up(share);
            }
            self.timers.arm(Timer::GiveUp(share), now + timeout);
            self.hurry_trackers(share);
            if let Next::Waiting { until, why, attempts } = next {
                let retry_ms = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
                self.event(Event::Waiting { share, why: Waiting::Backoff { why, retry_ms, attempts } });
            }
        }
        self.set_dial_timer(share);
    }

    /// A source will never serve us; if it was the last, the fetch ends.
    fn source_useless(&mut self, share: ShareId, id: ConnId, failure: Failure) {
        let peer = self.conns.get(&id).map(|conn| conn.session.peer);
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        fetch.targets.bury(id);
        if fetch.useless.len() < USELESS_MAX {
            fetch.useless.extend(peer);
        }
        // The first cause: a later one says less of what happened.
        let failure = *fetch.grudge.get_or_insert(failure);
        let is_alone = self.conns_of(share).is_empty() || !self.is_swarm(share);
        let Some(fetch) = self.fetches.get(&share) else { return };
        let is_last = fetch.targets.all_dead() && is_alone;
        if is_last && self.is_announced(share) {
            // A tracker may name others, if it does so soon.
            self.timers.arm(Timer::GiveUp(share), self.now + self.config.find_timeout);
            self.hurry_trackers(share);
        } else if is_last {
            self.fail(share, failure);
        } else {
            self.timers.arm(Timer::GiveUp(share), self.now + self.config.lost_timeout);
        }
    }

    /// A source cannot serve what it said it would: others may.
    fn source_broken_there(&mut self, share: ShareId, id: ConnId, why: RejectWhy, entry: Option<EntryIndex>) {
        let (failure, reason) = match why {
            RejectWhy::Changed => (Failure::SourceChanged(entry), Reason::SourceChanged),
            RejectWhy::Unreadable | RejectWhy::Absent | RejectWhy::Cancelled | RejectWhy::Choked => {
                (Failure::SourceUnreadable(entry), Reason::SourceUnreadable)
            }
        };
        self.source_useless(share, id, failure);
        self.dismiss(id, reason);
    }

    /// Without a peer for too long.
    pub(super) fn give_up(&mut self, share: ShareId) {
        let conns = self.conns_of(share);
        let (is_alone, is_swarm) = (conns.is_empty(), self.is_swarm(share));
        let is_served = conns.into_iter().any(|id| self.is_of_use(share, id));
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        if !fetch.wants_peers() {
            return;
        }
        if !is_alone && is_swarm {
            if !is_served {
                // Peers are there, and none of them has what is missing.
                let why = fetch.grudge.unwrap_or(Failure::NotAvailable);
                self.fail(share, why);
            }
            return;
        }
        if !is_alone {
            fetch.patience = Patience::Over;
            return;
        }
        let (last_loss, met, grudge) = (fetch.last_loss, fetch.met, fetch.grudge);
        let rechecking = matches!(&fetch.stage, Stage::Running(_, transfer) if transfer.is_rechecking());
        if rechecking || fetch.will == Will::Pause {
            return self.timers.set(Timer::GiveUp(share), self.now + self.config.find_timeout);
        }
        let why = match met {
            Met::Somebody => Failure::LinkLost(last_loss),
            Met::Useless => Failure::NotAvailable,
            Met::Nobody => Failure::NotFound(last_loss),
        };
        self.fail(share, grudge.unwrap_or(why));
    }

    pub(super) fn fetch_message(
        &mut self,
        share: ShareId,
        id: ConnId,
        message: Message,
    ) -> Result<(), Fault> {
        match message {
            Message::Info(info) => self.told(share, id, info),
            Message::Have(ranges) => {
                let chunks =
                    self.fetches.get(&share).and_then(|fetch| fetch.manifest()).map(|m| m.chunk_count());
                self.told_have(share, id, &ranges, chunks)
            }
            Message::Choke => {
                if let Some(download) = self.download(id) {
                    download.choke(Choking::Choked);
                }
                Ok(())
            }
            Message::Unchoke => {
                if let Some(download) = self.download(id) {
                    download.choke(Choking::Unchoked);
                }
                self.ask(share, id);
                Ok(())
            }
            Message::Hashes(hashes) => self.hashes_came(share, id, &hashes),
            Message::Reject(reject) => self.rejected(share, id, reject),
            Message::Intact(corrupt) => self.intact(share, id, corrupt),
            Message::Preparing(told) => {
                let now = self.now;
                let is_due = self.fetches.get(&share).is_some_and(Fetching::wants_peers);
                let Some(download) = self.download(id) else { return Ok(()) };
                let is_news = is_due && download.told() < Told::Info;
                download.tell(Told::Preparing, now);
                if is_news {
                    let why = Waiting::Preparing { done: told.done, total: told.total };
                    self.event(Event::Waiting { share, why });
                }
                Ok(())
            }
            _ => Err(Fault::OutOfTurn),
        }
    }

    pub(super) fn download(&mut self, id: ConnId) -> Option<&mut Download> {
        self.conns.get_mut(&id)?.download_mut()
    }

    fn rejected(&mut self, share: ShareId, id: ConnId, reject: Reject) -> Result<(), Fault> {
        let entry = BlobId(reject.run.blob).entry();
        // A reject of no blocks answers a doubt about a chunk.
        if reject.why == RejectWhy::Cancelled {
            if let Some(download) = self.download(id) {
                download.cancel_answered(reject.run)?;
            }
            self.ask(share, id);
            return Ok(());
        }
        let is_passing = matches!(reject.why, RejectWhy::Absent | RejectWhy::Choked);
        if reject.run.count == 0 || !is_passing || entry.is_none() {
            self.source_broken_there(share, id, reject.why, entry);
            return Ok(());
        }
        let Some(download) = self.conns.get_mut(&id).and_then(Conn::download_mut) else { return Ok(()) };
        let use_for = download.rejected(reject.run)?;
        if reject.why == RejectWhy::Choked {
            // Whoever rejects for it without having said it is not asked again either.
            download.choke(Choking::Choked);
            #[cfg(planted)]
            if is(Bug::ChokedForgotten) {
                return Ok(());
            }
        }
        if let Some(Stage::Running(_, transfer)) = self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        {
            if let Some((place, _)) = transfer.position(reject.run)
                && reject.why == RejectWhy::Absent
            {
                let was_whole = download.have().is_all();
                let had = download.lacks(place.chunk, &mut |chunk| transfer.seen(chunk));
                if had && !was_whole {
                    transfer.unseen(place.chunk);
                }
            }
            if use_for == Use::Wanted {
                transfer.unask(reject.run);
            }
        }
        self.fill(share);
        Ok(())
    }

    /// The source's disk gives the right hash for a chunk that came wrong.
    fn intact(&mut self, share: ShareId, id: ConnId, corrupt: Corrupt) -> Result<(), Fault> {
        let now = self.now;
        if let Some(download) = self.download(id) {
            download.undoubted(corrupt.blob, corrupt.chunk, now)?;
        }
        if let Some(transfer) = self.running(share)
            && let Some(chunk) = transfer.chunk_of(corrupt.blob, corrupt.chunk)
        {
            transfer.again(chunk);
        }
        self.ask_doubts(share, id);
        self.fill(share);
        Ok(())
    }

    pub(super) fn sign_receipt(&mut self, share: ShareId, id: ConnId, receipt: crate::wire::Receipt) {
        let (Some(conn), Some(fetch)) = (self.conns.get(&id), self.fetches.get(&share)) else { return };
        let session = &conn.session;
        let statement = super::ending::statement(
            fetch.content,
            &receipt,
            session.local,
            session.peer,
            session.peer_nonce(),
        );
        let signer = session.local;
        let job = self.jobs.sign(signer, statement, Pending::Sign { share, conn: id, receipt });
        self.outputs.push_back(Output::Job(job));
    }
}

/// Whom a fetch or a room looks for.
pub(super) fn targets<'a>(
    fetches: &'a mut BTreeMap<ShareId, Fetching>,
    rooms: &'a mut BTreeMap<ShareId, Room>,
    share: ShareId,
) -> Option<&'a mut Targets> {
    match fetches.get_mut(&share) {
        Some(fetch) => Some(&mut fetch.targets),
        None => rooms.get_mut(&share).map(Room::targets),
    }
}

/// What a peer's goodbye means for a fetch that needs it.
const fn failure_of(reason: Reason) -> Failure {
    match reason {
        Reason::NoSuchShare => Failure::NoSuchShare,
        Reason::Version => Failure::Version,
        Reason::SourceChanged => Failure::SourceChanged(None),
        Reason::SourceUnreadable => Failure::SourceUnreadable(None),
        other => Failure::SenderLeft(other),
    }
}
