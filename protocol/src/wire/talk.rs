//! Words of rooms. PROTOCOL §7.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::{AccessSecret, ContentId, NodeId, UnixTime};

/// Bytes of one text at most.
pub const TEXT_MAX: usize = 16 * 1024;
/// Bytes of the name of an offer at most.
pub const OFFER_NAME_MAX: usize = 255;

/// A word to a peer, with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The run of the sender's program.
    pub life: u64,
    /// Grows with every word of this run to this peer.
    pub number: u64,
    /// What is said.
    pub word: Word,
}

/// Everything up to a number was given to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The run of the program whose words they are.
    pub life: u64,
    /// The last of them.
    pub number: u64,
}

/// What can be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// To this peer.
    Text(Text),
    /// To everybody in the room.
    Call(Call),
    /// Files that this peer may have.
    Offer(Offer),
    /// The answer to an offer.
    Answer(Answered),
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The sender's clock.
    pub time: UnixTime,
    /// At most [`TEXT_MAX`] bytes.
    pub text: String,
}

/// A text to everybody in a room: signed, for those pass it on who heard it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Who says it.
    pub origin: NodeId,
    /// The run of its program.
    pub life: u64,
    /// Its number among the calls of this run.
    pub number: u64,
    /// What it says.
    pub text: Text,
    /// Ed25519, in two halves (PROTOCOL §7.4).
    pub signature: [[u8; 32]; 2],
}

/// A share that is offered: whoever accepts fetches it as any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its number among the offers of this run.
    pub number: u64,
    /// What it is.
    pub content: ContentId,
    /// What opens it.
    pub secret: AccessSecret,
    /// What it is called: at most [`OFFER_NAME_MAX`] bytes.
    pub name: String,
    /// Bytes of its files.
    pub size: u64,
    /// How many files.
    pub files: u32,
}

/// An answer to an offer, or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The run of the program that offered.
    pub life: u64,
    /// The number of the offer.
    pub number: u64,
    /// What is answered.
    pub answer: Answer,
}

/// What becomes of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is fetched.
    Accepted,
    /// It is not wanted.
    Declined,
    /// Who offered it does so no more.
    Withdrawn,
}

impl Word {
    /// About how much memory it takes.
    pub(crate) const fn bytes(&self) -> usize {
        let text = match self {
            Self::Text(text) => text.text.len(),
            Self::Call(call) => call.text.text.len(),
            Self::Offer(offer) => offer.name.len(),
            Self::Answer(_) => 0,
        };
        size_of::<Self>() + text
    }

    /// Whether it keeps to the limits.
    pub(crate) const fn is_sound(&self) -> bool {
        match self {
            Self::Text(text) => text.text.len() <= TEXT_MAX,
            Self::Call(call) => call.text.text.len() <= TEXT_MAX,
            Self::Offer(offer) => offer.name.len() <= OFFER_NAME_MAX,
            Self::Answer(_) => true,
        }
    }
}
