//! `truecopy inspect`: what a metadata file or a ticket names.

use truecopy_mio::prepare::Monitor;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::ticket::Ticket;

use super::source::{self, Source};
use super::{contents, verify};
use crate::args::InspectArgs;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, Listed, Reporter, Stage};
use crate::run::Context;

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

/// The secret of a ticket is never shown.
fn tell_ticket(reporter: &Reporter, ticket: &Ticket) {
    let addresses: Vec<String> = ticket.addresses.iter().map(ToString::to_string).collect();
    reporter.tell(&Event::TicketNames {
        content: &ticket.content.to_hex(),
        node: &ticket.node.to_hex(),
        addresses: &addresses,
    });
}
