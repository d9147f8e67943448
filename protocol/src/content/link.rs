//! The link: a share and its trackers, and nothing of who has it. PROTOCOL §3.11.
//!
//! Text: `truecopy-link:` and base 32 of body and checksum, as a ticket's. Body (`postcard`, one encoding per meaning):
//! version (1), ContentId, secret (none for a public share), up to 8 trackers. What is new comes under a new version,
//! and is refused with its number by those that do not know it.

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::content::armour::{self, Broken};
use crate::content::canonical;
use crate::content::ticket::Ticket;
use crate::{AccessSecret, ContentId, Trackers};

/// Bytes of a link's text at most; a longer one is not looked at.
pub const LINK_MAX: usize = 4096;

const SCHEME: &str = "truecopy-link:";
const VERSION: u8 = 1;

/// Which share, and which trackers know who has it. Carries the secret of the share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The content.
    pub content: ContentId,
    /// What opens it.
    pub secret: AccessSecret,
    /// Where its peers announce themselves.
    pub trackers: Trackers,
}

/// Why a text is not taken as a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// It does not start with `truecopy-link:`.
    #[error("this is not a link (a link starts with `truecopy-link:`)")]
    NotALink,
    /// It is a link, but characters are wrong, missing or too many.
    #[error("the link is damaged: mistyped, or cut when it was copied")]
    Damaged,
    /// It is intact and of a version that this one does not know.
    #[error("the link has version {0}, which this program does not know")]
    Version(u8),
}

#[derive(Serialize, Deserialize)]
struct Body {
    version: u8,
    content: ContentId,
    secret: Option<AccessSecret>,
    trackers: Trackers,
}

impl Link {
    /// The text, in lower case. Whoever sees it can open the share.
    pub fn text(&self) -> String {
        let secret = (self.secret != AccessSecret::PUBLIC).then_some(self.secret);
        let body = Body { version: VERSION, content: self.content, secret, trackers: self.trackers.clone() };
        // Writing to a Vec ends only with memory.
        armour::close(SCHEME, postcard::to_extend(&body, Vec::new()).unwrap_or_default())
    }

    /// Reads a text, in either case, with or without white space around it.
    ///
    /// # Errors
    /// [`BadLink`] says whether it is something else, damaged, or too new.
    pub fn parse(text: &str) -> Result<Self, BadLink> {
        let body = armour::open(SCHEME, LINK_MAX, text).map_err(|broken| match broken {
            Broken::Scheme => BadLink::NotALink,
            Broken::Damaged => BadLink::Damaged,
        })?;
        match body.first() {
            None => Err(BadLink::Damaged),
            Some(&VERSION) => Self::from_body(&body).ok_or(BadLink::Damaged),
            Some(&other) => Err(BadLink::Version(other)),
        }
    }

    fn from_body(body: &[u8]) -> Option<Self> {
        let Body { content, secret, trackers, .. } = canonical::whole::<Body>(body).ok()?;
        let secret = match secret {
            // A public share has one text.
            Some(AccessSecret::PUBLIC) => return None,
            Some(secret) => secret,
            None => AccessSecret::PUBLIC,
        };
        Some(Self { content, secret, trackers })
    }
}

/// Forgets who has it.
impl From<Ticket> for Link {
    fn from(ticket: Ticket) -> Self {
        Self { content: ticket.content, secret: ticket.secret, trackers: ticket.trackers }
    }
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        Self::parse(text)
    }
}
