//! The pool of span buffers: what a node may hold of file content at once.

use alloc::vec::Vec;

use crate::job::SpanBuf;

/// Buffers, last in first out so that warm memory is used again.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<SpanBuf>,
    out: usize,
    max: usize,
}

impl Pool {
    pub(crate) const fn new(max: usize) -> Self {
        Self { free: Vec::new(), out: 0, max }
    }

    /// Buffers that may still be taken.
    pub(crate) const fn left(&self) -> usize {
        self.max.saturating_sub(self.out)
    }

    /// Buffers that are in use.
    pub(crate) const fn taken(&self) -> usize {
        self.out
    }

    /// A buffer. Whoever takes one has looked at `left` before; received bytes must find one in any case, and the
    /// node pauses its connections early enough that the limit holds.
    pub(crate) fn take(&mut self) -> SpanBuf {
        debug_assert!(self.out < self.max, "connections are paused before the pool is empty");
        self.out += 1;
        let mut buf = self.free.pop().unwrap_or_else(SpanBuf::new);
        buf.set_filled(0);
        buf
    }

    /// Gives a buffer back.
    pub(crate) fn put(&mut self, buf: SpanBuf) {
        self.out -= 1;
        self.free.push(buf);
    }

    /// Frees the memory of buffers that nobody uses, but for `keep`.
    pub(crate) fn trim(&mut self, keep: usize) {
        self.free.truncate(keep);
        self.free.shrink_to(keep);
    }
}
