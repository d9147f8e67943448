//! How shares end: placed, failed or told to; with the last claims written and every peer told.

use alloc::vec::Vec;

use super::Node;
use super::exchange::Purpose;
use super::fetch::{End, Stage};
use crate::content::identity::{Nonce, ReceiptStatement, selection_digest};
use crate::content::selection::Selection;
use crate::input::Afterwards;
use crate::job::{Durability, Outcome, StorageError};
use crate::output::{Event, Failure, Goodbye, Output, Refusal, Waiting};
use crate::timers::Timer;
use crate::wire::{Message, Reason, Receipt};
use crate::{ConnId, ContentId, NodeId, ShareId};

/// Free buffers that stay warm when no transfer runs.
const SPANS_IDLE: usize = 4;

/// The bytes that a receipt signs (PROTOCOL §5.9).
pub(super) fn statement(
    content: ContentId,
    receipt: &Receipt,
    receiver: NodeId,
    sender: NodeId,
    sender_nonce: Nonce,
) -> Vec<u8> {
    ReceiptStatement {
        content,
        selection: receipt.selection,
        outcome: receipt.outcome,
        receiver,
        sender,
        sender_nonce,
        time: receipt.time,
    }
    .bytes()
}

impl Node {
    /// Everything wanted is verified: the claims are written, then the files are placed.
    pub(super) fn maybe_commit(&mut self, share: ShareId) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let Stage::Running(_, transfer) = &fetch.stage else { return };
        let idle = self.jobs.of(share) == 0;
        if !transfer.is_complete() || transfer.has_claims() || !idle {
            return;
        }
        let progress = transfer.progress;
        let dials = fetch.targets.dials();
        fetch.stage = match core::mem::replace(&mut fetch.stage, Stage::Ended) {
            Stage::Running(manifest, transfer) => Stage::Committing(manifest, transfer),
            other => other,
        };
        self.timers.cancel(Timer::Checkpoint(share));
        self.timers.cancel(Timer::Dial(share));
        self.timers.cancel(Timer::GiveUp(share));
        self.event(Event::Progress { share, progress });
        self.event(Event::Waiting { share, why: Waiting::Placing });
        self.drop_dials(dials);
        let job = self.jobs.commit(share);
        self.outputs.push_back(Output::Job(job));
    }

    pub(super) fn commit_done(&mut self, share: ShareId, result: Result<Outcome, StorageError>) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        let outcome = match (result, &fetch.stage) {
            (Ok(outcome), Stage::Committing(..)) => outcome,
            // It was told to end meanwhile; what is placed is placed.
            (Ok(outcome), _) => {
                fetch.stage = Stage::Ended;
                return self.event(Event::Completed { share, outcome });
            }
            (Err(error), _) => return self.fail(share, Failure::Storage(error)),
        };
        let stays = fetch.afterwards == Afterwards::Seed;
        let fetched_all = fetch.choice.wanted == Selection::All;
        fetch.stage = match core::mem::replace(&mut fetch.stage, Stage::Placed(None)) {
            Stage::Committing(manifest, transfer) if stays => Stage::Placed(Some((manifest, transfer))),
            _ => Stage::Placed(None),
        };
        let receipt = Receipt {
            selection: selection_digest(&fetch.choice.wanted),
            outcome,
            time: self.unix_time(),
            signature: [[0; 32]; 2],
        };
        self.event(Event::Completed { share, outcome });
        if fetched_all {
            self.announce_completed(share);
        }
        if !stays {
            self.announce_stopped(share);
        }
        for id in self.conns_of(share) {
            // Whoever has only a part did not send the share.
            let is_sender = self.download(id).is_some_and(|download| download.is_sender());
            if is_sender {
                self.sign_receipt(share, id, receipt);
            } else if !stays {
                self.dismiss(id, Reason::Done);
            }
            self.mind_interest(share, id);
        }
    }

    pub(super) fn sign_done(&mut self, id: ConnId, receipt: Receipt) {
        self.with_session(id, |session| session.send(&Message::Receipt(receipt)));
        let share = self.conns.get(&id).and_then(|conn| conn.purpose.share());
        let leaves = share.and_then(|share| self.fetches.get(&share)).map(|fetch| fetch.afterwards);
        if leaves == Some(Afterwards::Leave) {
            self.dismiss(id, Reason::Done);
            // Whoever had its receipt before it was told to end.
            if let Some(share) = share.filter(|share| self.jobs.of(*share) == 0) {
                self.conns_of(share).into_iter().for_each(|id| self.dismiss(id, Reason::Done));
            }
        }
    }

    /// A fetch ends without its files.
    pub(super) fn fail(&mut self, share: ShareId, why: Failure) {
        let reason = match why {
            Failure::BadOffer(_) | Failure::OfferTooLarge(_) => Reason::Refused,
            Failure::Storage(_) => Reason::Storage,
            Failure::SourceChanged(_) => Reason::SourceChanged,
            Failure::SourceUnreadable(_) => Reason::SourceUnreadable,
            Failure::Integrity(_) => Reason::Misbehaved,
            Failure::Version => Reason::Version,
            Failure::NotFound(_)
            | Failure::NoSuchShare
            | Failure::LinkLost(_)
            | Failure::NotAvailable
            | Failure::SenderLeft(_) => Reason::Leaving,
        };
        self.wind_down(share, End::Failed(why), reason);
    }

    pub(super) fn end(&mut self, share: ShareId, reason: Reason) {
        if self.serving.contains_key(&share) {
            self.unserve(share, reason);
        } else if self.rooms.contains_key(&share) {
            self.leave_room(share, reason);
        } else if self.fetches.contains_key(&share) {
            self.wind_down(share, End::Told, reason);
        } else {
            self.refuse(share, Refusal::UnknownShare);
        }
    }

    fn wind_down(&mut self, share: ShareId, end: End, reason: Reason) {
        let Some(fetch) = self.fetches.get_mut(&share) else { return };
        if let Stage::Placed(Some(_)) = fetch.stage {
            // It was to be seeded: nothing is left to be kept. Receipts that are being signed still go out.
            fetch.stage = Stage::Placed(None);
            fetch.afterwards = Afterwards::Leave;
            self.timers.cancel(Timer::Progress(share));
            let is_signing = self.jobs.of(share) > 0;
            for id in self.conns_of(share) {
                let is_sender = self.download(id).is_some_and(|download| download.is_sender());
                if !is_signing || !is_sender {
                    self.dismiss(id, reason);
                }
            }
            self.announce_stopped(share);
            return self.maybe_ended(share);
        }
        let ended = matches!(fetch.stage, Stage::Placed(_) | Stage::Ending(..) | Stage::Ended);
        if let (Stage::Ending(_, told @ End::Told), End::Failed(Failure::Storage(_))) =
            (&mut fetch.stage, end)
        {
            // The last claims could not be kept: that is worth saying.
            *told = end;
        }
        if ended {
            // The first cause counts, and what is placed is placed.
            return;
        }
        let dials = fetch.targets.dials();
        fetch.stage = match core::mem::replace(&mut fetch.stage, Stage::Ended) {
            Stage::Running(_, transfer) | Stage::Reconsidering(_, transfer) => {
                Stage::Ending(Some(transfer), end)
            }
            _ => Stage::Ending(None, end),
        };
        for timer in
            [Timer::Dial(share), Timer::GiveUp(share), Timer::Checkpoint(share), Timer::Progress(share)]
        {
            self.timers.cancel(timer);
        }
        self.drop_dials(dials);
        for id in self.conns_of(share) {
            self.dismiss(id, reason);
        }
        self.announce_stopped(share);
        self.maybe_ended(share);
    }

    /// Gives up dials that are under way.
    pub(super) fn drop_dials(&mut self, dials: Vec<ConnId>) {
        for conn in dials {
            if self.dials.remove(&conn).is_some() {
                self.outputs.push_back(Output::Hangup { conn, why: Goodbye::Said(Reason::Replaced) });
            }
        }
    }

    fn tell_end(&mut self, share: ShareId, end: End) {
        if let End::Failed(why) = end {
            self.event(Event::Failed { share, why });
        }
    }

    /// A share that ends writes its last claims, lets its connections close, and is forgotten.
    pub(super) fn maybe_ended(&mut self, share: ShareId) {
        let idle = self.jobs.of(share) == 0;
        if let Some(fetch) = self.fetches.get_mut(&share) {
            match &mut fetch.stage {
                Stage::Ending(running, end) if idle => {
                    let end = *end;
                    if let Some(mut transfer) = running.take()
                        && (transfer.has_claims() || fetch.checkpoints.unsynced_bytes > 0)
                    {
                        // Claims and sync in one: the state that is left can be trusted after a power cut. Tried
                        // even if the disk failed: what can be kept is kept.
                        fetch.checkpoints.synced += 1;
                        fetch.checkpoints.unsynced_bytes = 0;
                        let job = self.jobs.checkpoint(share, transfer.take_claims(), Durability::Synced);
                        self.outputs.push_back(Output::Job(job));
                        return;
                    }
                    fetch.stage = Stage::Ended;
                    self.tell_end(share, end);
                }
                Stage::Placed(None) | Stage::Ended => {}
                _ => return,
            }
        }
        if !idle {
            return;
        }
        let of = |purpose: &Purpose| purpose.share() == Some(share);
        if self.is_announced(share) {
            // Its trackers are told: that ends soon.
            return;
        }
        if self.serving.contains_key(&share) || self.conns.values().any(|conn| of(&conn.purpose)) {
            return;
        }
        let fetched = self.fetches.remove(&share);
        if let Some(fetch) = &fetched
            && self.discoveries.get(&fetch.key.discovery()) == Some(&share)
        {
            self.discoveries.remove(&fetch.key.discovery());
        }
        if fetched.is_some() || self.unserved.remove(&share).is_some() {
            self.leave_swarm(share);
            self.timers.cancel(Timer::Progress(share));
            self.pool.trim(SPANS_IDLE);
            self.event(Event::Ended { share });
        }
    }
}
