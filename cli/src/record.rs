//! `--record`: a run of the node, and the file that it is written to.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use truecopy_mio::Reactor;
use truecopy_mio::disk::RealDisk;
use truecopy_protocol::Config;
use truecopy_transport::record::{RecordedDisk, Recording, Start};

use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, Reporter};

/// A folder whose calls are recorded, if the run is.
pub type Disk = RecordedDisk<RealDisk>;

/// With what a node begins, and what its run is written to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Limits and durations.
    pub config: Config,
    /// The seed of its random choices; no secret.
    pub seed: [u8; 32],
    /// The recording, if one was asked for.
    pub recording: Option<Recording>,
}

/// Whether a recording can be made there: looked at before the work. What counts is the making, which never replaces.
///
/// # Errors
/// If something has the name, or there is no such folder.
pub fn check(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    if path.symlink_metadata().is_ok() {
        return Err(taken(path));
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    folder.metadata().map(|_| ()).map_err(|error| Error::local("record in", folder, &error))
}

impl Run {
    /// A run that nothing is written of.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn unrecorded(config: Config) -> Result<Self> {
        let mut seed = [0; 32];
        rand::fill(&mut seed)
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        Ok(Self { config, seed, recording: None })
    }

    /// A run that is recorded if there is a path, in a new file that only its owner can read.
    ///
    /// # Errors
    /// If the file cannot be made, or is there already.
    pub fn begin(config: Config, path: Option<&Path>, reporter: &Arc<Reporter>) -> Result<Self> {
        let mut run = Self::unrecorded(config)?;
        let Some(path) = path else { return Ok(run) };
        let file = create(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(path),
            _ => Error::local("write", path, &error),
        })?;
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let start = Start { program, config: run.config.clone(), seed: run.seed, now: Reactor::START };
        let (name, to) = (Shown::path(path), Arc::clone(reporter));
        let text = format!(
            "recording to {name}: it names files and peers, but holds no secret and no byte of a file"
        );
        reporter.tell(&Event::Warning { text: &text });
        run.recording = Some(Recording::start(file, &start, move |error| {
            let text = format!("{name} cannot be written, the recording ends here: {}", Shown::io(&error));
            to.tell(&Event::Warning { text: &text });
        }));
        Ok(run)
    }

    /// A folder, its calls recorded if the run is.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open_folder(&self, path: &Path) -> io::Result<Disk> {
        RealDisk::open_root(path).map(|disk| RecordedDisk::new(disk, self.recording.clone()))
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn taken(path: &Path) -> Error {
    Error::new(Exit::Conflict, format!("{} is there already", Shown::path(path)))
        .hint("choose another name for the recording, or move it away")
}
