//! `truecopy replay`: a recorded run again, and whether it goes the same way.

use std::fs::File;
use std::io::BufReader;
use std::panic;

use truecopy_transport::record::{Ending, ReadError, Report, replay};

use crate::args::ReplayArgs;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, RecordingEnd, Replayed, Unlike};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &ReplayArgs, context: &Context) -> Result<Exit> {
    let file = File::open(&args.file).map_err(|error| Error::local("read", &args.file, &error))?;
    // A panic of the replayed core is a result, not a fault of this run.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let report = replay(BufReader::with_capacity(1 << 20, file));
    panic::set_hook(hook);
    let report = report.map_err(|error| unreadable(args, &error))?;
    tell(context, &report);
    if let Some(at) = &report.divergence {
        let what =
            format!("this program does something else than the recorded one, first at input {}", at.index);
        return Err(Error::new(Exit::Integrity, what).hint(format!(
            "the recording was made by version {}; replay it there to see what happened then",
            report.start.program
        )));
    }
    match &report.ending {
        None | Some(Ending::Finished | Ending::Unfinished | Ending::Torn(ReadError::Cut(_))) => {
            Ok(Exit::Success)
        }
        Some(Ending::Torn(ReadError::Io(error))) => Err(Error::local("read", &args.file, error)),
        Some(Ending::Torn(why)) => {
            let what = format!("{}: {why}; what comes before is the same", Shown::path(&args.file));
            Err(Error::new(Exit::LocalIo, what).hint("get the recording again from where it was made"))
        }
    }
}

fn unreadable(args: &ReplayArgs, error: &ReadError) -> Error {
    match error {
        ReadError::Io(error) => Error::local("read", &args.file, error),
        other => Error::usage(format!("{}: {other}", Shown::path(&args.file)))
            .hint("name a file that `--record` has written"),
    }
}

fn tell(context: &Context, report: &Report) {
    let millis = |now: truecopy_protocol::Now| {
        u64::try_from(now.since(report.start.now).as_millis()).unwrap_or(u64::MAX)
    };
    let unlike = report.divergence.as_ref().map(|at| Unlike {
        input: at.index,
        at: millis(at.now),
        what: &at.input,
        recorded: &at.recorded,
        replayed: &at.replayed,
    });
    let end = report.ending.as_ref().map(|ending| match ending {
        Ending::Finished => RecordingEnd::Finished,
        Ending::Unfinished | Ending::Torn(ReadError::Cut(_)) => RecordingEnd::CutOff,
        Ending::Torn(_) => RecordingEnd::Damaged,
    });
    context.reporter.tell(&Event::Replayed(Replayed {
        program: &report.start.program,
        inputs: report.inputs,
        lasted: millis(report.now),
        streams: report.shapes.streams,
        disks: report.shapes.disks,
        end,
        unlike,
    }));
}
