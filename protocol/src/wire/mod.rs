//! Bytes to messages and back. Knows nothing of sessions. PROTOCOL §4.

mod decoder;
mod frame;
mod message;
mod splitter;
mod talk;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Item};
pub use frame::{BODY_MAX, BlocksHead, DecodeError, HEADER};
pub use message::{
    BlockRun, ChunkRange, Corrupt, Features, HashRange, Hashes, Hello, Info, Message, PEERS_MAX,
    PROTOCOL_MIN, PROTOCOL_VERSION, PeerAddress, Preparing, Prove, Proven, RANGES_MAX, Reason, Receipt,
    Reject, RejectWhy, Swarm,
};
pub use splitter::{Part, Splitter};
pub use talk::{Answer, Answered, Call, Heard, Line, OFFER_NAME_MAX, Offer, TEXT_MAX, Text, Word};
