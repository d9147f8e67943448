//! The recorder: taps a driver, and writes what enters and leaves the core.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use truecopy_protocol::input::Input;
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::wire::{Part, Splitter};
use truecopy_protocol::{ConnId, Node, Now};

use super::command::{Secrets, recorded};
use super::digest::{Description, Digest};
use super::entry::{Entry, Note, OutputKind, RecordedInput, Run, Start};
use super::format::Writer;

/// Sees what goes through the core's door. A driver calls it around every [`Node::handle`].
pub trait Tap {
    /// Before `handle`: what enters, and the node as it was until now.
    fn input(&mut self, now: Now, input: &Input<'_>, node: &Node);

    /// For every output of `poll`, in order, before the driver acts on it.
    fn output(&mut self, output: &Output);

    /// The driver ends in good order: nothing follows.
    fn end(&mut self);
}

impl<T: Tap> Tap for Option<T> {
    fn input(&mut self, now: Now, input: &Input<'_>, node: &Node) {
        if let Some(tap) = self {
            tap.input(now, input, node);
        }
    }

    fn output(&mut self, output: &Output) {
        if let Some(tap) = self {
            tap.output(output);
        }
    }

    fn end(&mut self) {
        if let Some(tap) = self {
            tap.end();
        }
    }
}

/// While bytes move, what is buffered is written out this often.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

type Warn = Box<dyn FnOnce(io::Error) + Send>;

struct Shared {
    writer: Option<Writer<Box<dyn Write + Send>>>,
    warn: Option<Warn>,
}

/// One recording that a node's [`Recorder`] and the wrappers of its streams and disk write together.
///
/// Nothing is queued: every call writes to a buffer of 64 KiB, and whoever fills it writes it out. The first error ends
/// the recording, never what is recorded.
#[derive(Clone)]
pub struct Recording {
    shared: Arc<Mutex<Shared>>,
    opened: Arc<AtomicU32>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recording")
    }
}

impl Recording {
    /// Begins a recording. `warn` is called once, if it cannot be written any further.
    pub fn start<W, F>(out: W, start: &Start, warn: F) -> Self
    where
        W: Write + Send + 'static,
        F: FnOnce(io::Error) + Send + 'static,
    {
        let out: Box<dyn Write + Send> = Box::new(out);
        let (writer, warn) = match Writer::new(out, start) {
            Ok(writer) => (Some(writer), Some(Box::new(warn) as Warn)),
            Err(error) => {
                warn(error);
                (None, None)
            }
        };
        Self { shared: Arc::new(Mutex::new(Shared { writer, warn })), opened: Arc::default() }
    }

    /// The recorder of the one node that this recording is about.
    pub fn recorder(&self) -> Recorder {
        Recorder {
            recording: self.clone(),
            links: BTreeMap::new(),
            secrets: Secrets::default(),
            outputs: Vec::new(),
            flushed: Now::ZERO,
        }
    }

    /// Appends an entry.
    pub fn write(&self, entry: &Entry<'_>) {
        self.with(|writer| writer.entry(entry));
    }

    /// Hands what is buffered to the file.
    pub fn flush(&self) {
        self.with(Writer::flush);
    }

    /// The number of one more open file: all disks of a recording count together.
    pub(super) fn number_file(&self) -> u32 {
        self.opened.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Ends it in good order; whoever still writes to it writes nothing.
    fn end(&self) {
        self.with(|writer| {
            writer.entry(&Entry::End)?;
            writer.flush()
        });
        self.lock().writer = None;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, act: impl FnOnce(&mut Writer<Box<dyn Write + Send>>) -> io::Result<()>) {
        let mut shared = self.lock();
        let Some(Err(error)) = shared.writer.as_mut().map(act) else { return };
        shared.writer = None;
        let warn = shared.warn.take();
        // Whoever is warned may write on.
        drop(shared);
        if let Some(warn) = warn {
            warn(error);
        }
    }
}

/// Both directions of a connection, as far as they must be understood to leave the bytes of files out.
#[derive(Debug, Default)]
struct Link {
    incoming: Splitter,
    outgoing: Splitter,
}

/// Records one node. Holds a header a connection and the outputs of one input.
#[derive(Debug)]
pub struct Recorder {
    recording: Recording,
    links: BTreeMap<ConnId, Link>,
    secrets: Secrets,
    outputs: Vec<(OutputKind, Description)>,
    flushed: Now,
}

impl Recorder {
    /// Ends the recording in good order. A recorder that is dropped instead leaves one that looks cut off.
    pub fn finish(mut self) {
        self.end();
    }

    fn write_outputs(&mut self) {
        if self.outputs.is_empty() {
            return;
        }
        let notes = self.outputs.iter().map(|(kind, description)| Note {
            kind: *kind,
            digest: description.digest.0,
            text: &description.text,
        });
        self.recording.write(&Entry::Outputs(notes.collect()));
        self.outputs.clear();
    }

    fn write_input(&mut self, now: Now, input: &Input<'_>, node: &Node) {
        let input = match input {
            Input::Connected { conn, role, local, peer, path } => {
                self.links.insert(*conn, Link::default());
                RecordedInput::Connected { conn: *conn, role: *role, local: *local, peer: *peer, path: *path }
            }
            Input::Received { conn, bytes } => {
                let runs = match self.links.get_mut(conn) {
                    Some(link) => without_content(&mut link.incoming, bytes),
                    // The core ignores what it has no connection for.
                    None => vec![absent(bytes.len())],
                };
                RecordedInput::Received { conn: *conn, runs }
            }
            Input::Sent { conn, len } => {
                let link = self.links.get_mut(conn);
                let control = link.and_then(|link| said(&mut link.outgoing, node, *conn, *len));
                RecordedInput::Sent { conn: *conn, len: *len as u64, control }
            }
            Input::Disconnected { conn, why } => {
                self.links.remove(conn);
                RecordedInput::Disconnected { conn: *conn, why: *why }
            }
            Input::Done(done) => RecordedInput::Done { job: done.id(), result: Cow::Borrowed(done.result()) },
            Input::Command(command) => RecordedInput::Command(recorded(command, &mut self.secrets)),
            Input::Clock(time) => RecordedInput::Clock(*time),
            Input::Timeout => RecordedInput::Timeout,
        };
        self.recording.write(&Entry::Input { now, input });
    }
}

impl Tap for Recorder {
    fn input(&mut self, now: Now, input: &Input<'_>, node: &Node) {
        self.write_outputs();
        self.write_input(now, input, node);
        // So much is lost at most if the program is killed: bytes and answers of a moment.
        let of_bytes = matches!(input, Input::Received { .. } | Input::Sent { .. } | Input::Done(_));
        if !of_bytes || now.since(self.flushed) >= FLUSH_INTERVAL {
            self.flushed = now;
            self.recording.flush();
        }
    }

    fn output(&mut self, output: &Output) {
        self.outputs.push((kind(output), Description::of(output)));
    }

    fn end(&mut self) {
        self.write_outputs();
        self.recording.end();
    }
}

/// What an output is.
pub(super) fn kind(output: &Output) -> OutputKind {
    match output {
        Output::Dial { conn, .. } => OutputKind::Dial(*conn),
        Output::Hangup { conn, .. } => OutputKind::Hangup(*conn),
        Output::Flush { conn } => OutputKind::Flush(*conn),
        Output::Pause { conn } => OutputKind::Pause(*conn),
        Output::Resume { conn } => OutputKind::Resume(*conn),
        Output::Job(job) => OutputKind::Job(job.id()),
        Output::Event(Event::PeerUp { share, conn, .. }) => OutputKind::PeerUp(*share, *conn),
        Output::Event(_) => OutputKind::Event,
    }
}

/// Digests the control bytes of the next `len` that a connection sends; none if it has fewer.
pub(super) fn said(splitter: &mut Splitter, node: &Node, conn: ConnId, len: usize) -> Option<u64> {
    let (mut digest, mut left) = (Digest::default(), len);
    for mut run in node.sendable(conn, len) {
        left = left.saturating_sub(run.len());
        // Our own headers are well-formed.
        while let Ok(Some(part)) = splitter.next(&mut run) {
            if let Part::Control(bytes) = part {
                digest.update(bytes);
            }
        }
    }
    (left == 0).then_some(digest.0)
}

/// Received bytes, those of files by their number only.
fn without_content<'a>(splitter: &mut Splitter, mut bytes: &'a [u8]) -> Vec<Run<'a>> {
    let whole = bytes;
    let (mut runs, mut control) = (Vec::new(), 0..0);
    let at = |rest: &[u8]| whole.len() - rest.len();
    loop {
        let next = splitter.next(&mut bytes);
        match next {
            // Neighbouring parts that are kept make one run.
            Ok(Some(Part::Control(_) | Part::Proof(_))) => {
                control.end = at(bytes);
                continue;
            }
            Ok(_) | Err(_) if control.is_empty() => {}
            Ok(_) | Err(_) => runs.push(Run::Bytes(&whole[control.clone()])),
        }
        match next {
            Ok(Some(Part::Content(run))) => runs.push(absent(run.len())),
            Ok(_) => return runs,
            // The core hangs up and looks at nothing more.
            Err(_) => {
                runs.push(absent(bytes.len()));
                return runs;
            }
        }
        control = at(bytes)..at(bytes);
    }
}

fn absent<'a>(len: usize) -> Run<'a> {
    // One input is far smaller.
    Run::Absent(u32::try_from(len).unwrap_or(u32::MAX))
}
