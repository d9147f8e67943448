//! `-o -`: the proven bytes of one file to standard output, in order, while the rest still comes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aws_lc_rs::rand;
use truecopy_protocol::content::geometry::SPAN;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::Extent;
use truecopy_protocol::{BlobId, EntryIndex, hex};

use crate::args::GetArgs;
use crate::exit::{Error, Exit, Result};
use crate::home;
use crate::output::Reporter;
use crate::witness::Witness;

/// How long a chunk is waited for before the end is thought of.
const TICK: Duration = Duration::from_millis(100);

/// A folder for what is fetched only to be written out; gone when dropped.
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn new() -> Result<Self> {
        let mut name = [0; 8];
        rand::fill(&mut name)
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        let path = std::env::temp_dir().join(format!("truecopy-{}", hex(&name)));
        home::make_private_folder(&path).map_err(|error| Error::local("make the folder", &path, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of this folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Refuses flags that write to standard output as well, or keep what is only passed on.
pub(super) fn check(args: &GetArgs) -> Result<()> {
    let other = [
        ("--json", args.output.json),
        ("--sha256sums", args.sha256sums),
        ("--seed", args.swarm.seed.is_some()),
    ];
    match other.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Error::usage(format!("{flag} does not go with -o -"))
            .hint("name a folder, or leave the flag out")),
        None => Ok(()),
    }
}

/// The one file that is wanted.
pub(super) fn only_file(manifest: &Manifest, selection: &Selection) -> Result<EntryIndex> {
    let is_wanted = |index: EntryIndex, kind| matches!(kind, EntryKind::File(_)) && selection.contains(index);
    let mut files = manifest.entries().filter(|(index, entry)| is_wanted(*index, entry.kind));
    match (files.next(), files.count()) {
        (Some((index, _)), 0) => Ok(index),
        (_, more) => Err(Error::usage(format!("{} files are meant, and one can be written out", more + 1))
            .hint("name it with --only")),
    }
}

/// A file on its way to standard output.
pub(super) struct Stream {
    thread: Option<JoinHandle<io::Result<()>>>,
    ends: Arc<AtomicBool>,
}

impl Stream {
    pub(super) fn start(
        witness: Arc<Witness>,
        manifest: Arc<Manifest>,
        entry: EntryIndex,
        reporter: Arc<Reporter>,
    ) -> Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&ends);
        let write = move || write(&witness, &manifest, entry, &reporter, &asked);
        let thread = thread::Builder::new().name("stream".to_owned()).spawn(write);
        let thread = thread.map_err(|error| Error::new(Exit::Unexpected, error))?;
        Ok(Self { thread: Some(thread), ends })
    }

    /// Whether nothing more is written.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// How it went; only once it is over. None if the reader went away: that is its good right.
    pub(super) fn result(mut self) -> Result<Option<()>> {
        let Some(thread) = self.thread.take() else { return Ok(Some(())) };
        match thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())) {
            Ok(()) => Ok(Some(())),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
            Err(error) => Err(Error::local("write to", Path::new("standard output"), &error)),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Nothing more will come; it ends by itself.
        self.ends.store(true, Relaxed);
    }
}

fn write(
    witness: &Witness,
    manifest: &Manifest,
    entry: EntryIndex,
    reporter: &Reporter,
    ends: &AtomicBool,
) -> io::Result<()> {
    let Some(shape) = manifest.shape(entry) else { return Ok(()) };
    let mut span = vec![0; SPAN as usize];
    for (within, chunk) in (0..).zip(manifest.chunks_of(entry)) {
        while !witness.waits_for(chunk, TICK) {
            if ends.load(Relaxed) {
                return Ok(());
            }
        }
        let range = shape.chunk_range(within);
        let mut offset = range.start;
        while offset < range.end {
            let len = (range.end - offset).min(SPAN) as usize;
            // At most a span.
            let extent = Extent { blob: BlobId::of(entry), offset, len: len as u32 };
            witness.read_proven(extent, &mut span[..len]).map_err(io::Error::other)?;
            reporter.stream(&span[..len])?;
            offset += len as u64;
        }
    }
    Ok(())
}
