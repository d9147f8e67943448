//! The bytes of a file twice: as programs see them, and as they stand on the platter. Sparse.

use std::collections::BTreeMap;

use super::rng::Rng;

const PAGE: u64 = 16 * 1024;
/// What a power loss keeps or loses as a whole.
const SECTOR: u64 = 512;
const SECTORS: u64 = PAGE / SECTOR;

#[derive(Clone, Debug)]
enum Platter {
    Same,
    Zeros,
    Older(Box<[u8]>),
}

#[derive(Clone, Debug)]
struct Page {
    seen: Box<[u8]>,
    platter: Platter,
    /// Sectors written since the last sync.
    dirty: u32,
    /// Sectors whose sync failed: a later sync passes over them.
    lost: u32,
    /// Sectors ever written, for the space they take.
    used: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Page>,
    size: u64,
    durable_size: u64,
    reserved: u64,
    written_sectors: u64,
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
        let mut at = 0;
        while at < len {
            let (page, start) = ((offset + at) / PAGE, (offset + at) % PAGE);
            let take = (PAGE - start).min(len - at);
            let out = &mut buf[at as usize..(at + take) as usize];
            match self.pages.get(&page) {
                Some(page) => out.copy_from_slice(&page.seen[start as usize..(start + take) as usize]),
                None => out.fill(0),
            }
            at += take;
        }
        len as usize
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let mut at = 0;
        while at < bytes.len() as u64 {
            let (number, start) = ((offset + at) / PAGE, (offset + at) % PAGE);
            let take = (PAGE - start).min(bytes.len() as u64 - at);
            let page = self.pages.entry(number).or_insert_with(Page::new);
            page.touch(start / SECTOR..(start + take).div_ceil(SECTOR), &mut self.written_sectors);
            page.seen[start as usize..(start + take) as usize]
                .copy_from_slice(&bytes[at as usize..(at + take) as usize]);
            at += take;
        }
        self.size = self.size.max(offset + bytes.len() as u64);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.size {
            let zeros = vec![0; ((len.next_multiple_of(PAGE)).min(self.size) - len) as usize];
            if !zeros.is_empty() && self.pages.contains_key(&(len / PAGE)) {
                self.write(&zeros, len);
            }
            let cut = self.pages.split_off(&len.div_ceil(PAGE));
            self.written_sectors -= cut.values().map(|page| u64::from(page.used.count_ones())).sum::<u64>();
            self.reserved = self.reserved.min(len);
        }
        self.size = len;
    }

    pub(super) fn sync(&mut self) {
        self.durable_size = self.size;
        for page in self.pages.values_mut() {
            page.settle(|_| true);
        }
    }

    /// A sync that failed: what was dirty is thought clean from now on, and is not on the platter.
    pub(super) fn lose(&mut self) {
        for page in self.pages.values_mut() {
            page.lost |= page.dirty;
            page.dirty = 0;
        }
    }

    /// Power is lost: any subset of the unsynced sectors has reached the platter.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        if self.size != self.durable_size && rng.chance(500) {
            self.size = self.durable_size;
        }
        self.durable_size = self.size;
        let luck = [0, 200, 500, 800, 1000][rng.below(5) as usize];
        for page in self.pages.values_mut() {
            page.settle(|_| rng.chance(luck));
            page.revert();
        }
        let size = self.size;
        self.set_len(size);
    }

    /// Flips bits of one byte for good.
    pub(super) fn rot(&mut self, offset: u64, mask: u8) {
        let mut byte = [0];
        if self.read(&mut byte, offset) == 1 {
            self.write(&[byte[0] ^ mask], offset);
            self.sync();
        }
    }
}

impl Page {
    fn new() -> Self {
        Self { seen: vec![0; PAGE as usize].into(), platter: Platter::Zeros, dirty: 0, lost: 0, used: 0 }
    }

    fn touch(&mut self, sectors: std::ops::Range<u64>, written: &mut u64) {
        if matches!(self.platter, Platter::Same) {
            self.platter = Platter::Older(self.seen.clone());
        }
        for sector in sectors {
            let bit = 1 << sector;
            self.dirty |= bit;
            self.lost &= !bit;
            *written += u64::from(self.used & bit == 0);
            self.used |= bit;
        }
    }

    /// Moves the chosen dirty sectors to the platter; the others stay dirty.
    fn settle(&mut self, mut keep: impl FnMut(u64) -> bool) {
        let mut kept = 0;
        for sector in (0..SECTORS).filter(|sector| self.dirty & 1 << sector != 0) {
            if keep(sector) {
                kept |= 1_u32 << sector;
            }
        }
        if kept == self.dirty && self.lost == 0 {
            self.platter = Platter::Same;
        } else {
            let mut older = match std::mem::replace(&mut self.platter, Platter::Same) {
                Platter::Older(older) => older,
                Platter::Zeros => vec![0; PAGE as usize].into(),
                Platter::Same => self.seen.clone(),
            };
            for sector in (0..SECTORS).filter(|sector| kept & 1 << sector != 0) {
                let range = (sector * SECTOR) as usize..((sector + 1) * SECTOR) as usize;
                older[range.clone()].copy_from_slice(&self.seen[range]);
            }
            self.platter = Platter::Older(older);
        }
        self.dirty &= !kept;
    }

    /// Forgets what is not on the platter.
    fn revert(&mut self) {
        match std::mem::replace(&mut self.platter, Platter::Same) {
            Platter::Same => {}
            Platter::Zeros => self.seen.fill(0),
            Platter::Older(older) => self.seen = older,
        }
        self.dirty = 0;
        self.lost = 0;
    }
}
