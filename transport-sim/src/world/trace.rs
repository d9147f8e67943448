//! What happened, in order: a digest of all of it, the last of it, or the whole.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use truecopy_protocol::ConnId;
use truecopy_protocol::input::Input;
use truecopy_protocol::job::{Job, JobResult};
use truecopy_protocol::output::{Event, Output};

/// Records that are kept when not all are wanted.
const RING: usize = 4096;
/// Records between two checkpoints of the digest.
const CHECKPOINT: u64 = 1024;

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The last few thousand records: enough for a report.
    #[default]
    Last,
    /// Everything.
    All,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds from the start of the run.
    pub at: u64,
    /// Where; none: in the world.
    pub host: Option<u16>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Plaintext entered the core.
    Received(ConnId, u32),
    /// The channel took plaintext.
    Sent(ConnId, u32),
    /// A job began.
    Job(&'static str),
    /// A job was answered.
    Done(&'static str, Answer),
    /// Time has come to look at the timers.
    Timeout,
    /// The core wants to send, or to go on or stop reading.
    Flow(&'static str, ConnId),
    /// Rarer things, in words.
    Said(Box<str>),
}

/// How a job was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// The host could not.
    Failed,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at / 1_000_000_000, self.at / 1000 % 1_000_000);
        write!(f, "{seconds:>4}.{micros:06} ")?;
        match self.host {
            Some(host) => write!(f, "host {host:<3} ")?,
            None => f.write_str("world    ")?,
        }
        match &self.what {
            What::Received(conn, len) => write!(f, "<-- {len} bytes on {}", Short(*conn)),
            What::Sent(conn, len) => write!(f, "--> {len} bytes on {}", Short(*conn)),
            What::Job(kind) => write!(f, "job {kind}"),
            What::Done(kind, Answer::Done) => write!(f, "job {kind} done"),
            What::Done(kind, Answer::Failed) => write!(f, "job {kind} FAILED"),
            What::Timeout => f.write_str("timeout"),
            What::Flow(what, conn) => write!(f, "{what} {}", Short(*conn)),
            What::Said(text) => f.write_str(text),
        }
    }
}

/// A connection's name for people: dialled ones count from 0 with a `d`.
struct Short(ConnId);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIALLED: u64 = 1 << 63;
        if self.0.0 & DIALLED == 0 {
            write!(f, "a{}", self.0.0)
        } else {
            write!(f, "d{}", self.0.0 ^ DIALLED)
        }
    }
}

/// A running digest (FNV-1a over words).
#[derive(Clone, Copy, Debug)]
struct Digest(u64);

impl Digest {
    const fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.word(u64::from(byte)));
        Ok(())
    }
}

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    keep: Keep,
    records: VecDeque<Record>,
    digest: Digest,
    count: u64,
    checkpoints: Vec<u64>,
}

impl Trace {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            records: VecDeque::new(),
            digest: Digest(0xcbf2_9ce4_8422_2325),
            count: 0,
            checkpoints: Vec::new(),
        }
    }

    /// The records that were kept.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter()
    }

    /// The digest of everything that happened.
    pub const fn digest(&self) -> u64 {
        self.digest.0
    }

    /// How many records there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The digest after every 1,024 records: where two runs part.
    pub fn checkpoints(&self) -> &[u64] {
        &self.checkpoints
    }

    pub(super) fn add(&mut self, at: u64, host: Option<usize>, what: What) {
        let host = host.map(|host| host as u16);
        self.digest.word(at);
        self.digest.word(host.map_or(u64::MAX, u64::from));
        self.fold(&what);
        self.count += 1;
        if self.count.is_multiple_of(CHECKPOINT) {
            self.checkpoints.push(self.digest.0);
        }
        if self.keep == Keep::Last && self.records.len() >= RING {
            self.records.pop_front();
        }
        self.records.push_back(Record { at, host, what });
    }

    fn fold(&mut self, what: &What) {
        let digest = &mut self.digest;
        match what {
            What::Received(conn, len) => [1, conn.0, u64::from(*len)].map(|word| digest.word(word)),
            What::Sent(conn, len) => [2, conn.0, u64::from(*len)].map(|word| digest.word(word)),
            What::Job(kind) => {
                [3, kind.len() as u64, u64::from(kind.as_bytes()[0])].map(|word| digest.word(word))
            }
            What::Done(kind, answer) => {
                [4, u64::from(kind.as_bytes()[0]), *answer as u64].map(|word| digest.word(word))
            }
            What::Timeout => [5, 0, 0].map(|word| digest.word(word)),
            What::Flow(what, conn) => {
                [6, u64::from(what.as_bytes()[0]), conn.0].map(|word| digest.word(word))
            }
            What::Said(text) => {
                // Writing into a digest cannot fail.
                let _ = digest.write_str(text);
                [(); 3]
            }
        };
    }

    /// Bytes that passed, beside the record that says how many.
    pub(super) fn fold_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        // A sample: what is in between is compared by an oracle.
        let step = (words.len() / 16).max(1);
        words.iter().step_by(step).for_each(|word| self.digest.word(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.digest.word(u64::from(*byte)));
    }
}

/// The kind of a job.
pub(super) const fn job_kind(job: &Job) -> &'static str {
    match job {
        Job::Open(_) => "open",
        Job::Read(_) => "read",
        Job::Land(_) => "land",
        Job::Rehash(_) => "rehash",
        Job::Checkpoint(_) => "checkpoint",
        Job::Commit(_) => "commit",
        Job::Sign(_) => "sign",
        Job::Verify(_) => "verify",
        Job::Announce(_) => "announce",
    }
}

const fn answer_kind(result: &JobResult) -> (&'static str, Answer) {
    const fn of<T, E>(result: &Result<T, E>) -> Answer {
        match result {
            Ok(_) => Answer::Done,
            Err(_) => Answer::Failed,
        }
    }
    match result {
        JobResult::Open(result) => ("open", of(result)),
        JobResult::Read(result) => ("read", of(result)),
        JobResult::Land(result) => ("land", of(result)),
        JobResult::Rehash(result) => ("rehash", of(result)),
        JobResult::Checkpoint(result) => ("checkpoint", of(result)),
        JobResult::Commit(result) => ("commit", of(result)),
        JobResult::Sign(_) => ("sign", Answer::Done),
        JobResult::Verify(_) => ("verify", Answer::Done),
        JobResult::Announce(result) => ("announce", of(result)),
    }
}

/// An input as the trace keeps it.
pub(super) fn input(input: &Input<'_>) -> What {
    match input {
        Input::Received { conn, bytes } => What::Received(*conn, bytes.len() as u32),
        Input::Sent { conn, len } => What::Sent(*conn, *len as u32),
        Input::Done(done) => {
            let (kind, answer) = answer_kind(done.result());
            What::Done(kind, answer)
        }
        Input::Timeout => What::Timeout,
        Input::Connected { conn, role, peer, .. } => {
            said(format_args!("connected {} as {role:?} with {peer:?}", Short(*conn)))
        }
        Input::Disconnected { conn, why } => said(format_args!("disconnected {}: {why:?}", Short(*conn))),
        Input::Command(command) => {
            let text = format!("{command:?}");
            let end = text.find([' ', '(', '{']).unwrap_or(text.len());
            said(format_args!("command {}", &text[..end]))
        }
        Input::Clock(time) => said(format_args!("clock {}", time.0)),
    }
}

/// An output as the trace keeps it.
pub(super) fn output(output: &Output) -> What {
    match output {
        Output::Job(job) => What::Job(job_kind(job)),
        Output::Flush { conn } => What::Flow("flush", *conn),
        Output::Pause { conn } => What::Flow("pause", *conn),
        Output::Resume { conn } => What::Flow("resume", *conn),
        Output::Dial { conn, to, .. } => said(format_args!("dial {} to {to:?}", Short(*conn))),
        Output::Hangup { conn, why } => said(format_args!("hangup {}: {why:?}", Short(*conn))),
        Output::Event(Event::Offer { .. }) => said(format_args!("event Offer")),
        Output::Event(event) => said(format_args!("event {event:?}")),
    }
}

pub(super) fn said(text: fmt::Arguments<'_>) -> What {
    What::Said(text.to_string().into_boxed_str())
}
