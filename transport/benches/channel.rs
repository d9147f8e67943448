//! How fast a channel and its pump are: both ends in one thread, through memory. `cargo bench -p truecopy-transport`.
//!
//! Wall time is all CPU time here: one thread, no system calls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use truecopy_transport::channel::Channel;
use truecopy_transport::channel::tls::TlsConfig;
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pump::{Flow, Pump, Received, Source};
use truecopy_transport::stream::Stream;

const GIB: usize = 1 << 30;

/// Header and block, as a transfer sends them.
struct Blocks {
    header: [u8; 24],
    span: Vec<u8>,
    sent: usize,
    total: usize,
}

const BLOCK: usize = 16 * 1024;

impl Source for Blocks {
    fn visit(&self, max: usize, take: &mut dyn FnMut(&[u8])) {
        let frame = self.header.len() + BLOCK;
        let mut left = max.min(self.total - self.sent);
        let mut at = self.sent;
        while left > 0 {
            let (index, inside) = (at / frame, at % frame);
            let run = if inside < self.header.len() {
                &self.header[inside..]
            } else {
                let start = index % 16 * BLOCK;
                &self.span[start + inside - self.header.len()..start + BLOCK]
            };
            let run = &run[..run.len().min(left)];
            take(run);
            at += run.len();
            left -= run.len();
        }
    }

    fn sent(&mut self, len: usize) {
        self.sent += len;
    }
}

struct Nothing;

impl Source for Nothing {
    fn visit(&self, _: usize, _: &mut dyn FnMut(&[u8])) {}
    fn sent(&mut self, _: usize) {}
}

/// A pipe of one socket buffer, without troubles.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
}

const SOCKET: usize = 256 * 1024;

#[derive(Clone)]
struct Memory {
    out: Rc<RefCell<Pipe>>,
    into: Rc<RefCell<Pipe>>,
    copying: Duration,
}

impl Stream for Memory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let mut pipe = self.into.borrow_mut();
        let len = io::Read::read(&mut pipe.bytes, buf)?;
        self.copying += start.elapsed();
        if len == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(len) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        let mut pipe = self.out.borrow_mut();
        let len = bytes.len().min(SOCKET - pipe.bytes.len());
        pipe.bytes.extend(&bytes[..len]);
        self.copying += start.elapsed();
        if len == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(len) }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn streams() -> (Memory, Memory) {
    let (there, back) = (Rc::<RefCell<Pipe>>::default(), Rc::<RefCell<Pipe>>::default());
    let a = Memory { out: there.clone(), into: back.clone(), copying: Duration::ZERO };
    (a, Memory { out: back, into: there, copying: Duration::ZERO })
}

fn transfer(a: impl Channel, b: impl Channel, total: usize) {
    let ((mut left, mut right), mut a, mut b) = (streams(), Pump::new(a), Pump::new(b));
    let mut source = Blocks { header: [7; 24], span: vec![0xa5; 16 * BLOCK], sent: 0, total };
    let (mut span, mut filled, mut heard) = (vec![0; 16 * BLOCK], 0, 0);
    let (mut sending, mut receiving) = (Duration::ZERO, Duration::ZERO);
    while heard < total {
        let start = Instant::now();
        a.receive(&mut left, usize::MAX, &mut |_| Flow::Continue);
        a.transmit(&mut left, &mut source, usize::MAX);
        let middle = Instant::now();
        b.receive(&mut right, usize::MAX, &mut |received| {
            if let Received::Plaintext(bytes) = received {
                // The core's own copy, into a pooled span.
                if filled + bytes.len() > span.len() {
                    filled = 0;
                }
                span[filled..filled + bytes.len()].copy_from_slice(bytes);
                filled += bytes.len();
                heard += bytes.len();
            }
            Flow::Continue
        });
        b.transmit(&mut right, &mut Nothing, usize::MAX);
        sending += middle - start;
        receiving += middle.elapsed();
    }
    let per_gib = |time: Duration| time.as_secs_f64() * GIB as f64 / total as f64;
    println!(
        "{:.2} GB/s both ends; send {:.3} s/GiB (pipe {:.3}), receive {:.3} s/GiB (pipe {:.3})",
        total as f64 / (sending + receiving).as_secs_f64() / 1e9,
        per_gib(sending),
        per_gib(left.copying),
        per_gib(receiving),
        per_gib(right.copying),
    );
}

fn main() {
    let [a, b] = [1, 2].map(|byte| KeyPair::from_seed([byte; 32].into()));
    #[expect(clippy::unwrap_used, reason = "a benchmark may panic")]
    let [a, b] = [a, b].map(|key| TlsConfig::new(&key).unwrap());
    #[expect(clippy::unwrap_used, reason = "a benchmark may panic")]
    let pair = || (a.connect(None).unwrap(), b.accept().unwrap());
    for _ in 0..5 {
        let (a, b) = pair();
        transfer(a, b, GIB);
    }
    let start = Instant::now();
    const HANDSHAKES: u32 = 500;
    for _ in 0..HANDSHAKES {
        let (a, b) = pair();
        let ((mut left, mut right), mut a, mut b) = (streams(), Pump::new(a), Pump::new(b));
        let mut proven = 0;
        while proven < 2 {
            let mut count = |received: Received<'_>| {
                proven += u32::from(matches!(received, Received::Proven { .. }));
                Flow::Continue
            };
            a.receive(&mut left, usize::MAX, &mut count);
            a.transmit(&mut left, &mut Nothing, usize::MAX);
            b.receive(&mut right, usize::MAX, &mut count);
            b.transmit(&mut right, &mut Nothing, usize::MAX);
        }
    }
    println!("handshake, both ends: {:?}", start.elapsed() / HANDSHAKES);
}
