//! Shares that we fetch, from the first dial to the open storage.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::jobs::Pending;
use super::{Node, Purpose};
use crate::content::layers::Layers;
use crate::content::manifest::{Manifest, ManifestIdentity, ManifestLimits};
use crate::content::selection::Selection;
use crate::input::{Fetch, LinkLoss, PeerHint};
use crate::job::{Opened, StorageError};
use crate::output::{Event, Failure, Fault, Goodbye, Output, PeerGone, Refusal, Waiting};
use crate::session::ShareKey;
use crate::swarm::download::Download;
use crate::swarm::offer::ManifestFetch;
use crate::swarm::targets::{Next, Targets};
use crate::swarm::transfer::Transfer;
use crate::timers::Timer;
use crate::wire::{Corrupt, Info, Message, Reason, Reject, RejectWhy};
use crate::{BlobId, ConnId, ContentId, Now, ShareId};

/// A share that is fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) key: ShareKey,
    pub(super) content: ContentId,
    pub(super) layers: Option<Arc<Layers>>,
    pub(super) targets: Targets,
    pub(super) stage: Stage,
    pub(super) will: Will,
    /// Whether a peer ever proved that it knows the share.
    pub(super) met: bool,
    pub(super) last_loss: LinkLoss,
    /// `Land` jobs on their way.
    pub(super) lands: u32,
    pub(super) checkpoints: Checkpoints,
    pub(super) selection: Selection,
}

/// What the user wants of a running fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Will {
    Go,
    Pause,
}

/// Checkpoint jobs on their way, and since when there is something to sync.
#[derive(Debug)]
pub(super) struct Checkpoints {
    pub(super) written: u32,
    pub(super) synced: u32,
    pub(super) unsynced_bytes: u64,
    pub(super) last_sync: Now,
}

/// How far a fetch is.
#[derive(Debug)]
pub(super) enum Stage {
    /// No peer has told what the manifest is.
    Seeking,
    /// One peer sends the manifest.
    Manifest(ConnId, ManifestFetch),
    /// The user looks at the offer.
    Offered(Arc<Manifest>),
    /// The storage is being opened.
    Opening(Arc<Manifest>),
    Running(Arc<Manifest>, Transfer),
    /// Everything is verified: the claims are written, then the files placed.
    Committing(Arc<Manifest>),
    /// Placed; peers are told.
    Placed,
    /// It ends: the last claims are written first.
    Ending(Option<(Arc<Manifest>, Transfer)>, End),
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
            | Stage::Committing(manifest) => Some(manifest),
            Stage::Seeking | Stage::Manifest(..) | Stage::Ending(..) | Stage::Placed | Stage::Ended => None,
        }
    }

    /// Whether peers are still of use.
    pub(super) const fn wants_peers(&self) -> bool {
        matches!(
            self.stage,
            Stage::Seeking | Stage::Manifest(..) | Stage::Offered(_) | Stage::Opening(_) | Stage::Running(..)
        )
    }
}

impl Node {
    pub(super) fn fetch(&mut self, spec: Fetch) {
        let share = spec.share;
        if self.serving.contains_key(&share) || self.fetches.contains_key(&share) {
            return self.refuse(share, Refusal::Duplicate);
        }
        let mut targets = Targets::default();
        for hint in spec.peers {
            targets.add(hint, self.now);
        }
        let offer = spec.manifest;
        let fetch = Fetching {
            key: ShareKey::new(spec.content, spec.secret),
            content: spec.content,
            layers: spec.layers,
            targets,
            stage: offer.clone().map_or(Stage::Seeking, Stage::Offered),
            will: Will::Go,
            met: false,
            last_loss: LinkLoss::TimedOut,
            lands: 0,
            checkpoints: Checkpoints { written: 0, synced: 0, unsynced_bytes: 0, last_sync: self.now },
            selection: Selection::All,
        };
        self.fetches.insert(share, fetch);
        self.timers.set(Timer::GiveUp(share), self.now + self.config.find_timeout);
        if let Some(manifest) = offer {
            self.event(Event::Offer { share, manifest });
        }
        self.event(Event::Waiting { share, why: Waiting::Dialing });
        self.dial_due(share);
    }

    pub(super) fn add_peer(&mut self, share: ShareId, peer: PeerHint) {
        let now = self.now;
        match self.fetches.get_mut(&share) {
            Some(fetch) => fetch.targets.add(peer, now),
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        self.dial_due(share);
    }

    /// Gives up late dials, makes due ones, and sets the next date.
    pub(super) fn dial_due(&mut self, share: ShareId) {
        let now = self.now;
        let Some(fetch) = self.fetches.get(&share) else { return };
        if !fetch.wants_peers() {
            return;
        }
        for conn in fetch.targets.expired(now) {
            self.dials.remove(&conn);
            self.outputs.push_back(Output::Hangup { conn, why: Goodbye::Said(Reason::TooSlow) });
            self.source_lost(share, conn, LinkLoss::TimedOut);
        }
        while let Some(fetch) = self.fetches.get_mut(&share)
            && let Some((index, due)) = fetch.targets.due(now)
        {
            let conn = ConnId(self.next_dial);
            self.next_dial += 1;
            fetch.targets.dialled(index, conn, now, &self.config);
            self.dials.insert(conn, share);
            self.outputs.push_back(Output::Dial { conn, share, to: due.to, key: due.key });
        }
        self.set_dial_timer(share);
    }

    fn set_dial_timer(&mut self, share: ShareId) {
        match self.fetches.get(&share).and_then(|fetch| fetch.targets.wake()) {
            Some(at) => self.timers.set(Timer::Dial(share), at),
            None => self.timers.cancel(Timer::Dial(share)),
        }
    }

    /// A dialled connection is there; whether it is of use.
    pub(super) fn welcome_dialled(&mut self, share: ShareId, conn: ConnId) -> bool {
        let Some(fetch) = self.fetches.get_mut(&share) else { return false };
        if !fetch.wants_peers() {
            return false;
        }
        let Ok(needless) = fetch.targets.connected(conn) else { return false };
        for dial in needless {
            self.dials.remove(&dial);
            self.outputs.push_back(Output::Hangup { conn: dial, why: Goodbye::Said(Reason::Replaced) });
        }
        self.set_dial_timer(share);
        true
    }

    /// A source has proven that it knows the share.
    pub(super) fn source_up(&mut self, share: ShareId, id: ConnId) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        fetch.met = true;
        fetch.targets.proved(id);
        self.timers.cancel(Timer::GiveUp(share));
        if fetch.will == Will::Pause {
            self.with_session(id, |session| session.send(&Message::Paused));
        } else if matches!(fetch.stage, Stage::Running(..)) {
            self.event(Event::Fetching { share });
        }
    }

    /// A source, or a dial of one, is gone; why decides whether it is tried again.
    pub(super) fn source_gone(&mut self, share: ShareId, id: ConnId, gone: PeerGone) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        if !fetch.wants_peers() {
            return;
        }
        if matches!(&fetch.stage, Stage::Manifest(from, _) if *from == id) {
            fetch.stage = Stage::Seeking;
        }
        let loss = match gone {
            PeerGone::Lost(why) => why,
            PeerGone::Dismissed(Reason::TooSlow) => LinkLoss::TimedOut,
            PeerGone::Said(Reason::Busy | Reason::Leaving | Reason::TooSlow | Reason::Cancelled) => {
                LinkLoss::Closed
            }
            PeerGone::Said(reason) | PeerGone::Dismissed(reason) => {
                return self.source_useless(share, id, failure_of(reason));
            }
            PeerGone::Misbehaved(fault) => return self.source_useless(share, id, Failure::Integrity(fault)),
        };
        self.source_lost(share, id, loss);
    }

    fn source_lost(&mut self, share: ShareId, id: ConnId, loss: LinkLoss) {
        let (now, config) = (self.now, self.config.clone());
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let next = fetch.targets.lost(id, loss, now, &mut self.jitter, &config);
        fetch.last_loss = loss;
        let timeout = if fetch.met { config.lost_timeout } else { config.find_timeout };
        if self.conns_of(share).is_empty() {
            self.timers.arm(Timer::GiveUp(share), now + timeout);
            if let Next::Waiting { until, why, attempts } = next {
                let retry_ms = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
                self.event(Event::Waiting { share, why: Waiting::Backoff { why, retry_ms, attempts } });
            }
        }
        self.set_dial_timer(share);
    }

    /// A source will never serve us; if it was the last, the fetch ends.
    fn source_useless(&mut self, share: ShareId, id: ConnId, failure: Failure) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        fetch.targets.bury(id);
        if fetch.targets.all_dead() {
            self.fail(share, failure);
        }
    }

    /// Without a peer for too long.
    pub(super) fn give_up(&mut self, share: ShareId) {
        let Some(fetch) = self.fetches.get(&share) else { return };
        let nobody = self.conns_of(share).is_empty();
        if !fetch.wants_peers()
            || !nobody
            || matches!(&fetch.stage, Stage::Running(_, transfer) if transfer.is_rechecking())
        {
            if nobody && fetch.wants_peers() {
                self.timers.set(Timer::GiveUp(share), self.now + self.config.find_timeout);
            }
            return;
        }
        let why = fetch.last_loss;
        let failure = if fetch.met { Failure::LinkLost(why) } else { Failure::NotFound(why) };
        self.fail(share, failure);
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
                if let Some(download) = self.download(id) {
                    download.have(&ranges, chunks.unwrap_or(u32::MAX))?;
                }
                self.fill(share);
                Ok(())
            }
            Message::Hashes(hashes) => self.hashes_came(share, id, &hashes),
            Message::Reject(reject) => self.rejected(share, id, reject),
            Message::Intact(corrupt) => {
                self.intact(share, corrupt);
                Ok(())
            }
            Message::Preparing(told) => {
                let why = Waiting::Preparing { done: told.done, total: told.total };
                self.event(Event::Waiting { share, why });
                Ok(())
            }
            // Words that are meant for a sender; harmless.
            Message::Paused | Message::Resumed | Message::Receipt(_) => Ok(()),
            _ => Err(Fault::OutOfTurn),
        }
    }

    pub(super) fn download(&mut self, id: ConnId) -> Option<&mut Download> {
        match self.conns.get_mut(&id).map(|conn| &mut conn.purpose) {
            Some(Purpose::Downloads(_, download)) => Some(download),
            Some(Purpose::Strange(_) | Purpose::Uploads(..) | Purpose::Leaving(_)) | None => None,
        }
    }

    /// A source says what the manifest is: held against the ContentId before anything is allocated.
    fn told(&mut self, share: ShareId, id: ConnId, info: Info) -> Result<(), Fault> {
        let Some(fetch) = self.fetches.get_mut(&share) else { return Ok(()) };
        let identity = ManifestIdentity { size: info.size, root: info.root };
        if identity.content_id() != fetch.content {
            return Err(Fault::BadManifest);
        }
        if !matches!(fetch.stage, Stage::Seeking) {
            return Ok(());
        }
        if info.size > u64::from(self.config.manifest_max) {
            self.fail(share, Failure::OfferTooLarge(info.size));
            return Ok(());
        }
        fetch.stage = Stage::Manifest(id, ManifestFetch::new(info));
        self.event(Event::Waiting { share, why: Waiting::Manifest });
        self.ask_manifest(share);
        Ok(())
    }

    /// Asks for more of the manifest, within the peer's window.
    pub(super) fn ask_manifest(&mut self, share: ShareId) {
        let (now, config) = (self.now, self.config.clone());
        let mut messages = Vec::new();
        let Some(Stage::Manifest(id, manifest)) = self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        else {
            return;
        };
        let id = *id;
        let Some(Purpose::Downloads(_, download)) = self.conns.get_mut(&id).map(|conn| &mut conn.purpose)
        else {
            return;
        };
        while let Some(range) = manifest.ask_hashes() {
            download.ask_hashes(range, now);
            messages.push(Message::HashRequest(range));
        }
        while download.has_room(&config)
            && let Some((run, len)) = manifest.ask()
        {
            download.ask(run, len, now);
            messages.push(Message::Request(run));
        }
        self.with_session(id, |session| messages.iter().for_each(|message| session.send(message)));
    }

    /// Looks whether the manifest is whole, and offers it.
    pub(super) fn check_manifest(&mut self, share: ShareId) -> Result<(), Fault> {
        let limits = ManifestLimits {
            bytes_max: self.config.manifest_max,
            entries_max: self.config.entries_max,
            ..ManifestLimits::default()
        };
        let Some(fetch) = self.fetches.get_mut(&share) else { return Ok(()) };
        let Stage::Manifest(_, manifest) = &mut fetch.stage else { return Ok(()) };
        let Some(bytes) = manifest.finish()? else {
            self.ask_manifest(share);
            return Ok(());
        };
        match Manifest::decode(Bytes::from(bytes), &limits) {
            Ok(manifest) => {
                let manifest = Arc::new(manifest);
                fetch.stage = Stage::Offered(Arc::clone(&manifest));
                self.event(Event::Offer { share, manifest });
            }
            // The sender's own hash says that it meant this.
            Err(error) => self.fail(share, Failure::BadOffer(error)),
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, share: ShareId, selection: Selection) {
        let Some(fetch) = self.fetches.get_mut(&share) else {
            return self.refuse(share, Refusal::UnknownShare);
        };
        let Stage::Offered(manifest) = &fetch.stage else { return self.refuse(share, Refusal::NotNow) };
        fetch.selection = selection.clone();
        fetch.stage = Stage::Opening(Arc::clone(manifest));
        let job = self.jobs.open_share(share, selection);
        self.outputs.push_back(Output::Job(job));
    }

    pub(super) fn decline(&mut self, share: ShareId, reason: Reason) {
        match self.fetches.get(&share).map(|fetch| &fetch.stage) {
            Some(Stage::Offered(_)) => self.end(share, reason),
            Some(_) => self.refuse(share, Refusal::NotNow),
            None => self.refuse(share, Refusal::UnknownShare),
        }
    }

    pub(super) fn open_done(&mut self, share: ShareId, result: Result<Opened, StorageError>) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Opening(manifest) = &fetch.stage else {
            self.maybe_ended(share);
            return;
        };
        match result {
            Err(error) => self.fail(share, Failure::Storage(error)),
            Ok(opened) => {
                let manifest = Arc::clone(manifest);
                let transfer =
                    Transfer::new(Arc::clone(&manifest), fetch.layers.clone(), &fetch.selection, &opened);
                let rechecking = transfer.is_rechecking();
                fetch.stage = Stage::Running(manifest, transfer);
                let why = if rechecking { Waiting::Rechecking } else { Waiting::Dialing };
                if rechecking || self.conns_of(share).is_empty() {
                    self.event(Event::Waiting { share, why });
                } else {
                    self.event(Event::Fetching { share });
                }
                self.tell_progress(share);
                self.fill(share);
                self.advance(share);
            }
        }
    }

    fn rejected(&mut self, share: ShareId, id: ConnId, reject: Reject) -> Result<(), Fault> {
        // A reject of no blocks answers a doubt about a chunk.
        if reject.run.count > 0
            && let Some(download) = self.download(id)
        {
            download.rejected(reject.run)?;
        }
        let entry = BlobId(reject.run.blob).entry();
        match reject.why {
            RejectWhy::Changed => self.fail(share, Failure::SourceChanged(entry)),
            RejectWhy::Unreadable => self.fail(share, Failure::SourceUnreadable(entry)),
            RejectWhy::Absent => self.unask(share, reject.run),
        }
        Ok(())
    }

    /// The source's disk gives the right hash for a chunk that came wrong.
    fn intact(&mut self, share: ShareId, corrupt: Corrupt) {
        if let Some(Stage::Running(manifest, transfer)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
            && let Some(chunk) = Self::chunk_of(manifest, corrupt)
        {
            transfer.again(chunk.0);
            self.fill(share);
        }
    }

    pub(super) fn pause(&mut self, share: ShareId) {
        self.set_will(share, Will::Pause, &Message::Paused);
        self.event(Event::Waiting { share, why: Waiting::Paused });
    }

    pub(super) fn resume(&mut self, share: ShareId) {
        self.set_will(share, Will::Go, &Message::Resumed);
        self.event(Event::Fetching { share });
        self.fill(share);
    }

    fn set_will(&mut self, share: ShareId, will: Will, message: &Message) {
        match self.fetches.get_mut(&share) {
            Some(fetch) => fetch.will = will,
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        for id in self.conns_of(share) {
            if self.download(id).is_some() {
                self.with_session(id, |session| session.send(message));
            }
        }
    }

    pub(super) fn retry(&mut self, share: ShareId) {
        let now = self.now;
        match self.fetches.get_mut(&share) {
            Some(fetch) => fetch.targets.hurry(now),
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        self.dial_due(share);
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
