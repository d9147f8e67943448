//! The file: magic, version, then messages in checksummed pieces. `docs/recordings.md`.

use std::io::{self, BufWriter, Read, Write};

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::digest::crc32;
use super::entry::{Entry, Start};

/// The first bytes of a recording.
pub const MAGIC: [u8; 8] = *b"tcrecord";
/// The version of the format.
pub const VERSION: u16 = 1;
/// Bytes of one piece at most.
pub const PIECE_MAX: usize = 64 * 1024;

/// Bytes of a message at most: a manifest and its layers fit by far.
const MESSAGE_MAX: usize = 1 << 30;
/// The bit of a piece's length that says that its message goes on in the next piece.
const MORE: u32 = 1 << 31;

/// Writes a recording. Holds one piece and one buffer of the same size, however large a message is.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: BufWriter<W>,
    piece: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, start: &Start) -> io::Result<Self> {
        let out = BufWriter::with_capacity(PIECE_MAX, out);
        let mut writer = Self { out, piece: Vec::with_capacity(PIECE_MAX) };
        writer.out.write_all(&MAGIC)?;
        writer.out.write_all(&VERSION.to_le_bytes())?;
        writer.message(start)?;
        Ok(writer)
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// Those of `out`. What follows an error is not readable.
    pub fn entry(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.message(entry)
    }

    /// Hands everything to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn message<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut failure = None;
        self.piece.clear();
        let pieces = Pieces { writer: self, failure: &mut failure };
        match postcard::serialize_with_flavor(message, pieces) {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
            }
        }
    }

    fn piece(&mut self, more: u32) -> io::Result<()> {
        // A piece is at most `PIECE_MAX` long.
        let len = (self.piece.len() as u32 | more).to_le_bytes();
        self.out.write_all(&len)?;
        self.out.write_all(&crc32(&[&len, &self.piece]).to_le_bytes())?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

/// Cuts a message to pieces while it is encoded.
struct Pieces<'a, W: Write> {
    writer: &'a mut Writer<W>,
    failure: &'a mut Option<io::Error>,
}

impl<W: Write> Pieces<'_, W> {
    fn end(&mut self, more: u32) -> postcard::Result<()> {
        self.writer.piece(more).map_err(|error| {
            *self.failure = Some(error);
            postcard::Error::SerializeBufferFull
        })
    }
}

impl<W: Write> Flavor for Pieces<'_, W> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, mut bytes: &[u8]) -> postcard::Result<()> {
        while !bytes.is_empty() {
            if self.writer.piece.len() == PIECE_MAX {
                self.end(MORE)?;
            }
            let (run, rest) = bytes.split_at(bytes.len().min(PIECE_MAX - self.writer.piece.len()));
            self.writer.piece.extend_from_slice(run);
            bytes = rest;
        }
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<()> {
        self.end(0)
    }
}

/// Why a recording cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not begin as recordings do.
    #[error("this is not a recording")]
    NotARecording,
    /// It has a format that this version does not know.
    #[error("the recording has format {0}, which this version cannot read")]
    Version(u16),
    /// It ends within the message that begins at this byte: the program was killed while it wrote.
    #[error("the recording is cut off at byte {0}")]
    Cut(u64),
    /// The message that begins at this byte was damaged.
    #[error("the recording is damaged at byte {0}")]
    Damaged(u64),
    /// The message that begins at this byte is whole, but no entry.
    #[error("the entry at byte {0} makes no sense")]
    Malformed(u64),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a recording, entry by entry. Memory follows the bytes that are there, never a number in them.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Where the next message begins.
    offset: u64,
    message: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Opens a recording. `input` is read in small pieces: give a buffered one.
    ///
    /// # Errors
    /// [`ReadError`] if its first bytes are not those of a recording.
    pub fn open(input: R) -> Result<(Start, Self), ReadError> {
        let mut reader = Self { input, offset: 0, message: Vec::new() };
        let (mut magic, mut version) = ([0; MAGIC.len()], [0; 2]);
        if reader.fill(&mut magic)? < magic.len() || magic != MAGIC {
            return Err(ReadError::NotARecording);
        }
        if reader.fill(&mut version)? < version.len() {
            return Err(ReadError::Cut(0));
        }
        match u16::from_le_bytes(version) {
            VERSION => {}
            other => return Err(ReadError::Version(other)),
        }
        let begin = (MAGIC.len() + version.len()) as u64;
        reader.offset = begin;
        if !reader.advance()? {
            return Err(ReadError::Cut(begin));
        }
        let start = postcard::from_bytes(&reader.message).map_err(|_| ReadError::Malformed(begin))?;
        Ok((start, reader))
    }

    /// The next entry; `None` where the file ends after a whole one.
    ///
    /// # Errors
    /// [`ReadError`]: there is nothing more to be had after one.
    #[expect(clippy::should_implement_trait, reason = "an entry borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, ReadError> {
        let begin = self.offset;
        if !self.advance()? {
            return Ok(None);
        }
        decode(&self.message, begin).map(Some)
    }

    /// Where the next message begins, in bytes.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the encoding of the last entry away.
    pub(super) fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.message)
    }

    /// Reads a whole message; false at the end of the file.
    fn advance(&mut self) -> Result<bool, ReadError> {
        let begin = self.offset;
        let mut offset = begin;
        self.message.clear();
        loop {
            let mut head = [0; 8];
            match self.fill(&mut head)? {
                0 if offset == begin => return Ok(false),
                8 => {}
                _ => return Err(ReadError::Cut(begin)),
            }
            let (len_bytes, crc) =
                ([head[0], head[1], head[2], head[3]], [head[4], head[5], head[6], head[7]]);
            let word = u32::from_le_bytes(len_bytes);
            let len = (word & !MORE) as usize;
            if len > PIECE_MAX || self.message.len() + len > MESSAGE_MAX {
                return Err(ReadError::Damaged(begin));
            }
            let start = self.message.len();
            self.message.resize(start + len, 0);
            let mut message = std::mem::take(&mut self.message);
            let filled = self.fill(&mut message[start..]);
            self.message = message;
            if filled? < len {
                return Err(ReadError::Cut(begin));
            }
            if crc32(&[&len_bytes, &self.message[start..]]) != u32::from_le_bytes(crc) {
                return Err(ReadError::Damaged(begin));
            }
            offset += (head.len() + len) as u64;
            if word & MORE == 0 {
                self.offset = offset;
                return Ok(true);
            }
        }
    }

    /// Fills as much as there is.
    fn fill(&mut self, mut space: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while !space.is_empty() {
            match self.input.read(space) {
                Ok(0) => break,
                Ok(len) => {
                    filled += len;
                    space = &mut space[len..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Reads an entry's encoding, which was found at `begin`.
pub(super) fn decode(message: &[u8], begin: u64) -> Result<Entry<'_>, ReadError> {
    postcard::from_bytes(message).map_err(|_| ReadError::Malformed(begin))
}
