//! A network that changes what it carries, between two honest nodes.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use truecopy_mio::ReactorConfig;
use truecopy_protocol::output::Failure;

use super::host::{End, Receiver, Sender, config};
use super::invented::noise;
use super::world::{Found, PATIENCE, World, together};

/// A sequence of draws (splitmix64).
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// What happens to one direction of a connection once so many bytes have passed.
#[derive(Clone, Copy, Debug)]
struct Fault {
    at: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Nothing,
    Flip,
    Drop(usize),
    Duplicate,
    /// The next two pieces change places.
    Reorder,
    Truncate,
    Inject(usize),
    /// Nothing passes any more, and nothing is closed.
    Stall,
}

impl Fault {
    const NONE: Self = Self { at: u64::MAX, what: What::Nothing };

    fn draw(draws: &mut Draws, len: u64) -> Self {
        // As often in the handshake as in all of the rest.
        let at = if draws.below(3) == 0 { draws.below(1500) } else { draws.below(len) };
        let what = match draws.below(7) {
            0 => What::Flip,
            1 => What::Drop(1 + draws.below(2000) as usize),
            2 => What::Duplicate,
            3 => What::Reorder,
            4 => What::Truncate,
            5 => What::Inject(1 + draws.below(2000) as usize),
            _ => What::Stall,
        };
        Self { at, what }
    }
}

/// Carries one direction.
fn carry(mut from: TcpStream, mut to: TcpStream, fault: Fault) {
    let (mut passed, mut buf, mut kept) = (0, vec![0; 4096], None::<Vec<u8>>);
    let mut done = false;
    loop {
        // Pieces end where the fault is, so that it happens there.
        let left = fault.at.saturating_sub(passed).max(1).min(buf.len() as u64) as usize;
        let space = if done { buf.len() } else { left };
        let Ok(len @ 1..) = from.read(&mut buf[..space]) else { break };
        let mut piece = buf[..len].to_vec();
        if !done && passed >= fault.at {
            match fault.what {
                What::Nothing => done = true,
                What::Flip => {
                    piece[0] ^= 0x10;
                    done = true;
                }
                What::Drop(count) => {
                    piece.drain(..count.min(len));
                    done = true;
                }
                What::Duplicate => {
                    piece = [&piece[..], &piece[..]].concat();
                    done = true;
                }
                What::Reorder => match kept.take() {
                    None => {
                        kept = Some(piece);
                        continue;
                    }
                    Some(first) => {
                        piece.extend_from_slice(&first);
                        done = true;
                    }
                },
                What::Truncate => break,
                What::Inject(count) => {
                    piece.splice(0..0, noise(fault.at, count));
                    done = true;
                }
                What::Stall => continue,
            }
        }
        passed += len as u64;
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

/// A proxy whose first connections are struck, and whose later ones are not.
struct Middle {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    struck: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Middle {
    fn between(to: SocketAddr, seed: u64, faults: u32, len: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (over, struck) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stop, count) = (Arc::clone(&over), Arc::clone(&struck));
        let thread = std::thread::spawn(move || {
            let (mut draws, mut threads, mut streams) = (Draws(seed), Vec::new(), Vec::new());
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(to)) else { continue };
                let mut faults_of = [Fault::NONE; 2];
                if count.fetch_add(1, Ordering::SeqCst) < faults {
                    // What the sender says is most of it.
                    let direction = usize::from(draws.below(4) != 0);
                    let len = if direction == 1 { len } else { 2500 };
                    faults_of[direction] = Fault::draw(&mut draws, len);
                }
                let clone = |stream: &TcpStream| stream.try_clone().unwrap();
                streams.extend([clone(&client), clone(&server)]);
                let ways = [(clone(&client), clone(&server)), (server, client)];
                for ((from, to), fault) in ways.into_iter().zip(faults_of) {
                    threads.push(std::thread::spawn(move || carry(from, to, fault)));
                }
            }
            streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        Self { address, over, struck, thread: Some(thread) }
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            thread.join().unwrap();
        }
    }
}

/// A node that notices soon that a connection is dead.
fn alert() -> ReactorConfig {
    let mut alert = config();
    alert.limits.handshake_timeout = Duration::from_millis(700);
    alert.config.handshake_timeout = Duration::from_millis(700);
    alert.config.dial_timeout = Duration::from_secs(1);
    alert.config.ping_after = Duration::from_millis(150);
    alert.config.silence_max = Duration::from_millis(600);
    alert.config.stall_max = Duration::from_millis(600);
    alert
}

const LARGE: usize = 700_000;

struct Scene {
    _source: tempfile::TempDir,
    sender: Sender,
}

impl Scene {
    fn new() -> Self {
        let source = tempfile::tempdir().unwrap();
        fs::create_dir(source.path().join("share")).unwrap();
        fs::write(source.path().join("share/large"), noise(1, LARGE)).unwrap();
        for number in 0..10 {
            fs::write(source.path().join(format!("share/small {number}")), noise(number, 3000)).unwrap();
        }
        let sender = Sender::of(&source.path().join("share"), alert());
        Self { _source: source, sender }
    }

    /// Everything, right, and nothing else.
    #[track_caller]
    fn check(world: &World) {
        let small = |number: u64| (format!("share/small {number}"), Found::File(noise(number, 3000)));
        let mut expected: Vec<(String, Found)> = (0..10).map(small).collect();
        expected.push(("share".to_owned(), Found::Folder));
        expected.push(("share/large".to_owned(), Found::File(noise(1, LARGE))));
        let expected: Vec<_> =
            expected.iter().map(|(path, found)| (path.as_bytes(), found.clone())).collect();
        world.holds(&expected);
    }

    /// A fetch through a middle that strikes the first `faults` connections.
    fn fetch(&self, seed: u64, faults: u32, lost_timeout: Duration) -> (World, End, u32, Duration) {
        let (world, begun) = (World::new(), Instant::now());
        let dest = world.dest();
        let middle = Middle::between(self.sender.host.address(), seed, faults, LARGE as u64);
        let mut config = alert();
        config.config.lost_timeout = lost_timeout;
        config.config.find_timeout = lost_timeout;
        let receiver = Receiver::with(&dest, config);
        receiver.seek(self.sender.content_id(), Some(self.sender.host.id), middle.address);
        let end = receiver.run(|_| {});
        drop(receiver);
        let struck = middle.struck.load(Ordering::SeqCst);
        (world, end, struck, begun.elapsed())
    }
}

fn survives(seeds: std::ops::Range<u64>) {
    let _together = together();
    let scene = Scene::new();
    for seed in seeds {
        let (world, end, ..) = scene.fetch(seed, 3, PATIENCE);
        assert!(matches!(end, End::Placed(outcome) if outcome.placed == 11), "seed {seed}: {end:?}");
        Scene::check(&world);
    }
}

// Side by side, for most of the time is spent waiting for a dead connection to be noticed.

#[test]
fn attack_17_whatever_is_done_to_the_bytes_the_copy_is_right_after_reconnecting_1() {
    survives(0..10);
}

#[test]
fn attack_17_whatever_is_done_to_the_bytes_the_copy_is_right_after_reconnecting_2() {
    survives(10..20);
}

#[test]
fn attack_17_whatever_is_done_to_the_bytes_the_copy_is_right_after_reconnecting_3() {
    survives(20..30);
}

/// Every connection is struck: at the end there is the right copy, or a clear failure, and never anything between.
#[test]
fn attack_17_a_network_that_never_lets_up_ends_in_a_copy_or_a_clear_failure() {
    let _together = together();
    let scene = Scene::new();
    for seed in 100..106 {
        let (world, end, struck, took) = scene.fetch(seed, u32::MAX, Duration::from_secs(2));
        match end {
            End::Placed(_) => Scene::check(&world),
            End::Failed(Failure::LinkLost(_) | Failure::NotFound(_)) => world.untouched(),
            other => panic!("seed {seed}: {other:?} after {struck} connections"),
        }
        assert!(took < PATIENCE, "seed {seed}: {took:?}");
    }
}
