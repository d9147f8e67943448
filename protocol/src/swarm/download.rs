//! What one peer was asked for and how its blocks come together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::Now;
use crate::config::Config;
use crate::content::geometry::{BLOCK, SPAN};
use crate::job::SpanBuf;
use crate::output::Fault;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::swarm::have::Have;
use crate::wire::{BlockRun, BlocksHead, ChunkRange, HashRange};

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
    use_for: Use,
}

/// What becomes of the bytes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// They are landed.
    Wanted,
    /// Another source was asked for them meanwhile: they are thrown away.
    Cancelled,
}

/// The next payload that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) run: BlockRun,
    /// Its offset in the blob.
    pub(crate) at: u64,
    /// Bytes of the whole run.
    pub(crate) len: u32,
    pub(crate) use_for: Use,
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
    /// That it seeks the share as we do.
    Seeking,
    Preparing,
    Info,
    /// What the manifest is and which chunks it has: all that is needed.
    Have,
}

/// Whether a peer came with the whole share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Part,
    Whole,
}

/// Whether requests are served (PROTOCOL §5.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choking {
    Choked,
    Unchoked,
}

/// Whether the other side has something that is wanted (PROTOCOL §5.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Interested,
    NotInterested,
}

#[derive(Debug)]
pub(crate) struct Download {
    told: Told,
    have: Have,
    origin: Origin,
    /// The chunk that was asked for last.
    last: Option<u32>,
    choking: Choking,
    /// What the peer was told of our interest.
    interest: Interest,
    strikes: u32,
    bytes: u64,
    asked: BTreeMap<(u32, u32), (BlockRun, u32)>,
    asked_bytes: u64,
    /// Requests that were taken back and are not answered yet.
    cancelled: BTreeMap<(u32, u32), (BlockRun, u32)>,
    hashes: BTreeSet<HashRange>,
    /// Chunks of blobs that the peer was told are wrong.
    doubts: BTreeSet<(u32, u32)>,
    assembly: Option<Assembly>,
    pub(crate) batch: Option<Batch>,
    window: u64,
    /// The window is never smaller.
    floor: u64,
    meter_from: Now,
    meter_bytes: u64,
    /// Bytes a second, lately; 0 while nothing has come.
    rate: u64,
    /// When the last byte that was asked for came, or when it was asked for.
    progressed: Now,
    /// Since when the peer has nothing that we want.
    barren_since: Option<Now>,
}

impl Download {
    pub(crate) fn new(config: &Config, now: Now) -> Self {
        Self {
            told: Told::Nothing,
            have: Have::default(),
            origin: Origin::Part,
            last: None,
            choking: Choking::Unchoked,
            interest: Interest::Interested,
            strikes: 0,
            bytes: 0,
            asked: BTreeMap::new(),
            asked_bytes: 0,
            cancelled: BTreeMap::new(),
            hashes: BTreeSet::new(),
            doubts: BTreeSet::new(),
            assembly: None,
            batch: None,
            window: config.window_min.max(4 << 20).min(config.window_max),
            floor: config.window_min,
            meter_from: now,
            meter_bytes: 0,
            rate: 0,
            progressed: now,
            barren_since: None,
        }
    }

    /// One of many sources: what is asked of it is soon asked of another, so no more than a second's worth is.
    pub(crate) fn of_many(&mut self) {
        self.floor = self.floor.min(SPAN);
        self.window = self.window.min(2 * SPAN);
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

    /// The peer has more chunks. `chunks`: how many there are, if that is known. `see` hears of those that are news, from
    /// then on.
    pub(crate) fn tell_have(
        &mut self,
        ranges: &[ChunkRange],
        chunks: Option<u32>,
        see: &mut dyn FnMut(u32),
    ) -> Result<(), Fault> {
        if let Some(chunks) = chunks {
            self.have.settle(chunks)?;
        }
        self.have.tell(ranges, see)?;
        if self.have.is_whole() {
            self.origin = Origin::Whole;
        }
        Ok(())
    }

    /// Whether the peer has ever told that it has everything, though it may give some of it later.
    pub(crate) fn is_sender(&self) -> bool {
        self.origin == Origin::Whole
    }

    /// It is known how many chunks there are.
    pub(crate) fn settle(&mut self, chunks: u32) -> Result<(), Fault> {
        self.have.settle(chunks)?;
        if self.have.is_whole() {
            self.origin = Origin::Whole;
        }
        Ok(())
    }

    /// The chunks that the peer has.
    pub(crate) const fn have(&self) -> &Have {
        &self.have
    }

    /// The same, to choose of.
    pub(crate) const fn have_mut(&mut self) -> &mut Have {
        &mut self.have
    }

    /// The peer does not have this chunk after all. Whether it said that it has; `see` as in [`Have::lacks`].
    pub(crate) fn lacks(&mut self, chunk: u32, see: &mut dyn FnMut(u32)) -> bool {
        #[cfg(planted)]
        if is(Bug::LiarAsked) {
            return false;
        }
        self.have.lacks(chunk, see)
    }

    /// The chunk that was asked for last.
    pub(crate) const fn last(&self) -> Option<u32> {
        self.last
    }

    /// Whether the peer lets us ask.
    pub(crate) const fn choking(&self) -> Choking {
        self.choking
    }

    /// The peer lets us ask, or not.
    pub(crate) fn choke(&mut self, choking: Choking) {
        self.choking = choking;
    }

    /// What the peer knows of our interest becomes this; whether it must be told.
    pub(crate) fn interest(&mut self, interest: Interest) -> bool {
        core::mem::replace(&mut self.interest, interest) != interest
    }

    /// It sent wrong bytes, as was found later. How often that was.
    pub(crate) const fn strike(&mut self) -> u32 {
        self.strikes += 1;
        self.strikes
    }

    /// Payload bytes that came in all.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether another request of up to a span has room in the window.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        #[cfg(planted)]
        if is(Bug::SmallWindow) && self.asked_bytes > 0 {
            return false;
        }
        let open = self.asked.len() + self.cancelled.len();
        self.asked_bytes < self.window && open < config.requests_max as usize
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

    /// A block of this chunk was asked for.
    pub(crate) const fn asked_of(&mut self, chunk: u32) {
        self.last = Some(chunk);
    }

    /// Whether another request for hashes may be made.
    pub(crate) fn has_room_for_hashes(&self) -> bool {
        self.hashes.len() < HASHES_OPEN_MAX
    }

    /// Whether another chunk may be doubted.
    pub(crate) fn has_room_for_doubt(&self) -> bool {
        self.doubts.len() < DOUBTS_OPEN_MAX
    }

    /// The peer is told that this chunk of a blob is wrong; false if it was told and has not answered yet.
    pub(crate) fn doubt(&mut self, blob: u32, chunk: u32, now: Now) -> bool {
        if self.is_idle() {
            self.progressed = now;
        }
        self.doubts.insert((blob, chunk))
    }

    /// The peer says that it is right; a fault if it was not asked.
    pub(crate) fn undoubted(&mut self, blob: u32, chunk: u32, now: Now) -> Result<(), Fault> {
        self.progressed = now;
        if self.doubts.remove(&(blob, chunk)) { Ok(()) } else { Err(Fault::Unasked) }
    }

    /// Hashes are asked for; false if they were and have not come yet: the answer serves for both.
    pub(crate) fn ask_hashes(&mut self, range: HashRange, now: Now) -> bool {
        if self.is_idle() {
            self.progressed = now;
        }
        self.hashes.insert(range)
    }

    /// The answer to a hash request; a fault if it was not asked.
    pub(crate) fn hashes_came(&mut self, range: HashRange, now: Now) -> Result<(), Fault> {
        self.progressed = now;
        if self.hashes.remove(&range) { Ok(()) } else { Err(Fault::Unasked) }
    }

    /// A request will not be served: whether it was still wanted. A fault if there was none.
    pub(crate) fn rejected(&mut self, run: BlockRun) -> Result<Use, Fault> {
        let key = (run.blob, run.block);
        if self.cancelled.contains_key(&key) {
            return self.cancel_answered(run).map(|()| Use::Cancelled);
        }
        // A reject that does not fit takes nothing off the list: what is owed is asked of others.
        let (_, len) = *self.asked.get(&key).filter(|(asked, _)| *asked == run).ok_or(Fault::Unasked)?;
        self.asked.remove(&key);
        self.asked_bytes -= u64::from(len);
        Ok(Use::Wanted)
    }

    /// A request that was taken back will not be served; a fault if there was none.
    pub(crate) fn cancel_answered(&mut self, run: BlockRun) -> Result<(), Fault> {
        match self.cancelled.remove(&(run.blob, run.block)) {
            Some((asked, _)) if asked == run => Ok(()),
            _ => Err(Fault::Unasked),
        }
    }

    /// Whether answers to requests that were taken back are still to come: until then nothing else is asked of it.
    pub(crate) fn is_cancelling(&self) -> bool {
        !self.cancelled.is_empty() || self.assembly.is_some_and(|assembly| assembly.use_for == Use::Cancelled)
    }

    /// Bytes that it still owes us.
    pub(crate) fn owed(&self) -> u64 {
        let got = self.assembly.filter(|assembly| assembly.use_for == Use::Wanted).map_or(0, |a| a.got);
        self.asked_bytes - u64::from(got)
    }

    /// Bytes a second that it delivered when it last had something to do; 0 if that is not known.
    pub(crate) const fn last_rate(&self) -> u64 {
        self.rate
    }

    /// Bytes a second that it delivers; `None` while that is not known. Whoever serves several may be silent for a while.
    pub(crate) fn rate(&self, now: Now) -> Option<u64> {
        const STALE: Duration = Duration::from_secs(2);
        let passed = now.since(self.meter_from);
        if passed < STALE {
            return (self.rate > 0).then_some(self.rate);
        }
        let second = u128::from(self.meter_bytes) * 1_000_000_000 / passed.as_nanos();
        u64::try_from(second).ok()
    }

    /// Runs that it owes, the one that is coming in too.
    pub(crate) fn runs(&self) -> Vec<BlockRun> {
        let incoming = self.assembly.filter(|assembly| assembly.use_for == Use::Wanted);
        self.asked.values().map(|(run, _)| *run).chain(incoming.map(|assembly| assembly.run)).collect()
    }

    /// Takes requests back that it has not begun to answer, the last first: about so many bytes of those that `may` says.
    pub(crate) fn take_back(&mut self, bytes: u64, may: impl Fn(BlockRun) -> bool) -> Vec<BlockRun> {
        let (mut runs, mut left) = (Vec::new(), bytes);
        for (_, (run, len)) in self.asked.iter().rev() {
            if left == 0 {
                break;
            }
            if may(*run) {
                left = left.saturating_sub(u64::from(*len));
                runs.push(*run);
            }
        }
        for run in &runs {
            let key = (run.blob, run.block);
            if let Some(asked) = self.asked.remove(&key) {
                self.asked_bytes -= u64::from(asked.1);
                self.cancelled.insert(key, asked);
            }
        }
        runs
    }

    /// Takes back the run that is coming in; the rest of it will be thrown away. With it a batch that holds nothing else.
    pub(crate) fn take_back_incoming(
        &mut self,
        may: impl Fn(BlockRun) -> bool,
    ) -> Option<(BlockRun, Option<Batch>)> {
        let assembly = self.assembly.as_mut().filter(|a| a.use_for == Use::Wanted && may(a.run))?;
        assembly.use_for = Use::Cancelled;
        let run = assembly.run;
        self.asked_bytes -= u64::from(assembly.len);
        if let Some(batch) = &mut self.batch {
            let whole: u32 = batch.runs.iter().map(|(_, len)| len).sum();
            batch.buf.set_filled(whole as usize);
        }
        Some((run, self.batch.take_if(|batch| batch.runs.is_empty())))
    }

    /// Nothing is asked or coming in.
    fn is_idle(&self) -> bool {
        self.asked.is_empty()
            && self.cancelled.is_empty()
            && self.assembly.is_none()
            && self.hashes.is_empty()
            && self.doubts.is_empty()
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
        (self.asked.len() + self.cancelled.len()) * ASKED_BYTES + self.have.memory()
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
                let (use_for, (run, len)) = match self.asked.remove(&key) {
                    Some(asked) => (Use::Wanted, asked),
                    None => (Use::Cancelled, self.cancelled.remove(&key).ok_or(Fault::Unasked)?),
                };
                Assembly { run, len, got: 0, use_for }
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

    /// What the next payload belongs to.
    pub(crate) fn incoming(&self) -> Option<Incoming> {
        let Assembly { run, len, got, use_for } = self.assembly?;
        Some(Incoming { run, at: u64::from(run.block) * BLOCK + u64::from(got), len, use_for })
    }

    /// `len` bytes of payload came. Returns the run if it is whole now.
    pub(crate) fn advance(&mut self, len: usize, now: Now, config: &Config) -> Option<(BlockRun, u32)> {
        self.progressed = now;
        self.bytes += len as u64;
        self.measure(len as u64, now, config);
        let assembly = self.assembly.as_mut()?;
        // The decoder hands out no more than the frame holds.
        assembly.got += len as u32;
        if assembly.got < assembly.len {
            return None;
        }
        let Assembly { run, len, use_for, .. } = *assembly;
        self.assembly = None;
        if use_for == Use::Cancelled {
            return None;
        }
        self.asked_bytes -= u64::from(len);
        Some((run, len))
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
        if self.assembly.is_some_and(|assembly| assembly.run.blob != 0 && assembly.use_for == Use::Wanted) {
            return None;
        }
        self.batch.take_if(|batch| !batch.runs.is_empty())
    }

    /// The peer is gone: what it still owes, and the whole runs that came in (the torn one is cut off).
    pub(crate) fn end(&mut self) -> (Vec<BlockRun>, Vec<HashRange>, Option<Batch>) {
        let mut owed: Vec<BlockRun> =
            core::mem::take(&mut self.asked).into_values().map(|(run, _)| run).collect();
        let torn = self.assembly.take().filter(|assembly| assembly.use_for == Use::Wanted);
        owed.extend(torn.map(|assembly| assembly.run));
        self.cancelled.clear();
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
            self.rate = if self.rate == 0 { target } else { self.rate / 2 + target / 2 };
            self.window = (self.window / 2 + target / 2).clamp(self.floor, config.window_max);
            self.meter_from = now;
            self.meter_bytes = 0;
        }
    }
}
