//! Runs a recorded node again, and compares.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{Input, READ_MAX};
use truecopy_protocol::job::{Job, JobId};
use truecopy_protocol::output::Output;
use truecopy_protocol::wire::Splitter;
use truecopy_protocol::{ConnId, Node, Now, ShareId};

use super::command::Key;
use super::digest::Description;
use super::entry::{Entry, Note, OutputKind, RecordedInput, Run, Start};
use super::format::{ReadError, Reader, decode};
use super::recorder::{kind, said};
use super::report::{Divergence, Ending, Report, Shapes};
use super::stand_in::StandIn;

/// What an entry means for a replay.
enum Turn {
    /// An input: its outputs may follow.
    Input,
    /// The outputs of the held input were compared.
    Compared(Result<(), Box<Divergence>>),
    /// A call beside the run.
    Beside,
    /// There is nothing more.
    Over(Ending),
}

/// Gives a recording to a new node and compares what it does with what was done. Stops at the first difference.
///
/// A panic of the core is a difference like any other; the panic hook has seen it then. `input` is read in small
/// pieces: give a buffered one.
///
/// # Errors
/// [`ReadError`] if the recording has no readable beginning; whatever comes later is in the report.
pub fn replay<R: Read>(input: R) -> Result<Report, ReadError> {
    let (start, mut reader) = Reader::open(input)?;
    let mut replayer = Replayer::new(&start);
    let mut shapes = Shapes::default();
    let (ending, divergence) = match run(&mut reader, &mut replayer, &mut shapes) {
        Ok(ending) => (Some(ending), None),
        Err(divergence) => (None, Some(*divergence)),
    };
    Ok(Report { start, inputs: replayer.index, now: replayer.now, divergence, ending, shapes })
}

fn run<R: Read>(
    reader: &mut Reader<R>,
    replayer: &mut Replayer,
    shapes: &mut Shapes,
) -> Result<Ending, Box<Divergence>> {
    // An input is given to the node when it is known what came of it.
    let mut held: Option<Vec<u8>> = None;
    loop {
        let begin = reader.offset();
        let turn = match reader.next() {
            Ok(Some(Entry::Input { .. })) => Turn::Input,
            Ok(Some(Entry::Outputs(notes))) => match held.take() {
                Some(message) => Turn::Compared(replayer.step(&message, Some(&notes))),
                None => Turn::Over(Ending::Torn(ReadError::Malformed(begin))),
            },
            Ok(Some(Entry::Stream(_))) => {
                shapes.streams += 1;
                Turn::Beside
            }
            Ok(Some(Entry::Disk(_))) => {
                shapes.disks += 1;
                Turn::Beside
            }
            Ok(Some(Entry::End)) => Turn::Over(Ending::Finished),
            Ok(None) => Turn::Over(Ending::Unfinished),
            Err(error) => Turn::Over(Ending::Torn(error)),
        };
        match turn {
            Turn::Beside => {}
            Turn::Compared(result) => result?,
            Turn::Input => {
                if let Some(message) = held.replace(reader.take_message()) {
                    replayer.step(&message, Some(&[]))?;
                }
            }
            Turn::Over(ending) => {
                if let Some(message) = held {
                    // Whatever came of the last input may be in what is missing.
                    let whole: Option<&[Note<'_>]> = matches!(ending, Ending::Finished).then_some(&[]);
                    replayer.step(&message, whole)?;
                }
                return Ok(ending);
            }
        }
    }
}

/// A connection of the replayed node.
#[derive(Debug)]
struct Link {
    outgoing: Splitter,
    stand_in: StandIn,
}

/// Why an input was not given to the node, or did not do what it did.
enum Failure {
    /// No driver gives it: said of the recording.
    Illegal(&'static str),
    /// What was done, and what is done.
    Differs(String, String),
}

struct Replayer {
    node: Node,
    now: Now,
    index: u64,
    jobs: BTreeMap<JobId, Job>,
    links: BTreeMap<ConnId, Link>,
    keys: BTreeMap<ShareId, Key>,
}

impl Replayer {
    fn new(start: &Start) -> Self {
        Self {
            node: Node::new(start.config.clone(), start.seed, start.now),
            now: start.now,
            index: 0,
            jobs: BTreeMap::new(),
            links: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Gives one recorded input to the node. `expected` is what came of it, if that is known.
    fn step(&mut self, message: &[u8], expected: Option<&[Note<'_>]>) -> Result<(), Box<Divergence>> {
        // Only inputs are held.
        let Ok(Entry::Input { now, input }) = decode(message, 0) else { return Ok(()) };
        let text = Description::of(&input).text;
        let (index, before) = (self.index, self.now);
        let result = if now < before {
            Err(Failure::Illegal("time goes backwards"))
        } else if now > Now::LATEST {
            Err(Failure::Illegal("no clock runs so long"))
        } else {
            self.now = now;
            self.index += 1;
            self.give(now, input, expected)
        };
        result.map_err(|failure| {
            let (recorded, replayed) = match failure {
                Failure::Illegal(why) => ("an input that no driver gives".into(), why.into()),
                Failure::Differs(recorded, replayed) => (recorded, replayed),
            };
            Box::new(Divergence { index, now, input: text, recorded, replayed })
        })
    }

    fn give(
        &mut self,
        now: Now,
        input: RecordedInput<'_>,
        expected: Option<&[Note<'_>]>,
    ) -> Result<(), Failure> {
        match input {
            RecordedInput::Connected { conn, role, local, peer, path } => {
                if self.links.contains_key(&conn) {
                    return Err(Failure::Illegal("a connection is made twice"));
                }
                self.handle(now, Input::Connected { conn, role, local, peer, path }, expected)?;
                self.greeted(conn, role, local, peer);
                Ok(())
            }
            RecordedInput::Received { conn, runs } => {
                let bytes = received(&runs)?;
                let opens = expected.and_then(|notes| self.opened(conn, notes));
                let bytes = match self.links.get_mut(&conn) {
                    Some(link) => link.stand_in.rewrite(bytes, opens),
                    None => bytes,
                };
                self.handle(now, Input::Received { conn, bytes: &bytes }, expected)
            }
            RecordedInput::Sent { conn, len, control } => {
                let len = self.said(conn, len, control)?;
                self.handle(now, Input::Sent { conn, len }, expected)
            }
            RecordedInput::Disconnected { conn, why } => {
                self.links.remove(&conn);
                self.handle(now, Input::Disconnected { conn, why }, expected)
            }
            RecordedInput::Done { job, result } => {
                let Some(job) = self.jobs.remove(&job) else {
                    return Err(Failure::Illegal("no such job is open"));
                };
                let done = job.replay(result.into_owned());
                let done = done.map_err(|_| Failure::Illegal("the result is of another kind of job"))?;
                self.handle(now, Input::Done(done), expected)
            }
            RecordedInput::Command(command) => {
                let (command, key) = command
                    .command()
                    .map_err(|_| Failure::Illegal("its manifest or hashes are malformed"))?;
                if let Some(key) = key {
                    self.keys.entry(key.share).or_insert(key);
                }
                self.handle(now, Input::Command(command), expected)
            }
            RecordedInput::Clock(time) => self.handle(now, Input::Clock(time), expected),
            RecordedInput::Timeout => self.handle(now, Input::Timeout, expected),
        }
    }

    /// The share that the recorded node opened for this connection.
    fn opened(&self, conn: ConnId, notes: &[Note<'_>]) -> Option<Key> {
        notes.iter().find_map(|note| match note.kind {
            OutputKind::PeerUp(share, up) if up == conn => self.keys.get(&share).copied(),
            _ => None,
        })
    }

    fn greeted(
        &mut self,
        conn: ConnId,
        role: Role,
        local: truecopy_protocol::NodeId,
        peer: truecopy_protocol::NodeId,
    ) {
        let greeting = self.node.sendable(conn, READ_MAX).concat();
        let stand_in = StandIn::new(role, local, peer, &greeting);
        self.links.insert(conn, Link { outgoing: Splitter::default(), stand_in });
    }

    /// Compares what the node has to send with what was sent. Returns how much of it.
    fn said(&mut self, conn: ConnId, len: u64, control: Option<u64>) -> Result<usize, Failure> {
        let len = usize::try_from(len).map_err(|_| Failure::Illegal("more was sent than fits in memory"))?;
        let now = match self.links.get_mut(&conn) {
            Some(link) => said(&mut link.outgoing, &self.node, conn, len),
            None => None,
        };
        match (control, now) {
            (Some(then), Some(now)) if then != now => Err(Failure::Differs(
                format!("control bytes {then:016x}"),
                format!("control bytes {now:016x}"),
            )),
            (Some(_), None) => {
                let has: usize = self.node.sendable(conn, len).iter().map(|run| run.len()).sum();
                Err(Failure::Differs(format!("{len} bytes to send"), format!("only {has} bytes to send")))
            }
            (None, _) if !self.node.sendable(conn, 1).is_empty() => {
                Err(Failure::Illegal("more was sent than there was"))
            }
            _ => Ok(len),
        }
    }

    fn handle(&mut self, now: Now, input: Input<'_>, expected: Option<&[Note<'_>]>) -> Result<(), Failure> {
        let node = &mut self.node;
        let outputs = catch_unwind(AssertUnwindSafe(|| {
            node.handle(now, input);
            std::iter::from_fn(|| node.poll()).collect::<Vec<Output>>()
        }));
        let outputs = outputs.map_err(|panic| {
            let recorded =
                expected.map_or_else(|| "unknown".into(), |notes| format!("{} outputs", notes.len()));
            Failure::Differs(recorded, format!("the core panics: {}", reason(&*panic)))
        })?;
        let differs = expected.and_then(|notes| compare(notes, &outputs));
        for output in outputs {
            if let Output::Job(job) = output {
                self.jobs.insert(job.id(), job);
            }
        }
        differs.map_or(Ok(()), Err)
    }
}

/// The first difference of two lists of outputs.
fn compare(recorded: &[Note<'_>], replayed: &[Output]) -> Option<Failure> {
    for at in 0..recorded.len().max(replayed.len()) {
        let now = replayed.get(at).map(|output| (kind(output), Description::of(output)));
        let then = recorded.get(at);
        let same = match (then, &now) {
            (Some(then), Some((kind, now))) => then.kind == *kind && then.digest == now.digest.0,
            _ => false,
        };
        if !same {
            let nothing = || "nothing more".to_owned();
            let then = then.map_or_else(nothing, |note| note.text.to_owned());
            let now = now.map_or_else(nothing, |(_, description)| description.text);
            return Some(Failure::Differs(then, now));
        }
    }
    None
}

/// Received bytes again: those of files are zeros, for the core never looks at them.
fn received(runs: &[Run<'_>]) -> Result<Vec<u8>, Failure> {
    let len = |run: &Run<'_>| match run {
        Run::Bytes(bytes) => bytes.len() as u64,
        Run::Absent(len) => u64::from(*len),
    };
    let total: u64 = runs.iter().map(len).sum();
    if total > READ_MAX as u64 {
        return Err(Failure::Illegal("more was received than a record holds"));
    }
    let mut bytes = Vec::with_capacity(READ_MAX.min(total as usize));
    for run in runs {
        match run {
            Run::Bytes(run) => bytes.extend_from_slice(run),
            Run::Absent(len) => bytes.resize(bytes.len() + *len as usize, 0),
        }
    }
    Ok(bytes)
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}
