//! A stream of bytes, cut anywhere, to messages and payload.

use alloc::vec::Vec;

use super::frame::{BLOCKS_BODY_MAX, BLOCKS_HEAD, BODY_MAX, BlocksHead, DecodeError, HEADER};
use super::message::{Message, tag};
#[cfg(planted)]
use crate::planted::{self, Bug, is};

/// What the decoder found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A whole control message.
    Message(Message),
    /// A `blocks` frame begins; its payload follows in `Payload` items.
    Blocks(BlocksHead),
    /// The next bytes of the payload: never empty, borrowed from the input.
    Payload(&'a [u8]),
}

/// Where in the stream of frames the next byte stands.
#[derive(Debug)]
pub(super) enum State {
    Header,
    Body { tag: u16, len: usize },
    BlocksHead { len: usize },
    Payload { left: usize },
    Skip { left: usize },
}

/// Holds at most a header or one control body; payload passes through. After an error it must not be used.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    held: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Header, held: Vec::new() }
    }
}

impl Decoder {
    /// Takes from the front of `input`; `None` when all of it is consumed and more is needed.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Item<'a>>, DecodeError> {
        loop {
            match self.state {
                State::Header => {
                    let Some(state) = self.whole(input, HEADER, parse_header) else { return Ok(None) };
                    self.state = state?;
                }
                State::Body { tag, len } => {
                    let decode = |body: &[u8]| Message::decode(tag, body);
                    let Some(message) = self.whole(input, len, decode) else { return Ok(None) };
                    self.state = State::Header;
                    if let Some(message) = message? {
                        return Ok(Some(Item::Message(message)));
                    }
                }
                State::BlocksHead { len } => {
                    let left = len - BLOCKS_HEAD;
                    let head = |head: &[u8]| BlocksHead {
                        blob: word(&head[..4]),
                        block: word(&head[4..]),
                        len: left as u32,
                    };
                    let Some(head) = self.whole(input, BLOCKS_HEAD, head) else { return Ok(None) };
                    self.state = State::Payload { left };
                    return Ok(Some(Item::Blocks(head)));
                }
                State::Payload { left: 0 } | State::Skip { left: 0 } => self.state = State::Header,
                State::Payload { left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let run = split(input, left.min(input.len()));
                    self.state = State::Payload { left: left - run.len() };
                    return Ok(Some(Item::Payload(run)));
                }
                State::Skip { left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let run = split(input, left.min(input.len()));
                    self.state = State::Skip { left: left - run.len() };
                }
            }
        }
    }

    /// Bytes of memory held for a message that is not whole yet.
    pub fn memory(&self) -> usize {
        self.held.capacity()
    }

    /// Reads `len` bytes as soon as they are there: in place if they lie whole in the input, else gathered over several.
    /// Memory grows with what has arrived only, to `len` at most, and is given back afterwards.
    fn whole<T>(&mut self, input: &mut &[u8], len: usize, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if self.held.is_empty() && input.len() >= len {
            return Some(read(split(input, len)));
        }
        #[cfg(planted)]
        if is(Bug::ReadIsFrame) {
            *input = &[];
            return None;
        }
        #[cfg(planted)]
        if is(Bug::LengthBelieved) {
            self.held.reserve_exact(len);
        }
        let missing = len - self.held.len();
        let run = split(input, missing.min(input.len()));
        if self.held.capacity() - self.held.len() < run.len() {
            let room = (2 * self.held.len()).max(self.held.len() + run.len()).min(len);
            self.held.reserve_exact(room - self.held.len());
        }
        self.held.extend_from_slice(run);
        (self.held.len() == len).then(|| read(&core::mem::take(&mut self.held)))
    }
}

/// What follows a header.
pub(super) fn parse_header(head: &[u8]) -> Result<State, DecodeError> {
    let (len, tag) = (word(&head[..4]), u16::from_le_bytes([head[4], head[5]]));
    let bytes = len as usize;
    match tag {
        tag::BLOCKS if bytes > BLOCKS_BODY_MAX => Err(DecodeError::TooLong(len)),
        tag::BLOCKS if bytes <= BLOCKS_HEAD => Err(DecodeError::Empty),
        tag::BLOCKS => Ok(State::BlocksHead { len: bytes }),
        #[cfg(planted)]
        _ if bytes > BODY_MAX && is(Bug::LengthBelieved) => {
            Ok(State::Body { tag, len: bytes.min(planted::BELIEVED_MAX) })
        }
        _ if bytes > BODY_MAX => Err(DecodeError::TooLong(len)),
        unknown if unknown % 2 == 1 && !Message::knows(unknown) => Ok(State::Skip { left: bytes }),
        known => Ok(State::Body { tag: known, len: bytes }),
    }
}

pub(super) fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

pub(super) fn split<'a>(input: &mut &'a [u8], at: usize) -> &'a [u8] {
    let (run, rest) = input.split_at(at);
    *input = rest;
    run
}
