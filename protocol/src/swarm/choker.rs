//! Whom a peer of a swarm serves: those that give most (tit for tat), and by turns one more, so that better ones are found
//! and newcomers get something to give (the optimistic slot of BEP 3). Whoever has everything serves those that take it
//! fastest, and turns more.

use alloc::vec::Vec;

use super::download::Interest;
use crate::ConnId;

/// Rounds for which a place of the optimistic slot lasts.
const TURN: u32 = 3;

/// What is known of one peer from round to round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Bytes that came from it and went to it, up to the last round.
    came: u64,
    went: u64,
    /// Bytes of a round, lately.
    gives: u64,
    takes: u64,
    /// Rounds since it came.
    age: u32,
}

impl Record {
    /// A round is over: so many bytes came from the peer and went to it since it came.
    pub(crate) fn round(&mut self, came: u64, went: u64) {
        // Half of what it was, half of what is new: about two rounds count.
        self.gives = u64::midpoint(self.gives, came - self.came);
        self.takes = u64::midpoint(self.takes, went - self.went);
        (self.came, self.went) = (came, went);
        self.age += 1;
    }
}

/// A peer that may be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) conn: ConnId,
    pub(crate) interest: Interest,
    pub(crate) record: Record,
    pub(crate) credit: Credit,
}

/// Whether a peer passes on what a seeder gives to it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Credit {
    /// It has not yet: it is served after all others.
    Spent,
    Good,
}

/// What we want ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    Leecher,
    Seeder,
}

/// The choices of one share.
#[derive(Debug, Default)]
pub(crate) struct Choker {
    round: u32,
    /// Who is served by turns.
    turn: Option<ConnId>,
}

impl Choker {
    /// Decides who is served until the next round, `slots` at most; everybody if there are no more. `draw` gives a
    /// number below its argument.
    pub(crate) fn round(
        &mut self,
        candidates: &[Candidate],
        stand: Stand,
        slots: usize,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Vec<ConnId> {
        self.round += 1;
        let mut wanting: Vec<&Candidate> =
            candidates.iter().filter(|peer| peer.interest == Interest::Interested).collect();
        if wanting.len() <= slots {
            self.turn = None;
            return wanting.iter().map(|peer| peer.conn).collect();
        }
        // Whoever has everything has nothing to be paid with: half of its slots go by turns.
        let by_turns = if stand == Stand::Seeder { slots.div_ceil(2) } else { 1 };
        let good = |peer: &Candidate| peer.credit == Credit::Good;
        wanting.sort_by_key(|peer| (core::cmp::Reverse(peer.merit(stand)), peer.conn));
        let mut served: Vec<ConnId> = wanting
            .iter()
            .filter(|peer| peer.merit(stand) > 0 && good(peer))
            .take(slots.saturating_sub(by_turns))
            .map(|peer| peer.conn)
            .collect();
        if let Some(turn) = self.turn.filter(|_| !self.round.is_multiple_of(TURN))
            && wanting.iter().any(|peer| peer.conn == turn && good(peer))
            && !served.contains(&turn)
        {
            served.push(turn);
        }
        while served.len() < slots {
            let Some(next) = next_turn(&wanting, &served, draw) else { break };
            self.turn = Some(next);
            served.push(next);
        }
        served
    }

    /// Between two rounds: who of those that wait is served next. What a peer gives comes before luck.
    pub(crate) fn next(
        waiting: &[Candidate],
        stand: Stand,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Option<ConnId> {
        let best = waiting.iter().max_by_key(|peer| (peer.credit, peer.merit(stand)))?;
        let equals = |peer: &&Candidate| peer.credit == best.credit;
        if stand == Stand::Leecher && best.record.gives > 0 {
            return Some(best.conn);
        }
        next_turn(&waiting.iter().filter(equals).collect::<Vec<_>>(), &[], draw)
    }
}

/// Somebody who is not served yet; newcomers are three times as likely, for they have nothing to give yet.
fn next_turn(wanting: &[&Candidate], served: &[ConnId], draw: &mut dyn FnMut(u64) -> u64) -> Option<ConnId> {
    const NEW: u32 = 3;
    let weight = |peer: &Candidate| if peer.record.age <= NEW { 3 } else { 1 };
    let waits = |peer: &&&Candidate| !served.contains(&peer.conn);
    let credit = wanting.iter().filter(waits).map(|peer| peer.credit).max()?;
    let left = || wanting.iter().filter(waits).filter(|peer| peer.credit == credit);
    let all: u64 = left().map(|peer| weight(peer)).sum();
    let mut at = draw(all);
    for peer in left() {
        match at.checked_sub(weight(peer)) {
            Some(rest) => at = rest,
            None => return Some(peer.conn),
        }
    }
    None
}

impl Candidate {
    /// What it is served for.
    const fn merit(&self, stand: Stand) -> u64 {
        match stand {
            Stand::Leecher => self.record.gives,
            Stand::Seeder => self.record.takes,
        }
    }
}

#[cfg(test)]
mod tests;
