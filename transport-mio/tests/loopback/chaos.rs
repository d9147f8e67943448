//! Sockets that make trouble under the real reactor: short calls, `WouldBlock`, `Interrupted`, and cuts.

use std::io;

use truecopy_mio::{Nudge, Wrap};
use truecopy_protocol::ConnId;
use truecopy_transport::stream::Stream;

use super::content::Content;
use super::host::{Host, config};

/// A sequence of draws (splitmix64).
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Says which seed it was when a test fails.
pub(crate) struct Seeded(pub(crate) u64);

impl Drop for Seeded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}

/// What a chaos socket does, in a thousand calls.
#[derive(Clone, Copy)]
struct Trouble {
    would_block: u64,
    interrupted: u64,
    reset: u64,
    /// Readiness that is told and is none.
    spurious: u64,
    /// Bytes of one call at most.
    cut: u64,
}

struct Chaos {
    inner: Box<dyn Stream + Send>,
    draws: Draws,
    trouble: Trouble,
    nudge: Nudge,
}

impl Chaos {
    fn may_move(&mut self, len: usize) -> io::Result<usize> {
        let Trouble { would_block, interrupted, reset, spurious, cut } = self.trouble;
        if self.draws.below(1000) < spurious {
            self.nudge.again();
        }
        let draw = self.draws.below(1000);
        if draw < would_block {
            self.nudge.again();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if draw < would_block + interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if draw < would_block + interrupted + reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let scale = 1 + self.draws.below(cut);
        Ok(len.min(1 + self.draws.below(scale) as usize))
    }
}

impl Stream for Chaos {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.may_move(buf.len())?;
        self.inner.read(&mut buf[..len])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.may_move(bytes.len())?;
        self.inner.write(&bytes[..len])
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown_write()
    }
}

struct ChaosMaker {
    seed: u64,
    trouble: Trouble,
}

impl Wrap for ChaosMaker {
    fn wrap(&mut self, conn: ConnId, inner: Box<dyn Stream + Send>, nudge: Nudge) -> Box<dyn Stream + Send> {
        Box::new(Chaos { inner, draws: Draws(self.seed ^ conn.0), trouble: self.trouble, nudge })
    }
}

fn survives(seed: u64, trouble: Trouble) {
    let _seeded = Seeded(seed);
    let content = Content::new(&[700_000, 0, 1, 16_384, 4096, 4096, 300_000]);
    let [mut a, mut b] = [config(), config()];
    a.wrap = Some(Box::new(ChaosMaker { seed, trouble }));
    b.wrap = Some(Box::new(ChaosMaker { seed: !seed, trouble }));
    b.config.backoff_min = std::time::Duration::from_millis(5);
    b.config.backoff_max = std::time::Duration::from_millis(20);
    let (sender, receiver) = (Host::start(a), Host::start(b));
    sender.serve(&content);
    let memory = receiver.fetch(&content, &sender);
    receiver.completed();
    assert!(*memory.files.lock().unwrap() == content.files, "seed {seed}");
}

#[test]
fn short_and_refused_calls_change_nothing() {
    for seed in 0..12 {
        survives(seed, Trouble { would_block: 200, interrupted: 100, reset: 0, spurious: 50, cut: 40_000 });
    }
}

#[test]
fn a_few_bytes_a_call_are_enough() {
    survives(1, Trouble { would_block: 50, interrupted: 50, reset: 0, spurious: 0, cut: 300 });
}

#[test]
fn cuts_again_and_again_make_it_slower_and_never_wrong() {
    for seed in 0..6 {
        survives(seed, Trouble { would_block: 50, interrupted: 50, reset: 10, spurious: 50, cut: 100_000 });
    }
}
