//! One transfer of the story: a sender, a receiver, the network between them, and what became of the file.

use std::ops::Range;

use truecopy_protocol::wire::BlocksHead;
use truecopy_transport::channel::Channel;
use truecopy_transport::pump::{Flow, Pump, ReadState, Received, Source, WriteState};

use super::file::{BLOCK, Region, missing, regions, truth};
use super::naive::NaivePump;
use super::receiver::{Alarm, Check, Receiver};
use super::wire::{Call, Did, GOOD, Weather, Wire, wires};
use crate::stream::Counts;

/// Milliseconds before a transfer is given up.
const PATIENCE: u32 = 2000;

/// Who moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    /// The naive pump at both ends.
    Naive,
    /// The pump of truecopy at both ends.
    Real,
}

/// An alarm, and when it was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Milliseconds since the start.
    pub at: u32,
    /// Bytes that the receiver had read from the stream.
    pub read: u64,
    /// What was noticed.
    pub alarm: Alarm,
}

/// A transfer and what became of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Milliseconds that it took.
    pub lasted: u32,
    /// What the network carried in each millisecond.
    pub carried: Vec<usize>,
    /// What the sender's stream was asked and did.
    pub writes: Vec<Call>,
    /// What the receiver's stream gave.
    pub reads: Vec<Call>,
    /// The simulated stream's own count of the sender's direction.
    pub counts: Counts,
    /// Errors that the sender's pump met.
    pub sender_errors: u32,
    /// Who noticed, if anybody did.
    pub raised: Option<Raised>,
    /// Where the bytes at the receiver come from.
    pub regions: Vec<Region>,
    /// Which bytes of the file stand nowhere at the receiver.
    pub missing: Vec<Range<u64>>,
    /// Bytes handed on as the user's, and right.
    pub right: u64,
    /// Bytes handed on as the user's, and wrong.
    pub wrong: u64,
}

impl Run {
    /// Bytes that writes were given and did not take.
    pub fn untaken(&self) -> u64 {
        self.short_writes().map(|(_, asked, taken)| (asked - taken) as u64).sum()
    }

    /// When, how many bytes given, how many taken, of every write that took less.
    pub fn short_writes(&self) -> impl Iterator<Item = (u32, usize, usize)> {
        self.writes.iter().filter_map(|call| match call.did {
            Did::Wrote { asked, taken } if taken < asked => Some((call.at, asked, taken)),
            _ => None,
        })
    }
}

/// What a transfer puts on the stream: blocks of the file as they are, or each in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Framed,
}

/// The file as messages; the disk gives one each millisecond.
struct Messages {
    messages: Vec<Vec<u8>>,
    next: usize,
    taken: usize,
    ready: usize,
}

impl Messages {
    fn new(form: Form) -> Self {
        let file = truth();
        let messages = file.chunks(BLOCK).zip(0..).map(|(block, number)| match form {
            Form::Plain => block.to_vec(),
            Form::Framed => {
                let head = BlocksHead { blob: 1, block: number, len: block.len() as u32 };
                [&head.encode(), block].concat()
            }
        });
        Self { messages: messages.collect(), next: 0, taken: 0, ready: 0 }
    }

    const fn none() -> Self {
        Self { messages: Vec::new(), next: 0, taken: 0, ready: 0 }
    }

    fn is_done(&self) -> bool {
        self.next == self.messages.len()
    }
}

impl Source for Messages {
    fn visit(&self, max: usize, take: &mut dyn FnMut(&[u8])) {
        let mut left = max;
        let ready = &self.messages[..self.ready.min(self.messages.len())];
        let mut skip = self.taken;
        for message in ready.iter().skip(self.next) {
            let run = &message[skip..];
            let run = &run[..run.len().min(left)];
            if run.is_empty() {
                break;
            }
            take(run);
            (left, skip) = (left - run.len(), 0);
        }
    }

    fn sent(&mut self, len: usize) {
        self.taken += len;
        while self.messages.get(self.next).is_some_and(|message| self.taken >= message.len()) {
            self.taken -= self.messages[self.next].len();
            self.next += 1;
        }
    }
}

enum AnyPump<C> {
    Naive(NaivePump<C>),
    Real(Pump<C>),
}

/// One side: its pump, its end of the stream, what it sends.
struct End<C> {
    pump: AnyPump<C>,
    wire: Wire,
    source: Messages,
    errors: u32,
    is_proven: bool,
}

impl<C: Channel> End<C> {
    fn new(mover: Mover, channel: C, wire: Wire, source: Messages) -> Self {
        let pump = match mover {
            Mover::Naive => AnyPump::Naive(NaivePump::new(channel)),
            Mover::Real => AnyPump::Real(Pump::new(channel)),
        };
        Self { pump, wire, source, errors: 0, is_proven: false }
    }

    fn turn(&mut self, now: u32, deliver: &mut dyn FnMut(Received<'_>)) {
        self.wire.now = now;
        let proven = &mut self.is_proven;
        let mut deliver = |received: Received<'_>| {
            *proven |= matches!(received, Received::Proven { .. });
            deliver(received);
        };
        match &mut self.pump {
            AnyPump::Naive(pump) => pump.receive(&mut self.wire, &mut deliver),
            AnyPump::Real(pump) => {
                // What it says next comes with the next turn, in any case.
                let _: ReadState = pump.receive(&mut self.wire, usize::MAX, &mut |received| {
                    deliver(received);
                    Flow::Continue
                });
            }
        }
        if self.is_proven {
            self.source.ready += 1;
        }
        match &mut self.pump {
            AnyPump::Naive(pump) => {
                self.errors += u32::from(pump.transmit(&mut self.wire, &mut self.source).is_err());
            }
            AnyPump::Real(pump) => {
                let state = pump.transmit(&mut self.wire, &mut self.source, 1);
                self.errors += u32::from(matches!(state, WriteState::Broken(_)));
            }
        }
    }

    fn close(&mut self) {
        match &mut self.pump {
            AnyPump::Naive(pump) => pump.close(),
            AnyPump::Real(pump) => pump.close(),
        }
    }
}

/// Carries the file over `channels` in this weather.
pub(super) fn carry<C: Channel>(
    (seed, weather): (u64, Weather),
    (mover, form, check): (Mover, Form, Check),
    channels: (C, C),
) -> Run {
    let (left, right) = wires(seed);
    let mut sender = End::new(mover, channels.0, left, Messages::new(form));
    let mut receiver = End::new(mover, channels.1, right, Messages::none());
    let mut checks = Receiver::new(check);
    let carried = weather.carried();
    let (mut raised, mut ended, mut now) = (None, false, 0);
    while !ended && now < PATIENCE {
        sender.turn(now, &mut |_| {});
        if sender.source.is_done() {
            sender.close();
        }
        let rate = carried.get(now as usize).copied().unwrap_or(GOOD);
        receiver.wire.arrive(rate);
        let mut read = 0;
        receiver.turn(now, &mut |received| {
            if ended {
                return;
            }
            let found = match received {
                Received::Proven { .. } => Ok(()),
                Received::Plaintext(bytes) => checks.take(bytes),
                Received::Closed => {
                    ended = true;
                    checks.end()
                }
                Received::Broken(why) => Err(Alarm::Connection(why)),
            };
            if let Err(alarm) = found {
                ended = true;
                raised = Some(Raised { at: now, read: 0, alarm });
            }
        });
        // The small words of a handshake are never held up.
        sender.wire.arrive(GOOD);
        for call in &receiver.wire.calls {
            read += if let Did::Read(len) = call.did { len as u64 } else { 0 };
        }
        if let Some(raised) = &mut raised {
            raised.read = read;
        }
        now += 1;
    }
    let regions = regions(&checks.file, &truth());
    let missing = missing(&regions);
    let carried = (0..now as usize).map(|at| carried.get(at).copied().unwrap_or(GOOD)).collect();
    Run {
        lasted: now,
        carried,
        counts: sender.wire.counts(),
        writes: sender.wire.calls,
        reads: receiver.wire.calls,
        sender_errors: sender.errors,
        raised,
        regions,
        missing,
        right: checks.right,
        wrong: checks.wrong,
    }
}
