//! The bytes of a file twice: as programs see them, and as they stand on the platter. Sparse.

use std::collections::BTreeMap;

use super::faults::AtPowerLoss;
use super::page::{PAGE, Page, SECTOR};
use super::power::Fate;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Page>,
    size: u64,
    durable_size: u64,
    reserved: u64,
    written_sectors: u64,
}

/// Calls `act` with the number of each page that `len` bytes at `offset` touch, the offset in it, and which of the
/// bytes lie there.
fn pages(offset: u64, len: u64, mut act: impl FnMut(u64, usize, std::ops::Range<usize>)) {
    let mut at = 0;
    while at < len {
        let (page, start) = ((offset + at) / PAGE, (offset + at) % PAGE);
        let take = (PAGE - start).min(len - at);
        act(page, start as usize, at as usize..(at + take) as usize);
        at += take;
    }
}

impl Content {
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the disk that the file takes.
    pub(super) fn space(&self) -> u64 {
        self.reserved.max(self.written_sectors * SECTOR)
    }

    pub(super) const fn reserve(&mut self, len: u64) {
        if self.reserved < len {
            self.reserved = len;
        }
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let len = (buf.len() as u64).min(self.size.saturating_sub(offset));
        pages(offset, len, |page, start, range| match self.pages.get(&page) {
            Some(page) => buf[range.clone()].copy_from_slice(&page.seen()[start..start + range.len()]),
            None => buf[range].fill(0),
        });
        len as usize
    }

    /// As [`read`](Self::read), of what is on the platter.
    pub(super) fn read_durable(&self, buf: &mut [u8], offset: u64) -> usize {
        let len = (buf.len() as u64).min(self.durable_size.saturating_sub(offset));
        pages(offset, len, |page, start, range| match self.pages.get(&page) {
            Some(page) => page.read_durable(&mut buf[range], start),
            None => buf[range].fill(0),
        });
        len as usize
    }

    /// `number` tells this write from earlier ones.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, number: u32) {
        pages(offset, bytes.len() as u64, |page, start, range| {
            let page = self.pages.entry(page).or_insert_with(Page::new);
            let before = page.used();
            page.write(&bytes[range], start, number);
            self.written_sectors += page.used() - before;
        });
        self.extend(offset + bytes.len() as u64);
    }

    /// Makes the file at least so long.
    pub(super) fn extend(&mut self, len: u64) {
        self.size = self.size.max(len);
    }

    pub(super) fn set_len(&mut self, len: u64, number: u32) {
        if len < self.size {
            self.cut(len, number);
            self.reserved = self.reserved.min(len);
        }
        self.size = len;
    }

    /// Drops what lies at and beyond an offset.
    fn cut(&mut self, len: u64, number: u32) {
        if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
            page.cut((len % PAGE) as usize, number);
        }
        let cut = self.pages.split_off(&len.div_ceil(PAGE));
        self.written_sectors -= cut.values().map(Page::used).sum::<u64>();
    }

    pub(super) fn sync(&mut self) {
        self.durable_size = self.size;
        self.pages.values_mut().for_each(Page::sync);
    }

    /// A sync that failed: what was dirty is thought clean from now on, and is not on the platter.
    pub(super) fn lose(&mut self) {
        self.pages.values_mut().for_each(Page::lose);
    }

    /// Power is lost: any subset of the unsynced sectors has reached the platter.
    pub(super) fn crash(&mut self, fate: &mut Fate<'_>) {
        if self.size != self.durable_size {
            let is_lost = match fate.faults.unsynced_data {
                AtPowerLoss::AnySubset => fate.data.happens(500),
                AtPowerLoss::Lost => true,
                AtPowerLoss::Kept => false,
            };
            if is_lost {
                self.size = self.durable_size;
                fate.counts.lost_sizes += 1;
            }
        }
        self.durable_size = self.size;
        let luck = [0, 200, 500, 800, 1000][fate.data.below(5)];
        for page in self.pages.values_mut() {
            page.crash(luck, fate);
        }
        self.cut(self.size, 0);
        self.sync();
    }

    /// Changes bytes for good and without a trace in what is synced. Returns how many there were.
    pub(super) fn damage(&mut self, offset: u64, len: u64, change: impl Fn(usize, u8) -> u8) -> u64 {
        let len = len.min(self.size.saturating_sub(offset));
        pages(offset, len, |page, start, range| {
            let page = self.pages.entry(page).or_insert_with(Page::new);
            let before = page.used();
            for (at, byte) in range.enumerate() {
                page.damage(start + at, |old| change(byte, old));
            }
            self.written_sectors += page.used() - before;
        });
        len
    }
}
