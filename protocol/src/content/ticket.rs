//! The ticket: all that is needed to find and open a share, as one line of text. PROTOCOL §3.8.
//!
//! Text: `truecopy:` and base 32 of body and checksum. Body (`postcard`, one encoding per meaning): version (1),
//! ContentId, secret, NodeId, up to 16 addresses. Checksum: the first 4 bytes of SHA-256 over the body. Every
//! version keeps the version in the first byte and the checksum in the last four; there are no optional fields: what
//! is new comes under a new version, and is refused with its number by those that do not know it.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::candidate::{Candidate, HostName};
use crate::content::{base32, canonical};
use crate::{AccessSecret, ContentId, NodeId};

/// Addresses of a ticket at most.
pub const ADDRESSES_MAX: usize = 16;
/// Bytes of a ticket's text at most; a longer one is not looked at.
pub const TICKET_MAX: usize = 8192;

const SCHEME: &str = "truecopy:";
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;

/// Who has what, and where to ask. Carries the secret of the share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The content.
    pub content: ContentId,
    /// What opens it.
    pub secret: AccessSecret,
    /// The key that the peer must prove.
    pub node: NodeId,
    /// Where to try, best first. Only the first [`ADDRESSES_MAX`] are written.
    pub addresses: Vec<Candidate>,
}

/// Why a text is not taken as a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// It does not start with `truecopy:`.
    #[error("this is not a ticket (a ticket starts with `truecopy:`)")]
    NotATicket,
    /// It is a ticket, but characters are wrong, missing or too many.
    #[error("the ticket is damaged: mistyped, or cut when it was copied")]
    Damaged,
    /// It is intact and of a version that this one does not know.
    #[error("the ticket has version {0}, which this program does not know")]
    Version(u8),
}

#[derive(Serialize, Deserialize)]
struct Body {
    version: u8,
    content: ContentId,
    secret: AccessSecret,
    node: NodeId,
    addresses: Vec<Address>,
}

#[derive(Serialize, Deserialize)]
enum Address {
    V4([u8; 4], u16),
    V6([u8; 16], u16),
    Host(String, u16),
}

impl Ticket {
    /// The text, in lower case. Whoever sees it can open the share.
    ///
    /// Scope and flow label of an IPv6 address mean nothing to others and are left out; so is an address of port 0.
    pub fn text(&self) -> String {
        let dialable = self.addresses.iter().filter(|address| address.port() != 0);
        let body = Body {
            version: VERSION,
            content: self.content,
            secret: self.secret,
            node: self.node,
            addresses: dialable.take(ADDRESSES_MAX).map(Address::from).collect(),
        };
        // Writing to a Vec ends only with memory.
        let mut bytes = postcard::to_extend(&body, Vec::new()).unwrap_or_default();
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        let mut text = String::from(SCHEME);
        base32::encode(&bytes, &mut text);
        text
    }

    /// Reads a text, in either case, with or without white space around it.
    ///
    /// # Errors
    /// [`BadTicket`] says whether it is something else, damaged, or too new.
    pub fn parse(text: &str) -> Result<Self, BadTicket> {
        let text = text.trim();
        let digits = match text.split_at_checked(SCHEME.len()) {
            Some((scheme, digits)) if scheme.eq_ignore_ascii_case(SCHEME) => digits,
            _ => return Err(BadTicket::NotATicket),
        };
        if text.len() > TICKET_MAX {
            return Err(BadTicket::Damaged);
        }
        let bytes = base32::decode(digits).ok_or(BadTicket::Damaged)?;
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(BadTicket::Damaged)?;
        if checksum(body) != *sum {
            return Err(BadTicket::Damaged);
        }
        match body.first() {
            None => Err(BadTicket::Damaged),
            Some(&VERSION) => Self::from_body(body).ok_or(BadTicket::Damaged),
            Some(&other) => Err(BadTicket::Version(other)),
        }
    }

    fn from_body(body: &[u8]) -> Option<Self> {
        let Body { content, secret, node, addresses, .. } = canonical::whole::<Body>(body).ok()?;
        if addresses.len() > ADDRESSES_MAX {
            return None;
        }
        let addresses = addresses.into_iter().map(Address::meaning).collect::<Option<_>>()?;
        Some(Self { content, secret, node, addresses })
    }
}

impl FromStr for Ticket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Self, BadTicket> {
        Self::parse(text)
    }
}

impl From<&Candidate> for Address {
    fn from(candidate: &Candidate) -> Self {
        match candidate {
            Candidate::Tcp(address) => match address.ip() {
                IpAddr::V4(ip) => Self::V4(ip.octets(), address.port()),
                IpAddr::V6(ip) => Self::V6(ip.octets(), address.port()),
            },
            Candidate::Host { name, port } => Self::Host(name.as_str().into(), *port),
        }
    }
}

impl Address {
    /// The candidate; none for port 0 or a name that is not one as it is written.
    fn meaning(self) -> Option<Candidate> {
        let candidate = match self {
            Self::V4(ip, port) => Candidate::Tcp(SocketAddr::from((ip, port))),
            Self::V6(ip, port) => Candidate::Tcp(SocketAddr::from((ip, port))),
            Self::Host(text, port) => {
                let name = HostName::new(&text).ok().filter(|name| name.as_str() == text)?;
                Candidate::Host { name, port }
            }
        };
        (candidate.port() != 0).then_some(candidate)
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(body).into();
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
