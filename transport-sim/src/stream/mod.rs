//! A seeded pair of byte streams in memory: every legal way in which a stream moves bytes, and named ways to break it.
//!
//! One thread, no time of its own. Buffers are bounded, so that writing can block. Equal seeds and equal calls give
//! equal results.

mod fault;
mod lane;
mod random;
mod shape;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

pub use fault::{Break, Damage, Eats};
use lane::Lane;
pub(crate) use lane::give_back;
pub use lane::{Counts, Ending};
pub use random::Random;
pub use shape::{Arrival, Cut, Shape};
use truecopy_transport::stream::Stream;

/// One direction: its shape and what goes wrong in it.
#[derive(Clone, Debug)]
pub struct Direction {
    /// How bytes move.
    pub shape: Shape,
    /// How it ends early, if it does.
    pub broken: Option<Break>,
    /// How bytes are changed.
    pub damages: Vec<Damage>,
}

impl From<Shape> for Direction {
    fn from(shape: Shape) -> Self {
        Self { shape, broken: None, damages: Vec::new() }
    }
}

impl Direction {
    /// A direction without any trouble.
    pub fn smooth() -> Self {
        Shape::SMOOTH.into()
    }

    /// With an early end.
    pub fn broken(mut self, broken: Break) -> Self {
        self.broken = Some(broken);
        self
    }

    /// With one more change of bytes.
    pub fn damaged(mut self, damage: Damage) -> Self {
        self.damages.push(damage);
        self
    }
}

/// A connected pair. What the first writes goes through `there`, what the second writes through `back`.
pub fn pair(seed: u64, there: Direction, back: Direction) -> (SimStream, SimStream) {
    let lanes =
        Rc::new([RefCell::new(Lane::new(seed, "there", there)), RefCell::new(Lane::new(seed, "back", back))]);
    let end = |end| SimStream {
        lanes: Rc::clone(&lanes),
        end,
        eats: [Eats::Unarrived, Eats::Unread][Random::new(seed, "close").below(2)],
        reset: Reset::Untold,
    };
    (end(0), end(1))
}

/// One end of a pair.
///
/// Dropping it is closing a socket: with unread input that is a reset, which eats what is under way to the other end, and
/// on some systems also what has arrived there; otherwise it is the proper end of its direction.
///
/// A reset is told once, by whichever call comes first; after it reads find an end, and writes a broken pipe.
#[derive(Debug)]
pub struct SimStream {
    lanes: Rc<[RefCell<Lane>; 2]>,
    end: usize,
    eats: Eats,
    reset: Reset,
}

/// Whether this end was told of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reset {
    Untold,
    Told,
}

impl SimStream {
    fn outbound(&self) -> &RefCell<Lane> {
        &self.lanes[self.end]
    }

    fn inbound(&self) -> &RefCell<Lane> {
        &self.lanes[1 - self.end]
    }

    /// Lets up to `max` bytes of the peer arrive here; for [`Arrival::Commanded`]. Returns how many did.
    pub fn arrive(&mut self, max: usize) -> usize {
        self.inbound().borrow_mut().arrive(max)
    }

    /// Bytes of the peer that are under way and have not arrived.
    pub fn under_way(&self) -> usize {
        self.inbound().borrow().under_way()
    }

    /// What the direction that this end writes has done so far.
    pub fn counts(&self) -> Counts {
        self.outbound().borrow().counts()
    }

    /// What the direction that this end reads has done so far.
    pub fn inbound_counts(&self) -> Counts {
        self.inbound().borrow().counts()
    }

    /// How far the direction that this end writes has ended.
    pub fn ending(&self) -> Ending {
        self.outbound().borrow().ending()
    }

    /// How far the direction that this end reads has ended.
    pub fn inbound_ending(&self) -> Ending {
        self.inbound().borrow().ending()
    }

    /// Whether an error is a reset that was told before; it is now.
    fn has_told(&mut self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::ConnectionReset
            && std::mem::replace(&mut self.reset, Reset::Told) == Reset::Told
    }

    /// Resets both directions now, as a machine between the two ends can (N13).
    pub fn reset(&mut self, eats: Eats) {
        for lane in self.lanes.iter() {
            lane.borrow_mut().reset(eats);
        }
    }
}

impl Stream for SimStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inbound().borrow_mut().read(buf);
        match read {
            Err(error) if self.has_told(&error) => Ok(0),
            read => read,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wrote = self.outbound().borrow_mut().write(bytes);
        let reset = self.outbound().borrow().reset_eats();
        if let Some(eats) = reset {
            self.inbound().borrow_mut().reset(eats);
        }
        match wrote {
            Err(error) if self.has_told(&error) => Err(io::ErrorKind::BrokenPipe.into()),
            wrote => wrote,
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.outbound().borrow_mut().end()
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let unread = self.inbound().borrow().unread();
        if unread > 0 {
            self.reset(self.eats);
        } else {
            // A direction that was reset before has no proper end.
            let _ = self.outbound().borrow_mut().end();
            self.inbound().borrow_mut().abandon();
        }
    }
}

#[cfg(test)]
mod tests;
