//! The live line of a terminal, and the plain line every five seconds where there is none.

use std::time::Duration;

use super::event::Event;
use super::human;
use super::rate::Rate;
use super::table;

/// How often a terminal is drawn.
const FRAME: Duration = Duration::from_millis(50);
/// How often a program is told numbers.
const JSON: Duration = Duration::from_millis(90);
/// How often a plain line is written while nothing changes but numbers.
const PLAIN: Duration = Duration::from_secs(5);

/// Bytes of what is told while a line is asked for that are kept at most; further ones are not told.
const HELD_MAX: usize = 64 * 1024;

/// What is on the screen, and the rate of what moves.
#[derive(Debug, Default)]
pub(super) struct Live {
    rate: Rate,
    /// The live line as it was last drawn, and the lines beneath it.
    line: String,
    /// The table of peers, without the end of its last line.
    table: String,
    map: String,
    last: Option<Duration>,
    sentence: String,
    /// What is told while a line is asked for.
    held: Option<String>,
    /// The limits of rates that hold, up and down, in bytes a second.
    limits: (Option<u64>, Option<u64>),
}

impl Live {
    /// Keeps what is drawn beneath the live line. Whether the event was of that kind.
    fn beneath(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Peers(rows) => self.table = table::peers(rows),
            Event::Map { cells } => self.map = table::map(cells),
            _ => return false,
        }
        true
    }

    /// The live line and what is beneath it, cut to a width.
    fn drawn(&self, line: &str, columns: usize) -> String {
        let beneath = [&self.map, &self.table].into_iter().filter(|text| !text.is_empty());
        let lines = std::iter::once(line).chain(beneath.flat_map(|text| text.lines()));
        lines.map(|line| clip(line, columns)).collect::<Vec<_>>().join("\n")
    }

    /// A line is asked for: what is told waits.
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Nothing is asked for any more. What was told meanwhile.
    pub(super) fn unhold(&mut self) -> String {
        self.held.take().unwrap_or_default()
    }

    /// What to write for an event on a terminal.
    pub(super) fn terminal(&mut self, now: Duration, event: &Event<'_>, sentence: Option<String>) -> String {
        if let Some(sentence) = sentence {
            if sentence == self.sentence {
                return String::new();
            }
            if let Some(held) = &mut self.held {
                if held.len() < HELD_MAX {
                    held.push_str(&format!("{sentence}\n"));
                }
                self.settle(event);
                self.sentence = sentence;
                return String::new();
            }
            let erased = erase(&self.line);
            self.settle(event);
            let text = format!("{erased}{sentence}\n{}", self.line);
            self.sentence = sentence;
            return text;
        }
        // It is drawn with the next line of progress.
        if self.beneath(event) {
            return String::new();
        }
        self.observe(now, event);
        if self.held.is_some() || self.last.is_some_and(|last| now.saturating_sub(last) < FRAME) {
            return String::new();
        }
        let Some(line) = self.progress(event) else { return String::new() };
        self.last = Some(now);
        let line = self.drawn(&line, columns());
        let text = format!("{}{line}", erase(&self.line));
        self.line = line;
        text
    }

    /// What to write for an event where there is no terminal; the first of anything is written at once.
    pub(super) fn plain(&mut self, now: Duration, event: &Event<'_>) -> Option<String> {
        if let Some(sentence) = human::sentence(event) {
            if sentence == self.sentence {
                return None;
            }
            self.sentence = sentence;
            self.settle(event);
            return Some(format!("{}\n", self.sentence));
        }
        if self.beneath(event) {
            return None;
        }
        self.observe(now, event);
        let line = self.progress(event)?;
        if self.last.is_some_and(|last| now.saturating_sub(last) < PLAIN) {
            return None;
        }
        self.last = Some(now);
        Some(format!("{}\n", self.drawn(&line, usize::MAX)))
    }

    /// Whether a program should hear of this: numbers that only grow come at most about ten times a second.
    pub(super) fn is_due(&mut self, now: Duration, event: &Event<'_>) -> bool {
        if !matches!(event, Event::Reading(_) | Event::Moving(_) | Event::Sent(_)) {
            return true;
        }
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= JSON);
        if due {
            self.last = Some(now);
        }
        due
    }

    /// Takes the live line away.
    pub(super) fn clear(&mut self) -> String {
        let text = erase(&self.line);
        self.line.clear();
        self.last = None;
        text
    }

    /// The line of what moves, with the limit that it keeps to.
    fn progress(&self, event: &Event<'_>) -> Option<String> {
        let limit = match event {
            Event::Moving(_) => self.limits.1,
            Event::Sent(_) => self.limits.0,
            _ => None,
        };
        human::progress(event, &self.rate, limit)
    }

    fn observe(&mut self, now: Duration, event: &Event<'_>) {
        match event {
            Event::Reading(reading) => self.rate.observe(now, reading.progress.bytes_done),
            Event::Moving(moved) => self.rate.observe(now, moved.verified),
            Event::Sent(sent) => self.rate.observe(now, sent.all),
            Event::Given { all, .. } => self.rate.observe(now, *all),
            _ => {}
        }
    }

    /// After these nothing moves for now, or something else does.
    fn settle(&mut self, event: &Event<'_>) {
        if let Event::Limits { up, down } = event {
            self.limits = (*up, *down);
        }
        if matches!(
            event,
            Event::Share { .. } | Event::Done { .. } | Event::Verified { .. } | Event::Waiting(_)
        ) {
            self.rate = Rate::default();
            self.line.clear();
            self.table.clear();
            self.map.clear();
            self.last = None;
        }
    }
}

fn erase(line: &str) -> String {
    if line.is_empty() {
        return String::new();
    }
    // From the last of the lines up to the first.
    format!("\r\x1b[2K{}", "\x1b[1A\x1b[2K".repeat(line.matches('\n').count()))
}

/// Columns of the terminal that standard error is; else those of an ordinary one.
pub fn columns() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr())
        && size.ws_col > 1
    {
        return usize::from(size.ws_col) - 1;
    }
    79
}

/// Cuts a line to a width, so that it never wraps. Characters of unknown width count as two.
fn clip(line: &str, columns: usize) -> String {
    let mut width = 0;
    let fits = |c: &char| {
        // Arrows, boxes and blocks are ours, and narrow.
        let is_narrow = (*c as u32) < 0x1100 || ('\u{2190}'..'\u{2600}').contains(c);
        width += if is_narrow { 1 } else { 2 };
        width <= columns
    };
    line.chars().take_while(fits).collect()
}
