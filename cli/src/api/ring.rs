//! News that were told lately, numbered: whoever was away reads on where it was. Bounded; a reader that comes too late is
//! told how much it has missed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use truecopy_protocol::hex;

use crate::exit::{Error, Exit, Result};

/// News that are held at most.
pub(super) const NEWS_MAX: usize = 4096;
/// What a reader asks for who wants all that are held.
const OLDEST: &str = "oldest";
/// News that are read at once.
const BATCH: usize = 64;

/// The newest news.
pub(super) struct Ring {
    /// What tells the numbers of one run from those of another.
    run: String,
    state: Mutex<State>,
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// News that are held no more.
    gone: u64,
    lines: VecDeque<Arc<str>>,
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// It has all up to this one.
    pub(super) after: u64,
    /// What it has is of an earlier run, the end of which it may have missed.
    pub(super) is_other_run: bool,
}

/// Some news.
pub(super) struct Batch {
    /// News that are held no more.
    pub(super) missed: u64,
    /// Each with its number.
    pub(super) lines: Vec<(u64, Arc<str>)>,
}

impl Ring {
    pub(super) fn new() -> Result<Self> {
        let mut run = [0; 4];
        aws_lc_rs::rand::fill(&mut run)
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        Ok(Self { run: hex(&run), state: Mutex::default(), newest: watch::Sender::new(0) })
    }

    pub(super) fn push(&self, line: Arc<str>) {
        let mut state = self.lock();
        if state.lines.len() == NEWS_MAX {
            state.lines.pop_front();
            state.gone += 1;
        }
        state.lines.push_back(line);
        let newest = state.gone + state.lines.len() as u64;
        drop(state);
        self.newest.send_replace(newest);
    }

    /// Told of every new one.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The name of one, for [`start`](Self::start).
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// Where a reader begins whose last one has this name; without one at the next that comes, with [`OLDEST`] at the
    /// first that is held. None: that is no name.
    pub(super) fn start(&self, last: Option<&str>) -> Option<Start> {
        let newest = *self.newest.borrow();
        let Some(last) = last else { return Some(Start { after: newest, is_other_run: false }) };
        if last == OLDEST {
            return Some(Start { after: self.lock().gone, is_other_run: false });
        }
        let (run, number) = last.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let is_other_run = run != self.run;
        Some(Start { after: if is_other_run { 0 } else { number.min(newest) }, is_other_run })
    }

    /// The next ones.
    pub(super) fn after(&self, number: u64) -> Batch {
        let state = self.lock();
        let missed = state.gone.saturating_sub(number);
        let from = number + missed;
        let skipped = usize::try_from(from - state.gone).unwrap_or(usize::MAX);
        let lines = (from + 1..).zip(state.lines.iter().skip(skipped).take(BATCH).cloned()).collect();
        Batch { missed, lines }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(batch: &Batch) -> Vec<u64> {
        batch.lines.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_reader_goes_on_after_what_it_has() {
        let ring = Ring::new().unwrap();
        (1..=3).for_each(|number| ring.push(number.to_string().into()));
        let start = ring.start(Some(&ring.id(1))).unwrap();
        assert_eq!(start, Start { after: 1, is_other_run: false });
        let batch = ring.after(start.after);
        assert_eq!((batch.missed, numbers(&batch)), (0, vec![2, 3]));
        assert_eq!(&*batch.lines[0].1, "2");
        assert_eq!(ring.start(None).unwrap().after, 3, "without a name it begins with what comes");
        assert_eq!(ring.start(Some(OLDEST)).unwrap(), Start { after: 0, is_other_run: false });
        assert!(numbers(&ring.after(3)).is_empty());
    }

    #[test]
    fn what_is_held_no_more_is_counted_as_missed() {
        let ring = Ring::new().unwrap();
        (0..NEWS_MAX + 10).for_each(|_| ring.push("".into()));
        let batch = ring.after(4);
        assert_eq!((batch.missed, batch.lines[0].0), (6, 11));
        assert_eq!(ring.start(Some(OLDEST)).unwrap().after, 10, "of these nothing is missed");
    }

    #[test]
    fn names_of_another_run_begin_with_all_of_this_one() {
        let ring = Ring::new().unwrap();
        ring.push("".into());
        assert_eq!(ring.start(Some("00-7")), Some(Start { after: 0, is_other_run: true }));
        assert_eq!(ring.start(Some("seven")), None);
        assert_eq!(ring.start(Some(&ring.id(99))).unwrap().after, 1, "it cannot have what was not told");
    }
}
