//! Which chunks a peer has, as it told.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::bits::Bits;
use super::leads::Leads;
use crate::output::Fault;
use crate::wire::{ChunkRange, RANGES_MAX};

/// Runs that a peer may tell before it is known how many chunks there are.
const TOLD_MAX: usize = 32 * RANGES_MAX;

/// The chunks of one peer.
#[derive(Debug)]
pub(crate) enum Have {
    /// What it told before it was known how many chunks there are, as runs of first and end; sorted, not touching.
    Told(BTreeMap<u32, u32>),
    /// It told more than is kept before that is known: so many runs.
    TooMuch(usize),
    /// Some, and where something of them may be missing here.
    Some(Bits, Leads),
    All(u32),
}

impl Default for Have {
    fn default() -> Self {
        Self::Told(BTreeMap::new())
    }
}

impl Have {
    pub(crate) fn contains(&self, chunk: u32) -> bool {
        match self {
            Self::Told(runs) => runs.range(..=chunk).next_back().is_some_and(|(_, end)| chunk < *end),
            Self::TooMuch(_) => false,
            Self::Some(bits, _) => bits.contains(chunk),
            Self::All(chunks) => chunk < *chunks,
        }
    }

    /// The first chunk from `from` on that it has.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        match self {
            Self::Told(_) if self.contains(from) => Some(from),
            Self::Told(runs) => runs.range(from..).next().map(|(first, _)| *first),
            Self::TooMuch(_) => None,
            Self::Some(bits, _) => bits.next(from),
            Self::All(chunks) => (from < *chunks).then_some(from),
        }
    }

    /// Whether it has every chunk of a share whose number of chunks is known.
    pub(crate) const fn is_all(&self) -> bool {
        matches!(self, Self::All(_))
    }

    /// The chunks of a peer that has some.
    pub(crate) const fn bits(&self) -> Option<&Bits> {
        match self {
            Self::Some(bits, _) => Some(bits),
            Self::Told(_) | Self::TooMuch(_) | Self::All(_) => None,
        }
    }

    /// The first chunk from `from` on that it has and that is missing, and how often one more was missing; nothing of a
    /// peer that has all.
    pub(crate) fn next_missing(&mut self, missing: (&Bits, u64), from: u32) -> Option<u32> {
        match self {
            Self::Some(bits, leads) => leads.next(bits, missing, from),
            Self::Told(_) | Self::TooMuch(_) | Self::All(_) => None,
        }
    }

    /// What was looked at in vain is forgotten: another set is missing from now on.
    pub(crate) fn look_anew(&mut self) {
        if let Self::Some(_, leads) = self {
            *leads = Leads::default();
        }
    }

    /// Whether it told more than was kept.
    pub(crate) const fn is_too_much(&self) -> bool {
        matches!(self, Self::TooMuch(_))
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Told(runs) => runs.len() * size_of::<(u32, u32)>(),
            Self::Some(bits, leads) => bits.memory() + leads.memory(),
            Self::TooMuch(_) | Self::All(_) => 0,
        }
    }

    /// It is known that there are so many chunks. What is told from now on is news of `tell`.
    pub(crate) fn settle(&mut self, chunks: u32) -> Result<(), Fault> {
        let Self::Told(runs) = self else { return Ok(()) };
        let runs = core::mem::take(runs);
        *self = Self::Some(Bits::new(chunks), Leads::default());
        if runs.len() == 1 && runs.get(&0) == Some(&chunks) {
            *self = Self::All(chunks);
            return Ok(());
        }
        for (first, end) in runs {
            self.tell(&[ChunkRange { first, count: end - first }], &mut |_| {})?;
        }
        Ok(())
    }

    /// The peer has more chunks; `see` hears of those that are news, once it is known how many there are.
    pub(crate) fn tell(&mut self, ranges: &[ChunkRange], see: &mut dyn FnMut(u32)) -> Result<(), Fault> {
        if ranges.len() > RANGES_MAX {
            return Err(Fault::Flood);
        }
        for range in ranges {
            let end = range.first.checked_add(range.count).ok_or(Fault::BadRequest)?;
            match self {
                Self::Told(_) if range.count == 0 => {}
                Self::Told(runs) => {
                    join(runs, range.first, end);
                    if runs.len() > RANGES_MAX {
                        *self = Self::TooMuch(RANGES_MAX);
                    }
                }
                Self::TooMuch(told) => {
                    *told += 1;
                    if *told > TOLD_MAX {
                        return Err(Fault::Flood);
                    }
                }
                Self::Some(bits, _) if end > bits.len() => return Err(Fault::BadRequest),
                Self::Some(bits, _) if bits.count() == 0 && range.count == bits.len() => {
                    *self = Self::All(range.count);
                }
                Self::Some(bits, leads) => {
                    for chunk in (range.first..end).filter(|chunk| bits.insert(*chunk)) {
                        leads.grown(chunk);
                        see(chunk);
                    }
                }
                Self::All(chunks) if end > *chunks => return Err(Fault::BadRequest),
                Self::All(_) => {}
            }
        }
        Ok(())
    }

    /// Whether it has every chunk, be it that it told them one by one.
    pub(crate) const fn is_whole(&self) -> bool {
        match self {
            Self::All(_) => true,
            Self::Some(bits, _) => bits.is_full(),
            Self::Told(_) | Self::TooMuch(_) => false,
        }
    }

    /// It does not have this chunk after all; whether it said that it has. `see` hears of the others of a peer that had
    /// all: from now on they are counted one by one.
    pub(crate) fn lacks(&mut self, chunk: u32, see: &mut dyn FnMut(u32)) -> bool {
        match self {
            Self::Some(bits, _) => bits.remove(chunk),
            Self::All(chunks) if chunk < *chunks => {
                let mut bits = Bits::new(*chunks);
                (0..*chunks).filter(|of| *of != chunk && bits.insert(*of)).for_each(see);
                *self = Self::Some(bits, Leads::default());
                true
            }
            Self::Told(_) | Self::TooMuch(_) | Self::All(_) => false,
        }
    }
}

fn join(runs: &mut BTreeMap<u32, u32>, first: u32, end: u32) {
    let (mut first, mut last) = (first, end);
    while let Some((&start, &stop)) = runs.range(..=last).next_back().filter(|(_, stop)| **stop >= first) {
        runs.remove(&start);
        first = first.min(start);
        last = last.max(stop);
    }
    runs.insert(first, last);
}

/// Sorted numbers as ranges, in messages of a legal size.
pub(crate) fn ranges(chunks: &[u32]) -> Vec<Vec<ChunkRange>> {
    let runs = chunks.chunk_by(|a, b| a + 1 == *b);
    let runs: Vec<ChunkRange> =
        runs.map(|run| ChunkRange { first: run[0], count: run.len() as u32 }).collect();
    runs.chunks(RANGES_MAX).map(<[ChunkRange]>::to_vec).collect()
}

/// The numbers of a set in messages of a legal size.
pub(crate) fn messages(bits: &Bits) -> Vec<Vec<ChunkRange>> {
    let runs: Vec<ChunkRange> = bits.runs().map(|(first, count)| ChunkRange { first, count }).collect();
    if runs.is_empty() {
        return alloc::vec![Vec::new()];
    }
    runs.chunks(RANGES_MAX).map(<[ChunkRange]>::to_vec).collect()
}
