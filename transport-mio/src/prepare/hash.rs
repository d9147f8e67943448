//! Hashing files on all cores: the work is cut across files and across the chunks of large ones, so that a single
//! large file keeps every core busy and a hundred thousand small ones do not fight over the queue.

use std::fs::File;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{SPAN, Shape};
use truecopy_protocol::content::tree::{self, LeafHasher};

use super::Monitor;
use super::identity::Identity;
use super::os;

/// Bytes that a worker takes at a time.
const PIECE_BYTES: u64 = 8 << 20;
/// Files that a worker takes at a time.
const PIECE_FILES: u32 = 128;

/// What is to be hashed, and who hears of it. Files are numbered from 0.
pub(super) trait Work: Sync {
    /// What a worker keeps between two files.
    type Near: Default;

    /// How many files there are.
    fn files(&self) -> u32;

    /// How a file divides; `None` if it is not to be hashed.
    fn shape(&self, file: u32) -> Option<Shape>;

    /// Opens a file.
    fn open(&self, file: u32, near: &mut Self::Near) -> io::Result<File>;

    /// A piece of a file is done, on any worker.
    fn hashed(&self, piece: &Hashed<'_>, after: io::Result<Identity>) -> ControlFlow<()>;
}

/// A piece of a file, hashed as far as it could be read.
#[derive(Debug)]
pub(super) struct Hashed<'a> {
    pub(super) file: u32,
    /// The chunks of the file that should have been hashed.
    pub(super) chunks: Range<u64>,
    /// As many of them as could be read; the file ended before the others if the error is `UnexpectedEof`.
    pub(super) hashes: &'a [Hash],
}

/// One worker for each core.
pub(super) fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Hashes everything, or as much as was done when the work or the monitor asked to stop.
pub(super) fn run<W: Work>(work: &W, hasher: &dyn LeafHasher, monitor: &Monitor) {
    let queue = Mutex::new(Queue::default());
    let stop = AtomicBool::new(false);
    let worker = || Worker::new(work, hasher, monitor, &stop).run(&queue);
    thread::scope(|scope| {
        for _ in 1..all_cores().get() {
            // A thread that cannot be had leaves its work to the others.
            drop(thread::Builder::new().name("hash".into()).spawn_scoped(scope, worker));
        }
        worker();
    });
}

/// Where the next piece starts.
#[derive(Debug, Default)]
struct Queue {
    file: u32,
    chunk: u64,
}

/// What a worker takes at a time.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Files(Range<u32>),
    Chunks(u32, Range<u64>),
}

impl Queue {
    fn next<W: Work>(&mut self, work: &W) -> Option<Piece> {
        let (first, mut bytes) = (self.file, 0);
        while self.file < work.files() && self.file - first < PIECE_FILES {
            match work.shape(self.file) {
                Some(shape) if shape.size > PIECE_BYTES => {
                    if self.file > first {
                        break;
                    }
                    return Some(self.cut(&shape));
                }
                Some(shape) if bytes + shape.size > PIECE_BYTES => break,
                Some(shape) => bytes += shape.size,
                None => {}
            }
            self.file += 1;
        }
        (self.file > first).then_some(Piece::Files(first..self.file))
    }

    fn cut(&mut self, shape: &Shape) -> Piece {
        let (file, start) = (self.file, self.chunk);
        let end = (start + PIECE_BYTES / shape.chunk.bytes()).min(shape.chunks());
        if end == shape.chunks() {
            self.file += 1;
            self.chunk = 0;
        } else {
            self.chunk = end;
        }
        Piece::Chunks(file, start..end)
    }
}

struct Worker<'a, W: Work> {
    work: &'a W,
    hasher: &'a dyn LeafHasher,
    monitor: &'a Monitor,
    stop: &'a AtomicBool,
    near: W::Near,
    span: Vec<u8>,
    hashes: Vec<Hash>,
}

impl<'a, W: Work> Worker<'a, W> {
    fn new(work: &'a W, hasher: &'a dyn LeafHasher, monitor: &'a Monitor, stop: &'a AtomicBool) -> Self {
        let span = vec![0; SPAN as usize];
        Self { work, hasher, monitor, stop, near: W::Near::default(), span, hashes: Vec::new() }
    }

    fn run(mut self, queue: &Mutex<Queue>) {
        while !self.is_over() {
            let piece = queue.lock().unwrap_or_else(PoisonError::into_inner).next(self.work);
            match piece {
                None => return,
                Some(Piece::Chunks(file, chunks)) => self.piece(file, chunks),
                Some(Piece::Files(files)) => {
                    for file in files {
                        if self.is_over() {
                            return;
                        }
                        let chunks = self.work.shape(file).map(|shape| 0..shape.chunks());
                        if let Some(chunks) = chunks {
                            self.piece(file, chunks);
                        }
                    }
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Relaxed) || self.monitor.is_cancelled()
    }

    fn piece(&mut self, file: u32, chunks: Range<u64>) {
        let Some(shape) = self.work.shape(file) else { return };
        self.hashes.clear();
        let after = self.hash(file, &shape, chunks.clone());
        if self.is_over() {
            return;
        }
        if self.work.hashed(&Hashed { file, chunks, hashes: &self.hashes }, after).is_break() {
            self.stop.store(true, Relaxed);
        }
    }

    fn hash(&mut self, file: u32, shape: &Shape, chunks: Range<u64>) -> io::Result<Identity> {
        let source = self.work.open(file, &mut self.near)?;
        let mut leaves = Vec::new();
        for chunk in chunks {
            for span in shape.chunk_spans(chunk) {
                let range = shape.span_range(span);
                // At most a span.
                let bytes = &mut self.span[..(range.end - range.start) as usize];
                os::read_exact_at(&source, bytes, range.start)?;
                self.hasher.leaves(bytes, &mut leaves);
                self.monitor.hashed(bytes.len() as u64);
                if self.monitor.is_cancelled() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
            self.hashes.push(tree::fold(mem::take(&mut leaves), 0, shape.chunk_height()));
        }
        Ok(os::facts_of(&source)?.identity)
    }
}
