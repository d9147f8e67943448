//! `truecopy link`: which share, and which trackers know who has it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use truecopy_protocol::content::link::Link;

use super::source::{self, Source};
use super::{contents, reading};
use crate::args::LinkArgs;
use crate::exit::{Exit, Result};
use crate::output::{Event, Stage};
use crate::run::Context;
use crate::shares::Shares;

/// How a metadata file begins.
const METADATA: &[u8] = b"truecopy";

/// Runs the command.
pub fn run(args: &LinkArgs, context: &Context) -> Result<Exit> {
    let mut link = match &args.source[..] {
        [one] => match source::read_text(one.as_os_str()) {
            Some(source) => of_source(source?),
            None if is_metadata(one) => of_source(source::read(one.as_os_str())?),
            None => of_paths(args, context)?,
        },
        _ => of_paths(args, context)?,
    };
    args.tracker.iter().for_each(|tracker| link.trackers.add(tracker.clone()));
    if link.trackers.is_empty() {
        let text =
            "the link names no tracker: whoever uses it must know a peer (--peer) or a tracker (--tracker)";
        context.reporter.tell(&Event::Warning { text });
    }
    context.reporter.tell(&Event::ShareLink { link: &link.text() });
    Ok(Exit::Success)
}

fn of_source(source: Source) -> Link {
    match source {
        Source::Link(link) => link,
        Source::Ticket(ticket) => ticket.into(),
        Source::Metadata(metadata) => source::link(&metadata),
    }
}

/// The link of what `send` serves: with the secret that is remembered for these paths, or will be.
fn of_paths(args: &LinkArgs, context: &Context) -> Result<Link> {
    let reporter = &context.reporter;
    let shares = Shares::new(context.home()?);
    let warn = |text: &str| reporter.tell(&Event::Warning { text });
    let (remembered, known) = shares.find(&args.source, args.links, &warn)?;
    let prepared = reading::prepare(reporter, &args.source, args.links, known, |_| ())?;
    shares.keep(&remembered, &prepared, &warn);
    let content = prepared.manifest.content_id();
    let named = content.to_hex();
    reporter.tell(&Event::Share { stage: Stage::Prepared, contents: contents(&prepared.manifest, &named) });
    Ok(Link { content, secret: remembered.secret, trackers: args.tracker.iter().cloned().collect() })
}

/// Whether a file begins as a metadata file does: then it is one, or meant to be.
fn is_metadata(path: &Path) -> bool {
    let mut start = [0; METADATA.len()];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == METADATA
}
