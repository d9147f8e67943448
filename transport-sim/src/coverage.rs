//! Counts of what happened: a fault or a branch that a campaign never met is one that it did not test.

use std::collections::BTreeMap;

/// How often each fault happened, and each branch worth knowing of was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    faults: BTreeMap<&'static str, u64>,
    branches: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// A fault happened.
    pub(crate) fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// It happened so often.
    pub(crate) fn faults(&mut self, name: &'static str, times: u64) {
        if times > 0 {
            *self.faults.entry(name).or_default() += times;
        }
    }

    /// A branch was taken.
    pub(crate) fn branch(&mut self, name: &'static str) {
        *self.branches.entry(name).or_default() += 1;
    }

    /// It was taken so often.
    pub(crate) fn branches(&mut self, name: &'static str, times: u64) {
        if times > 0 {
            *self.branches.entry(name).or_default() += times;
        }
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        other.faults.iter().for_each(|(name, times)| self.faults(name, *times));
        other.branches.iter().for_each(|(name, times)| self.branches(name, *times));
    }

    /// How often a fault happened.
    pub fn of_fault(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or(0)
    }

    /// How often a branch was taken.
    pub fn of_branch(&self, name: &str) -> u64 {
        self.branches.get(name).copied().unwrap_or(0)
    }

    /// Every row: the kind (`fault` or `branch`), the name, how often. Rows that a campaign must have are there with a
    /// zero, if it has not.
    pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let mut faults: BTreeMap<&'static str, u64> = FAULTS.iter().map(|name| (*name, 0)).collect();
        faults.extend(&self.faults);
        let mut branches: BTreeMap<&'static str, u64> = BRANCHES.iter().map(|name| (*name, 0)).collect();
        branches.extend(&self.branches);
        let rows = |kind, map: BTreeMap<&'static str, u64>| {
            map.into_iter().map(move |(name, times)| (kind, name, times)).collect::<Vec<_>>()
        };
        [rows("fault", faults), rows("branch", branches)].concat()
    }

    /// Rows that a whole campaign must have and that are zero.
    pub fn missing(&self) -> Vec<&'static str> {
        let faults = FAULTS.iter().filter(|name| self.of_fault(name) == 0);
        let branches = BRANCHES.iter().filter(|name| self.of_branch(name) == 0);
        faults.chain(branches).copied().collect()
    }
}

/// Faults that a campaign of all mixes must have met.
const FAULTS: &[&str] = &[
    "short-write",
    "short-read",
    "would-block",
    "interrupted",
    "window-full",
    "lost-edge",
    "delay",
    "slow",
    "loss",
    "partition",
    "reset",
    "reset-at",
    "eaten-by-reset",
    "early-fin",
    "hang",
    "damage",
    "refuse",
    "ignore",
    "slow-accept",
    "move",
    "slow-disk",
    "crash-kill",
    "crash-power",
    "crash-at-call",
    "sleep",
    "clock-jump",
    "pause",
    "think",
    "reconsider",
    "stop",
    "limit",
    "tracker-gone",
    "tracker-forgets",
    "answer-lost",
];

/// Branches of the protocol and the store that a campaign of all mixes must have taken.
const BRANCHES: &[&str] = &[
    "connected",
    "committed",
    "already here",
    "resumed with claims",
    "synced checkpoint",
    "peer lost",
    "peer said goodbye",
    "misbehaved",
    "message hello",
    "message prove",
    "message proven",
    "message info",
    "message have",
    "message request",
    "message blocks",
    "message hash-request",
    "message hashes",
    "message corrupt",
    "message intact",
    "message reject",
    "message ping",
    "message pong",
    "message paused",
    "message resumed",
    "message receipt",
    "message goodbye",
    "failure storage",
    "failure source-changed",
    "reset by a machine that was started again",
    // Swarms.
    "event swarmed",
    "message swarm",
    "message peers",
    "message choke",
    "message unchoke",
    "message interested",
    "message not-interested",
    "message cancel",
    "rejected for a choke",
    "choked although it has given",
    "served without having given",
    "told to wait for a lent chunk",
    "a lent chunk is free again",
    "taken back in time",
    "taken over",
    "met by hearsay",
    "twins parted",
    "told that there is no room",
    "a peer without use gave way",
    "sent away for bytes",
    "sent away for proofs",
    "completed without a sender",
    "seeds what it fetched",
    "announce answered",
    "announce lost",
    "receivers called on",
    "announce with a token that does not hold",
    "met by a tracker alone",
    // Rooms.
    "message line",
    "message heard",
    "event heard",
    "event delivered",
    "event undelivered",
    "event unmet",
    "event reachable",
    "offer answered",
];
