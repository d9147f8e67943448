//! `truecopy inspect`: what a metadata file, a ticket or a link names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use truecopy_mio::prepare::Monitor;
use truecopy_protocol::content::link::Link;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{Command, Fetch, PeerHint};
use truecopy_protocol::output::Event as NodeEvent;
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{AccessSecret, ShareId, TrackerUrl};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;

use super::source::{self, Source};
use super::{contents, get, verify};
use crate::args::{InspectArgs, Pause};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::net::{Net, Setup, patience};
use crate::output::{Access, Event, Listed, Reporter, Stage};
use crate::record::Run;
use crate::run::Context;
use crate::trackers::Heard;
use crate::words;

/// The one share of this process.
const SHARE: ShareId = ShareId(0);
/// How long the sender is looked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long goodbyes may take.
const ENDING: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn run(args: &InspectArgs, context: &Context) -> Result<Exit> {
    let reporter = &context.reporter;
    match (source::read(&args.source)?, args.sha256sums) {
        (Source::Ticket(_) | Source::Link(_), true) => {
            Err(Error::usage("a ticket or link does not hold the data that --sha256sums needs")
                .hint("get it first: truecopy get TICKET --sha256sums"))
        }
        (Source::Ticket(ticket), false) => {
            tell_ticket(reporter, &ticket);
            if !args.offline {
                let peers = vec![PeerHint { key: Some(ticket.node), addresses: ticket.addresses.clone() }];
                list(reporter, &*fetch(args, context, ticket.into(), peers)?);
            }
            Ok(Exit::Success)
        }
        (Source::Link(link), false) => {
            tell_link(reporter, &link);
            if !args.offline && !link.trackers.is_empty() {
                list(reporter, &*fetch(args, context, link, Vec::new())?);
            }
            Ok(Exit::Success)
        }
        (Source::Metadata(metadata), false) => {
            if !metadata.trackers.is_empty() {
                tell_link(reporter, &source::link(&metadata));
            }
            list(reporter, &metadata.manifest);
            Ok(Exit::Success)
        }
        (Source::Metadata(metadata), true) => match &args.data {
            Some(path) => {
                verify::print_digests(reporter, path, &metadata.manifest, &Selection::All, &Monitor::new())
            }
            None => Err(Error::usage("a metadata file does not hold the data that --sha256sums needs")
                .hint("say where it lies with --data PATH")),
        },
    }
}

fn list(reporter: &Reporter, manifest: &Manifest) {
    let content = manifest.content_id().to_hex();
    reporter.tell(&Event::Share { stage: Stage::Listed, contents: contents(manifest, &content) });
    for (_, entry) in manifest.entries() {
        let root;
        let what = match entry.kind {
            EntryKind::File(file) => {
                root = file.root.to_hex();
                Listed::File { size: file.size, root: &root, mode: file.mode }
            }
            EntryKind::Directory => Listed::Folder,
            EntryKind::Symlink { target } => Listed::Symlink { target },
        };
        reporter.tell(&Event::Entry { path: entry.path.as_bytes(), what });
    }
}

/// The list of files, verified, from the sender, or from whom trackers name. Nothing else moves.
fn fetch(args: &InspectArgs, context: &Context, link: Link, peers: Vec<PeerHint>) -> Result<Arc<Manifest>> {
    let Link { content, secret, trackers } = link;
    let waited_for = words::addresses(&peers, &trackers);
    let key = KeyPair::generate()
        .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
    let config = patience(Some(args.timeout.unwrap_or(Pause(PATIENCE))));
    let listen = get::listening(&trackers);
    let net = Net::start(Setup { key, run: Run::unrecorded(config)?, listen, rates: Rates::default() })
        .map_err(|error| {
            Error::new(Exit::Unexpected, format!("the network cannot be used: {}", Shown::io(&error)))
        })?;
    let command =
        |command| net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped));
    command(Command::Fetch(Fetch::new(SHARE, content, secret, peers)))?;
    if !trackers.is_empty() {
        command(Command::AddTrackers { share: SHARE, trackers })?;
    }
    let mut heard = Heard::default();
    loop {
        match net.next()? {
            Some(NodeEvent::Offer { manifest, .. }) => {
                command(Command::Decline { share: SHARE, reason: Reason::Leaving })?;
                net.wind_down(ENDING, |_| {});
                return Ok(manifest);
            }
            Some(NodeEvent::Waiting { why, .. }) => {
                context.reporter.tell(&Event::Waiting(words::waiting(why, &waited_for)));
            }
            Some(NodeEvent::Tracker { tracker, said, .. }) => heard.tell(&context.reporter, tracker, said),
            Some(NodeEvent::Failed { why, .. }) => {
                return Err(words::failure(&why, None, Path::new(".")));
            }
            _ => {}
        }
    }
}

/// The secret of a ticket is never shown.
fn tell_ticket(reporter: &Reporter, ticket: &Ticket) {
    let addresses: Vec<String> = ticket.addresses.iter().map(ToString::to_string).collect();
    reporter.tell(&Event::TicketNames {
        content: &ticket.content.to_hex(),
        node: &ticket.node.to_hex(),
        addresses: &addresses,
        trackers: &texts(&ticket.trackers),
    });
}

/// Nor is that of a link.
fn tell_link(reporter: &Reporter, link: &Link) {
    let access = if link.secret == AccessSecret::PUBLIC { Access::Public } else { Access::Secret };
    let (content, trackers) = (link.content.to_hex(), texts(&link.trackers));
    reporter.tell(&Event::LinkNames { content: &content, access, trackers: &trackers });
}

fn texts(trackers: &[TrackerUrl]) -> Vec<String> {
    trackers.iter().map(ToString::to_string).collect()
}
