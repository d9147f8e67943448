//! The ticket: all that is needed to find and open a share, as one line of text. PROTOCOL §3.9.
//!
//! Text: `truecopy:` and base 32 of body and checksum. Body (`postcard`, one encoding per meaning): version (1),
//! ContentId, secret, NodeId, up to 16 addresses; under version 2 also 1 to 8 trackers. Checksum: the first 4 bytes of
//! SHA-256 over the body. Every version keeps the version in the first byte and the checksum in the last four; there
//! are no optional fields: what is new comes under a new version, and is refused with its number by those that do not
//! know it. What needs no new version is written under the old one.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, HostName};
use crate::content::armour::{self, Broken};
use crate::content::canonical;
use crate::{AccessSecret, ContentId, NodeId, Trackers};

/// Addresses of a ticket at most.
pub const ADDRESSES_MAX: usize = 16;
/// Bytes of a ticket's text at most; a longer one is not looked at.
pub const TICKET_MAX: usize = 12_288;

const SCHEME: &str = "truecopy:";
const VERSION: u8 = 1;
const VERSION_WITH_TRACKERS: u8 = 2;

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
    /// Where its peers announce themselves.
    pub trackers: Trackers,
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
        let mut body = Body {
            version: VERSION,
            content: self.content,
            secret: self.secret,
            node: self.node,
            addresses: dialable.take(ADDRESSES_MAX).map(Address::from).collect(),
        };
        let bytes = if self.trackers.is_empty() {
            postcard::to_extend(&body, Vec::new())
        } else {
            body.version = VERSION_WITH_TRACKERS;
            postcard::to_extend(&(&body, &self.trackers), Vec::new())
        };
        // Writing to a Vec ends only with memory.
        armour::close(SCHEME, bytes.unwrap_or_default())
    }

    /// Reads a text, in either case, with or without white space around it.
    ///
    /// # Errors
    /// [`BadTicket`] says whether it is something else, damaged, or too new.
    pub fn parse(text: &str) -> Result<Self, BadTicket> {
        let body = armour::open(SCHEME, TICKET_MAX, text).map_err(|broken| match broken {
            Broken::Scheme => BadTicket::NotATicket,
            Broken::Damaged => BadTicket::Damaged,
        })?;
        match body.first() {
            None => Err(BadTicket::Damaged),
            Some(&VERSION) => {
                let whole = canonical::whole::<Body>(&body).ok();
                whole.and_then(|body| Self::meaning(body, Trackers::default())).ok_or(BadTicket::Damaged)
            }
            Some(&VERSION_WITH_TRACKERS) => {
                // Without trackers it is a ticket of version 1.
                let whole = canonical::whole::<(Body, Trackers)>(&body).ok();
                whole
                    .filter(|(_, trackers)| !trackers.is_empty())
                    .and_then(|(body, trackers)| Self::meaning(body, trackers))
                    .ok_or(BadTicket::Damaged)
            }
            Some(&other) => Err(BadTicket::Version(other)),
        }
    }

    fn meaning(body: Body, trackers: Trackers) -> Option<Self> {
        let Body { content, secret, node, addresses, .. } = body;
        if addresses.len() > ADDRESSES_MAX {
            return None;
        }
        let addresses = addresses.into_iter().map(Address::meaning).collect::<Option<_>>()?;
        Some(Self { content, secret, node, addresses, trackers })
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

#[cfg(test)]
mod tests;
