//! How the program ends: the one table of exit codes, and the error that carries one.

use std::fmt;
use std::process::ExitCode;

use crate::escape::Shown;

/// Why the program ended. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything is verified and placed.
    Success = 0,
    /// Something that should not happen.
    Unexpected = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The user, or the other side, said no.
    Declined = 3,
    /// The other machine was not found.
    PeerNotFound = 5,
    /// The connection was lost; what is verified is kept.
    LinkLost = 6,
    /// The data is not what it should be; nothing was placed.
    Integrity = 7,
    /// Reading or writing here failed, or there is no space.
    LocalIo = 8,
    /// Something else has the name.
    Conflict = 9,
    /// Done, but something was left out.
    Skipped = 10,
    /// The offer is unsafe.
    UnsafeOffer = 11,
    /// The other side speaks another version.
    Version = 12,
    /// The source changed while it was sent.
    SourceChanged = 13,
    /// A limit was reached.
    Limit = 14,
    /// The daemon of this home cannot be reached.
    NoDaemon = 20,
    /// Ctrl-C; the state is kept.
    Interrupted = 130,
    /// The terminate signal; the state is kept.
    Terminated = 143,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 17] = [
        Self::Success,
        Self::Unexpected,
        Self::Usage,
        Self::Declined,
        Self::PeerNotFound,
        Self::LinkLost,
        Self::Integrity,
        Self::LocalIo,
        Self::Conflict,
        Self::Skipped,
        Self::UnsafeOffer,
        Self::Version,
        Self::SourceChanged,
        Self::Limit,
        Self::NoDaemon,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// A word for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::Declined => "declined",
            Self::PeerNotFound => "peer-not-found",
            Self::LinkLost => "link-lost",
            Self::Integrity => "integrity",
            Self::LocalIo => "local-io",
            Self::Conflict => "conflict",
            Self::Skipped => "skipped",
            Self::UnsafeOffer => "unsafe-offer",
            Self::Version => "version",
            Self::SourceChanged => "source-changed",
            Self::Limit => "limit",
            Self::NoDaemon => "no-daemon",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// A line for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "everything is verified and placed",
            Self::Unexpected => "something unexpected; please report it",
            Self::Usage => "the command line or the configuration is wrong",
            Self::Declined => "declined",
            Self::PeerNotFound => "the other machine was not found",
            Self::LinkLost => "the connection was lost; what is verified is kept",
            Self::Integrity => "the data is not what it should be; nothing was placed",
            Self::LocalIo => "reading or writing here failed, or no space is left",
            Self::Conflict => "something else has the name",
            Self::Skipped => "finished, but something was left out",
            Self::UnsafeOffer => "the offer is unsafe and was refused",
            Self::Version => "the other side speaks another version",
            Self::SourceChanged => "the source changed while it was sent",
            Self::Limit => "a limit was reached",
            Self::NoDaemon => "the daemon cannot be reached",
            Self::Interrupted => "interrupted; the state is kept",
            Self::Terminated => "terminated; the state is kept",
        }
    }

    /// Whether the same command may well succeed when it is run again.
    pub const fn retry(self) -> Retry {
        match self {
            Self::PeerNotFound
            | Self::LinkLost
            | Self::SourceChanged
            | Self::NoDaemon
            | Self::Interrupted
            | Self::Terminated => Retry::Worthwhile,
            _ => Retry::Useless,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Whether to run the same command again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may succeed without any change.
    Worthwhile,
    /// Something has to be changed first.
    Useless,
}

/// What went wrong, what to do next, and how the program ends for it.
#[derive(Debug)]
pub struct Error {
    /// How the program ends.
    pub exit: Exit,
    /// What happened: a clause without a full stop.
    pub what: Shown,
    /// What to do next, if anything can be done.
    pub hint: Option<Shown>,
}

/// The result of everything in this program.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this kind. Whatever comes from outside must be in `what` as [`Shown`] or be harmless: it is escaped
    /// once more as a whole.
    pub fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self { exit, what: Shown::terminal(what.to_string().as_bytes()), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(Shown::terminal(hint.to_string().as_bytes()));
        self
    }

    /// The command line or the configuration is wrong.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// A file or folder here could not be read or written.
    pub fn local(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let what = format!("cannot {doing} {}: {}", Shown::path(path), Shown::io(error));
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check who may read and write there",
            std::io::ErrorKind::StorageFull => "make space and run the same command again",
            _ => return Self::new(Exit::LocalIo, what),
        };
        Self::new(Exit::LocalIo, what).hint(hint)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

#[cfg(test)]
mod tests;
