//! Attack 11: receivers that ask for everything and read little or nothing, while others want to be served.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use truecopy_protocol::output::{Event, PeerGone};
use truecopy_protocol::wire::{BlockRun, Message, Reason};

use super::{COST_MAX, Scene};
use crate::host::config;
use crate::wire::Wire;
use crate::world::{Memory, together};

/// More than the sender may keep in memory for one receiver, and than the kernel holds for it.
const LARGE: usize = 32 << 20;

/// It has asked for the whole file and reads none of it.
fn greedy(scene: &Scene) -> Wire {
    let mut wire = scene.open();
    socket2::SockRef::from(&wire.stream).set_recv_buffer_size(4096).unwrap();
    let spans = (LARGE / (256 << 10)) as u32;
    let requests: Vec<Message> =
        (0..spans).map(|span| Message::Request(BlockRun { blob: 1, block: span * 16, count: 16 })).collect();
    wire.say(&requests).unwrap();
    wire
}

#[test]
fn attack_11_receivers_that_never_read_do_not_hold_up_the_others() {
    let memory = Memory::watch();
    let scene = Scene::new(LARGE);
    // Enough of them to hold every buffer that there is.
    let wires: Vec<Wire> = (0..60).map(|_| greedy(&scene)).collect();
    let took = scene.serves();
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(wires);
    assert!(memory.grown() < 60 * 4 + COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_11_a_receiver_that_reads_a_byte_now_and_then_does_not_hold_up_the_others() {
    let _together = together();
    let scene = Scene::new(LARGE);
    let wires: Vec<Wire> = (0..12).map(|_| greedy(&scene)).collect();
    let mut taps: Vec<TcpStream> = wires.iter().map(|wire| wire.stream.try_clone().unwrap()).collect();
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let trickle = std::thread::spawn(move || {
        let more = std::sync::mpsc::RecvTimeoutError::Timeout;
        while is_over.recv_timeout(Duration::from_millis(50)) == Err(more) {
            taps.iter_mut().for_each(|tap| drop(tap.read(&mut [0])));
        }
    });
    let took = scene.serves();
    drop(over);
    trickle.join().unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(wires);
}

#[test]
fn attack_11_a_receiver_that_never_reads_is_left_at_last() {
    let _together = together();
    let mut strict = config();
    strict.config.unread_max = Duration::from_secs(1);
    strict.config.ping_after = Duration::from_millis(300);
    let scene = Scene::with(LARGE, strict);
    let wire = greedy(&scene);
    let why = scene.sender.host.until(|event| match event {
        Event::PeerDown { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(why, PeerGone::Dismissed(Reason::TooSlow));
    drop(wire);
    scene.serves();
}
