//! What a receiver may do with bytes: believe them, or check them with the real code of truecopy's layers.

use std::fmt;

use truecopy_protocol::Hash;
use truecopy_protocol::content::tree;
use truecopy_protocol::wire::{BlocksHead, DecodeError, Decoder, Item};
use truecopy_transport::pump::Breakage;

use super::file::{BLOCK, SIZE, root, truth};
use super::text::number;

/// Who noticed, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The decoder: these bytes are no frame.
    Frame(DecodeError),
    /// The decoder: the stream ended inside a frame.
    CutFrame,
    /// The hash of this block is another.
    Block(u32),
    /// The root of the file, or its size, is not that of the manifest.
    Root {
        /// Bytes that came.
        size: u64,
    },
    /// The channel, or the stream below it.
    Connection(Breakage),
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::CutFrame => f.write_str("the stream ended inside a frame"),
            Self::Block(block) => write!(f, "block {block} has another hash"),
            Self::Root { size } => write!(f, "{} bytes, and another root than stated", number(*size)),
            Self::Connection(why) => why.fmt(f),
        }
    }
}

/// What the receiver checks before it believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing: bytes are appended to the file as they come.
    Nothing,
    /// Nothing, and every read is taken for one whole message.
    ReadIsMessage,
    /// Frames state what comes and where it belongs; the wire decoder reads them.
    Frames,
    /// Frames, and every block is hashed before it is believed.
    Blocks,
    /// Bytes are appended; size and root must be those of the manifest at the end.
    Root,
}

/// A receiver.
pub(super) struct Receiver {
    check: Check,
    truth: Vec<u8>,
    leaves: Vec<Hash>,
    decoder: Decoder,
    head: Option<BlocksHead>,
    /// Payload of the frame in work, under [`Check::Blocks`].
    block: Vec<u8>,
    /// How much of it came.
    placed: usize,
    messages: usize,
    pub(super) file: Vec<u8>,
    /// Bytes handed on as the user's that stand where they should.
    pub(super) right: u64,
    /// Bytes handed on as the user's that do not.
    pub(super) wrong: u64,
}

impl Receiver {
    pub(super) fn new(check: Check) -> Self {
        let truth = truth();
        let leaves = truth.chunks(BLOCK).map(tree::leaf).collect();
        Self {
            check,
            truth,
            leaves,
            decoder: Decoder::default(),
            head: None,
            block: Vec::new(),
            placed: 0,
            messages: 0,
            file: Vec::new(),
            right: 0,
            wrong: 0,
        }
    }

    /// Takes plaintext as one read gave it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Alarm> {
        match self.check {
            Check::Nothing | Check::Root => {
                let end = self.file.len();
                self.hand_on(end, bytes);
            }
            Check::ReadIsMessage => {
                let at = self.messages * BLOCK;
                self.messages += 1;
                self.hand_on(at, bytes);
            }
            Check::Frames | Check::Blocks => return self.decode(bytes),
        }
        Ok(())
    }

    fn decode(&mut self, mut bytes: &[u8]) -> Result<(), Alarm> {
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(item) = decoder.next(&mut bytes).map_err(Alarm::Frame)? {
            match item {
                Item::Blocks(head) => {
                    (self.head, self.placed) = (Some(head), 0);
                    self.block.clear();
                }
                Item::Payload(run) => self.payload(run)?,
                // The old program has no other messages.
                Item::Message(_) => {}
            }
        }
        self.decoder = decoder;
        Ok(())
    }

    fn payload(&mut self, run: &[u8]) -> Result<(), Alarm> {
        let Some(head) = self.head else { return Ok(()) };
        let start = head.block as usize * BLOCK;
        let at = start + self.placed;
        self.placed += run.len();
        if self.check == Check::Frames {
            self.hand_on(at, run);
            return Ok(());
        }
        self.block.extend_from_slice(run);
        if self.block.len() == head.len as usize {
            let block = std::mem::take(&mut self.block);
            if self.leaves.get(head.block as usize) != Some(&tree::leaf(&block)) {
                return Err(Alarm::Block(head.block));
            }
            self.hand_on(start, &block);
        }
        Ok(())
    }

    /// The peer has ended properly.
    pub(super) fn end(&mut self) -> Result<(), Alarm> {
        let stated = self.check == Check::Root;
        if stated && (self.file.len() != SIZE || root(&self.file) != root(&self.truth)) {
            return Err(Alarm::Root { size: self.file.len() as u64 });
        }
        match self.head {
            Some(head) if self.placed < head.len as usize => Err(Alarm::CutFrame),
            _ => Ok(()),
        }
    }

    fn hand_on(&mut self, at: usize, bytes: &[u8]) {
        let truth = self.truth.iter().skip(at);
        let right = truth.zip(bytes).filter(|(truth, byte)| truth == byte).count();
        self.right += right as u64;
        self.wrong += (bytes.len() - right) as u64;
        // A frame that has gone astray may claim to lie anywhere.
        if at > 2 * SIZE {
            return;
        }
        if self.file.len() < at + bytes.len() {
            self.file.resize(at + bytes.len(), 0);
        }
        self.file[at..at + bytes.len()].copy_from_slice(bytes);
    }
}
