//! `truecopy demo`: a sender and a receiver, two processes of this machine, and what they did.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{self, Extras, Monitor, Progress};

use super::reading;
use crate::args::{DemoArgs, LinkPolicy};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, Reading, amount, count};
use crate::run::Context;

/// Bytes of the large file that is made.
const LARGE: u64 = 256 << 20;

/// Runs the command.
pub fn run(args: &DemoArgs, context: &Context) -> Result<Exit> {
    let reporter = &context.reporter;
    let say = |text: &str| reporter.tell(&Event::Note { text });
    if let Some(path) = &args.path {
        fs::symlink_metadata(path).map_err(|error| Error::local("read", path, &error))?;
    }
    let stage = stage()?;
    let local = |doing, error: &io::Error| Error::local(doing, &stage, error);
    let source = match &args.path {
        Some(path) => path.clone(),
        None => {
            say(
                "making a folder: one file of 256 MiB, 200 small ones, Unicode names, an empty file, an empty folder",
            );
            make(&stage.join("sample")).map_err(|error| local("fill", &error))?
        }
    };
    let start = Instant::now();
    let mut sender = Sender::start(&source, &stage)?;
    say(&format!("process {} is the sender: it hashes everything, then it has a ticket", sender.child.id()));
    let ticket = sender.ticket(context)?;
    let target = stage.join("received");
    let begun = Instant::now();
    let mut receiver = truecopy(&stage)
        .args(["get", "--yes", "-o"])
        .arg(&target)
        .arg(&ticket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| local("start the receiver in", &error))?;
    say(&format!("process {} is the receiver: all it has is the ticket", receiver.id()));
    let received = receiver.wait().map_err(|error| local("wait for the receiver in", &error))?;
    let moved = begun.elapsed();
    if !received.success() {
        return Err(Error::new(Exit::Unexpected, format!("the receiver failed: {received}")));
    }
    if let Some(receiver) = sender.finish()? {
        say(&format!("the sender has a receipt for all of it, signed by {receiver}…"));
    }
    say("hashing the source and the copy once more, to compare them");
    let (files, bytes) = compare(context, &source, &target)?;
    let rate = (bytes as f64 / moved.as_secs_f64().max(0.001)) as u64;
    say(&format!(
        "moved, verified and safe on the disk: {}, {} in {:.2} s ({}/s)\nwith all the hashing and comparing: {:.2} s",
        count(files, "file"),
        amount(bytes),
        moved.as_secs_f64(),
        amount(rate),
        start.elapsed().as_secs_f64()
    ));
    let (target, stage) = (Shown::path(&target), Shown::path(&stage));
    say(&format!("the copy is in {target}\nremove all of it with: rm -r {stage}"));
    Ok(Exit::Success)
}

/// A new folder for the copy.
fn stage() -> Result<PathBuf> {
    let base = std::env::temp_dir().join(format!("truecopy-demo-{}", std::process::id()));
    let mut stage = base.clone();
    for number in 1..100 {
        match fs::create_dir(&stage) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                return made.map(|()| stage.clone()).map_err(|error| Error::local("make", &stage, &error));
            }
        }
        stage.set_file_name(format!("truecopy-demo-{}-{number}", std::process::id()));
    }
    Err(Error::local("make", &base, &io::ErrorKind::AlreadyExists.into()))
}

/// Compares the copy with the source by reading both. Files and bytes.
fn compare(context: &Context, source: &Path, target: &Path) -> Result<(u64, u64)> {
    let (reporter, monitor) = (&context.reporter, Monitor::new());
    let prepared = reading::prepare(reporter, &[source.to_owned()], LinkPolicy::Keep, None, |_| ())?;
    let manifest = &prepared.manifest;
    let report = reading::watched(reporter, &monitor, || {
        prepare::check(target, manifest, &prepared.layers, Extras::Find, &AtOnce, &monitor)
    });
    let report = report.map_err(|error| reading::explain(&error))?;
    match report.findings.first() {
        None => Ok((report.files_whole, report.bytes_read)),
        Some(first) => {
            let what = format!("the copy differs from the source, first in {}", Shown::name(&first.path));
            Err(Error::new(Exit::Integrity, what))
        }
    }
}

/// This program again, with a home of its own.
fn truecopy(stage: &Path) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("truecopy"));
    let mut command = Command::new(program);
    // One recording cannot be of two processes.
    command.env("TRUECOPY_HOME", stage.join("home")).env_remove("TRUECOPY_RECORD");
    command
}

/// The sending process; ended when dropped.
struct Sender {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Sender {
    fn start(source: &Path, stage: &Path) -> Result<Self> {
        let local = |error: io::Error| Error::local("start the sender in", stage, &error);
        let mut child = truecopy(stage)
            .args(["send", "--json", "--once", "--listen", "127.0.0.1:0"])
            .arg(source)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(local)?;
        let out = child.stdout.take().ok_or_else(|| local(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { child, events: BufReader::new(out).lines() })
    }

    /// Shows how it hashes, until it has a ticket.
    fn ticket(&mut self, context: &Context) -> Result<String> {
        while let Some(Ok(line)) = self.events.next() {
            let number = |key| number(&line, key).unwrap_or_default();
            if text(&line, "ev") == Some("reading") {
                let (bytes_total, bytes_done) = (number("total"), number("done"));
                let progress = Progress { entries: number("entries"), bytes_total, bytes_done };
                context.reporter.tell(&Event::Reading(Reading { progress }));
            }
            if let Some(ticket) = text(&line, "ticket") {
                context.reporter.clear();
                return Ok(ticket.to_owned());
            }
        }
        Err(self.failed())
    }

    /// Waits for its end: who signed the receipt.
    fn finish(&mut self) -> Result<Option<String>> {
        let mut signed = None;
        while let Some(Ok(line)) = self.events.next() {
            if text(&line, "ev") == Some("receipt") {
                signed = text(&line, "node").and_then(|node| node.get(..16)).map(ToOwned::to_owned);
            }
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(signed),
            _ => Err(self.failed()),
        }
    }

    fn failed(&mut self) -> Error {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Error::new(Exit::Unexpected, format!("the sender failed: {status}"))
    }
}

/// A field of an event of our own: none of those that are read here has anything to escape.
fn text<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_once(&format!("\"{key}\":\""))?.1.split('"').next()
}

fn number(line: &str, key: &str) -> Option<u64> {
    let rest = line.split_once(&format!("\"{key}\":"))?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with all that a transfer must carry.
fn make(folder: &Path) -> io::Result<PathBuf> {
    let inner = folder.join("many small files");
    fs::create_dir_all(&inner)?;
    fs::create_dir(folder.join("empty folder"))?;
    fs::write(folder.join("empty file"), b"")?;
    for name in ["naïve café.txt", "日本語.txt", "смех 😀.txt"] {
        fs::write(folder.join(name), format!("This file is called {name}.\n"))?;
    }
    for number in 0..200 {
        fs::write(
            inner.join(format!("{number:03}.txt")),
            format!("Small file {number}.\n").repeat(number + 1),
        )?;
    }
    let mut large = File::create(folder.join("large.bin"))?;
    let (mut state, mut block) = (0x9e37_79b9_7f4a_7c15_u64, vec![0_u8; 1 << 20]);
    for _ in 0..LARGE / block.len() as u64 {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        large.write_all(&block)?;
    }
    Ok(folder.to_owned())
}
