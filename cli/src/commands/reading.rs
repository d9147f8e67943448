//! Finding and hashing files while telling how far it is, for all commands that do.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{self, Known, Links, Monitor, Options, PrepareError, Prepared};

use crate::args::LinkPolicy;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, Reading, Reporter};

/// How often the progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Does the work, and tells beside it what the monitor says.
pub fn watched<T>(reporter: &Reporter, monitor: &Monitor, work: impl FnOnce() -> T) -> T {
    watched_by(reporter, monitor, |_| (), work)
}

/// The same, and calls `tick` beside it every tenth of a second.
pub fn watched_by<T>(
    reporter: &Reporter,
    monitor: &Monitor,
    mut tick: impl FnMut(&Monitor) + Send,
    work: impl FnOnce() -> T,
) -> T {
    let (end, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                reporter.tell(&Event::Reading(Reading { progress: monitor.progress() }));
                tick(monitor);
            }
        });
        // Dropped even if the work panics, or the other thread would never end.
        let _end = end;
        work()
    })
}

/// Prepares a share and tells what does not travel. `tick` is called beside it, and may cancel it.
pub fn prepare(
    reporter: &Reporter,
    paths: &[PathBuf],
    links: LinkPolicy,
    known: Option<Known>,
    tick: impl FnMut(&Monitor) + Send,
) -> Result<Prepared> {
    let monitor = Monitor::new();
    let links = match links {
        LinkPolicy::Keep => Links::Keep,
        LinkPolicy::Skip => Links::Skip,
    };
    let options = Options { links, hasher: &AtOnce };
    let prepared =
        watched_by(reporter, &monitor, tick, || prepare::prepare(paths, &options, known, &monitor));
    let prepared = prepared.map_err(|error| explain(&error))?;
    for dropped in &prepared.dropped {
        reporter.tell(&Event::Dropped { path: &dropped.path, why: dropped.why });
    }
    Ok(prepared)
}

/// What a failed preparation or check means for the user.
pub fn explain(error: &PrepareError) -> Error {
    let all = || error.to_string();
    match error {
        PrepareError::Unreadable { path, source } => Error::local("read", path, source),
        PrepareError::Changed { path } => {
            let what = format!("{} was changed by another program while it was read", Shown::path(path));
            Error::new(Exit::SourceChanged, what)
                .hint("wait until nothing writes to it, and run the same command again")
        }
        PrepareError::NotAFile { path } => {
            Error::usage(format!("{} is neither a file nor a folder that fits", Shown::path(path)))
        }
        PrepareError::Nameless { path } => {
            Error::usage(format!("{} has no name that it could have elsewhere", Shown::path(path)))
                .hint("name the folders in it instead")
        }
        PrepareError::Twice { name } => {
            Error::usage(format!("two of the paths are called {}", Shown::name(name)))
                .hint("name the folder that holds both, or send them one after the other")
        }
        PrepareError::BadName { path, why } => {
            Error::new(Exit::Limit, format!("{} cannot be sent: it has {why}", Shown::path(path)))
        }
        PrepareError::TooDeep { path } => {
            Error::new(Exit::Limit, format!("{} lies too deep", Shown::path(path)))
                .hint("send a folder further down")
        }
        PrepareError::Nothing => Error::usage(all()),
        PrepareError::TooMany | PrepareError::Manifest(_) => {
            Error::new(Exit::Limit, all()).hint("send it in several parts")
        }
        PrepareError::Layers(_) => {
            Error::new(Exit::Unexpected, all()).hint("run it again, and doubt this machine's memory")
        }
        PrepareError::Cancelled => Error::new(Exit::Interrupted, "interrupted"),
    }
}
