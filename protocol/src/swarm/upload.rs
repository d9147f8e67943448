//! What one peer asks of us, in the order in which it asked.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::choker::Record;
use super::download::{Choking, EXTENTS_MAX, Interest};
use crate::content::geometry::{BLOCK, SPAN, SPAN_BLOCKS, Shape};
use crate::content::manifest::Manifest;
use crate::output::{Fault, Pausing};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::BlockRun;
use crate::{BlobId, Now};

/// Whether the receiver has sent its receipt: it has one for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receipted {
    No,
    /// Its signature is being checked.
    Checking,
    Yes,
}

#[derive(Debug)]
pub(crate) struct Upload {
    queue: VecDeque<BlockRun>,
    receipted: Receipted,
    pausing: Pausing,
    /// `Read` jobs on their way.
    pub(crate) reads: u32,
    /// Since when the first of the spans that are read or sent for it is.
    pub(crate) begun: Now,
    /// Payload bytes handed to the channel, and how many of them the user was told of.
    pub(crate) bytes: u64,
    pub(crate) told: u64,
    /// Looks at our own disk on the peer's word that are on their way.
    pub(crate) rehashes: u32,
    /// Bytes that it is sent before its place goes to another.
    purse: u64,
    /// Looks in a row at which it asked for nothing, and what it had been sent then.
    idle: u32,
    looked: u64,
    pub(crate) choking: Choking,
    pub(crate) interest: Interest,
    /// What the choker knows of the peer.
    pub(crate) record: Record,
}

/// Whether a peer that is served asks for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Used,
    Unused,
}

/// Bytes of a run; `None` unless it lies in one span of the blob.
pub(crate) fn run_len(shape: &Shape, run: BlockRun) -> Option<u32> {
    let fits = (1..=SPAN_BLOCKS).contains(&run.count) && run.block % SPAN_BLOCKS + run.count <= SPAN_BLOCKS;
    let end = u64::from(run.block) + u64::from(run.count);
    if !fits || end > shape.blocks() {
        return None;
    }
    let start = u64::from(run.block) * BLOCK;
    // At most a span.
    Some(((end * BLOCK).min(shape.size) - start) as u32)
}

/// The shape of a blob of a share.
pub(crate) fn shape_of(manifest: &Manifest, blob: BlobId) -> Option<Shape> {
    match blob.entry() {
        None => Some(manifest.identity().shape()),
        Some(entry) => manifest.shape(entry),
    }
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            receipted: Receipted::No,
            pausing: Pausing::Resumed,
            reads: 0,
            begun: Now::default(),
            bytes: 0,
            told: 0,
            rehashes: 0,
            purse: u64::MAX,
            idle: 0,
            looked: 0,
            choking: Choking::Unchoked,
            interest: Interest::Interested,
            record: Record::default(),
        }
    }
}

impl Upload {
    /// A receipt came: a fault if it is the second.
    pub(crate) fn receipt(&mut self) -> Result<(), Fault> {
        match self.receipted {
            Receipted::No => {
                self.receipted = Receipted::Checking;
                Ok(())
            }
            Receipted::Checking | Receipted::Yes => Err(Fault::OutOfTurn),
        }
    }

    /// The signature of the receipt is checked.
    pub(crate) const fn receipt_checked(&mut self) {
        self.receipted = Receipted::Yes;
    }

    /// Whether a receipt is being checked: the user hears of it before the peer's going.
    pub(crate) fn is_checking(&self) -> bool {
        self.receipted == Receipted::Checking
    }

    /// The receiver pauses or goes on. Says whether that is news.
    pub(crate) fn pause(&mut self, now: Pausing) -> bool {
        core::mem::replace(&mut self.pausing, now) != now
    }

    /// Bytes of memory for what the peer asked for.
    pub(crate) fn memory(&self) -> usize {
        self.queue.len() * size_of::<BlockRun>()
    }

    /// A request of the peer.
    pub(crate) fn ask(&mut self, run: BlockRun, manifest: &Manifest, requests_max: u32) -> Result<(), Fault> {
        let shape = shape_of(manifest, BlobId(run.blob)).ok_or(Fault::BadRequest)?;
        run_len(&shape, run).ok_or(Fault::BadRequest)?;
        if self.queue.len() >= requests_max as usize {
            return Err(Fault::Flood);
        }
        self.queue.push_back(run);
        Ok(())
    }

    /// Takes a request back, if nothing was done for it yet. Whether it was.
    pub(crate) fn cancel(&mut self, run: BlockRun) -> bool {
        let found = self.queue.iter().position(|queued| *queued == run);
        found.and_then(|at| self.queue.remove(at)).is_some()
    }

    /// Its place is a new one.
    pub(crate) const fn seated(&mut self) {
        self.idle = 0;
    }

    /// It is served until it has been sent so much more.
    pub(crate) const fn grant(&mut self, bytes: u64) {
        self.purse = bytes;
    }

    /// Blocks of files are read for it.
    pub(crate) const fn spend(&mut self, bytes: u64) {
        if self.purse < u64::MAX {
            self.purse = self.purse.saturating_sub(bytes);
        }
    }

    /// Whether it has been sent what it was granted.
    pub(crate) const fn is_spent(&self) -> bool {
        self.purse == 0
    }

    /// Takes all requests back for which nothing was done yet, but those for the manifest: that is given to everybody.
    pub(crate) fn choke(&mut self) -> Vec<BlockRun> {
        let is_manifest = |run: &BlockRun| run.blob == BlobId::MANIFEST.0;
        let files = self.queue.iter().filter(|run| !is_manifest(run)).copied().collect();
        self.queue.retain(is_manifest);
        files
    }

    /// Looks whether it makes use of its place: whether it has asked for anything lately. `is_sending`: some of it is on
    /// its way.
    pub(crate) fn look(&mut self, is_sending: bool) -> Use {
        let is_idle = !is_sending && self.queue.is_empty() && self.reads == 0 && self.looked == self.bytes;
        self.idle = if is_idle { self.idle + 1 } else { 0 };
        self.looked = self.bytes;
        if self.idle < 2 { Use::Used } else { Use::Unused }
    }

    /// Whether it may have blocks of files.
    pub(crate) fn is_served(&self) -> bool {
        self.choking == Choking::Unchoked && self.interest == Interest::Interested
    }

    /// Whether the next request is for the manifest, which is no file.
    pub(crate) fn asks_manifest(&self) -> bool {
        self.queue.front().is_some_and(|run| run.blob == BlobId::MANIFEST.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next requests that one buffer can answer: runs of files, or one run of the manifest.
    pub(crate) fn next(&mut self, manifest: &Manifest) -> Vec<(BlockRun, u32)> {
        #[cfg(planted)]
        if is(Bug::AnsweredReversed) {
            self.queue.rotate_right(usize::from(self.queue.len() > 1));
        }
        let (mut runs, mut room) = (Vec::new(), SPAN as u32);
        while let Some(run) = self.queue.front().copied() {
            let Some(len) = shape_of(manifest, BlobId(run.blob)).and_then(|shape| run_len(&shape, run))
            else {
                self.queue.pop_front();
                continue;
            };
            let alone = run.blob == BlobId::MANIFEST.0;
            if len > room || runs.len() >= EXTENTS_MAX || (alone && !runs.is_empty()) {
                break;
            }
            self.queue.pop_front();
            room -= len;
            runs.push((run, len));
            if alone {
                break;
            }
        }
        runs
    }
}
