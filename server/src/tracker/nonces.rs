//! Signed announces that were taken: a statement counts once.

use std::collections::BTreeSet;

use truecopy_protocol::UnixTime;

use super::Denied;
use super::gate::WINDOW;

/// What is remembered of a statement: enough of its hash.
pub type Mark = [u8; 16];

/// Two spans of marks. A statement can be valid for twice the window: as long as a mark is surely kept.
#[derive(Debug)]
pub(super) struct Nonces {
    max: usize,
    current: BTreeSet<Mark>,
    previous: BTreeSet<Mark>,
    since: u64,
}

impl Nonces {
    /// Keeps `max` marks in each span.
    pub(super) const fn new(max: usize) -> Self {
        Self { max, current: BTreeSet::new(), previous: BTreeSet::new(), since: 0 }
    }

    /// Takes a mark, once. When there is no room the statement is refused: forgetting another would open it to
    /// replays, and who was admitted before goes on with a token.
    pub(super) fn take(&mut self, now: UnixTime, mark: Mark) -> Result<(), Denied> {
        self.expects(now, &mark)?;
        self.current.insert(mark);
        Ok(())
    }

    /// Whether a mark would be taken.
    pub(super) fn expects(&mut self, now: UnixTime, mark: &Mark) -> Result<(), Denied> {
        let age = now.0.saturating_sub(self.since);
        if age > 2 * WINDOW {
            let old = std::mem::take(&mut self.current);
            self.previous = if age > 4 * WINDOW { BTreeSet::new() } else { old };
            self.since = now.0;
        }
        if self.previous.contains(mark) || self.current.contains(mark) {
            return Err(Denied::Replayed);
        }
        if self.current.len() >= self.max { Err(Denied::Full) } else { Ok(()) }
    }
}

#[cfg(test)]
impl Nonces {
    pub(super) fn len(&self) -> usize {
        self.current.len() + self.previous.len()
    }
}
