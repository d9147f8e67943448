//! Back to the offer while a fetch runs, so that something else of the share can be wanted.

use super::Node;
use super::fetch::Stage;
use crate::job::Durability;
use crate::output::{Event, Output, Refusal};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::download::Download;
#[cfg(planted)]
use crate::swarm::transfer::Before;
use crate::swarm::upload::Upload;
use crate::timers::Timer;
use crate::wire::{Message, Reject, RejectWhy};
use crate::{ConnId, ShareId};

impl Node {
    /// Takes back what was asked for and lets what has come be claimed; then the share is offered again.
    pub(super) fn reconsider(&mut self, share: ShareId) {
        match self.fetches.get(&share).map(|fetch| &fetch.stage) {
            Some(Stage::Running(..)) => {}
            Some(_) => return self.refuse(share, Refusal::NotNow),
            None => return self.refuse(share, Refusal::UnknownShare),
        }
        for id in self.conns_of(share) {
            self.take_all_back(share, id);
            self.give_nothing_for_now(id);
        }
        if let Some(fetch) = self.fetches.get_mut(&share) {
            fetch.stage = match core::mem::replace(&mut fetch.stage, Stage::Ended) {
                Stage::Running(manifest, transfer) => Stage::Reconsidering(manifest, transfer),
                other => other,
            };
        }
        for timer in [Timer::Checkpoint(share), Timer::Progress(share), Timer::Have(share)] {
            self.timers.cancel(timer);
        }
        self.maybe_offer_again(share);
    }

    /// Every request for blocks is taken back; what came whole is landed.
    fn take_all_back(&mut self, share: ShareId, id: ConnId) {
        let Some(download) = self.download(id) else { return };
        let mut runs = download.take_back(u64::MAX, |_| true);
        let spare = download.take_back_incoming(|_| true).and_then(|(run, spare)| {
            runs.push(run);
            spare
        });
        if let Some(batch) = self.download(id).and_then(Download::take_batch) {
            self.land(share, id, batch);
        }
        if let Some(batch) = spare {
            self.pool.put(batch.buf);
        }
        self.with_session(id, |session| runs.iter().for_each(|run| session.send(&Message::Cancel(*run))));
    }

    /// The staging is closed: nothing can be read from it until it is opened again. Peers are told then what is there.
    fn give_nothing_for_now(&mut self, id: ConnId) {
        let runs = self.upload(id).map(Upload::choke).unwrap_or_default();
        self.with_session(id, |session| {
            for run in runs {
                session.send(&Message::Reject(Reject { run, why: RejectWhy::Absent }));
            }
        });
    }

    /// Once nothing is on its way any more, the last claims are made to last, and the share is offered.
    pub(super) fn maybe_offer_again(&mut self, share: ShareId) {
        if self.jobs.of(share) > 0 {
            return;
        }
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Reconsidering(_, transfer) = &mut fetch.stage else { return };
        if transfer.has_claims() || fetch.checkpoints.unsynced_bytes > 0 {
            fetch.checkpoints.synced += 1;
            fetch.checkpoints.unsynced_bytes = 0;
            let job = self.jobs.checkpoint(share, transfer.take_claims(), Durability::Synced);
            self.outputs.push_back(Output::Job(job));
            return;
        }
        let stage = core::mem::replace(&mut fetch.stage, Stage::Ended);
        let Stage::Reconsidering(manifest, transfer) = stage else { return };
        fetch.before = transfer.into_before();
        #[cfg(planted)]
        if is(Bug::ChoiceForgets) {
            fetch.before = Before::default();
        }
        fetch.stage = Stage::Offered(manifest.clone());
        self.event(Event::Offer { share, manifest });
    }

    /// The storage is open again, perhaps for other files: peers hear what we have and what we want.
    pub(super) fn tell_choice(&mut self, share: ShareId) {
        for id in self.open_of(share) {
            self.tell_stock(share, id);
            self.mind_interest(share, id);
        }
    }
}
