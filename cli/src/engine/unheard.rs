//! What was said and is not acknowledged. Where transfers outlive a run it is written down as it is said, so that whoever
//! was told that an order is taken hears of its end, though the program dies before it: the next run tells of it.
//!
//! It is told, not said again: the numbers by which a listener knows a word again are those of a run (PROTOCOL §7.2), and
//! the listener itself may have been started anew, so it could be heard twice.
//!
//! The file grows: a record for each word, one more when its end was told; now and then what is over is left out. A record
//! reaches the system before the order is answered, so it survives the end of the process, and the disk within a
//! [moment](SYNC), so a power cut takes the last of them at most.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use truecopy_protocol::NodeId;

use crate::exit::{Error, Result};
use crate::home;

/// Its name in the state folder.
pub(super) const FILE: &str = "unheard";
const MAGIC: &[u8; 8] = b"tc-word1";
/// How long a record may be on its way to the disk.
const SYNC: Duration = Duration::from_secs(1);
/// Bytes of records that are over before they are left out; as many again as there are of others.
const OVER_MAX: u64 = 1 << 20;
/// Bytes before the body of a record: its length, and the first bytes of its SHA-256.
const HEAD: usize = 8;
/// Bytes of a record's body at most; a longer one is none.
const BODY_MAX: usize = 64 << 10;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Word {
    /// To whom: a node as it is called, or an address.
    pub(super) to: String,
    /// The text, or what it was.
    pub(super) what: String,
}

#[derive(Serialize, Deserialize)]
enum Record {
    Said(u64, Word),
    /// What became of it was told.
    Over(u64),
}

/// What has not been answered yet.
#[derive(Clone, Debug)]
struct Waiting {
    word: Word,
    /// Whose answer is waited for; none: it is looked for.
    with: Option<NodeId>,
    keeping: Keeping,
}

/// Whether a word outlives a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// What it is about is written down elsewhere, or nobody asks for it.
    Nothing,
    Word,
}

/// All words that wait for an answer, and those whose answer is not told yet.
pub(super) struct Unheard {
    waiting: BTreeMap<u64, Waiting>,
    untold: BTreeMap<u64, Word>,
    tag: u64,
    book: Option<Book>,
}

/// Where they are written down.
struct Book {
    path: PathBuf,
    /// None: it is to be written anew.
    file: Option<File>,
    /// Bytes of the file.
    size: u64,
    /// Bytes of the file after the last time that it was written anew.
    base: u64,
    /// Records that are not in the file yet.
    fresh: Vec<u8>,
    /// Since when what is in the file may not be on the disk.
    unsynced: Option<Instant>,
    /// The last time it could not be written.
    is_failing: bool,
}

/// What an earlier run left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// By its tag.
    pub(super) words: BTreeMap<u64, Word>,
    /// Something stands at the end that is no record: the last words may be missing.
    pub(super) is_cut: bool,
    /// The last tag that was given.
    last: u64,
}

impl Unheard {
    /// Nothing of it outlives the run.
    pub(super) const fn nowhere() -> Self {
        Self { waiting: BTreeMap::new(), untold: BTreeMap::new(), tag: 0, book: None }
    }

    /// Goes on after an earlier run. What that has left is to be told.
    pub(super) fn at(path: PathBuf, left: &Left) -> Self {
        let book =
            Book { path, file: None, size: 0, base: 0, fresh: Vec::new(), unsynced: None, is_failing: false };
        let (waiting, untold) = (BTreeMap::new(), left.words.clone());
        Self { waiting, untold, tag: left.last, book: Some(book) }
    }

    /// Something is said, or will be as soon as a node is met. The tag by which it is known.
    pub(super) fn said(&mut self, with: Option<NodeId>, word: Word, keeping: Keeping) -> u64 {
        self.tag += 1;
        let tag = self.tag;
        if keeping == Keeping::Word
            && let Some(book) = &mut self.book
        {
            book.add(&Record::Said(tag, word.clone()));
        }
        self.waiting.insert(tag, Waiting { word, with, keeping });
        tag
    }

    /// The node that it is for was met.
    pub(super) fn met(&mut self, tag: u64, node: NodeId) {
        if let Some(waiting) = self.waiting.get_mut(&tag) {
            waiting.with = Some(node);
        }
    }

    /// What became of a word is known, and will be [told](Self::told). The word, if it waited.
    pub(super) fn answered(&mut self, tag: u64) -> Option<Word> {
        let Waiting { word, keeping, .. } = self.waiting.remove(&tag)?;
        if keeping == Keeping::Word && self.book.is_some() {
            self.untold.insert(tag, word.clone());
        }
        Some(word)
    }

    /// The user knows what became of it.
    pub(super) fn told(&mut self, tag: u64) {
        if self.untold.remove(&tag).is_some()
            && let Some(book) = &mut self.book
        {
            book.add(&Record::Over(tag));
        }
    }

    /// It was done, and there is nothing to tell.
    pub(super) fn done(&mut self, tag: u64) {
        self.answered(tag);
        self.told(tag);
    }

    /// Tags of all that waits for an answer.
    pub(super) fn tags(&self) -> Vec<u64> {
        self.waiting.keys().copied().collect()
    }

    /// Whether the node that a word is for was met.
    pub(super) fn is_met(&self, tag: u64) -> bool {
        self.waiting.get(&tag).is_some_and(|waiting| waiting.with.is_some())
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether an answer of such a node is waited for.
    pub(super) fn waits_for(&self, is_such: impl Fn(NodeId) -> bool) -> bool {
        self.waiting.values().any(|waiting| waiting.with.is_some_and(&is_such))
    }

    /// Hands what is new to the system, and what is old to the disk.
    ///
    /// # Errors
    /// If it cannot be written, the first time in a row; it is tried again each time.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let Some(book) = &mut self.book else { return Ok(()) };
        let written = book.write(|| {
            let waiting = self.waiting.iter().filter(|(_, waiting)| waiting.keeping == Keeping::Word);
            let waiting = waiting.map(|(tag, waiting)| (*tag, &waiting.word));
            let records = waiting.chain(self.untold.iter().map(|(tag, word)| (*tag, word)));
            records.map(|(tag, word)| Record::Said(tag, word.clone())).collect()
        });
        match written {
            Ok(()) => {
                book.is_failing = false;
                Ok(())
            }
            Err(error) => {
                // Whatever stands in it now: it is written anew.
                book.file = None;
                if std::mem::replace(&mut book.is_failing, true) { Ok(()) } else { Err(error) }
            }
        }
    }
}

impl Book {
    fn add(&mut self, record: &Record) {
        encode(record, &mut self.fresh);
    }

    /// `all`: the records of what is not over.
    fn write(&mut self, all: impl FnOnce() -> Vec<Record>) -> io::Result<()> {
        match &mut self.file {
            Some(file) if self.size <= 2 * self.base + OVER_MAX => {
                if !self.fresh.is_empty() {
                    file.write_all(&self.fresh)?;
                    self.size += self.fresh.len() as u64;
                    self.fresh.clear();
                    self.unsynced.get_or_insert_with(Instant::now);
                }
                if self.unsynced.is_some_and(|since| since.elapsed() >= SYNC) {
                    file.sync_data()?;
                    self.unsynced = None;
                }
            }
            _ => {
                let mut bytes = MAGIC.to_vec();
                all().iter().for_each(|record| encode(record, &mut bytes));
                if let Some(folder) = self.path.parent() {
                    home::make_private_folder(folder)?;
                }
                home::write_private(&self.path, &bytes)?;
                self.file = Some(File::options().append(true).open(&self.path)?);
                self.size = bytes.len() as u64;
                self.base = self.size;
                self.fresh.clear();
                self.unsynced = None;
            }
        }
        Ok(())
    }
}

fn encode(record: &Record, to: &mut Vec<u8>) {
    // Writing to a Vec ends only with memory.
    let body = postcard::to_extend(record, Vec::new()).unwrap_or_default();
    to.extend_from_slice(&(body.len() as u32).to_le_bytes());
    to.extend_from_slice(&Sha256::digest(&body)[..4]);
    to.extend_from_slice(&body);
}

/// The first record, and what follows it; none: that is no record.
fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (length, sum) = head.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (body, rest) = rest.split_at_checked(length).filter(|_| length <= BODY_MAX)?;
    let record = postcard::from_bytes(body).ok().filter(|_| Sha256::digest(body)[..4] == *sum)?;
    Some((record, rest))
}

/// Reads what an earlier run left; nothing if there was none.
///
/// # Errors
/// If it cannot be read, or is no such file: going on without it would lose what was said.
pub(super) fn read(path: &Path) -> Result<Left> {
    left(path).map_err(|error| {
        Error::local("read", path, &error)
            .hint("move it away: then what was said in earlier runs is forgotten")
    })
}

fn left(path: &Path) -> io::Result<Left> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::default()),
        other => other?,
    };
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(crate::sealed::damaged)?;
    let mut left = Left::default();
    while let Some((record, more)) = decode(rest) {
        rest = more;
        match record {
            Record::Said(tag, word) => {
                left.last = left.last.max(tag);
                left.words.insert(tag, word);
            }
            Record::Over(tag) => drop(left.words.remove(&tag)),
        }
    }
    left.is_cut = !rest.is_empty();
    Ok(left)
}

#[cfg(test)]
mod tests;
