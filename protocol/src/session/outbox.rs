//! What waits to be sent to one peer: control bytes, and frames of payload on loaned buffers.
//!
//! Control goes before payload, but never into a frame that has begun.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::content::geometry::BLOCK;
use crate::job::SpanBuf;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::{BlocksHead, Message};

/// Payload bytes of one frame at most: small enough that a control message never waits long behind it.
const FRAME_PAYLOAD: usize = 4 * BLOCK as usize;
const HEAD: usize = 14;

/// Where payload lies.
#[derive(Debug)]
pub(crate) enum Payload {
    /// In a buffer of the pool, which comes back when all is sent.
    Pooled(SpanBuf),
    /// In shared memory: the manifest.
    Shared(Bytes),
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Pooled(buf) => buf.filled(),
            Self::Shared(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
struct Frame {
    head: [u8; HEAD],
    start: usize,
    end: usize,
}

impl Frame {
    const fn len(&self) -> usize {
        HEAD + self.end - self.start
    }
}

#[derive(Debug)]
struct Loan {
    payload: Payload,
    frames: VecDeque<Frame>,
}

/// A run of whole blocks of one blob within a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) blob: u32,
    pub(crate) block: u32,
    pub(crate) len: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    control: Vec<u8>,
    control_sent: usize,
    loans: VecDeque<Loan>,
    /// Bytes of the first frame of the first loan that are sent already.
    begun: usize,
    payload_sent: u64,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.control_waiting() == 0 && self.loans.is_empty()
    }

    pub(crate) fn control_waiting(&self) -> usize {
        self.control.len() - self.control_sent
    }

    /// Payload bytes of frames that were sent whole.
    pub(crate) const fn payload_sent(&self) -> u64 {
        self.payload_sent
    }

    /// Buffers on loan.
    pub(crate) fn loans(&self) -> usize {
        self.loans.len()
    }

    pub(crate) fn push(&mut self, message: &Message) {
        message.encode(&mut self.control);
    }

    /// Queues `pieces`, which lie one after another in `payload`, as frames.
    pub(crate) fn lend(&mut self, payload: Payload, pieces: &[Piece]) {
        let mut frames = VecDeque::new();
        let mut at = 0;
        for piece in pieces {
            let end = at + piece.len;
            let mut block = piece.block;
            while at < end {
                let len = FRAME_PAYLOAD.min(end - at);
                #[cfg(planted)]
                let len = if is(Bug::SmallFrames) { len.min(BLOCK as usize) } else { len };
                // Both are far below 2^32: a piece is at most a span.
                let head = BlocksHead { blob: piece.blob, block, len: len as u32 }.encode();
                frames.push_back(Frame { head, start: at, end: at + len });
                at += len;
                block += len.div_ceil(BLOCK as usize) as u32;
            }
        }
        debug_assert!(at <= payload.bytes().len());
        if !frames.is_empty() {
            self.loans.push_back(Loan { payload, frames });
        }
    }

    /// Runs of bytes in the order in which they must be sent, `max` bytes at most together.
    pub(crate) fn sendable(&self, max: usize) -> Vec<&[u8]> {
        let mut runs = Runs { runs: Vec::new(), left: max };
        let mut frames =
            self.loans.iter().flat_map(|loan| loan.frames.iter().map(|frame| (frame, loan.payload.bytes())));
        if self.begun > 0
            && let Some((frame, payload)) = frames.next()
        {
            runs.frame(frame, payload, self.begun);
        }
        runs.push(&self.control[self.control_sent..]);
        for (frame, payload) in frames {
            if runs.left == 0 {
                break;
            }
            runs.frame(frame, payload, 0);
        }
        runs.runs
    }

    /// `len` bytes of `sendable` were taken. Returns buffers that are sent whole.
    pub(crate) fn sent(&mut self, len: usize) -> Vec<SpanBuf> {
        let (mut left, mut free) = (len, Vec::new());
        if self.begun > 0 {
            left = self.frame_sent(left, &mut free);
        }
        // A frame that is still not through took all that was left.
        let control = left.min(self.control_waiting());
        self.control_sent += control;
        left -= control;
        if self.control_waiting() == 0 {
            self.control.clear();
            self.control_sent = 0;
            if self.control.capacity() > 4096 {
                self.control = Vec::new();
            }
        }
        while left > 0 && !self.loans.is_empty() {
            left = self.frame_sent(left, &mut free);
        }
        debug_assert!(left == 0, "no more is sent than was sendable");
        free
    }

    /// Drops all payload but a frame that has begun, and returns the buffers: nothing but it may follow a goodbye.
    pub(crate) fn cut(&mut self) -> Vec<SpanBuf> {
        let begun = usize::from(self.begun > 0);
        if let Some(loan) = self.loans.front_mut() {
            loan.frames.truncate(begun);
        }
        let dropped: Vec<Loan> = self.loans.drain(begun.min(self.loans.len())..).collect();
        dropped.into_iter().filter_map(|loan| loan.payload.into_pooled()).collect()
    }

    /// Drops everything and returns the loaned buffers.
    pub(crate) fn clear(&mut self) -> Vec<SpanBuf> {
        self.control = Vec::new();
        self.control_sent = 0;
        self.begun = 0;
        self.loans.drain(..).filter_map(|loan| loan.payload.into_pooled()).collect()
    }

    fn frame_sent(&mut self, len: usize, free: &mut Vec<SpanBuf>) -> usize {
        let Some(loan) = self.loans.front_mut() else { return len };
        let Some(frame) = loan.frames.front() else { return len };
        let rest = frame.len() - self.begun;
        #[cfg(planted)]
        let len = if is(Bug::WholeBuffers) { len.max(rest) } else { len };
        if len < rest {
            self.begun += len;
            return 0;
        }
        self.begun = 0;
        self.payload_sent += (frame.end - frame.start) as u64;
        loan.frames.pop_front();
        if loan.frames.is_empty()
            && let Some(loan) = self.loans.pop_front()
        {
            free.extend(loan.payload.into_pooled());
        }
        len - rest
    }
}

impl Payload {
    fn into_pooled(self) -> Option<SpanBuf> {
        match self {
            Self::Pooled(buf) => Some(buf),
            Self::Shared(_) => None,
        }
    }
}

struct Runs<'a> {
    runs: Vec<&'a [u8]>,
    left: usize,
}

impl<'a> Runs<'a> {
    fn push(&mut self, run: &'a [u8]) {
        let run = &run[..run.len().min(self.left)];
        if !run.is_empty() {
            self.left -= run.len();
            self.runs.push(run);
        }
    }

    fn frame(&mut self, frame: &'a Frame, payload: &'a [u8], begun: usize) {
        self.push(&frame.head[begun.min(HEAD)..]);
        self.push(&payload[frame.start + begun.saturating_sub(HEAD)..frame.end]);
    }
}
