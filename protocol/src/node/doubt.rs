//! A peer doubts bytes of ours: we look at our own disk. PROTOCOL §5.7.

use super::Node;
use super::jobs::Pending;
use super::ready::Ready;
use super::serve::reject_why;
use crate::job::StorageError;
use crate::output::{Event, Failure, Fault, Output};
use crate::swarm::transfer::Transfer;
use crate::wire::{BlockRun, Corrupt, Message, Reject, RejectWhy};
use crate::{BlobId, ChunkIndex, ConnId, EntryIndex, Hash, ShareId};

/// Looks at our own disk that one peer may cause at once.
const REHASHES_MAX: u32 = 2;

impl Node {
    /// Whether we may have given this chunk: of what is being fetched only what is verified.
    fn may_doubt(&self, share: ShareId, corrupt: Corrupt) -> bool {
        self.fetches.get(&share).is_none_or(|fetch| {
            let is_verified = |transfer: &Transfer| {
                let chunk = transfer.chunk_of(corrupt.blob, corrupt.chunk);
                chunk.is_some_and(|chunk| transfer.verified().contains(chunk))
            };
            fetch.transfer().is_some_and(is_verified)
        })
    }

    /// A receiver says that a chunk of ours is wrong: we look at our own disk.
    pub(super) fn question_self(
        &mut self,
        share: ShareId,
        id: ConnId,
        corrupt: Corrupt,
    ) -> Result<(), Fault> {
        let ready = self.ready(share)?;
        let entry = BlobId(corrupt.blob).entry().ok_or(Fault::BadRequest)?;
        let shape = ready.manifest.shape(entry).ok_or(Fault::BadRequest)?;
        let range = shape.chunk_range(u64::from(corrupt.chunk));
        let may_doubt = self.may_doubt(share, corrupt);
        let Some(upload) = self.upload(id) else { return Ok(()) };
        if range.is_empty() {
            return Err(Fault::BadRequest);
        }
        if !ready.held.contains(entry) {
            return Err(Fault::BadRequest);
        }
        if !may_doubt {
            // It is not among what we have verified, or no longer wanted: there is nothing to look at.
            let run = BlockRun { blob: corrupt.blob, block: 0, count: 0 };
            let reject = Reject { run, why: RejectWhy::Absent };
            self.with_session(id, |session| session.send(&Message::Reject(reject)));
            return Ok(());
        }
        if upload.rehashes >= REHASHES_MAX {
            return Err(Fault::Flood);
        }
        upload.rehashes += 1;
        let pending = Pending::Question { share, conn: id, corrupt };
        let job = self.jobs.rehash(share, BlobId(corrupt.blob), range, shape.chunk_height(), pending);
        self.outputs.push_back(Output::Job(job));
        Ok(())
    }

    pub(super) fn questioned(
        &mut self,
        share: ShareId,
        id: ConnId,
        corrupt: Corrupt,
        result: Result<Hash, StorageError>,
    ) {
        if let Some(upload) = self.upload(id) {
            upload.rehashes -= 1;
        }
        let Ok(ready) = self.ready(share) else { return };
        let Some(entry) = BlobId(corrupt.blob).entry() else { return };
        let expected = self.expected_hash(share, &ready, entry, corrupt.chunk);
        let error = match result {
            Ok(hash) if Some(hash) == expected => {
                self.with_session(id, |session| session.send(&Message::Intact(corrupt)));
                return;
            }
            Ok(_) => StorageError::Changed,
            Err(error) => error,
        };
        let run = BlockRun { blob: corrupt.blob, block: 0, count: 0 };
        let reject = Reject { run, why: reject_why(error) };
        self.with_session(id, |session| session.send(&Message::Reject(reject)));
        if self.fetches.contains_key(&share) {
            // What was verified is no longer what stands on our disk: nothing may be placed from it.
            return self.fail(share, Failure::Storage(StorageError::Io));
        }
        self.event(Event::SourceBroken { share, entry, why: error });
    }

    fn expected_hash(&self, share: ShareId, ready: &Ready, entry: EntryIndex, within: u32) -> Option<Hash> {
        let chunks = ready.manifest.chunks_of(entry);
        let chunk = chunks.start.checked_add(within).filter(|chunk| *chunk < chunks.end)?;
        match &ready.layers {
            Some(layers) => layers.chunk_hash(ChunkIndex(chunk)),
            None => self.fetches.get(&share)?.transfer()?.expected_of(chunk),
        }
    }
}
