//! What the program does, one command a file.

pub mod completions;
pub mod create;
pub mod daemon;
pub mod demo;
pub mod get;
pub mod inspect;
pub mod leftovers;
pub mod link;
pub mod man;
pub mod node;
pub mod reading;
pub mod remote;
pub mod replay;
pub mod room;
pub mod seed;
pub mod send;
pub mod sim;
pub mod source;
pub mod top;
pub mod verify;

use std::ffi::OsStr;
use std::path::Path;

use truecopy_protocol::content::link::{BadLink, Link};
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::ticket::{BadTicket, Ticket};
use truecopy_protocol::job::{Outcome, Verdict};

use crate::output::{self, Contents, Event, Placed, Reporter};

/// Whether this, in the place of a command, is a ticket or a link, be it damaged: and no file has its name.
pub fn is_bare_source(text: &OsStr) -> bool {
    let looks = text.to_str().is_some_and(|text| {
        text.parse::<Ticket>() != Err(BadTicket::NotATicket) || text.parse::<Link>() != Err(BadLink::NotALink)
    });
    looks && !Path::new(text).exists()
}

/// What a manifest holds, to be told. `content` is its ContentId in hexadecimal.
pub fn contents<'a>(manifest: &'a Manifest, content: &'a str) -> Contents<'a> {
    Contents {
        name: manifest.name(),
        files: u64::from(manifest.file_count()),
        entries: u64::from(manifest.len()),
        bytes: manifest.total_size(),
        chunk: manifest.chunk_size().bytes(),
        content,
    }
}

/// Tells a receipt; whether it is believed.
pub fn tell_receipt(reporter: &Reporter, link: output::Link<'_>, outcome: Outcome, verdict: Verdict) -> bool {
    if verdict == Verdict::Forged {
        let text = "a receiver sent a receipt with a wrong signature; it is not believed";
        reporter.tell(&Event::Warning { text });
        return false;
    }
    let Outcome { placed: files, already, skipped, bytes } = outcome;
    let placed = Placed { files, already, skipped, bytes };
    reporter.tell(&Event::Receipt { node: link.node, address: link.address, placed });
    true
}
