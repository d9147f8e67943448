//! From a source's word what the manifest is to the open storage.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::fetch::Stage;
use super::{Conn, Node};
use crate::content::manifest::{Manifest, ManifestError, ManifestIdentity, ManifestLimits};
use crate::content::selection::Selection;
use crate::input::Order;
use crate::job::{Opened, StorageError};
use crate::output::{Event, Failure, Fault, Output, Refusal, Waiting};
use crate::swarm::download::Told;
use crate::swarm::offer::ManifestFetch;
use crate::swarm::transfer::{Choice, Ordering, Transfer};
use crate::wire::{BlockRun, Hashes, Info, Message, Reason};
use crate::{ConnId, ShareId};

impl Node {
    /// A source says what the manifest is: held against the ContentId before anything is allocated.
    pub(super) fn told(&mut self, share: ShareId, id: ConnId, info: Info) -> Result<(), Fault> {
        let now = self.now;
        let Some(fetch) = self.fetches.get_mut(&share) else { return Ok(()) };
        let identity = ManifestIdentity { size: info.size, root: info.root };
        if identity.content_id() != fetch.content {
            return Err(Fault::BadManifest);
        }
        let seeking = matches!(fetch.stage, Stage::Seeking);
        if seeking && info.size > u64::from(self.config.manifest_max) {
            self.fail(share, Failure::OfferTooLarge(info.size));
            return Ok(());
        }
        if seeking && info.size == 0 {
            // There is nothing to ask for, and so nothing that would ever be looked at.
            self.fail(share, Failure::BadOffer(ManifestError::Header));
            return Ok(());
        }
        if seeking {
            fetch.stage = Stage::Manifest(None, ManifestFetch::new(info));
        }
        if let Some(download) = self.download(id) {
            download.tell(Told::Info, now);
        }
        self.choose_offerer(share);
        Ok(())
    }

    /// Any one source that has told what the manifest is sends it.
    fn choose_offerer(&mut self, share: ShareId) {
        let told = |node: &mut Self, id: &ConnId| {
            node.download(*id).is_some_and(|download| download.told() >= Told::Info)
        };
        let Some(id) = self.conns_of(share).into_iter().find(|id| told(self, id)) else { return };
        if let Some(Stage::Manifest(from @ None, _)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        {
            *from = Some(id);
            self.event(Event::Waiting { share, why: Waiting::Manifest });
            self.ask_manifest(share);
        }
    }

    /// Whoever sends the manifest is gone: another goes on.
    pub(super) fn offerer_gone(&mut self, share: ShareId, id: ConnId) {
        if let Some(Stage::Manifest(from, manifest)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
            && *from == Some(id)
        {
            *from = None;
            manifest.lost();
            self.choose_offerer(share);
        }
    }

    /// Asks for more of the manifest, within the peer's window.
    fn ask_manifest(&mut self, share: ShareId) {
        let (now, config) = (self.now, &self.config);
        let mut messages = Vec::new();
        let Some(Stage::Manifest(Some(id), manifest)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
        else {
            return;
        };
        let id = *id;
        let Some(download) = self.conns.get_mut(&id).and_then(Conn::download_mut) else { return };
        while download.has_room_for_hashes()
            && let Some(range) = manifest.ask_hashes()
        {
            if download.ask_hashes(range, now) {
                messages.push(Message::HashRequest(range));
            }
        }
        while download.has_room(config)
            && let Some((run, len)) = manifest.ask()
        {
            download.ask(run, len, now);
            messages.push(Message::Request(run));
        }
        self.with_session(id, |session| messages.iter().for_each(|message| session.send(message)));
    }

    /// Looks whether the manifest is whole, and offers it.
    fn check_manifest(&mut self, share: ShareId) -> Result<(), Fault> {
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
                self.manifest_known(share, &manifest);
                self.event(Event::Offer { share, manifest });
            }
            // The sender's own hash says that it meant this.
            Err(error) => self.fail(share, Failure::BadOffer(error)),
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, share: ShareId, selection: Selection, first: Selection) {
        let Some(fetch) = self.fetches.get_mut(&share) else {
            return self.refuse(share, Refusal::UnknownShare);
        };
        let Stage::Offered(manifest) = &fetch.stage else { return self.refuse(share, Refusal::NotNow) };
        let choice = Choice { wanted: selection.normal(), first: first.normal() };
        fetch.stage = Stage::Opening(Arc::clone(manifest));
        let job = self.jobs.open_share(share, choice.wanted.clone());
        fetch.choice = choice;
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
        // Where only one gives, nothing is rare.
        let is_swarm = self.is_swarm(share);
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Opening(manifest) = &fetch.stage else { return };
        match result {
            Err(error) => self.fail(share, Failure::Storage(error)),
            Ok(opened) => {
                let manifest = Arc::clone(manifest);
                let order = if is_swarm { fetch.order } else { Order::Sequential };
                let ordering = Ordering { order, seed: self.jitter.below(u64::MAX) };
                let layers = fetch.layers.clone();
                let before = core::mem::take(&mut fetch.before);
                let is_again = before.is_any();
                let of = Arc::clone(&manifest);
                let transfer = Transfer::new(of, layers, &fetch.choice, &opened, ordering, before);
                let rechecking = transfer.is_rechecking();
                fetch.stage = Stage::Running(manifest, transfer);
                self.count_haves(share);
                if is_again {
                    self.tell_choice(share);
                }
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

    /// Bytes of the manifest have come, at this offset; and the run, if it is whole now.
    pub(super) fn manifest_payload(
        &mut self,
        share: ShareId,
        id: ConnId,
        at: u64,
        bytes: &[u8],
        whole: Option<BlockRun>,
    ) -> Result<(), Fault> {
        // It may have been asked for before the share went on without it.
        if let Some(Stage::Manifest(from, manifest)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
            && *from == Some(id)
        {
            manifest.fill(at, bytes);
            if let Some(run) = whole {
                manifest.came(run);
                self.settled(share, id);
                self.check_manifest(share)?;
            }
        }
        Ok(())
    }

    /// Hashes of the manifest have come.
    pub(super) fn manifest_hashes(
        &mut self,
        share: ShareId,
        id: ConnId,
        hashes: &Hashes,
    ) -> Result<(), Fault> {
        if let Some(Stage::Manifest(from, manifest)) =
            self.fetches.get_mut(&share).map(|fetch| &mut fetch.stage)
            && *from == Some(id)
        {
            manifest.proven(hashes)?;
            self.check_manifest(share)?;
        }
        Ok(())
    }
}
