//! Peers that are up to no good: they lose, and nobody else does.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use truecopy_protocol::output::{Event, PeerGone};
use truecopy_protocol::wire::Reason;

use super::content::Content;
use super::host::{Host, PATIENCE, config};
use super::stuck::StuckAfter;

/// Waits until the other side has ended the connection; returns how long it took.
fn until_closed(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("still open"),
            Err(_) => return begun.elapsed(),
        }
    }
}

fn transfer(sender: &Host, content: &Content) {
    let receiver = Host::start(config());
    let memory = receiver.fetch(content, sender);
    receiver.completed();
    assert!(*memory.files.lock().unwrap() == content.files);
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let content = Content::new(&[100_000; 5]);
    let sender = Host::start(config());
    sender.serve(&content);
    let mut garbage: Vec<TcpStream> =
        (0..10).map(|_| TcpStream::connect(sender.address()).unwrap()).collect();
    for (number, stream) in garbage.iter_mut().enumerate() {
        // Refused bytes may make a reset, which the writer sees.
        let _ = stream.write_all(&vec![number as u8 * 23; 70_000]);
    }
    transfer(&sender, &content);
    for stream in &mut garbage {
        until_closed(stream);
    }
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    let mut short = config();
    short.limits.handshake_timeout = Duration::from_millis(300);
    let sender = Host::start(short);
    sender.serve(&Content::new(&[1]));
    let mut silent = TcpStream::connect(sender.address()).unwrap();
    let mut half = TcpStream::connect(sender.address()).unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    for stream in [&mut silent, &mut half] {
        assert!(until_closed(stream) < Duration::from_secs(20));
    }
}

#[test]
fn a_handshake_that_trickles_in_gets_no_more_time_than_one_that_is_silent() {
    let mut short = config();
    short.limits.handshake_timeout = Duration::from_millis(500);
    let content = Content::new(&[100_000]);
    let sender = Host::start(short);
    sender.serve(&content);
    let mut slow = TcpStream::connect(sender.address()).unwrap();
    // A record of 512 bytes, of which one comes every 10 ms: five seconds.
    slow.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let trickled = (0..500).take_while(|_| {
        let heard = slow.read(&mut [0; 100]);
        let is_open = heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        is_open && slow.write_all(&[0]).is_ok()
    });
    assert!(trickled.count() < 400, "it is ended long before its record is whole");
    transfer(&sender, &content);
}

#[test]
fn strangers_who_say_nothing_give_way_to_those_who_do() {
    let content = Content::new(&[100_000; 5]);
    let mut patient = config();
    patient.limits.handshake_timeout = Duration::from_secs(3600);
    patient.limits.half_open_per_source_max = 8;
    let sender = Host::start(patient);
    sender.serve(&content);
    let mut strangers: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(sender.address()).unwrap()).collect();
    transfer(&sender, &content);
    // All but the youngest were sent away, long before their time was over.
    for stream in &mut strangers[..32] {
        until_closed(stream);
    }
}

#[test]
fn a_receiver_that_stops_reading_costs_little_and_is_left_at_last() {
    let content = Content::new(&[200_000; 300]);
    let mut strict = config();
    strict.config.unread_max = Duration::from_secs(2);
    strict.config.ping_after = Duration::from_millis(500);
    let sender = Host::start(strict);
    let source = sender.serve(&content);
    // It asks for everything at once, and reads a little of it.
    let mut greedy = config();
    (greedy.config.window_min, greedy.config.window_max) = (1 << 30, 1 << 30);
    greedy.wrap = Some(Box::new(StuckAfter { read: 1_000_000, written: usize::MAX }));
    let receiver = Host::start(greedy);
    receiver.fetch(&content, &sender);
    let why = sender.until(|event| match event {
        Event::PeerDown { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(why, PeerGone::Dismissed(Reason::TooSlow));
    // What the kernel's buffers and a few spans hold, and not the share.
    let read = source.read.load(Ordering::Relaxed);
    assert!(read < 24 << 20, "{read} bytes of {} were read for it", content.len());
    drop(receiver);
    transfer(&sender, &content);
}
