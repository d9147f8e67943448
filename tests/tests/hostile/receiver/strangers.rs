//! Attack 15 before the share is proven: handshakes that never end, resets, garbage, keys without knowledge.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use truecopy_protocol::wire::Reason;
use truecopy_transport::keys::KeyPair;

use super::{COST_MAX, Scene};
use crate::host::config;
use crate::wire::{Wire, is_patience};
use crate::world::{Memory, PATIENCE, together};

fn connect(scene: &Scene) -> TcpStream {
    let stream = TcpStream::connect(scene.sender.host.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[track_caller]
fn until_closed(stream: &mut TcpStream) {
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(1..) => {}
            Err(error) if is_patience(&error) => panic!("still open"),
            Ok(0) | Err(_) => return,
        }
    }
}

#[test]
fn attack_15_a_hundred_handshakes_that_never_end_are_ended() {
    let memory = Memory::watch();
    let mut short = config();
    short.limits.handshake_timeout = Duration::from_secs(2);
    let scene = Scene::with(1_000_000, short);
    // Silent ones, ones that begin a record, and ones that begin a long handshake message.
    let begins: [&[u8]; 3] = [&[], &[22, 3, 1, 2, 0, 1], &[22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0]];
    let mut streams: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = connect(&scene);
            let _ = stream.write_all(begins[number % 3]);
            stream
        })
        .collect();
    assert!(scene.serves() < Duration::from_secs(10));
    streams.iter_mut().for_each(until_closed);
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_15_a_thousand_connections_that_are_reset_leave_nothing() {
    let memory = Memory::watch();
    let scene = Scene::new(1_000_000);
    for number in 0..1000 {
        let mut stream = connect(&scene);
        if number % 2 == 0 {
            let _ = stream.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196]);
        }
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    assert!(scene.serves() < Duration::from_secs(10));
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_15_garbage_instead_of_a_handshake_ends_only_itself() {
    let memory = Memory::watch();
    let scene = Scene::new(1_000_000);
    let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(&scene)).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut garbage = crate::invented::noise(number as u64, 200_000);
        if number % 2 == 0 {
            garbage[..5].copy_from_slice(&[22, 3, 1, 0x40, 0]);
        }
        // Bytes that are refused may make a reset.
        let _ = stream.write_all(&garbage);
    }
    assert!(scene.serves() < Duration::from_secs(10));
    streams.iter_mut().for_each(until_closed);
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

/// Everybody can make a key. Whoever proves one and then nothing must not keep out those who know the share.
#[test]
fn attack_15_keys_without_knowledge_do_not_keep_others_out() {
    let memory = Memory::watch();
    let mut patient = config();
    patient.config.handshake_timeout = Duration::from_secs(3600);
    let scene = Scene::with(1_000_000, patient);
    // Some say hello, some nothing at all.
    let mut wires: Vec<Wire> = Vec::new();
    for number in 0..150 {
        let key = KeyPair::generate().unwrap();
        let Ok(mut wire) = Wire::connect(&key, scene.sender.host.address()) else { continue };
        if number % 2 == 0 {
            let _ = wire.greet();
        }
        wires.push(wire);
    }
    scene.serves();
    // The oldest gave way.
    for wire in &mut wires[..50] {
        wire.until_end();
    }
    drop(wires);
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_15_a_key_without_knowledge_is_waited_for_so_long_and_no_longer() {
    let _together = together();
    let mut short = config();
    short.config.handshake_timeout = Duration::from_secs(1);
    let scene = Scene::with(100_000, short);
    let (mut silent, mut greeted) = (scene.connect(), scene.connect());
    greeted.greet().unwrap();
    for wire in [&mut silent, &mut greeted] {
        assert_eq!(wire.until_end().said, Some(Reason::TooSlow));
    }
    scene.serves();
}
