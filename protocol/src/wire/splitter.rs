//! A stream of bytes, cut anywhere, to what decides and what is merely carried: for recordings.

use super::decoder::{State, parse_header, split, word};
use super::frame::{BLOCKS_HEAD, DecodeError, HEADER};
use super::message::tag;
use crate::BlobId;

/// A run of bytes of one kind: never empty, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Headers, control messages, and the manifest: whatever the core looks at.
    Control(&'a [u8]),
    /// Bodies of control messages that prove knowledge of an access secret.
    Proof(&'a [u8]),
    /// Bytes of files, which the core only carries.
    Content(&'a [u8]),
}

/// Tells the bytes of files from everything else. Holds no more than a header, whatever comes.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    /// Whether the payload that follows or is under way is the manifest.
    blob: BlobId,
    held: [u8; BLOCKS_HEAD],
    len: usize,
    /// What is wrong with the header that was handed out last.
    broken: Option<DecodeError>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: State::Header, blob: BlobId::MANIFEST, held: [0; BLOCKS_HEAD], len: 0, broken: None }
    }
}

impl Splitter {
    /// Takes the next part from the front of `input`; `None` when all of it is consumed.
    ///
    /// # Errors
    /// [`DecodeError`] for all that follows a header on which a [`Decoder`](super::Decoder) fails: nothing is taken
    /// from the input any more.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, DecodeError> {
        while let State::Payload { left: 0 } | State::Skip { left: 0 } | State::Body { len: 0, .. } =
            self.state
        {
            self.state = State::Header;
        }
        if input.is_empty() {
            return Ok(None);
        }
        if let Some(error) = self.broken {
            return Err(error);
        }
        Ok(Some(match &mut self.state {
            State::Header => {
                let (run, whole) = self.gather(input, HEADER);
                if whole {
                    match parse_header(&self.held[..HEADER]) {
                        Ok(state) => self.state = state,
                        Err(error) => self.broken = Some(error),
                    }
                }
                Part::Control(run)
            }
            State::BlocksHead { len } => {
                let left = *len - BLOCKS_HEAD;
                let (run, whole) = self.gather(input, BLOCKS_HEAD);
                if whole {
                    self.blob = BlobId(word(&self.held[..4]));
                    self.state = State::Payload { left };
                }
                Part::Control(run)
            }
            State::Body { tag, len } => {
                let run = up_to(input, len);
                match *tag {
                    tag::PROVE | tag::PROVEN => Part::Proof(run),
                    _ => Part::Control(run),
                }
            }
            State::Payload { left } => {
                let run = up_to(input, left);
                match self.blob {
                    BlobId::MANIFEST => Part::Control(run),
                    _ => Part::Content(run),
                }
            }
            State::Skip { left } => Part::Control(up_to(input, left)),
        }))
    }

    /// The next bytes of a head of `len`, and whether it is whole with them.
    fn gather<'a>(&mut self, input: &mut &'a [u8], len: usize) -> (&'a [u8], bool) {
        let run = split(input, (len - self.len).min(input.len()));
        self.held[self.len..self.len + run.len()].copy_from_slice(run);
        self.len += run.len();
        let whole = self.len == len;
        if whole {
            self.len = 0;
        }
        (run, whole)
    }
}

/// At most `left` bytes from the front, which is counted down.
fn up_to<'a>(input: &mut &'a [u8], left: &mut usize) -> &'a [u8] {
    let run = split(input, (*left).min(input.len()));
    *left -= run.len();
    run
}

#[cfg(test)]
mod tests;
