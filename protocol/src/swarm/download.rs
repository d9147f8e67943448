//! What one peer was asked for and how its blocks come together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::Now;
use crate::config::Config;
use crate::content::geometry::BLOCK;
use crate::job::SpanBuf;
use crate::output::Fault;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::{BlockRun, BlocksHead, ChunkRange, HashRange, RANGES_MAX};

/// Extents of one batch: small files share a job. More only while buffers are scarce.
pub(crate) const EXTENTS_MAX: usize = 64;
/// Requests for hashes open with one peer at most (PROTOCOL §5.6).
const HASHES_OPEN_MAX: usize = 8;
/// Questions about its disk open with one peer at most (PROTOCOL §5.7).
const DOUBTS_OPEN_MAX: usize = 2;
/// Bytes that an open request takes.
pub(crate) const ASKED_BYTES: usize = size_of::<((u32, u32), (BlockRun, u32))>();
/// Runs from this size on are a batch of their own as soon as they are whole.
const LARGE: usize = 128 * 1024;

/// A run that is coming in.
#[derive(Clone, Copy, Debug)]
struct Assembly {
    run: BlockRun,
    len: u32,
    got: u32,
}

/// Whole runs in one buffer, on their way to a `Land` job.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) buf: SpanBuf,
    pub(crate) runs: Vec<(BlockRun, u32)>,
}

/// What a source has told of its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    Nothing,
    Preparing,
    Info,
    /// What the manifest is and which chunks it has: all that is needed.
    Have,
}

#[derive(Debug)]
pub(crate) struct Download {
    told: Told,
    /// Chunks that the peer has, as ranges; sorted, not touching.
    have: BTreeMap<u32, u32>,
    asked: BTreeMap<(u32, u32), (BlockRun, u32)>,
    asked_bytes: u64,
    hashes: BTreeSet<HashRange>,
    /// Chunks of blobs that the peer was told are wrong.
    doubts: BTreeSet<(u32, u32)>,
    assembly: Option<Assembly>,
    pub(crate) batch: Option<Batch>,
    window: u64,
    meter_from: Now,
    meter_bytes: u64,
    /// When the last byte that was asked for came, or when it was asked for.
    progressed: Now,
    /// Since when the peer has nothing that we want.
    barren_since: Option<Now>,
}

impl Download {
    pub(crate) fn new(config: &Config, now: Now) -> Self {
        Self {
            told: Told::Nothing,
            have: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_bytes: 0,
            hashes: BTreeSet::new(),
            doubts: BTreeSet::new(),
            assembly: None,
            batch: None,
            window: config.window_min.max(4 << 20).min(config.window_max),
            meter_from: now,
            meter_bytes: 0,
            progressed: now,
            barren_since: None,
        }
    }

    /// What the peer has told so far.
    pub(crate) const fn told(&self) -> Told {
        self.told
    }

    /// The peer has told this much.
    pub(crate) fn tell(&mut self, told: Told, now: Now) {
        if told > self.told {
            self.told = told;
            self.progressed = now;
        }
    }

    /// The peer has more chunks.
    pub(crate) fn have(&mut self, ranges: &[ChunkRange], chunks: u32) -> Result<(), Fault> {
        if ranges.len() > RANGES_MAX {
            return Err(Fault::Flood);
        }
        for range in ranges {
            let end =
                range.first.checked_add(range.count).filter(|end| *end <= chunks).ok_or(Fault::BadRequest)?;
            if range.count == 0 {
                continue;
            }
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

    /// The peer does not have this chunk after all.
    pub(crate) fn lacks(&mut self, chunk: u32) {
        #[cfg(planted)]
        if is(Bug::LiarAsked) {
            return;
        }
        if let Some((&first, &end)) = self.have.range(..=chunk).next_back().filter(|(_, end)| chunk < **end) {
            self.have.remove(&first);
            if first < chunk {
                self.have.insert(first, chunk);
            }
            if chunk + 1 < end {
                self.have.insert(chunk + 1, end);
            }
        }
    }

    /// Whether another request of up to a span has room in the window.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        #[cfg(planted)]
        if is(Bug::SmallWindow) && self.asked_bytes > 0 {
            return false;
        }
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

    /// Whether another request for hashes may be made.
    pub(crate) fn has_room_for_hashes(&self) -> bool {
        self.hashes.len() < HASHES_OPEN_MAX
    }

    /// Whether another chunk may be doubted.
    pub(crate) fn has_room_for_doubt(&self) -> bool {
        self.doubts.len() < DOUBTS_OPEN_MAX
    }

    /// The peer is told that this chunk of a blob is wrong.
    pub(crate) fn doubt(&mut self, blob: u32, chunk: u32, now: Now) {
        if self.is_idle() {
            self.progressed = now;
        }
        self.doubts.insert((blob, chunk));
    }

    /// The peer says that it is right; a fault if it was not asked.
    pub(crate) fn undoubted(&mut self, blob: u32, chunk: u32, now: Now) -> Result<(), Fault> {
        self.progressed = now;
        if self.doubts.remove(&(blob, chunk)) { Ok(()) } else { Err(Fault::Unasked) }
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
        match self.asked.remove(&(run.blob, run.block)) {
            Some((asked, len)) if asked == run => {
                self.asked_bytes -= u64::from(len);
                Ok(())
            }
            _ => Err(Fault::Unasked),
        }
    }

    /// Nothing is asked or coming in.
    fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.assembly.is_none() && self.hashes.is_empty() && self.doubts.is_empty()
    }

    /// Blocks are asked for or here: it holds a buffer or will.
    pub(crate) fn is_busy(&self) -> bool {
        !self.asked.is_empty() || self.assembly.is_some() || self.batch.is_some()
    }

    /// Since when nothing came although something is due; `None` while nothing is.
    pub(crate) fn stalled_since(&self) -> Option<Now> {
        let silent = matches!(self.told, Told::Nothing | Told::Info);
        (silent || !self.is_idle()).then_some(self.progressed)
    }

    /// Whether the peer could be asked, if it had something that we want.
    pub(crate) fn is_free(&self) -> bool {
        self.told == Told::Have && self.is_idle()
    }

    /// The peer was looked at: whether it has something that we want. Returns since when it has nothing.
    pub(crate) fn looked_at(&mut self, is_of_use: bool, now: Now) -> Option<Now> {
        self.barren_since = if is_of_use { None } else { Some(self.barren_since.unwrap_or(now)) };
        self.barren_since
    }

    /// Bytes of memory for what is asked and for what the peer has.
    pub(crate) fn memory(&self) -> usize {
        self.asked.len() * ASKED_BYTES + self.have.len() * size_of::<(u32, u32)>()
    }

    /// Time in which we did not read does not count.
    pub(crate) fn unpaused(&mut self, now: Now) {
        self.progressed = now;
    }

    /// A frame of blocks begins: it must continue the run that is coming in, or begin one that was asked for.
    pub(crate) fn begin(&mut self, head: BlocksHead) -> Result<(), Fault> {
        let assembly = match self.assembly.take() {
            Some(assembly) => assembly,
            None => {
                let key = (head.blob, head.block);
                #[cfg(planted)]
                let key = if is(Bug::MatchedByOrder) { self.first_asked() } else { key };
                let (run, len) = self.asked.remove(&key).ok_or(Fault::Unasked)?;
                Assembly { run, len, got: 0 }
            }
        };
        let at = u64::from(assembly.run.block) * BLOCK + u64::from(assembly.got);
        let left = assembly.len - assembly.got;
        let whole_blocks = u64::from(head.len).is_multiple_of(BLOCK) || head.len == left;
        let fits = head.blob == assembly.run.blob && u64::from(head.block) * BLOCK == at && head.len <= left;
        #[cfg(planted)]
        let fits = fits || is(Bug::MatchedByOrder) && head.len <= left;
        // Wrong or not, the run is still owed: when the peer is sent away for it, others are asked.
        self.assembly = Some(assembly);
        if fits && whole_blocks { Ok(()) } else { Err(Fault::Unasked) }
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
        if assembly.got < assembly.len {
            return None;
        }
        let whole = (assembly.run, assembly.len);
        self.assembly = None;
        self.asked_bytes -= u64::from(whole.1);
        Some(whole)
    }

    /// Whether a batch must go to the disk before a run of `len` bytes can begin in its buffer.
    pub(crate) fn must_flush(&self, len: u32, extents_max: usize) -> bool {
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.buf.room() < len as usize || batch.runs.len() >= extents_max)
    }

    /// Whether the batch is worth a job by itself.
    pub(crate) fn is_full(&self, extents_max: usize) -> bool {
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.buf.filled().len() >= LARGE || batch.runs.len() >= extents_max)
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

    #[cfg(planted)]
    fn first_asked(&self) -> (u32, u32) {
        self.asked.keys().next().copied().unwrap_or_default()
    }

    /// Runs that are asked for.
    #[cfg(planted)]
    pub(crate) fn asked(&self) -> Vec<BlockRun> {
        self.asked.values().map(|(run, _)| *run).collect()
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
