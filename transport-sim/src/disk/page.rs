//! One page of a file: its bytes as programs see them, and what of them the platter has otherwise.

use super::faults::AtPowerLoss;
use super::power::Fate;

pub(super) const PAGE: u64 = 16 * 1024;
/// What a power loss keeps or loses as a whole, unless it tears it.
pub(super) const SECTOR: u64 = 512;
const SECTORS: usize = (PAGE / SECTOR) as usize;

#[derive(Clone, Debug)]
pub(super) struct Page {
    seen: Box<[u8]>,
    /// The bytes on the platter of those sectors that are `dirty` or `lost` and not `blank`; made when needed.
    platter: Box<[u8]>,
    /// Sectors written since the last sync.
    dirty: u32,
    /// Sectors whose sync failed: a later sync passes over them.
    lost: u32,
    /// Of the `dirty` and `lost` sectors, those that are zeros on the platter.
    blank: u32,
    /// Sectors ever written, for the space they take.
    used: u32,
    /// Which write was the last of a dirty sector, for all files.
    written: [u32; SECTORS],
}

/// The bytes of a sector within a page.
const fn range(sector: usize) -> std::ops::Range<usize> {
    sector * SECTOR as usize..(sector + 1) * SECTOR as usize
}

/// The numbers of the bits that are set.
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        bit
    })
}

impl Page {
    pub(super) fn new() -> Self {
        Self {
            seen: vec![0; PAGE as usize].into(),
            platter: Box::default(),
            dirty: 0,
            lost: 0,
            blank: 0,
            used: 0,
            written: [0; SECTORS],
        }
    }

    pub(super) fn used(&self) -> u64 {
        u64::from(self.used.count_ones())
    }

    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Writes at an offset within the page; `number` tells this write from earlier ones.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize, number: u32) {
        let sectors = offset / SECTOR as usize..(offset + bytes.len()).div_ceil(SECTOR as usize);
        for sector in sectors {
            let bit = 1 << sector;
            if (self.dirty | self.lost) & bit == 0 {
                self.remember(sector);
            }
            self.dirty |= bit;
            self.lost &= !bit;
            self.used |= bit;
            self.written[sector] = number;
        }
        self.seen[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Keeps what the platter has of a sector that is about to change.
    fn remember(&mut self, sector: usize) {
        if self.used & 1 << sector == 0 {
            self.blank |= 1 << sector;
            return;
        }
        self.blank &= !(1 << sector);
        let range = range(sector);
        let seen = &self.seen[range.clone()];
        platter(&mut self.platter)[range].copy_from_slice(seen);
    }

    /// Makes zeros of everything from an offset on, where there is anything.
    pub(super) fn cut(&mut self, offset: usize, number: u32) {
        const ZEROS: [u8; SECTOR as usize] = [0; SECTOR as usize];
        for sector in bits(self.used).filter(|sector| range(*sector).end > offset) {
            let range = range(sector);
            let start = range.start.max(offset);
            self.write(&ZEROS[..range.end - start], start, number);
        }
    }

    pub(super) const fn sync(&mut self) {
        self.dirty = 0;
    }

    /// A sync that failed: what was dirty is thought clean from now on, and is not on the platter.
    pub(super) const fn lose(&mut self) {
        self.lost |= self.dirty;
        self.dirty = 0;
    }

    /// The bytes of a sector on the platter.
    fn durable(&self, sector: usize) -> &[u8] {
        const ZEROS: [u8; SECTOR as usize] = [0; SECTOR as usize];
        let bit = 1 << sector;
        match (self.dirty | self.lost) & bit {
            0 => &self.seen[range(sector)],
            _ if self.blank & bit != 0 => &ZEROS,
            _ => &self.platter[range(sector)],
        }
    }

    /// Reads what is on the platter, at an offset within the page.
    pub(super) fn read_durable(&self, buf: &mut [u8], offset: usize) {
        if self.dirty | self.lost == 0 {
            buf.copy_from_slice(&self.seen[offset..offset + buf.len()]);
            return;
        }
        let mut at = 0;
        while at < buf.len() {
            let (sector, start) = ((offset + at) / SECTOR as usize, (offset + at) % SECTOR as usize);
            let take = (SECTOR as usize - start).min(buf.len() - at);
            buf[at..at + take].copy_from_slice(&self.durable(sector)[start..start + take]);
            at += take;
        }
    }

    /// Changes one byte on the platter and as it is seen, without a trace: the page is as clean or dirty as before.
    pub(super) fn damage(&mut self, offset: usize, change: impl Fn(u8) -> u8) {
        let sector = offset / SECTOR as usize;
        let bit = 1 << sector;
        if (self.dirty | self.lost) & bit != 0 {
            // What was never used is zeros there as well.
            self.blank &= !bit;
            let platter = platter(&mut self.platter);
            platter[offset] = change(platter[offset]);
        }
        self.used |= bit;
        self.seen[offset] = change(self.seen[offset]);
    }

    /// Power is lost: each unsynced sector is kept, lost or torn, and the page is what the platter has.
    pub(super) fn crash(&mut self, luck: u16, fate: &mut Fate<'_>) {
        for sector in bits(self.dirty) {
            let is_kept = match fate.faults.unsynced_data {
                AtPowerLoss::AnySubset => fate.data.happens(luck),
                AtPowerLoss::Lost => false,
                AtPowerLoss::Kept => true,
            };
            let torn = fate.torn();
            let range = range(sector);
            let older: [u8; SECTOR as usize] = std::array::from_fn(|at| self.durable(sector)[at]);
            let newer = &mut self.seen[range];
            if let Some(new) = torn {
                let is_torn = *newer != older;
                newer[..new.start].copy_from_slice(&older[..new.start]);
                newer[new.end..].copy_from_slice(&older[new.end..]);
                fate.counts.torn_sectors += u64::from(is_torn && *newer != older);
            } else if is_kept {
                fate.kept(self.written[sector]);
            } else {
                fate.lost(self.written[sector]);
                newer.copy_from_slice(&older);
            }
        }
        for sector in bits(self.lost) {
            let older: [u8; SECTOR as usize] = std::array::from_fn(|at| self.durable(sector)[at]);
            self.seen[range(sector)].copy_from_slice(&older);
        }
        (self.dirty, self.lost, self.blank) = (0, 0, 0);
        self.platter = Box::default();
    }
}

fn platter(bytes: &mut Box<[u8]>) -> &mut [u8] {
    if bytes.is_empty() {
        *bytes = vec![0; PAGE as usize].into();
    }
    bytes
}
