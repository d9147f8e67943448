//! How often a share was completed.

use crate::record::Replica;

/// A count of each replica; their sum counts. Each only grows, so the larger of two is the newer.
#[derive(Debug, Default)]
pub(super) struct Completed(Vec<(Replica, u64)>);

impl Completed {
    /// How often in all.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// How often by the count of one replica.
    pub(super) fn of(&self, replica: Replica) -> u64 {
        self.0.iter().find(|(known, _)| *known == replica).map_or(0, |(_, count)| *count)
    }

    /// Learns a count; gives the larger of it and what was known.
    pub(super) fn learn(&mut self, replica: Replica, count: u64) -> u64 {
        match self.0.iter_mut().find(|(known, _)| *known == replica) {
            Some((_, known)) => {
                *known = count.max(*known);
                *known
            }
            None => {
                self.0.reserve_exact(1);
                self.0.push((replica, count));
                count
            }
        }
    }

    /// Forgets the count of one replica.
    pub(super) fn forget(&mut self, replica: Replica) {
        self.0.retain(|(known, _)| *known != replica);
    }

    /// The replicas that counted.
    pub(super) fn replicas(&self) -> impl Iterator<Item = Replica> {
        self.0.iter().map(|(replica, _)| *replica)
    }
}
