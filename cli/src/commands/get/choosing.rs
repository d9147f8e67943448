//! Other files, or another order, while a share is fetched.

use std::sync::Arc;

use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::input::Command;

use super::offer::{self, Accepted, Answer, Before, Patterns};
use super::{Getting, SHARE};
use crate::exit::{Error, Result};
use crate::glob;
use crate::output::{Event, amount};

/// What the user is asked while files come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which files are wanted.
    Only,
    /// Which come first.
    First,
}

impl Question {
    const fn text(self) -> &'static str {
        match self {
            Self::Only => "fetch only (patterns; * for all, Enter: no change):",
            Self::First => "fetch first (patterns; - for none, Enter: no change):",
        }
    }

    /// What the answer makes of the patterns; none: no change.
    fn answered(self, patterns: &Patterns, line: &str) -> Option<Patterns> {
        let words = glob::words(line);
        let none = || words.iter().all(|word| word == "-");
        Some(match self {
            _ if words.is_empty() => return None,
            // What is named now was perhaps left out before.
            Self::Only => Patterns { only: words, exclude: Vec::new(), first: patterns.first.clone() },
            Self::First if none() => Patterns { first: Vec::new(), ..patterns.clone() },
            Self::First => Patterns { first: words, ..patterns.clone() },
        })
    }
}

impl Getting<'_> {
    /// Reads keys from now on, and tells which.
    pub(super) fn offer_keys(&mut self) {
        let is_new = !self.controls.has_keys();
        self.controls.read_keys();
        if is_new && self.controls.has_keys() {
            let choice = if self.args.is_stream() { "" } else { "o only these files, f these first, " };
            let text = format!(
                "keys: p pause, r resume or retry, + and - faster and slower, {choice}q stop and keep"
            );
            self.reporter.tell(&Event::Note { text: &text });
        }
    }

    pub(super) fn answer(&self, manifest: &Arc<Manifest>, before: Before<'_>) -> Result<Answer> {
        let controls = &self.controls;
        let asking = offer::Asking { reporter: self.reporter, stop: &|| controls.end(), before };
        offer::answer((self.args, &self.patterns), &asking, &self.run, &self.place, manifest)
    }

    /// Asks for a line; everything else goes on meanwhile.
    pub(super) fn ask(&mut self, question: Question) -> Result<()> {
        if self.accepted.is_none() || self.is_placed || self.args.is_stream() || self.asked.is_some() {
            return Ok(());
        }
        if self.controls.ask_line() {
            self.reporter.hold(question.text());
            self.asked = Some(question);
        }
        Ok(())
    }

    /// The line is there: if it changes anything, the share is offered again.
    pub(super) fn answered(&mut self) -> Result<()> {
        let (Some(question), Some(line)) = (self.asked.take(), self.controls.line()) else { return Ok(()) };
        self.reporter.unhold();
        let Some(manifest) = self.manifest.clone() else { return Ok(()) };
        let Some(patterns) = question.answered(&self.patterns, &line) else { return Ok(()) };
        let chosen = match patterns.choose(&manifest) {
            Ok(chosen) => chosen,
            Err(error) => {
                self.warn(&error);
                return Ok(());
            }
        };
        let is_same = |accepted: &Accepted| (&accepted.selection, &accepted.first) == (&chosen.0, &chosen.1);
        if self.accepted.as_ref().is_some_and(is_same) {
            self.reporter.tell(&Event::Note { text: "that is what is fetched already" });
            return Ok(());
        }
        self.chosen = Some(patterns);
        self.command(Command::Reconsider { share: SHARE })
    }

    /// Goes on with what was chosen; with what was fetched before if that cannot be.
    pub(super) fn choose_again(&mut self, manifest: &Arc<Manifest>, accepted: Accepted) -> Result<Answer> {
        let proven = accepted.storage.proven();
        // The staging is held until nobody has it any more.
        drop(accepted);
        self.net.handle.release(SHARE);
        let before = std::mem::take(&mut self.patterns);
        self.patterns = self.chosen.take().unwrap_or_else(|| before.clone());
        let answer = self.answer(manifest, Before::Running(&proven)).or_else(|error| {
            self.warn(&error);
            self.patterns = before;
            self.answer(manifest, Before::Running(&proven))
        })?;
        if let Answer::Accept(accepted) = &answer {
            let bytes = manifest.entries().filter(|(index, _)| accepted.selection.contains(*index));
            let bytes = bytes.filter_map(|(index, _)| manifest.file(index)).map(|file| file.size).sum();
            let text = format!("fetching {} now; what is verified of it stays so", amount(bytes));
            self.reporter.tell(&Event::Note { text: &text });
        }
        Ok(answer)
    }

    fn warn(&self, error: &Error) {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        self.reporter.tell(&Event::Warning { text: &format!("no change: {}{hint}", error.what) });
    }
}
