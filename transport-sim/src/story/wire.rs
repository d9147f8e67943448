//! A simulated stream whose calls are written down, and the weather of the network that carries it.

use std::io;

use truecopy_transport::stream::Stream;

use crate::stream::{Arrival, Counts, Cut, Direction, Random, Shape, SimStream, pair};

/// Bytes that a socket takes before the network has carried some away.
pub(super) const WINDOW: usize = 32 * 1024;

/// What a call on the stream did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// A write of `asked` bytes of which `taken` were taken.
    Wrote {
        /// Bytes given.
        asked: usize,
        /// Bytes taken: what the call returned.
        taken: usize,
    },
    /// A write that took nothing, and said so: `WouldBlock`.
    Blocked,
    /// A read that gave so many bytes.
    Read(usize),
}

/// One call, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Milliseconds since the start.
    pub at: u32,
    /// What it did.
    pub did: Did,
}

/// One end of a simulated connection. It cannot hold a socket.
#[derive(Debug)]
pub struct Wire {
    stream: SimStream,
    pub(super) now: u32,
    pub(super) calls: Vec<Call>,
}

impl Wire {
    /// Lets the network carry up to `max` bytes to this end.
    pub(super) fn arrive(&mut self, max: usize) {
        self.stream.arrive(max);
    }

    pub(super) fn counts(&self) -> Counts {
        self.stream.counts()
    }
}

impl Stream for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buf)?;
        self.calls.push(Call { at: self.now, did: Did::Read(len) });
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wrote = self.stream.write(bytes);
        let did = match &wrote {
            Ok(taken) => Did::Wrote { asked: bytes.len(), taken: *taken },
            Err(_) => Did::Blocked,
        };
        self.calls.push(Call { at: self.now, did });
        wrote
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }
}

/// Both ends of a connection.
pub(super) fn wires(seed: u64) -> (Wire, Wire) {
    let shape = Shape { window: WINDOW, arrival: Arrival::Commanded, accept: Cut::All, ..Shape::SMOOTH };
    let (left, right) = pair(seed, Direction::from(shape), Direction::from(shape));
    let wire = |stream| Wire { stream, now: 0, calls: Vec::new() };
    (wire(left), wire(right))
}

/// How much the network carries each millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// More than anyone sends, always.
    Calm,
    /// By turns good, weak and still.
    Unstable {
        /// Where the turns come from.
        seed: u64,
    },
}

/// Bytes a millisecond on a good day.
pub(super) const GOOD: usize = 24 * 1024;

impl Weather {
    /// What is carried in each of the first milliseconds; afterwards it is [`GOOD`].
    pub(super) fn carried(self) -> Vec<usize> {
        let Self::Unstable { seed } = self else { return Vec::new() };
        let mut random = Random::new(seed, "weather");
        let mut carried = Vec::new();
        for _ in 0..3 {
            carried.extend((0..4 + random.below(3)).map(|_| GOOD));
            let still = random.below(4);
            carried.extend((0..4).map(|at| if at == still { 0 } else { 3000 + random.below(6500) }));
        }
        carried
    }
}
