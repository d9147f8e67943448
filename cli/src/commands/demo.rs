//! `truecopy demo`: a sender and a receiver, two processes of this machine, and what they did.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use truecopy_mio::prepare::{self, Extras, Monitor};
use truecopy_protocol::content::tree::OneByOne;

use super::reading;
use crate::args::{DemoArgs, LinkPolicy};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, amount, count};
use crate::run::Context;

/// Bytes of the large file that is made.
const LARGE: u64 = 256 << 20;

/// Runs the command.
pub fn run(args: &DemoArgs, context: &Context) -> Result<Exit> {
    let reporter = &context.reporter;
    let say = |text: &str| reporter.tell(&Event::Warning { text });
    let stage = std::env::temp_dir().join(format!("truecopy-demo-{}", std::process::id()));
    let local = |doing, error: &io::Error| Error::local(doing, &stage, error);
    fs::create_dir(&stage).map_err(|error| local("make", &error))?;
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
    let (mut sender, ticket) = Sender::start(&source, &stage)?;
    say("the sender is ready; starting the receiver as another process");
    let target = stage.join("received");
    let begun = Instant::now();
    let received = truecopy(&stage)
        .args(["get", "--yes", "-o"])
        .arg(&target)
        .arg(&ticket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| local("start the receiver in", &error))?;
    let moved = begun.elapsed();
    if !received.success() {
        return Err(Error::new(Exit::Unexpected, format!("the receiver failed: {received}")));
    }
    sender.finish()?;
    let compared = compare(context, &source, &target)?;
    let rate = (compared.1 as f64 / moved.as_secs_f64().max(0.001)) as u64;
    say(&format!(
        "moved and verified {}, {} in {:.2} s ({}/s); all in all {:.2} s",
        count(compared.0, "file"),
        amount(compared.1),
        moved.as_secs_f64(),
        amount(rate),
        start.elapsed().as_secs_f64()
    ));
    say(&format!("the copy was compared with the source once more and is in {}", Shown::path(&target)));
    Ok(Exit::Success)
}

/// Compares the copy with the source by reading both. Files and bytes.
fn compare(context: &Context, source: &Path, target: &Path) -> Result<(u64, u64)> {
    let (reporter, monitor) = (&context.reporter, Monitor::new());
    let prepared = reading::prepare(reporter, &[source.to_owned()], LinkPolicy::Keep, None, |_| ())?;
    let manifest = &prepared.manifest;
    let report = reading::watched(reporter, &monitor, || {
        prepare::check(target, manifest, &prepared.layers, Extras::Find, &OneByOne, &monitor)
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
    command.env("TRUECOPY_HOME", stage.join("home"));
    command
}

/// The sending process; ended when dropped.
struct Sender(Child);

impl Sender {
    fn start(source: &Path, stage: &Path) -> Result<(Self, String)> {
        let local = |error| Error::local("start the sender in", stage, &error);
        let mut child = truecopy(stage)
            .args(["send", "--quiet", "--once", "--listen", "127.0.0.1:0"])
            .arg(source)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(local)?;
        let out = child.stdout.take();
        let mut sender = Self(child);
        let mut ticket = String::new();
        if let Some(out) = out {
            BufReader::new(out).read_line(&mut ticket).map_err(local)?;
        }
        match ticket.trim() {
            "" => Err(sender.failed()),
            ticket => Ok((sender, ticket.to_owned())),
        }
    }

    fn finish(&mut self) -> Result<()> {
        match self.0.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(self.failed()),
        }
    }

    fn failed(&mut self) -> Error {
        let status = self.0.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Error::new(Exit::Unexpected, format!("the sender failed: {status}"))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
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
