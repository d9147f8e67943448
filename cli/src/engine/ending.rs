//! The end of a node: what was said has a moment to come, everybody is told goodbye, and nothing is lost without a word.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use truecopy_protocol::ShareId;
use truecopy_protocol::input::Command;
use truecopy_protocol::output::Event;
use truecopy_protocol::wire::Reason;

use super::news::News;
use super::transfers::Transfer;
use super::{Engine, ROOM};

/// How long what was said may take to be acknowledged.
const SAYING: Duration = Duration::from_secs(2);
/// How long goodbyes may take.
const ENDING: Duration = Duration::from_secs(3);

impl Engine {
    /// Ends. What was said to nodes that are here has a moment to come, then everybody is told goodbye; `tell` hears what
    /// happens until then, and of all that still waits.
    pub fn end(mut self, tell: &mut dyn FnMut(&News)) {
        let until = Instant::now() + SAYING;
        while Instant::now() < until && self.unheard.waits_for(|node| self.present.contains_key(&node)) {
            match self.next_news() {
                Ok(Some(news)) => tell(&news),
                Ok(None) => {}
                // The reactor has stopped: nobody answers any more.
                Err(_) => break,
            }
        }
        self.part();
        for tag in self.unheard.tags() {
            let why = if self.unheard.is_met(tag) {
                "the program ends before it was acknowledged; it may have come or not"
            } else {
                "the program ends before that node was met"
            };
            self.undelivered(tag, why);
        }
        // First it is told, then it is forgotten.
        self.settle();
        while let Some(news) = self.news.pop_front() {
            tell(&news);
            if let News::Delivered { tag, .. } | News::Undelivered { tag, .. } = news {
                self.unheard.told(tag);
            }
        }
        self.settle();
    }

    /// Says goodbye, and takes in what comes meanwhile: those who said it are told that the user knows it.
    fn part(&mut self) {
        let shares = self.transfers.values().filter_map(Transfer::share).chain([ROOM]);
        let mut open: BTreeSet<ShareId> = shares.collect();
        for share in &open {
            // If the reactor has stopped there is nobody to tell.
            let _ = self.net.handle.command(Command::End { share: *share, reason: Reason::Leaving });
        }
        let until = Instant::now() + ENDING;
        while !open.is_empty() && Instant::now() < until {
            let known = match self.net.next() {
                Ok(Some(Event::Ended { share })) => {
                    open.remove(&share);
                    Ok(())
                }
                Ok(Some(event @ (Event::Heard { .. } | Event::Delivered { .. }))) => self.happened(event),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if known.is_err() {
                return;
            }
        }
    }
}
