//! The two byte buffers of a channel, and the pool that lends them their memory.
//!
//! A connection holds a big buffer only while bytes are in it: the first touch of fresh memory costs more than
//! encrypting it, and thousands of idle connections must cost next to nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a pooled buffer.
pub const BUFFER: usize = 272 * 1024;

/// How far an [`Outbox`] is filled by choice; what is above takes the overhead of records and the channel's own words.
const OUTBOX_MAX: usize = 256 * 1024;

/// Leftovers up to this size are moved to a buffer of their own, so that the big one can go back.
const LEFTOVER_MAX: usize = 20 * 1024;

/// An [`Outbox`] of so few bytes needs no big buffer: a handshake, a word of control.
const FEW: usize = 4 * 1024;

/// Buffers that a pool keeps for later; a thread that serves one connection at a time needs two.
const POOLED_MAX: usize = 8;

/// Lends big buffers. Clones share one pool.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        let pooled = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        pooled.unwrap_or_else(|| vec![0; BUFFER])
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut pooled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() == BUFFER && pooled.len() < POOLED_MAX {
            pooled.push(buffer);
        }
    }

    /// Bytes of memory that lie ready, lent to nobody.
    pub fn memory(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() * BUFFER
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} bytes)", self.memory())
    }
}

/// Bytes from the stream that the channel has not used up yet; at most [`BUFFER`].
#[derive(Debug)]
pub struct Intake {
    pool: Pool,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Intake {
    /// An empty intake that borrows from `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { pool, bytes: Vec::new(), start: 0, end: 0 }
    }

    /// Space to read into: empty only if [`BUFFER`] bytes are pending.
    pub fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() < BUFFER {
            let mut big = self.pool.take();
            let pending = self.end - self.start;
            big[..pending].copy_from_slice(&self.bytes[self.start..self.end]);
            (self.bytes, self.start, self.end) = (big, 0, pending);
        } else if self.start > 0 && self.end > BUFFER / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }

    /// `len` bytes of the space were filled.
    pub fn filled(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.end, "more was filled than there was space");
        self.end += len;
    }

    /// The bytes that wait to be used.
    pub fn pending(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `len` pending bytes are used up.
    pub fn consume(&mut self, len: usize) {
        assert!(len <= self.len(), "more was used than there was");
        self.start += len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Gives the big buffer back, if what is left fits into a small one.
    pub fn rest(&mut self) {
        if self.bytes.len() == BUFFER && self.len() <= LEFTOVER_MAX {
            let leftover = self.pending().to_vec();
            self.pool.give(std::mem::take(&mut self.bytes));
            (self.start, self.end) = (0, leftover.len());
            self.bytes = leftover;
        } else if self.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Bytes for the stream: filled from the front to the end, then emptied wholly before it is filled again, so that
/// nothing is ever moved.
#[derive(Debug)]
pub struct Outbox {
    pool: Pool,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outbox {
    /// An empty outbox that borrows from `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { pool, bytes: Vec::new(), start: 0, end: 0 }
    }

    /// How many bytes may be added by choice.
    pub fn room(&self) -> usize {
        OUTBOX_MAX.saturating_sub(self.end)
    }

    /// How many bytes were added since it was last empty.
    pub fn filled_len(&self) -> usize {
        self.end
    }

    /// Space for at least `len` more bytes; [`Self::room`] is the caller's duty, the channel's own words pass it.
    pub fn space(&mut self, len: usize) -> &mut [u8] {
        let needed = self.end + len;
        if self.bytes.is_empty() && needed <= FEW {
            self.bytes = vec![0; FEW];
        } else if self.bytes.len() < needed.min(BUFFER) {
            let mut big = self.pool.take();
            big[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = big;
        }
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// `len` bytes of the space were filled.
    pub fn filled(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.end, "more was filled than there was space");
        self.end += len;
    }

    /// The bytes that the stream has not taken yet.
    pub fn outgoing(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The stream took the first `len` of them.
    pub fn taken(&mut self, len: usize) {
        assert!(len <= self.end - self.start, "more was taken than there was");
        self.start += len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.pool.give(std::mem::take(&mut self.bytes));
        }
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests;
