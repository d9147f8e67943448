//! Two ends of a connection with streams of known bytes: what comes out is checked byte by byte as it comes.

use truecopy_protocol::NodeId;
use truecopy_sim::stream::{Random, SimStream};
use truecopy_transport::channel::Channel;
use truecopy_transport::pump::{Breakage, Flow, Pump, ReadState, Received, Source, WriteState};
use truecopy_transport::stream::Stream;

/// Byte `offset` of the stream of `key`.
pub(crate) fn byte(key: u64, offset: usize) -> u8 {
    let word = ((offset as u64 / 8) ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word >> (offset % 8 * 8)) as u8
}

fn stream(key: u64, len: usize) -> Vec<u8> {
    (0..len).map(|offset| byte(key, offset)).collect()
}

/// A source of `len` bytes, lent in runs of very different lengths, as headers and payloads are.
pub(crate) struct Toy {
    bytes: Vec<u8>,
    pub(crate) sent: usize,
    runs: Vec<usize>,
}

impl Toy {
    pub(crate) fn new(key: u64, len: usize) -> Self {
        let mut random = Random::new(key, "runs");
        let runs = (0..16)
            .map(|_| match random.below(4) {
                0 => 1 + random.below(40),
                1 => 1 + random.below(9000),
                2 => 16 * 1024,
                _ => 1 + random.below(70_000),
            })
            .collect();
        Self { bytes: stream(key, len), sent: 0, runs }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.sent
    }
}

impl Source for Toy {
    fn visit(&self, max: usize, take: &mut dyn FnMut(&[u8])) {
        let mut rest = &self.bytes[self.sent..];
        rest = &rest[..rest.len().min(max)];
        for run in self.runs.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (head, tail) = rest.split_at(rest.len().min(*run));
            take(head);
            rest = tail;
        }
    }

    fn sent(&mut self, len: usize) {
        self.sent += len;
        assert!(self.sent <= self.bytes.len());
    }
}

/// What an end has heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) peer: Option<NodeId>,
    pub(crate) len: usize,
    pub(crate) last: Option<Last>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Closed,
    Broken(Breakage),
}

/// When an end says its closing word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// When it has sent all of its own and heard so many bytes, or the peer has closed.
    AfterHearing(usize),
    /// As soon as all of its own is in the channel.
    AfterSending,
    Never,
}

/// A pump, its stream (until it is closed), what it sends and what it hears.
pub(crate) struct End<C, S = SimStream> {
    pub(crate) pump: Pump<C>,
    pub(crate) stream: Option<S>,
    pub(crate) source: Toy,
    pub(crate) heard: Heard,
    pub(crate) memory_peak: usize,
    /// Key of the bytes that the peer sends.
    expects: u64,
    closing: Closing,
    budget: usize,
    pause_permille: u16,
    random: Random,
}

impl<C: Channel, S: Stream> End<C, S> {
    pub(crate) fn new(
        channel: C,
        stream: S,
        (key, len): (u64, usize),
        expects: u64,
        closing: Closing,
    ) -> Self {
        Self {
            pump: Pump::new(channel),
            stream: Some(stream),
            source: Toy::new(key, len),
            heard: Heard::default(),
            memory_peak: 0,
            expects,
            closing,
            budget: usize::MAX,
            pause_permille: 0,
            random: Random::new(key, "end"),
        }
    }

    /// With pauses of the receiver and a small budget a call.
    pub(crate) fn hindered(mut self, seed: u64) -> Self {
        let mut random = Random::new(seed, "hindrance");
        self.budget = [usize::MAX, 1, 3000, 100_000][random.below(4)];
        self.pause_permille = [0, 0, 100, 500][random.below(4)];
        self
    }

    fn receive(&mut self) -> ReadState {
        let Some(stream) = &mut self.stream else { return ReadState::Ended };
        let (heard, random) = (&mut self.heard, &mut self.random);
        let mut paused = false;
        let state = self.pump.receive(stream, self.budget, &mut |received| {
            assert_eq!(heard.last, None, "nothing follows the last word");
            assert!(!paused, "nothing is delivered after a pause was asked for");
            match received {
                Received::Proven { peer, .. } => {
                    assert_eq!((heard.peer, heard.len), (None, 0));
                    heard.peer = Some(peer);
                }
                Received::Plaintext(bytes) => {
                    assert!(heard.peer.is_some(), "nothing is heard before the peer is proven");
                    assert!(!bytes.is_empty());
                    for got in bytes {
                        assert_eq!(*got, byte(self.expects, heard.len), "at {}", heard.len);
                        heard.len += 1;
                    }
                }
                Received::Closed => heard.last = Some(Last::Closed),
                Received::Broken(why) => heard.last = Some(Last::Broken(why)),
            }
            paused = random.happens(self.pause_permille);
            if paused { Flow::Pause } else { Flow::Continue }
        });
        assert_eq!(paused, state == ReadState::Paused);
        self.memory_peak = self.memory_peak.max(self.pump.memory());
        state
    }

    fn transmit(&mut self) -> WriteState {
        let Some(stream) = &mut self.stream else { return WriteState::Ended };
        let state = self.pump.transmit(stream, &mut self.source, self.budget);
        self.memory_peak = self.memory_peak.max(self.pump.memory());
        state
    }

    /// One turn; the stream is dropped as soon as the pump says that it may be.
    pub(crate) fn turn(&mut self) -> (ReadState, WriteState) {
        let done = match self.closing {
            Closing::AfterHearing(len) => {
                self.heard.last.is_some() || self.source.left() == 0 && self.heard.len >= len
            }
            Closing::AfterSending => self.heard.last.is_some() || self.source.left() == 0,
            Closing::Never => false,
        };
        if done && (self.heard.peer.is_some() || self.heard.last.is_some()) {
            self.pump.close();
        }
        let states = (self.receive(), self.transmit());
        if self.pump.is_ended() {
            self.stream = None;
        }
        states
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stream.is_none()
    }
}

/// Lets two ends take turns in a seeded order until both are over. Panics if that takes too many turns.
pub(crate) fn run<A: Channel, B: Channel, S: Stream>(seed: u64, a: &mut End<A, S>, b: &mut End<B, S>) {
    let mut random = Random::new(seed, "turns");
    for _ in 0..3_000_000 {
        if random.happens(500) {
            a.turn();
        } else {
            b.turn();
        }
        if a.is_over() && b.is_over() {
            return;
        }
    }
    panic!("seed {seed}: not over; a heard {:?}, b heard {:?}", a.heard, b.heard);
}

/// Goes on until `turn` says that it is done. Panics if that takes too many turns.
pub(crate) fn turns(what: &str, mut turn: impl FnMut() -> bool) {
    assert!((0..3_000_000).any(|_| turn()), "{what}: it never came to that");
}
