//! Whom a peer of a swarm serves: those that give most (tit for tat), and by turns one more, so that better ones are found
//! and newcomers get something to give (the optimistic slot of BEP 3). Whoever has everything serves those that take it
//! fastest, and turns more.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::download::Interest;
use crate::ConnId;
use crate::content::geometry::SPAN;
#[cfg(planted)]
use crate::planted::{Bug, is};

/// Rounds for which a place of the optimistic slot lasts.
const TURN: u32 = 3;
/// A turn of a peer that was given something and gave nothing is worth this part of a place: enough to have something to
/// give at last.
const TURN_PART: u64 = 4;
/// Bytes that it is worth at least.
const ALLOWED_MIN: u64 = SPAN;

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
    /// What went to it since the last round, if that is what went in all.
    pub(crate) const fn since(&self, went: u64) -> u64 {
        went - self.went
    }

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
    pub(crate) stand: Stand,
    pub(crate) interest: Interest,
    pub(crate) record: Record,
    pub(crate) credit: Credit,
}

/// What is known of a peer's giving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Credit {
    /// It has not passed on what a seeder gave to it alone: it is served after all others.
    Spent,
    /// It has been given something and has given nothing.
    Indebted,
    /// Nothing is.
    Open,
    /// It has given us something.
    Earned,
}

/// Whether somebody still wants something of the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    Leecher,
    Seeder,
}

/// Who is served beside those that give most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Anybody, as long as there are places.
    Easy,
    /// Those that have given something, and one other by turns.
    Strict,
}

impl Manners {
    /// In a crowd whoever never gave is served by turns alone, once somebody did; in a small circle it costs nobody anything.
    pub(crate) fn of(candidates: &[Candidate], stand: Stand, slots: usize) -> Self {
        let leechers = candidates.iter().filter(|peer| peer.stand == Stand::Leecher).count();
        let is_earned = candidates.iter().any(|peer| peer.credit == Credit::Earned);
        if stand == Stand::Leecher && leechers > slots && is_earned { Self::Strict } else { Self::Easy }
    }

    /// Whether a peer is served without its turn.
    pub(crate) fn admit(self, peer: &Candidate) -> bool {
        self == Self::Easy || peer.credit >= Credit::Open
    }
}

/// The choices of one share.
#[derive(Debug, Default)]
pub(crate) struct Choker {
    round: u32,
    /// Who is served by turns.
    turn: Option<ConnId>,
    /// Bytes that a peer which never gave is sent in a round, where manners are strict.
    allowance: u64,
}

impl Choker {
    /// Decides who is served until the next round, `slots` at most; everybody if there are no more, and manners are easy.
    /// `went`: bytes that were sent in the last round. `draw` gives a number below its argument.
    pub(crate) fn round(
        &mut self,
        candidates: &[Candidate],
        stand: Stand,
        slots: usize,
        went: u64,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Vec<ConnId> {
        self.round += 1;
        self.allowance = went / slots.max(1) as u64 / TURN_PART;
        let manners = Manners::of(candidates, stand, slots);
        let mut wanting: Vec<&Candidate> = candidates.iter().filter(|peer| peer.is_waiting()).collect();
        if wanting.len() <= slots && manners == Manners::Easy {
            self.turn = None;
            return wanting.iter().map(|peer| peer.conn).collect();
        }
        // Whoever has everything has nothing to be paid with: half of its slots go by turns.
        let by_turns = if stand == Stand::Seeder { slots.div_ceil(2) } else { 1 };
        wanting.sort_by_key(|peer| (Reverse(peer.merit(stand)), peer.conn));
        let best = wanting.iter().filter(|peer| peer.merit(stand) > 0 && peer.credit > Credit::Spent);
        let mut served: Vec<ConnId> =
            best.take(slots.saturating_sub(by_turns)).map(|peer| peer.conn).collect();
        if served.len() < slots {
            self.turn = self.whose_turn(&wanting, &served, draw);
            served.extend(self.turn);
        }
        wanting.retain(|peer| manners.admit(peer));
        while served.len() < slots {
            let Some(next) = by_lot(&wanting, &served, draw) else { break };
            served.push(next);
        }
        served
    }

    /// A turn lasts some rounds.
    fn whose_turn(
        &self,
        wanting: &[&Candidate],
        served: &[ConnId],
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Option<ConnId> {
        let goes_on = |turn: &ConnId| {
            let peer = wanting.iter().find(|peer| peer.conn == *turn);
            peer.is_some_and(|peer| peer.credit > Credit::Spent) && !served.contains(turn)
        };
        let turn = self.turn.filter(|_| !self.round.is_multiple_of(TURN)).filter(goes_on);
        #[cfg(planted)]
        let turn = if is(Bug::TurnKept) { self.turn } else { turn.filter(|_| !is(Bug::TurnsEachRound)) };
        turn.or_else(|| by_lot(wanting, served, draw))
    }

    /// Between two rounds: who of those that wait is served next. What a peer gives comes before luck.
    pub(crate) fn next(
        waiting: &[Candidate],
        stand: Stand,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Option<ConnId> {
        let best = waiting.iter().max_by_key(|peer| (peer.credit, peer.merit(stand)))?;
        if stand == Stand::Leecher && best.record.gives > 0 {
            return Some(best.conn);
        }
        by_lot(&waiting.iter().collect::<Vec<_>>(), &[], draw)
    }

    /// Bytes that a peer is sent before its place goes to another; without end if it has given something.
    pub(crate) fn worth(&self, peer: &Candidate, manners: Manners) -> u64 {
        match (manners, peer.credit) {
            (Manners::Easy, _) | (Manners::Strict, Credit::Earned) => u64::MAX,
            _ => self.allowance.max(ALLOWED_MIN),
        }
    }
}

/// Somebody who is not served yet; newcomers are three times as likely, for they have nothing to give yet.
fn by_lot(wanting: &[&Candidate], served: &[ConnId], draw: &mut dyn FnMut(u64) -> u64) -> Option<ConnId> {
    const NEW: u32 = 3;
    let weight = |peer: &Candidate| if peer.record.age <= NEW { 3 } else { 1 };
    let mut left: Vec<&Candidate> =
        wanting.iter().copied().filter(|peer| !served.contains(&peer.conn)).collect();
    if left.iter().any(|peer| peer.credit > Credit::Spent) {
        left.retain(|peer| peer.credit > Credit::Spent);
    }
    let all: u64 = left.iter().map(|peer| weight(peer)).sum();
    if all == 0 {
        return None;
    }
    let mut at = draw(all);
    let drawn = left.iter().find(|peer| match at.checked_sub(weight(peer)) {
        Some(rest) => {
            at = rest;
            false
        }
        None => true,
    });
    drawn.map(|peer| peer.conn)
}

impl Candidate {
    /// Whether it wants something.
    pub(crate) fn is_waiting(&self) -> bool {
        self.interest == Interest::Interested
    }

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
