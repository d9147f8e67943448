//! One direction of the words between two nodes: in order, acknowledged, and given to the user once, whatever becomes of
//! the connections in between.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Now;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::Word;

/// Words that wait for one peer at most.
const WAITING_MAX: usize = 1024;
/// Their bytes at most.
pub(crate) const WAITING_BYTES_MAX: usize = 256 << 10;
/// The first word goes out at once, and those that follow it closely together: each packet costs both ends as much as many
/// words. Too short to be noticed by whoever reads them.
const GATHERED: Duration = Duration::from_millis(10);
/// So many are gathered at most.
const GATHERED_MAX: usize = 64;

/// A word that its peer has not acknowledged.
#[derive(Debug)]
struct Waiting {
    number: u64,
    word: Word,
    /// By which its sender knows it; none: it is passed on for another.
    tag: Option<u64>,
    since: Now,
}

/// What is said to one peer.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The last number that went out on the connection that is there.
    sent: u64,
    /// When that was.
    spoke: Option<Now>,
}

/// No more can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outgoing {
    /// Says something under a number that is above all before.
    pub(crate) fn say(&mut self, number: u64, word: Word, tag: Option<u64>, now: Now) -> Result<(), Full> {
        let bytes = self.bytes + word.bytes();
        if self.waiting.len() >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            return Err(Full);
        }
        self.bytes = bytes;
        self.waiting.push_back(Waiting { number, word, tag, since: now });
        Ok(())
    }

    /// Another connection is there: what was not acknowledged is said again.
    pub(crate) fn reconnected(&mut self) {
        #[cfg(planted)]
        if is(Bug::SaidOnce) {
            return;
        }
        (self.sent, self.spoke) = (0, None);
    }

    /// When what has not gone out on this connection is to; none: everything has.
    pub(crate) fn due(&self, now: Now) -> Option<Now> {
        let unsent = self.waiting.len() - self.first_unsent();
        let is_much = unsent >= GATHERED_MAX;
        (unsent > 0).then(|| self.spoke.filter(|_| !is_much).map_or(now, |spoke| spoke + GATHERED))
    }

    /// The next word that has not gone out on this connection: it does now.
    pub(crate) fn next(&mut self, now: Now) -> Option<(u64, &Word)> {
        let word = self.waiting.get(self.first_unsent())?;
        (self.sent, self.spoke) = (word.number, Some(now));
        Some((word.number, &word.word))
    }

    fn first_unsent(&self) -> usize {
        self.waiting.partition_point(|word| word.number <= self.sent)
    }

    /// The peer has everything up to this number. The tags of the words that it had not before.
    pub(crate) fn heard(&mut self, number: u64) -> Vec<u64> {
        self.take(|word| word.number <= number)
    }

    /// Words that have waited for so long are given up. Their tags.
    pub(crate) fn expire(&mut self, now: Now, patience: Duration) -> Vec<u64> {
        self.take(|word| now.since(word.since) >= patience)
    }

    /// When the first word is given up.
    pub(crate) fn expires(&self, patience: Duration) -> Option<Now> {
        self.waiting.front().map(|word| word.since + patience)
    }

    /// Words that are not acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of memory.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, is_over: impl Fn(&Waiting) -> bool) -> Vec<u64> {
        let mut taken = Vec::new();
        while self.waiting.front().is_some_and(&is_over)
            && let Some(word) = self.waiting.pop_front()
        {
            self.bytes -= word.word.bytes();
            taken.extend(word.tag);
        }
        taken
    }
}

/// What is heard of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hearing {
    /// The run of the peer's program: its numbers begin anew with each.
    life: u64,
    /// The last number that was given to the user.
    last: u64,
}

impl Hearing {
    /// Whether a word is news. Numbers only grow, though not by one: words may have been given up.
    pub(crate) fn hear(&mut self, life: u64, number: u64) -> bool {
        if self.life != life {
            *self = Self { life, last: 0 };
        }
        let is_news = number > self.last;
        #[cfg(planted)]
        let is_news = is_news || is(Bug::HeardAgain);
        self.last = self.last.max(number);
        is_news
    }
}

#[cfg(test)]
mod tests;
