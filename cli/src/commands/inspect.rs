//! `truecopy inspect`: what a metadata file or a ticket names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use truecopy_mio::prepare::Monitor;
use truecopy_protocol::ShareId;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{Command, Fetch, PeerHint};
use truecopy_protocol::output::Event as NodeEvent;
use truecopy_protocol::wire::Reason;
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;

use super::source::{self, Source};
use super::{contents, verify};
use crate::args::{InspectArgs, Pause};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::net::{Net, Setup, patience};
use crate::output::{Event, Listed, Reporter, Stage};
use crate::record::Run;
use crate::run::Context;
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
        (Source::Ticket(_), true) => {
            Err(Error::usage("a ticket does not hold the data that --sha256sums needs")
                .hint("get it first: truecopy get TICKET --sha256sums"))
        }
        (Source::Ticket(ticket), false) => {
            tell_ticket(reporter, &ticket);
            if !args.offline {
                list(reporter, &*fetch(args, context, ticket)?);
            }
            Ok(Exit::Success)
        }
        (Source::Metadata(metadata), false) => {
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

/// The list of files, verified, from the sender. Nothing else moves.
fn fetch(args: &InspectArgs, context: &Context, ticket: Ticket) -> Result<Arc<Manifest>> {
    let Ticket { content, secret, node, addresses } = ticket;
    let peers = vec![PeerHint { key: Some(node), addresses }];
    let waited_for = words::addresses(&peers);
    let key = KeyPair::generate()
        .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
    let config = patience(Some(args.timeout.unwrap_or(Pause(PATIENCE))));
    let net =
        Net::start(Setup { key, run: Run::unrecorded(config)?, listen: Vec::new(), rates: Rates::default() })
            .map_err(|error| {
                Error::new(Exit::Unexpected, format!("the network cannot be used: {}", Shown::io(&error)))
            })?;
    let command =
        |command| net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped));
    command(Command::Fetch(Fetch::new(SHARE, content, secret, peers)))?;
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
    });
}
