//! Lines in, news out. On a terminal with editing, history and completion, and what comes never garbles what is being
//! typed; else plain lines.

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Context as Line, Editor, ExternalPrinter, Helper, Highlighter, Hinter, Validator};

use crate::engine::news::News;
use crate::engine::order::{HELP, Order};
use crate::exit::{Error, Exit, Result};
use crate::home::{self, Home};
use crate::output::Reporter;

/// Lines that wait to be carried out at most; then whoever types waits.
const LINES_MAX: usize = 256;
const PROMPT: &str = "> ";

/// Where a user types and reads.
pub(super) struct Console {
    lines: Receiver<String>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    reporter: Arc<Reporter>,
}

impl Console {
    /// Reads lines from now on.
    pub(super) fn open(home: &Home, reporter: &Arc<Reporter>) -> Result<Self> {
        let (to, lines) = sync_channel(LINES_MAX);
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !reporter.is_json();
        let printer = if is_terminal {
            Some(edit(to, home)?)
        } else {
            spawn("lines", move || read(&to))?;
            None
        };
        Ok(Self { lines, printer, reporter: Arc::clone(reporter) })
    }

    /// What was typed; at its end nothing more will be.
    pub(super) const fn lines(&self) -> &Receiver<String> {
        &self.lines
    }

    /// Tells news.
    pub(super) fn tell(&mut self, news: &News) {
        match &mut self.printer {
            Some(printer) => {
                // Without a terminal there is nobody to tell.
                let _ = printer.print(format!("{}\n", news.line()));
            }
            None => self.reporter.line(&news.line(), &news.json(self.reporter.elapsed())),
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Error::new(Exit::Unexpected, error))
}

/// Plain lines, to the end of the input.
fn read(to: &SyncSender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if to.send(line).is_err() {
            return;
        }
    }
}

/// Lines that are edited on a terminal. Ctrl-C and Ctrl-D end the program.
fn edit(to: SyncSender<String>, home: &Home) -> Result<Box<dyn ExternalPrinter + Send>> {
    let failed =
        |error: ReadlineError| Error::new(Exit::Unexpected, format!("the terminal cannot be used: {error}"));
    let mut editor: Editor<Typing, DefaultHistory> = Editor::new().map_err(failed)?;
    editor.set_helper(Some(Typing { files: FilenameCompleter::new() }));
    let printer = editor.create_external_printer().map_err(failed)?;
    let history = history_file(home);
    if let Some(history) = &history {
        // There is none before the first time.
        let _ = editor.load_history(history);
    }
    spawn("console", move || {
        while let Ok(line) = editor.readline(PROMPT) {
            // A history that cannot be kept costs only the memory.
            let _ = editor.add_history_entry(&line);
            if let Some(history) = &history {
                let _ = editor.append_history(history);
            }
            // What is told after that is written at once, and not by an editor that nobody waits for.
            let is_last = matches!(Order::read(&line), Ok(Some(Order::Quit)));
            if to.send(line).is_err() || is_last {
                return;
            }
        }
        let _ = to.send("quit".to_owned());
    })?;
    Ok(Box::new(printer))
}

fn history_file(home: &Home) -> Option<PathBuf> {
    home::make_private_folder(home.state()).ok()?;
    Some(home.state().join("console.history"))
}

/// Completes commands, then files.
#[derive(Helper, Hinter, Highlighter, Validator)]
struct Typing {
    files: FilenameCompleter,
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Line<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        if typed.contains(' ') {
            return self.files.complete(line, at, context);
        }
        let verbs = HELP.iter().flat_map(|(form, _)| verbs(form));
        let fits = verbs.filter(|verb| verb.starts_with(typed));
        Ok((0, fits.map(|verb| Pair { display: verb.clone(), replacement: format!("{verb} ") }).collect()))
    }
}

/// The commands of a form, as of `pause|resume TRANSFER` and `trust PEER, distrust PEER`.
fn verbs(form: &str) -> Vec<String> {
    let forms = form.split(", ").filter_map(|form| form.split(' ').next());
    forms.flat_map(|verbs| verbs.split('|')).map(str::to_owned).collect()
}
