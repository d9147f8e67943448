//! Sockets that end badly under the real reactor, at a seeded byte: the transfer goes on over the next one.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use truecopy_mio::{Nudge, ReactorConfig, Wrap};
use truecopy_protocol::ConnId;
use truecopy_transport::stream::Stream;

use super::chaos::{Draws, Seeded};
use super::content::Content;
use super::host::{Host, config};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The socket is closed under the pump: a reset where anything is unread, which eats what is under way. As from a
    /// kernel, the error is told once; then reads see an end.
    Reset,
    /// Nothing more can be read, as if the peer had ended its direction.
    EarlyEnd,
    /// The peer sees the end of our direction; what is written from then on vanishes.
    Swallowing,
    /// Nothing passes either way, and nothing says so.
    Silence,
    /// A byte a millisecond, for a while.
    Trickle,
}

/// Bytes that trickle before a stream flows again.
const TRICKLED: u64 = 300;

/// How far a stream is with its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many bytes pass first, both ways together.
    Before(u64),
    /// The error is to be told.
    Failing,
    During,
    /// It will not end.
    Never,
}

struct Fragile {
    inner: Option<Box<dyn Stream + Send>>,
    ending: Ending,
    stage: Stage,
    nudge: Nudge,
    /// Bytes that may pass while it trickles.
    tokens: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl Fragile {
    /// Some bytes have moved.
    fn moved(&mut self, len: usize) {
        let Stage::Before(left) = &mut self.stage else { return };
        *left = left.saturating_sub(len as u64);
        if *left > 0 {
            return;
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.stage = Stage::During;
        match self.ending {
            Ending::Reset => (self.inner, self.stage) = (None, Stage::Failing),
            Ending::Swallowing => {
                // The peer may be gone already.
                let _ = self.inner.as_mut().map(|inner| inner.shutdown_write());
            }
            Ending::Trickle => self.trickle(),
            Ending::EarlyEnd | Ending::Silence => {}
        }
        self.nudge.again();
    }

    /// Lets a byte through every millisecond, then all.
    fn trickle(&self) {
        let (tokens, nudge) = (Arc::clone(&self.tokens), self.nudge.clone());
        std::thread::spawn(move || {
            for _ in 0..TRICKLED {
                std::thread::sleep(Duration::from_millis(1));
                tokens.fetch_add(1, Ordering::Relaxed);
                nudge.again();
            }
            tokens.store(u64::MAX / 2, Ordering::Relaxed);
            nudge.again();
        });
    }

    /// The socket, and how much of a call may be done; or what the call gets instead.
    fn share(&mut self, len: usize, instead: io::Result<usize>) -> Result<usize, io::Result<usize>> {
        match self.stage {
            Stage::Never => Ok(len),
            Stage::Before(left) => Ok(len.min(usize::try_from(left).unwrap())),
            Stage::Failing => {
                self.stage = Stage::During;
                Err(Err(ErrorKind::ConnectionReset.into()))
            }
            Stage::During if self.ending == Ending::Trickle => match self.tokens.load(Ordering::Relaxed) {
                0 => Err(Err(ErrorKind::WouldBlock.into())),
                tokens => Ok(len.min(usize::try_from(tokens).unwrap_or(len))),
            },
            Stage::During => Err(instead),
        }
    }

    /// What a call did.
    fn done(&mut self, result: io::Result<usize>) -> io::Result<usize> {
        let len = result?;
        let trickles = self.stage == Stage::During && self.ending == Ending::Trickle;
        if trickles {
            let take = |tokens: u64| Some(tokens.saturating_sub(len as u64));
            let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        }
        self.moved(len);
        Ok(len)
    }
}

impl Stream for Fragile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let instead = match self.ending {
            Ending::Silence => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(0),
        };
        let is_heard = self.stage == Stage::During && self.ending == Ending::Swallowing;
        let len = if is_heard { Ok(buf.len()) } else { self.share(buf.len(), instead) };
        match (len, &mut self.inner) {
            (Ok(len), Some(inner)) => {
                let result = inner.read(&mut buf[..len]);
                self.done(result)
            }
            (Ok(_), None) => Ok(0),
            (Err(instead), _) => instead,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let instead = match self.ending {
            Ending::Reset => Err(ErrorKind::BrokenPipe.into()),
            _ => Ok(bytes.len()),
        };
        let is_free = self.stage == Stage::During && self.ending == Ending::EarlyEnd;
        let len = if is_free { Ok(bytes.len()) } else { self.share(bytes.len(), instead) };
        match (len, &mut self.inner) {
            (Ok(len), Some(inner)) => {
                let result = inner.write(&bytes[..len]);
                self.done(result)
            }
            (Ok(_), None) => Err(ErrorKind::BrokenPipe.into()),
            (Err(instead), _) => instead,
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), |inner| inner.shutdown_write())
    }
}

/// The first connections end badly, those after them do not.
struct FragileMaker {
    draws: Draws,
    ending: Ending,
    ends_left: usize,
    len: u64,
    ended: Arc<AtomicU64>,
}

impl Wrap for FragileMaker {
    fn wrap(&mut self, _: ConnId, inner: Box<dyn Stream + Send>, nudge: Nudge) -> Box<dyn Stream + Send> {
        // As often in the handshake as later.
        let limit = if self.draws.below(2) == 0 { 1500 } else { self.len };
        let stage = match self.ends_left {
            0 => Stage::Never,
            _ => Stage::Before(1 + self.draws.below(limit)),
        };
        self.ends_left = self.ends_left.saturating_sub(1);
        let (ending, ended) = (self.ending, Arc::clone(&self.ended));
        Box::new(Fragile { inner: Some(inner), ending, stage, nudge, tokens: Arc::default(), ended })
    }
}

/// A node that loses its patience sooner than the program.
fn impatient() -> ReactorConfig {
    let mut config = config();
    let core = &mut config.config;
    core.backoff_min = Duration::from_millis(5);
    core.backoff_max = Duration::from_millis(20);
    core.ping_after = Duration::from_millis(300);
    core.silence_max = Duration::from_millis(900);
    core.stall_max = Duration::from_millis(900);
    core.handshake_timeout = Duration::from_millis(900);
    core.dial_timeout = Duration::from_millis(900);
    config.limits.handshake_timeout = Duration::from_millis(900);
    config
}

/// A transfer whose first connections end badly at one of its ends.
fn survives(seed: u64, ending: Ending, ends: usize) {
    let _seeded = Seeded(seed);
    let content = Content::new(&[700_000, 0, 1, 16_384, 4096, 300_000]);
    let mut draws = Draws(seed);
    let mut hosts = [impatient(), impatient()];
    let ended = Arc::<AtomicU64>::default();
    let at = draws.below(2) as usize;
    hosts[at].wrap = Some(Box::new(FragileMaker {
        draws,
        ending,
        ends_left: ends,
        len: content.len() - 100_000,
        ended: Arc::clone(&ended),
    }));
    let [sender, receiver] = hosts.map(Host::start);
    sender.serve(&content);
    let memory = receiver.fetch(&content, &sender);
    receiver.completed();
    assert!(*memory.files.lock().unwrap() == content.files, "seed {seed}");
    // Later connections may have less to carry than was drawn for them.
    assert!(ended.load(Ordering::Relaxed) >= 1, "seed {seed}: {ending:?}");
}

/// Several at once: most of their time is patience.
fn all_survive(seeds: u64, ending: Ending) {
    std::thread::scope(|scope| {
        for seed in 0..seeds {
            scope.spawn(move || survives(seed, ending, 1));
        }
    });
}

#[test]
fn resets_that_eat_what_is_unread_cost_only_time() {
    (0..10).for_each(|seed| survives(seed, Ending::Reset, 4));
}

#[test]
fn an_end_that_comes_too_early_is_not_believed() {
    (0..10).for_each(|seed| survives(seed, Ending::EarlyEnd, 4));
}

#[test]
fn bytes_that_vanish_after_they_were_taken_are_sent_again() {
    (0..10).for_each(|seed| survives(seed, Ending::Swallowing, 3));
}

#[test]
fn a_connection_that_falls_silent_is_left() {
    all_survive(6, Ending::Silence);
}

#[test]
fn a_peer_that_trickles_for_a_while_is_waited_for() {
    all_survive(6, Ending::Trickle);
}
