//! The loss of power: what of the unsynced is kept, lost or torn.

use std::ops::Range;

use super::counts::DiskCounts;
use super::faults::{AtPowerLoss, Faults};
use super::machine::{Machine, Node};
use super::names::ROOT;
use super::page::SECTOR;
use crate::stream::Random;

/// What decides over one file at a power loss, and what has been decided.
pub(super) struct Fate<'a> {
    pub(super) faults: &'a Faults,
    pub(super) counts: &'a mut DiskCounts,
    pub(super) data: Random,
    tear: Random,
    order: &'a mut Order,
}

/// Tells whether a write was kept and an earlier one lost.
#[derive(Debug)]
struct Order {
    newest_kept: Option<u32>,
    oldest_lost: Option<u32>,
}

impl Fate<'_> {
    /// Which part of a sector is new, if it is torn: its front, its back or its middle.
    pub(super) fn torn(&mut self) -> Option<Range<usize>> {
        if !self.tear.happens(self.faults.torn_permille) {
            return None;
        }
        let sector = SECTOR as usize;
        let cut = 1 + self.tear.below(sector - 1);
        Some(match self.tear.below(3) {
            0 => 0..cut,
            1 => cut..sector,
            _ => cut / 2..cut / 2 + sector / 2,
        })
    }

    pub(super) fn kept(&mut self, number: u32) {
        self.counts.kept_sectors += 1;
        self.order.newest_kept = self.order.newest_kept.max(Some(number));
    }

    pub(super) fn lost(&mut self, number: u32) {
        self.counts.lost_sectors += 1;
        self.order.oldest_lost = Some(self.order.oldest_lost.map_or(number, |oldest| oldest.min(number)));
    }
}

impl Machine {
    pub(super) fn lose_power(&mut self) {
        self.end_processes();
        self.boot += 1;
        self.spoiled.power_lost();
        self.stale_locks.clear();
        self.counts.power_losses += 1;
        let boot = self.boot;
        let mut random = self.random("disk/power/names", boot);
        self.names.crash(&mut random, self.faults.unsynced_names, &mut self.counts);
        let mut order = Order { newest_kept: None, oldest_lost: None };
        for node in 0..self.nodes.len() {
            // Each file has draws of its own: what happens to one shifts nothing of another.
            let key = boot << 32 | node as u64;
            let mut attributes = self.random("disk/power/attributes", key);
            let (data, tear) = (self.random("disk/power/data", key), self.random("disk/power/tear", key));
            let inode = &mut self.nodes[node];
            if let Node::File(content) = &mut inode.node {
                let (faults, counts) = (&self.faults, &mut self.counts);
                content.crash(&mut Fate { faults, counts, data, tear, order: &mut order });
            }
            inode.settle(match self.faults.unsynced_data {
                AtPowerLoss::AnySubset => attributes.happens(500),
                AtPowerLoss::Lost => true,
                AtPowerLoss::Kept => false,
            });
        }
        self.unsynced.clear();
        if let (Some(kept), Some(lost)) = (order.newest_kept, order.oldest_lost) {
            self.counts.reordered += u64::from(kept > lost);
        }
        self.free_unreachable();
    }

    /// Counts the space anew: only what has a name takes any.
    fn free_unreachable(&mut self) {
        for inode in &mut self.nodes {
            inode.released = true;
        }
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            for (_, node) in self.names.seen.list(folder) {
                let inode = &mut self.nodes[node as usize];
                inode.released = false;
                if matches!(inode.node, Node::Directory) {
                    folders.push(node);
                }
            }
        }
        self.space_used = self.nodes.iter().filter(|inode| !inode.released).map(|inode| inode.space()).sum();
    }
}
