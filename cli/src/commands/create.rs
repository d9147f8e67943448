//! `truecopy create`: the metadata file of what lies here.

use std::io;

use truecopy_protocol::content::metadata::Metadata;

use super::{contents, reading};
use crate::args::CreateArgs;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::home::{self, Access, Taken};
use crate::output::{Event, Stage};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &CreateArgs, context: &Context) -> Result<Exit> {
    // Looked at before the work; what counts is the write, which never replaces.
    if args.out.symlink_metadata().is_ok() {
        return Err(taken(args));
    }
    let prepared = reading::prepare(&context.reporter, &args.paths, args.links, None, |_| ())?;
    let content = prepared.manifest.content_id().to_hex();
    let contents = contents(&prepared.manifest, &content);
    context.reporter.tell(&Event::Share { stage: Stage::Prepared, contents });
    let trackers = args.tracker.iter().cloned().collect();
    let metadata = Metadata { manifest: prepared.manifest.clone(), layers: prepared.layers, trackers };
    let bytes = metadata.encode();
    home::write_whole(&args.out, &bytes, Access::Shared, Taken::Refuse).map_err(|error| {
        match error.kind() {
            io::ErrorKind::AlreadyExists => taken(args),
            _ => Error::local("write", &args.out, &error),
        }
    })?;
    context.reporter.tell(&Event::Written { path: &args.out, bytes: bytes.len() as u64 });
    Ok(Exit::Success)
}

fn taken(args: &CreateArgs) -> Error {
    Error::new(Exit::Conflict, format!("{} is there already", Shown::path(&args.out)))
        .hint("choose another name, or move it away")
}
