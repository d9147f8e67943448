//! What the user wants while something runs: keys of the terminal, and signals.

use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::signal::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::exit::{Error, Exit, Result};
use crate::output;

/// A wish of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Ask for nothing more for now. Key `p`.
    Pause,
    /// Go on, and dial at once whoever is waited for. Key `r`.
    Resume,
    /// Pause if it runs, go on if it is paused. `SIGUSR1`.
    Toggle,
    /// Dial at once whoever is waited for. `SIGUSR2`.
    Retry,
    /// Twice the limits of rates. Key `+`.
    Faster,
    /// Half the limits of rates. Key `-`.
    Slower,
    /// Choose other files. Key `o`.
    Only,
    /// Choose what comes first. Key `f`.
    First,
    /// The line that was asked for is there: [`Controls::line`].
    Line,
    /// End; the state is kept. Key `q`.
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
}

impl Control {
    /// How the program ends after this; none if it goes on.
    pub const fn exit(self) -> Option<Exit> {
        match self {
            Self::Quit | Self::Interrupt => Some(Exit::Interrupted),
            Self::Terminate => Some(Exit::Terminated),
            Self::Pause
            | Self::Resume
            | Self::Toggle
            | Self::Retry
            | Self::Faster
            | Self::Slower
            | Self::Only
            | Self::First
            | Self::Line => None,
        }
    }

    const fn of_key(key: u8) -> Option<Self> {
        match key {
            b'p' | b'P' => Some(Self::Pause),
            b'r' | b'R' => Some(Self::Resume),
            b'+' => Some(Self::Faster),
            b'-' => Some(Self::Slower),
            b'o' | b'O' => Some(Self::Only),
            b'f' | b'F' => Some(Self::First),
            b'q' | b'Q' => Some(Self::Quit),
            _ => None,
        }
    }
}

/// Wishes that wait to be read at most; more are those of a key held down.
const WAITING_MAX: usize = 16;

/// How often a process in the background looks whether it is in the foreground again.
#[cfg(unix)]
const BACKGROUND: std::time::Duration = std::time::Duration::from_millis(250);

/// The wishes of the user, from now on.
#[derive(Debug)]
pub struct Controls {
    wishes: Mutex<Receiver<Control>>,
    sender: SyncSender<Control>,
    keys: Keys,
    typed: Arc<Mutex<Typed>>,
}

/// A line that is asked for.
#[derive(Debug, Default)]
enum Typed {
    #[default]
    Keys,
    Awaited,
    There(String),
}

/// The terminal, while it gives keys.
type Keys = Arc<Mutex<Option<Terminal>>>;

impl Controls {
    /// Catches signals.
    ///
    /// # Errors
    /// If the system lets no signal be caught.
    pub fn new() -> Result<Self> {
        let (sender, wishes) = mpsc::sync_channel(WAITING_MAX);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGUSR2])
            .map_err(|error| Error::new(Exit::Unexpected, format!("signals cannot be caught: {error}")))?;
        let to = sender.clone();
        let keys = Keys::default();
        let terminal = Arc::clone(&keys);
        thread::spawn(move || {
            let mut ending = false;
            for signal in signals.forever() {
                let wish = match signal {
                    SIGINT => Control::Interrupt,
                    SIGTERM => Control::Terminate,
                    SIGUSR1 => Control::Toggle,
                    _ => Control::Retry,
                };
                if let Some(exit) = wish.exit()
                    && std::mem::replace(&mut ending, true)
                {
                    // Twice: the user waits for no goodbyes. What is verified is kept all the same.
                    drop(lock(&terminal).take());
                    output::break_line();
                    std::process::exit(i32::from(exit.code()));
                }
                // Nobody may be reading for a while; an end is wished for again then.
                let _ = to.try_send(wish);
            }
        });
        Ok(Self { wishes: Mutex::new(wishes), sender, keys, typed: Arc::default() })
    }

    /// Reads keys from the terminal, if there is one, until dropped.
    pub fn read_keys(&self) {
        if self.has_keys() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return;
        }
        let Some(terminal) = Terminal::raw() else { return };
        *lock(&self.keys) = Some(terminal);
        let to = self.sender.clone();
        let (terminal, typed) = (Arc::clone(&self.keys), Arc::clone(&self.typed));
        // It sits in a read that nothing ends but the process.
        thread::spawn(move || {
            let mut key = [0];
            while Terminal::waits_for_key() {
                if matches!(*lock(&typed), Typed::Awaited) {
                    let mut line = String::new();
                    // A line that cannot be read is an empty one.
                    let _ = io::stdin().read_line(&mut line);
                    *lock(&typed) = Typed::There(line);
                    if let Some(terminal) = &*lock(&terminal) {
                        terminal.give_keys();
                    }
                    let _ = to.try_send(Control::Line);
                    continue;
                }
                if !matches!(io::stdin().lock().read(&mut key), Ok(1)) {
                    return;
                }
                if let Some(wish) = Control::of_key(key[0]) {
                    let _ = to.try_send(wish);
                }
            }
        });
    }

    /// Whether keys are read.
    pub fn has_keys(&self) -> bool {
        lock(&self.keys).is_some()
    }

    /// Asks the terminal for a line instead of keys; [`Control::Line`] comes when it is there. Whether there is a terminal.
    pub fn ask_line(&self) -> bool {
        let keys = lock(&self.keys);
        let Some(terminal) = &*keys else { return false };
        *lock(&self.typed) = Typed::Awaited;
        terminal.give_lines();
        true
    }

    /// The line that was asked for.
    pub fn line(&self) -> Option<String> {
        let mut typed = lock(&self.typed);
        match std::mem::take(&mut *typed) {
            Typed::There(line) => Some(line),
            other => {
                *typed = other;
                None
            }
        }
    }

    /// How the program shall end, if the user wants it to; other wishes are passed over.
    pub fn end(&self) -> Option<Exit> {
        std::iter::from_fn(|| self.next()).find_map(Control::exit)
    }

    /// The next wish, if there is one.
    pub fn next(&self) -> Option<Control> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
    }
}

impl Drop for Controls {
    fn drop(&mut self) {
        // Signals are caught for longer than this lives.
        drop(lock(&self.keys).take());
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A terminal that gives keys as they are pressed; as it was when dropped.
#[derive(Debug)]
struct Terminal {
    #[cfg(unix)]
    before: rustix::termios::Termios,
    #[cfg(unix)]
    raw: rustix::termios::Termios,
}

#[cfg(unix)]
impl Terminal {
    fn raw() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        if !Self::is_ours() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        // Ctrl-C stays a signal.
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before, raw })
    }

    /// A terminal that is gone needs no setting.
    fn set(to: &rustix::termios::Termios) {
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, to);
    }

    fn give_keys(&self) {
        Self::set(&self.raw);
    }

    fn give_lines(&self) {
        Self::set(&self.before);
    }

    /// Whether this process is in the foreground: one in the background that touches the terminal is stopped.
    fn is_ours() -> bool {
        rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
    }

    /// Waits until there is a key for this process; false if there will be none any more.
    fn waits_for_key() -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        loop {
            let stdin = io::stdin();
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
                Ok(_) if Self::is_ours() => return true,
                // Somebody else types there.
                Ok(_) => thread::sleep(BACKGROUND),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(unix)]
impl Drop for Terminal {
    fn drop(&mut self) {
        Self::set(&self.before);
    }
}

#[cfg(not(unix))]
impl Terminal {
    /// Not written for this system: signals alone steer.
    fn raw() -> Option<Self> {
        None
    }

    fn waits_for_key() -> bool {
        false
    }

    fn give_keys(&self) {}

    fn give_lines(&self) {}
}
