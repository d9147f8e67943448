//! The code of a private room: what opens it, as one line of text. PROTOCOL §7.5.
//!
//! Text: `truecopy-room:` and base 32 of body and checksum, as a ticket's. Body (`postcard`, one encoding per meaning):
//! version (1), secret. What is new comes under a new version, and is refused with its number by those that do not know it.

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use crate::AccessSecret;
use crate::content::armour::{self, Broken};
use crate::content::canonical;

/// Bytes of a code's text at most; a longer one is not looked at.
pub const ROOM_CODE_MAX: usize = 256;

const SCHEME: &str = "truecopy-room:";
const VERSION: u8 = 1;

/// What opens a private room: never the secret zero, which is the lobby's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomCode(AccessSecret);

/// Why a text is not taken as the code of a room. None of these says anything of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoomCode {
    /// It does not start with `truecopy-room:`.
    #[error("this is not the code of a room (a code starts with `truecopy-room:`)")]
    NotACode,
    /// It is a code, but characters are wrong, missing or too many.
    #[error("the code of the room is damaged: mistyped, or cut when it was copied")]
    Damaged,
    /// It is intact and of a version that this one does not know.
    #[error("the code of the room has version {0}, which this program does not know")]
    Version(u8),
}

impl RoomCode {
    /// The code of the room with this secret. None: that is the lobby, which needs none.
    pub fn new(secret: AccessSecret) -> Option<Self> {
        (secret != AccessSecret::PUBLIC).then_some(Self(secret))
    }

    /// What opens the room.
    pub const fn secret(&self) -> AccessSecret {
        self.0
    }

    /// The text, in lower case. Whoever sees it can come into the room.
    pub fn text(&self) -> String {
        // Writing to a Vec ends only with memory.
        armour::close(SCHEME, postcard::to_extend(&(VERSION, self.0), Vec::new()).unwrap_or_default())
    }

    /// Reads a text, in either case, with or without white space around it.
    ///
    /// # Errors
    /// [`BadRoomCode`] says whether it is something else, damaged, or too new.
    pub fn parse(text: &str) -> Result<Self, BadRoomCode> {
        let body = armour::open(SCHEME, ROOM_CODE_MAX, text).map_err(|broken| match broken {
            Broken::Scheme => BadRoomCode::NotACode,
            Broken::Damaged => BadRoomCode::Damaged,
        })?;
        match body.first() {
            None => Err(BadRoomCode::Damaged),
            Some(&VERSION) => {
                let whole = canonical::whole::<(u8, AccessSecret)>(&body).ok();
                whole.and_then(|(_, secret)| Self::new(secret)).ok_or(BadRoomCode::Damaged)
            }
            Some(&other) => Err(BadRoomCode::Version(other)),
        }
    }
}

impl FromStr for RoomCode {
    type Err = BadRoomCode;

    fn from_str(text: &str) -> Result<Self, BadRoomCode> {
        Self::parse(text)
    }
}
