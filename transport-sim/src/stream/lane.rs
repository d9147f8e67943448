//! One direction of a pair.

use std::collections::VecDeque;
use std::io;

use super::Direction;
use super::fault::{Break, Damager, Eats};
use super::random::Random;
use super::shape::{Arrival, Shape};

/// How often each trouble came, so that a test can tell that it met it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes written.
    pub written: u64,
    /// Bytes read.
    pub read: u64,
    /// Writes that took less than they were given.
    pub short_writes: u64,
    /// Reads that gave less than there was.
    pub short_reads: u64,
    /// `WouldBlock` although bytes could have moved.
    pub spurious: u64,
    /// `WouldBlock` because the window was full.
    pub full: u64,
    /// `Interrupted`.
    pub interrupted: u64,
    /// Damages done.
    pub damages: u64,
    /// Writes that were taken when nobody was there to read them.
    pub lost_writes: u64,
    /// Bytes that a reset ate.
    pub eaten: u64,
    /// Resets at a stated byte.
    pub resets: u64,
    /// Ends that came early, at a stated byte.
    pub early_fins: u64,
}

/// How far a direction has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It has not.
    #[default]
    Open,
    /// After what is under way, the reader finds its end.
    Ended,
    /// Both ends find an error.
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The writer has ended it.
    Ended,
    /// As `Ended` for the reader, while the writer notices nothing.
    Swallowing,
    Reset(Eats),
    /// The reader is gone: so many writes are taken and lost before its answer comes, which is a reset.
    Abandoned(usize),
    /// The answer has come.
    Refused,
}

/// The draws of one direction, a sequence each.
#[derive(Debug)]
struct Draws {
    accept: Random,
    arrive: Random,
    read: Random,
    abandon: Random,
    would_block: Random,
    interrupted: Random,
}

#[derive(Debug)]
pub(super) struct Lane {
    shape: Shape,
    broken: Option<Break>,
    damager: Damager,
    draws: Draws,
    under_way: VecDeque<u8>,
    arrived: VecDeque<u8>,
    state: State,
    writes: u32,
    reads: u32,
    counts: Counts,
}

impl Lane {
    pub(super) fn new(seed: u64, name: &str, direction: Direction) -> Self {
        let draw = |knob: &str| Random::new(seed, &format!("{name}/{knob}"));
        Self {
            shape: direction.shape,
            broken: direction.broken,
            damager: Damager::new(direction.damages),
            draws: Draws {
                accept: draw("accept"),
                arrive: draw("arrive"),
                read: draw("read"),
                abandon: draw("abandon"),
                would_block: draw("would-block"),
                interrupted: draw("interrupted"),
            },
            under_way: VecDeque::new(),
            arrived: VecDeque::new(),
            state: State::Open,
            writes: 0,
            reads: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { damages: self.damager.done, ..self.counts }
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn unread(&self) -> usize {
        self.under_way.len() + self.arrived.len()
    }

    pub(super) fn reset_eats(&self) -> Option<Eats> {
        match self.state {
            State::Reset(eats) => Some(eats),
            _ => None,
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self.state {
            State::Open | State::Abandoned(_) => Ending::Open,
            State::Ended | State::Swallowing => Ending::Ended,
            State::Reset(_) | State::Refused => Ending::Reset,
        }
    }

    fn trouble(&mut self) -> io::Result<()> {
        if self.draws.interrupted.happens(self.shape.interrupted_permille) {
            self.counts.interrupted += 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.draws.would_block.happens(self.shape.would_block_permille) {
            self.counts.spurious += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.state {
            State::Open => {}
            State::Ended | State::Refused => return Err(io::ErrorKind::BrokenPipe.into()),
            State::Swallowing => return Ok(bytes.len()),
            State::Reset(_) => return Err(io::ErrorKind::ConnectionReset.into()),
            State::Abandoned(left) => {
                self.state = left.checked_sub(1).map_or(State::Refused, State::Abandoned);
                self.counts.lost_writes += 1;
                return Ok(bytes.len());
            }
        }
        self.trouble()?;
        let free = self.shape.window.saturating_sub(self.unread());
        if free == 0 && !bytes.is_empty() {
            self.counts.full += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let accept = self.shape.accept.after(self.writes);
        self.writes += 1;
        let mut len = accept.draw(&mut self.draws.accept, bytes.len().min(free));
        if let Some(broken) = self.broken {
            let before = broken.at() - self.counts.written;
            if before == 0 {
                return self.break_off(broken, bytes.len());
            }
            len = len.min(usize::try_from(before).unwrap_or(usize::MAX));
        }
        if len < bytes.len() {
            self.counts.short_writes += 1;
        }
        self.counts.written += len as u64;
        self.damager.pass(&bytes[..len], &mut self.under_way);
        Ok(len)
    }

    fn break_off(&mut self, broken: Break, len: usize) -> io::Result<usize> {
        match broken {
            Break::Reset { eats, .. } => {
                self.counts.resets += 1;
                self.reset(eats);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Break::Fin { .. } => {
                self.counts.early_fins += 1;
                self.damager.end(&mut self.under_way);
                self.state = State::Swallowing;
                Ok(len)
            }
        }
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        match self.state {
            State::Open | State::Abandoned(_) => {
                self.damager.end(&mut self.under_way);
                self.state = State::Ended;
                Ok(())
            }
            State::Ended | State::Swallowing => Ok(()),
            State::Reset(_) | State::Refused => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn reset(&mut self, eats: Eats) {
        self.counts.eaten += self.under_way.len() as u64;
        self.under_way.clear();
        if eats == Eats::Unread {
            self.counts.eaten += self.arrived.len() as u64;
            self.arrived.clear();
        }
        self.state = State::Reset(eats);
    }

    /// The reader is gone and has read everything so far.
    pub(super) fn abandon(&mut self) {
        if self.state == State::Open {
            self.state = State::Abandoned(self.draws.abandon.below(3));
        }
    }

    pub(super) fn arrive(&mut self, max: usize) -> usize {
        let len = max.min(self.under_way.len());
        let (front, back) = self.under_way.as_slices();
        let from_front = front.len().min(len);
        self.arrived.extend(&front[..from_front]);
        self.arrived.extend(&back[..len - from_front]);
        self.under_way.drain(..len);
        give_back(&mut self.under_way);
        len
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Arrival::OnRead(cut) = self.shape.arrival {
            let len = cut.draw(&mut self.draws.arrive, self.under_way.len());
            self.arrive(len);
        }
        if self.arrived.is_empty() {
            return match self.state {
                State::Reset(_) => Err(io::ErrorKind::ConnectionReset.into()),
                State::Ended | State::Swallowing if self.under_way.is_empty() => Ok(0),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        self.trouble()?;
        let available = self.arrived.len().min(buf.len());
        let len = self.shape.read.after(self.reads).draw(&mut self.draws.read, available);
        self.reads += 1;
        if len < self.unread() {
            self.counts.short_reads += 1;
        }
        self.take(&mut buf[..len]);
        self.counts.read += len as u64;
        Ok(len)
    }

    fn take(&mut self, buf: &mut [u8]) {
        let (front, back) = self.arrived.as_slices();
        let from_front = front.len().min(buf.len());
        buf[..from_front].copy_from_slice(&front[..from_front]);
        let rest = buf.len() - from_front;
        buf[from_front..].copy_from_slice(&back[..rest]);
        self.arrived.drain(..buf.len());
        give_back(&mut self.arrived);
    }
}

/// Gives the memory of an empty queue back if it is much: in a world of thousands most connections are idle.
pub(crate) fn give_back(queue: &mut VecDeque<u8>) {
    if queue.is_empty() && queue.capacity() > 8 * 1024 {
        *queue = VecDeque::new();
    }
}
