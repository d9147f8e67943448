//! What a picture of a swarm needs: who had what when, and from whom it came.
//!
//! Bounded, however long a run is: every host has the same few bins of time, and they grow wider.

use std::collections::BTreeMap;

/// Bins of a host at most.
const BINS: usize = 256;
/// What a bin holds at first, in nanoseconds: about a millisecond.
const WIDTH: u64 = 1 << 20;
/// Marks of a host at most; later ones are left out.
const MARKS_MAX: usize = 16;

/// What of a run is recorded for pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nothing, which costs nothing.
    #[default]
    Nothing,
    /// Who had what when, and from whom it came.
    Swarm,
}

/// How far a host was at the end of a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// As in the bin before.
    #[default]
    Unchanged,
    /// Its program did not run.
    Down,
    /// It had proven so many bytes of the share.
    Has(u64),
}

/// What happened at a host in a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// How far it was at its end.
    pub level: Level,
    /// Bytes of the share that senders sent to it.
    pub from_senders: u64,
    /// Bytes of the share that receivers sent to it.
    pub from_receivers: u64,
}

impl Bin {
    fn add(&mut self, later: Self) {
        if later.level != Level::Unchanged {
            self.level = later.level;
        }
        self.from_senders += later.from_senders;
        self.from_receivers += later.from_receivers;
    }
}

/// Something that happened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Everything is placed.
    Done,
    /// The process or the machine ended.
    Crashed,
    /// The program ended in good order.
    Left,
    /// Another host sent it away for what it did.
    Banned,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Watched {
    width: u64,
    senders: usize,
    rows: Vec<Vec<Bin>>,
    given: BTreeMap<(u16, u16), u64>,
    marks: Vec<Vec<(u64, Mark)>>,
}

impl Watched {
    pub(super) fn new(hosts: usize, senders: usize) -> Self {
        Self {
            width: WIDTH,
            senders,
            rows: vec![Vec::new(); hosts],
            given: BTreeMap::new(),
            marks: vec![Vec::new(); hosts],
        }
    }

    /// Nanoseconds of a bin.
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// The bins of each host, by host; those that are missing at the end are as the last one.
    pub fn rows(&self) -> &[Vec<Bin>] {
        &self.rows
    }

    /// Bytes of the share that one host sent to another: from whom, to whom. Sent again counts again.
    pub const fn given(&self) -> &BTreeMap<(u16, u16), u64> {
        &self.given
    }

    /// What happened once, by host: when, in nanoseconds of the run, and what.
    pub fn marks(&self) -> &[Vec<(u64, Mark)>] {
        &self.marks
    }

    fn bin(&mut self, at: u64, host: usize) -> &mut Bin {
        while (at / self.width) as usize >= BINS {
            self.width *= 2;
            self.rows.iter_mut().for_each(fold);
        }
        let bin = (at / self.width) as usize;
        let row = &mut self.rows[host];
        if row.len() <= bin {
            row.resize(bin + 1, Bin::default());
        }
        &mut row[bin]
    }

    pub(super) fn stands(&mut self, at: u64, host: usize, level: Level) {
        self.bin(at, host).level = level;
    }

    pub(super) fn came(&mut self, at: u64, from: usize, to: usize, bytes: u64) {
        let is_sender = from < self.senders;
        let bin = self.bin(at, to);
        *(if is_sender { &mut bin.from_senders } else { &mut bin.from_receivers }) += bytes;
        *self.given.entry((from as u16, to as u16)).or_default() += bytes;
    }

    pub(super) fn mark(&mut self, at: u64, host: usize, mark: Mark) {
        if self.marks[host].len() < MARKS_MAX {
            self.marks[host].push((at, mark));
        }
    }
}

/// Two bins become one.
fn fold(row: &mut Vec<Bin>) {
    let pairs = row.chunks(2).map(|pair| {
        let mut bin = pair[0];
        pair.iter().skip(1).for_each(|later| bin.add(*later));
        bin
    });
    *row = pairs.collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_grow_wider_and_keep_the_last_level_and_all_bytes() {
        let mut watched = Watched::new(2, 1);
        for step in 0..100_000_u64 {
            watched.came(step * 1_000_000, 0, 1, 3);
            watched.stands(step * 1_000_000, 1, Level::Has(step));
        }
        let row = &watched.rows()[1];
        assert!(row.len() <= BINS && row.len() > BINS / 4, "{}", row.len());
        assert_eq!(row.iter().map(|bin| bin.from_senders).sum::<u64>(), 300_000);
        assert_eq!(row.last().map(|bin| bin.level), Some(Level::Has(99_999)));
        assert_eq!(watched.given()[&(0, 1)], 300_000);
        assert!(watched.width() * BINS as u64 > 99_999 * 1_000_000);
    }

    #[test]
    fn whoever_crashes_all_the_time_has_few_marks() {
        let mut watched = Watched::new(1, 0);
        (0..1_000).for_each(|at| watched.mark(at, 0, Mark::Crashed));
        assert_eq!(watched.marks()[0].len(), MARKS_MAX);
    }
}
