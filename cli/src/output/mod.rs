//! Telling people and programs what happens. The only module that writes to standard output and standard error.
//!
//! Standard output carries the product: the ticket, a listing, findings, digests, or with `--json` every event. What is
//! for people goes to standard error: a live line on a terminal, else a plain line every five seconds and at each change.

mod event;
mod human;
mod json;
mod live;
mod rate;
mod table;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::args::{Level, LogFormat, OutputArgs};
use crate::escape::Shown;
use crate::exit::Error;

pub use event::{
    Access, Conflict, Contents, Difference, DigestOf, Event, Gone, HalfDone, Holding, KeptShare, Link,
    Listed, Moved, PeerRow, Placed, Reading, RecordingEnd, Replayed, Sent, Stage, Unlike, Waiting,
};
pub use human::{amount, count, difference, time};
pub use json::Object;
pub use live::columns;
pub use rate::Rate;
pub use table::map;

use live::Live;

/// How events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// A live line on a terminal.
    Terminal,
    /// Lines.
    Plain,
    /// JSON on standard output.
    Json,
    /// The product alone.
    Quiet,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// There is no terminal on both sides.
    Nobody,
    /// The answer, in lower case.
    Said(String),
    /// The user wants to end, or closed the input.
    Stopped,
}

/// Tells events. Shared between threads.
#[derive(Debug)]
pub struct Reporter {
    mode: Mode,
    level: Level,
    log: Log,
    format: LogFormat,
    start: Instant,
    live: Mutex<Live>,
}

/// Whether a structured log was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Off,
    UpTo(Level),
}

impl Reporter {
    /// A reporter as the flags want it.
    pub fn new(args: &OutputArgs) -> Self {
        let mode = if args.json {
            Mode::Json
        } else if args.quiet {
            Mode::Quiet
        } else if io::stderr().is_terminal() {
            Mode::Terminal
        } else {
            Mode::Plain
        };
        let level = match args.verbose {
            0 => Level::Warn,
            1 => Level::Info,
            _ => Level::Debug,
        };
        let log = args.log.map_or(Log::Off, Log::UpTo);
        Self { mode, level, log, format: args.log_format, start: Instant::now(), live: Mutex::default() }
    }

    /// Time since the program started.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Tells an event, in whatever way was asked for.
    pub fn tell(&self, event: &Event<'_>) {
        let now = self.elapsed();
        match self.mode {
            Mode::Json => {
                if self.live().is_due(now, event) {
                    self.print(json::line(now, event).as_bytes());
                }
            }
            Mode::Quiet => self.product(event),
            Mode::Plain => {
                self.product(event);
                let line = self.live().plain(now, event);
                self.say(line);
            }
            Mode::Terminal => {
                self.product(event);
                let sentence = human::sentence(event);
                let mut live = self.live();
                let text = live.terminal(now, event, sentence);
                // Under the lock, so that lines of several threads do not mix. Without a terminal there is nobody to tell.
                let _ = io::stderr().lock().write_all(text.as_bytes());
            }
        }
    }

    /// Tells something that has a line for people and an object for programs: both are the product.
    pub fn line(&self, people: &str, program: &str) {
        if self.mode == Mode::Json {
            self.print(program.as_bytes())
        } else {
            self.print(format!("{people}\n").as_bytes())
        }
    }

    /// Tells how the program failed.
    pub fn fail(&self, error: &Error) {
        if self.mode == Mode::Json {
            self.print(json::failure(self.elapsed(), error).as_bytes());
        }
        let mut text = format!("error: {}\n", error.what);
        if let Some(hint) = &error.hint {
            text.push_str(&format!("  → {hint}\n"));
        }
        self.say(Some(text));
    }

    /// A structured line for those who look for causes: `time level what key=value…`. Values are escaped here.
    pub fn log(&self, level: Level, what: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
        let wanted = match self.log {
            Log::UpTo(max) => level <= max,
            Log::Off => self.level > Level::Warn && level <= self.level,
        };
        if !wanted {
            return;
        }
        if self.format == LogFormat::Json {
            let object = Object::event(self.elapsed(), "log").text("level", level.word()).text("what", what);
            let add = |object: Object, (key, value): &(&str, &dyn std::fmt::Display)| {
                object.text(&format!("field_{key}"), &value.to_string())
            };
            return self.say(Some(fields.iter().fold(object, add).line()));
        }
        let mut line = format!("{:.3} {} {what}", self.elapsed().as_secs_f64(), level.word());
        for (key, value) in fields {
            line.push_str(&format!(" {key}={}", Shown::log(value.to_string().as_bytes())));
        }
        line.push('\n');
        self.say(Some(line));
    }

    /// Whether a structured log is wanted at all.
    pub fn has_log(&self) -> bool {
        self.log != Log::Off || self.level > Level::Warn
    }

    /// Asks a question on the terminal and reads one line; looks meanwhile whether to `stop`.
    pub fn ask(&self, question: &str, stop: &mut dyn FnMut() -> bool) -> Asked {
        if matches!(self.mode, Mode::Json | Mode::Quiet)
            || !io::stdin().is_terminal()
            || !io::stderr().is_terminal()
        {
            return Asked::Nobody;
        }
        self.say(Some(format!("{} ", Shown::terminal(question.as_bytes()))));
        while !has_line() {
            if stop() {
                self.say(Some("\n".into()));
                return Asked::Stopped;
            }
        }
        let mut answer = String::new();
        match io::stdin().read_line(&mut answer) {
            Ok(1..) => Asked::Said(answer.trim().to_lowercase()),
            // The end of the input, or a terminal that went away.
            _ => Asked::Stopped,
        }
    }

    /// Asks for a line and lets the rest of the program go on: what is told until [`unhold`](Self::unhold) waits.
    pub fn hold(&self, question: &str) {
        if self.mode == Mode::Terminal {
            self.say(Some(format!("{} ", Shown::terminal(question.as_bytes()))));
            self.live().hold();
        }
    }

    /// Tells what has waited since [`hold`](Self::hold).
    pub fn unhold(&self) {
        let text = self.live().unhold();
        // Without a terminal there is nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Takes the live line away, at the end or before another program writes.
    pub fn clear(&self) {
        if self.mode == Mode::Terminal {
            let text = self.live().clear();
            // Without a terminal there is nobody to tell.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// Whether events are told as JSON.
    pub fn is_json(&self) -> bool {
        self.mode == Mode::Json
    }

    /// Writes bytes of a file to standard output, where nothing else goes then.
    ///
    /// # Errors
    /// What the system says; `BrokenPipe` if nobody reads any more.
    pub fn stream(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Writes generated text (a manual page, completions) to standard output as it is.
    pub fn generated(&self, bytes: &[u8]) {
        self.print(bytes);
    }

    fn product(&self, event: &Event<'_>) {
        let bytes =
            if io::stdout().is_terminal() { human::product_shown(event) } else { human::product(event) };
        if let Some(bytes) = bytes {
            self.clear();
            self.print(&bytes);
        }
    }

    fn say(&self, text: Option<String>) {
        let Some(text) = text else { return };
        let mut live = self.live();
        let clear = if self.mode == Mode::Terminal { live.clear() } else { String::new() };
        // A closed standard error leaves nobody to tell.
        let _ = io::stderr().lock().write_all(format!("{clear}{text}").as_bytes());
    }

    fn print(&self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        // A reader that went away (`| head`) ends the output, not the work.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a line that may be half written on the terminal, when the program ends without a further word.
pub fn break_line() {
    if io::stderr().is_terminal() {
        // Without a terminal there is nobody to tell.
        let _ = io::stderr().lock().write_all(b"\n");
    }
}

/// Waits a moment for a line of the terminal.
#[cfg(unix)]
fn has_line() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let moment = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let stdin = io::stdin();
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&moment)) {
        Ok(ready) => ready > 0,
        // The read says what is wrong.
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

#[cfg(not(unix))]
fn has_line() -> bool {
    true
}

#[cfg(test)]
mod tests;
