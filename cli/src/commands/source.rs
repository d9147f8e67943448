//! What a share is named by: a metadata file, a ticket or a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use truecopy_protocol::AccessSecret;
use truecopy_protocol::content::link::{BadLink, Link};
use truecopy_protocol::content::manifest::ManifestLimits;
use truecopy_protocol::content::metadata::Metadata;
use truecopy_protocol::content::ticket::{BadTicket, Ticket};

use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};

/// What the user named.
#[derive(Debug)]
pub enum Source {
    /// A metadata file: all is known but the data and who has it.
    Metadata(Box<Metadata>),
    /// A ticket: who has it, and its name.
    Ticket(Ticket),
    /// A link: its name, and who may know who has it.
    Link(Link),
}

/// Bytes of a metadata file at most: the largest manifest, and as much again and more for its layers.
const METADATA_MAX: u64 = 1 << 30;

/// Reads a ticket, a link, or the file of this name. What starts as a ticket or a link and is no file must be a whole
/// one.
pub fn read(text: &OsStr) -> Result<Source> {
    match read_text(text) {
        Some(source) => source,
        None => read_metadata(Path::new(text)).map(|metadata| Source::Metadata(Box::new(metadata))),
    }
}

/// Reads a ticket or a link; none if it looks like neither, or is a file.
pub fn read_text(text: &OsStr) -> Option<Result<Source>> {
    let trimmed = text.to_str()?.trim();
    if Path::new(text).exists() {
        return None;
    }
    if trimmed.starts_with("truecopy:") {
        return Some(read_ticket(trimmed).map(Source::Ticket));
    }
    trimmed.starts_with("truecopy-link:").then(|| read_link(trimmed).map(Source::Link))
}

/// Reads a ticket.
pub fn read_ticket(text: &str) -> Result<Ticket> {
    text.parse::<Ticket>().map_err(|error| match error {
        BadTicket::Version(_) => {
            Error::new(Exit::Version, error).hint("bring both sides to the same version of truecopy")
        }
        BadTicket::NotATicket | BadTicket::Damaged => {
            Error::usage(format!("this is no whole ticket: {error}"))
                .hint("copy it again, from `truecopy:` to its end")
        }
    })
}

fn read_link(text: &str) -> Result<Link> {
    text.parse::<Link>().map_err(|error| match error {
        BadLink::Version(_) => {
            Error::new(Exit::Version, error).hint("bring both sides to the same version of truecopy")
        }
        BadLink::NotALink | BadLink::Damaged => Error::usage(format!("this is no whole link: {error}"))
            .hint("copy it again, from `truecopy-link:` to its end"),
    })
}

/// Reads a metadata file.
pub fn read_metadata(path: &Path) -> Result<Metadata> {
    let bytes = read_limited(path).map_err(|error| Error::local("read", path, &error))?;
    Metadata::decode(bytes.into(), &ManifestLimits::default()).map_err(|error| {
        let what = format!("{} is no whole metadata file: {error}", Shown::path(path));
        Error::new(Exit::Integrity, what).hint("get it again, or make it anew with `truecopy create`")
    })
}

/// The link of a metadata file: public, as the file is.
pub fn link(metadata: &Metadata) -> Link {
    Link {
        content: metadata.manifest.content_id(),
        secret: AccessSecret::PUBLIC,
        trackers: metadata.trackers.clone(),
    }
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(METADATA_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > METADATA_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}
