//! Which room a node is in: the lobby, or a private one, which a code opens.

use truecopy_protocol::AccessSecret;
use truecopy_protocol::content::room::RoomCode;

use crate::args::RoomText;
use crate::engine::random_secret;
use crate::exit::{Error, Exit, Result};

/// A room to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Everybody may come in.
    Lobby,
    /// Whoever has its code may.
    Private(RoomCode),
}

/// What may be told of a room to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everybody may come in.
    Lobby,
    /// Whoever has its code may.
    Private,
}

/// How a room was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It was named, or is the one that needs no name.
    Known(Room),
    /// It was made just now: nobody else knows its code.
    Made(RoomCode),
}

impl Room {
    /// What opens it.
    pub const fn secret(self) -> AccessSecret {
        match self {
            Self::Lobby => AccessSecret::PUBLIC,
            Self::Private(code) => code.secret(),
        }
    }

    /// What may be told of it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Lobby => Kind::Lobby,
            Self::Private(_) => Kind::Private,
        }
    }
}

impl Kind {
    /// A word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lobby => "lobby",
            Self::Private => "private",
        }
    }

    /// The kind of a word.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Lobby, Self::Private].into_iter().find(|kind| kind.word() == word)
    }
}

impl Chosen {
    /// The room that the user names: by its code, `lobby`, or `new`. Without a word it is the lobby.
    ///
    /// # Errors
    /// `Usage` if that is no code, or a mistyped one; what was typed is not told, for it may nearly be a secret.
    pub fn read(named: Option<&RoomText>) -> Result<Self> {
        match named.map(RoomText::as_str) {
            None | Some("lobby") => Ok(Self::Known(Room::Lobby)),
            Some("new") => make().map(Self::Made),
            Some(text) => {
                let code = text
                    .parse::<RoomCode>()
                    .map_err(|bad| Error::usage(bad).hint("copy it whole, from truecopy-room: to its end"))?;
                Ok(Self::Known(Room::Private(code)))
            }
        }
    }

    /// The room.
    pub const fn room(self) -> Room {
        match self {
            Self::Known(room) => room,
            Self::Made(code) => Room::Private(code),
        }
    }
}

/// Makes the code of a room that nobody else knows.
///
/// # Errors
/// If the system gives no random numbers.
pub fn make() -> Result<RoomCode> {
    RoomCode::new(random_secret()?)
        .ok_or_else(|| Error::new(Exit::Unexpected, "the system's random numbers are zero"))
}
