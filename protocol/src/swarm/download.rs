//! What one peer was asked for and how its blocks come together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::Now;
use crate::config::Config;
use crate::content::geometry::BLOCK;
use crate::job::SpanBuf;
use crate::output::Fault;
use crate::wire::{BlockRun, BlocksHead, ChunkRange, HashRange, RANGES_MAX};

/// Extents of one batch at most: small files share a job.
pub(crate) const EXTENTS_MAX: usize = 64;
/// Runs from this size on are a batch of their own as soon as they are whole.
const LARGE: usize = 128 * 1024;

/// A run that is coming in.
#[derive(Clone, Copy, Debug)]
struct Assembly {
    run: BlockRun,
    len: u32,
    got: u32,
    /// Payload bytes of the current frame still to come.
    frame: u32,
}

/// Whole runs in one buffer, on their way to a `Land` job.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) buf: SpanBuf,
    pub(crate) runs: Vec<(BlockRun, u32)>,
}

#[derive(Debug)]
pub(crate) struct Download {
    /// Chunks that the peer has, as ranges; sorted, not touching.
    have: BTreeMap<u32, u32>,
    asked: BTreeMap<(u32, u32), (BlockRun, u32)>,
    asked_bytes: u64,
    hashes: BTreeSet<HashRange>,
    assembly: Option<Assembly>,
    pub(crate) batch: Option<Batch>,
    window: u64,
    meter_from: Now,
    meter_bytes: u64,
    /// When the last byte that was asked for came, or when it was asked for.
    progressed: Now,
}

impl Download {
    pub(crate) fn new(config: &Config, now: Now) -> Self {
        Self {
            have: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_bytes: 0,
            hashes: BTreeSet::new(),
            assembly: None,
            batch: None,
            window: config.window_min.max(4 << 20).min(config.window_max),
            meter_from: now,
            meter_bytes: 0,
            progressed: now,
        }
    }

    /// The peer has more chunks.
    pub(crate) fn have(&mut self, ranges: &[ChunkRange], chunks: u32) -> Result<(), Fault> {
        for range in ranges {
            let end =
                range.first.checked_add(range.count).filter(|end| *end <= chunks).ok_or(Fault::BadRequest)?;
            let (mut first, mut last) = (range.first, end);
            while let Some((&start, &stop)) =
                self.have.range(..=last).next_back().filter(|(_, stop)| **stop >= first)
            {
                self.have.remove(&start);
                first = first.min(start);
                last = last.max(stop);
            }
            self.have.insert(first, last);
        }
        if self.have.len() > RANGES_MAX { Err(Fault::Flood) } else { Ok(()) }
    }

    pub(crate) fn has(&self, chunk: u32) -> bool {
        self.have.range(..=chunk).next_back().is_some_and(|(_, end)| chunk < *end)
    }

    /// Whether another request of up to a span has room in the window.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        self.asked_bytes < self.window && self.asked.len() < config.requests_max as usize
    }

    pub(crate) fn ask(&mut self, run: BlockRun, len: u32, now: Now) {
        if self.is_idle() {
            self.progressed = now;
            self.meter_from = now;
            self.meter_bytes = 0;
        }
        self.asked.insert((run.blob, run.block), (run, len));
        self.asked_bytes += u64::from(len);
    }

    pub(crate) fn ask_hashes(&mut self, range: HashRange, now: Now) {
        if self.is_idle() {
            self.progressed = now;
        }
        self.hashes.insert(range);
    }

    /// The answer to a hash request; a fault if it was not asked.
    pub(crate) fn hashes_came(&mut self, range: HashRange, now: Now) -> Result<(), Fault> {
        self.progressed = now;
        if self.hashes.remove(&range) { Ok(()) } else { Err(Fault::Unasked) }
    }

    /// A request will not be served; a fault if there was none.
    pub(crate) fn rejected(&mut self, run: BlockRun) -> Result<(), Fault> {
        let (_, len) = self.asked.remove(&(run.blob, run.block)).ok_or(Fault::Unasked)?;
        self.asked_bytes -= u64::from(len);
        Ok(())
    }

    /// Nothing is asked or coming in.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.assembly.is_none() && self.hashes.is_empty()
    }

    /// Since when nothing came although something was asked; `None` while nothing is.
    pub(crate) fn stalled_since(&self) -> Option<Now> {
        (!self.is_idle()).then_some(self.progressed)
    }

    /// Time in which we did not read does not count.
    pub(crate) fn unpaused(&mut self, now: Now) {
        self.progressed = now;
    }

    /// A frame of blocks begins: it must continue the run that is coming in, or begin one that was asked for.
    pub(crate) fn begin(&mut self, head: BlocksHead) -> Result<(), Fault> {
        let mut assembly = match self.assembly.take() {
            Some(assembly) => assembly,
            None => {
                let (run, len) = self.asked.remove(&(head.blob, head.block)).ok_or(Fault::Unasked)?;
                Assembly { run, len, got: 0, frame: 0 }
            }
        };
        let at = u64::from(assembly.run.block) * BLOCK + u64::from(assembly.got);
        let left = assembly.len - assembly.got;
        let whole_blocks = u64::from(head.len).is_multiple_of(BLOCK) || head.len == left;
        let fits = head.blob == assembly.run.blob && u64::from(head.block) * BLOCK == at && head.len <= left;
        if !fits || !whole_blocks {
            return Err(Fault::Unasked);
        }
        assembly.frame = head.len;
        self.assembly = Some(assembly);
        Ok(())
    }

    /// The run that payload belongs to and the offset of the next byte in its blob.
    pub(crate) fn incoming(&self) -> Option<(BlockRun, u64, u32)> {
        let assembly = self.assembly.as_ref()?;
        let at = u64::from(assembly.run.block) * BLOCK + u64::from(assembly.got);
        Some((assembly.run, at, assembly.len))
    }

    /// `len` bytes of payload came. Returns the run if it is whole now.
    pub(crate) fn advance(&mut self, len: usize, now: Now, config: &Config) -> Option<(BlockRun, u32)> {
        self.progressed = now;
        self.measure(len as u64, now, config);
        let assembly = self.assembly.as_mut()?;
        // The decoder hands out no more than the frame holds.
        assembly.got += len as u32;
        assembly.frame -= len as u32;
        if assembly.got < assembly.len {
            return None;
        }
        let whole = (assembly.run, assembly.len);
        self.assembly = None;
        self.asked_bytes -= u64::from(whole.1);
        Some(whole)
    }

    /// Whether a batch must go to the disk before a run of `len` bytes can begin in its buffer.
    pub(crate) fn must_flush(&self, len: u32) -> bool {
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.buf.room() < len as usize || batch.runs.len() >= EXTENTS_MAX)
    }

    /// Whether the batch is worth a job by itself.
    pub(crate) fn is_full(&self) -> bool {
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.buf.filled().len() >= LARGE || batch.runs.len() >= EXTENTS_MAX)
    }

    /// The batch, if it holds whole runs only.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        if self.assembly.is_some_and(|assembly| assembly.run.blob != 0) {
            return None;
        }
        self.batch.take_if(|batch| !batch.runs.is_empty())
    }

    /// The peer is gone: what it still owes, and the whole runs that came in (the torn one is cut off).
    pub(crate) fn end(&mut self) -> (Vec<BlockRun>, Vec<HashRange>, Option<Batch>) {
        let mut owed: Vec<BlockRun> =
            core::mem::take(&mut self.asked).into_values().map(|(run, _)| run).collect();
        owed.extend(self.assembly.take().map(|assembly| assembly.run));
        self.asked_bytes = 0;
        let hashes = core::mem::take(&mut self.hashes).into_iter().collect();
        let mut batch = self.batch.take();
        if let Some(batch) = &mut batch {
            let whole: u32 = batch.runs.iter().map(|(_, len)| len).sum();
            batch.buf.set_filled(whole as usize);
        }
        (owed, hashes, batch)
    }

    /// The window follows the rate: what comes in a second, so that no link within that delay runs dry.
    fn measure(&mut self, len: u64, now: Now, config: &Config) {
        const PERIOD: Duration = Duration::from_millis(200);
        self.meter_bytes += len;
        let passed = now.since(self.meter_from);
        if passed >= PERIOD {
            let second = u128::from(self.meter_bytes) * 1_000_000_000 / passed.as_nanos();
            let target = u64::try_from(second).unwrap_or(u64::MAX);
            self.window = (self.window / 2 + target / 2).clamp(config.window_min, config.window_max);
            self.meter_from = now;
            self.meter_bytes = 0;
        }
    }
}
