//! What a share is named by: a metadata file or a ticket.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

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
}

/// Bytes of a metadata file at most: the largest manifest, and as much again and more for its layers.
const METADATA_MAX: u64 = 1 << 30;

/// Reads a ticket, or the file of this name. What starts as a ticket and is no file must be a whole ticket.
pub fn read(text: &OsStr) -> Result<Source> {
    let looks = text.to_str().map(str::trim).filter(|text| text.starts_with("truecopy:"));
    match looks {
        Some(ticket) if !Path::new(text).exists() => read_ticket(ticket).map(Source::Ticket),
        _ => read_metadata(Path::new(text)).map(|metadata| Source::Metadata(Box::new(metadata))),
    }
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

/// Reads a metadata file.
pub fn read_metadata(path: &Path) -> Result<Metadata> {
    let bytes = read_limited(path).map_err(|error| Error::local("read", path, &error))?;
    Metadata::decode(bytes.into(), &ManifestLimits::default()).map_err(|error| {
        let what = format!("{} is no whole metadata file: {error}", Shown::path(path));
        Error::new(Exit::Integrity, what).hint("get it again, or make it anew with `truecopy create`")
    })
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(METADATA_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > METADATA_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}
