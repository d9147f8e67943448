//! The seed decides every byte on the wire, and the channel stays what it is.

use truecopy_protocol::NodeId;
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::channel::tls::{Tls, TlsConfig};
use truecopy_transport::channel::{Channel, ChannelError, ChannelEvent};
use truecopy_transport::keys::KeyPair;

use super::*;

/// Bytes that each end sends.
const LEN: usize = 40_000;

fn key(byte: u8) -> KeyPair {
    KeyPair::from_seed([byte; 32].into())
}

fn config(byte: u8, seed: u64) -> TlsConfig {
    TlsConfig::with(&key(byte), seeded_provider(seed), Pool::default()).unwrap()
}

/// What one end heard.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    peer: Option<NodeId>,
    plaintext: Vec<u8>,
    closed: bool,
    error: Option<ChannelError>,
}

/// Moves all outgoing bytes of one end to the other, changed on their way, and lets that one look at them.
fn pass(from: &mut Tls, to: &mut Tls, heard: &mut Heard, wire: &mut Vec<u8>, flip: Option<usize>) -> usize {
    let len = from.outgoing().len();
    let start = wire.len();
    wire.extend_from_slice(from.outgoing());
    from.taken(len);
    let mut bytes = wire[start..].to_vec();
    if let Some(at) = flip.and_then(|at| at.checked_sub(start)).filter(|at| *at < len) {
        bytes[at] ^= 1;
    }
    for part in bytes.chunks(1500) {
        to.space()[..part.len()].copy_from_slice(part);
        to.filled(part.len());
        while heard.error.is_none() && !heard.closed {
            match to.next_event(&mut |bytes| heard.plaintext.extend_from_slice(bytes)) {
                Ok(ChannelEvent::Starved) => break,
                Ok(ChannelEvent::Proven { peer, .. }) => heard.peer = Some(peer),
                Ok(ChannelEvent::Plaintext) => {}
                Ok(ChannelEvent::Closed) => heard.closed = true,
                Err(error) => heard.error = Some(error),
            }
        }
    }
    len
}

/// A whole connection: handshake, data both ways, closing words. Both directions as they were on the wire.
fn connection(seeds: (u64, u64), flip: Option<usize>) -> ([Vec<u8>; 2], [Heard; 2]) {
    let (a, b) = (config(1, seeds.0), config(2, seeds.1));
    let (mut a, mut b) = (a.connect(Some(key(2).node_id())).unwrap(), b.accept().unwrap());
    let (mut wires, mut heard) = ([vec![], vec![]], [Heard::default(), Heard::default()]);
    let (mut sent, mut closed) = ([false; 2], [false; 2]);
    loop {
        let mut moved = pass(&mut a, &mut b, &mut heard[1], &mut wires[0], flip);
        moved += pass(&mut b, &mut a, &mut heard[0], &mut wires[1], None);
        for (end, tls) in [&mut a, &mut b].into_iter().enumerate() {
            if heard[end].peer.is_some() && heard[end].error.is_none() && !sent[end] {
                sent[end] = true;
                tls.seal(&vec![end as u8; LEN]);
                tls.flush();
                moved += 1;
            }
            // The second one waits for the first one's closing word, so that every byte of the first one counts.
            let is_done = if end == 0 { heard[0].plaintext.len() == LEN } else { heard[1].closed };
            if is_done && !closed[end] {
                closed[end] = true;
                tls.close();
                moved += 1;
            }
        }
        if moved == 0 {
            return (wires, heard);
        }
    }
}

#[test]
fn equal_seeds_give_equal_bytes_on_the_wire_and_other_seeds_give_others() {
    let (wires, heard) = connection((7, 8), None);
    assert_eq!((heard[0].peer, heard[1].peer), (Some(key(2).node_id()), Some(key(1).node_id())));
    for (end, heard) in heard.iter().enumerate() {
        assert!(heard.plaintext == vec![1 - end as u8; LEN] && heard.error.is_none(), "end {end}");
    }
    assert!(heard[1].closed);
    assert!(wires.iter().all(|wire| wire.len() > LEN));

    assert!(connection((7, 8), None).0 == wires, "equal seeds, other bytes");
    for seeds in [(9, 8), (7, 9)] {
        let (other, same) = connection(seeds, None);
        assert!(same == heard && other[0] != wires[0] && other[1] != wires[1], "{seeds:?}");
    }
}

#[test]
fn the_private_key_of_the_exchange_comes_from_the_seed() {
    let public = |seed: u64| seeded_provider(seed).kx_groups[0].start().unwrap().pub_key().to_vec();
    assert_eq!(public(1), public(1));
    assert_ne!(public(1), public(2));
    let provider = seeded_provider(1);
    let [first, second] = [0, 1].map(|_| provider.kx_groups[0].start().unwrap().pub_key().to_vec());
    assert_ne!(first, second, "every connection has a key of its own");
}

#[test]
fn a_flipped_byte_anywhere_ends_loudly() {
    let (whole, _) = connection((1, 2), None);
    // TLS 1.3 ignores the version of a record and the unencrypted change of cipher (RFC 8446 §5.1, §5), and rustls the
    // outer type of a protected record: the true one is inside.
    let mut ignored = vec![];
    let mut at = 0;
    while at < whole[0].len() {
        ignored.extend([at + 1, at + 2]);
        match whole[0][at] {
            20 => ignored.push(at + 5),
            23 => ignored.push(at),
            _ => {}
        }
        at += 5 + usize::from(u16::from_be_bytes([whole[0][at + 3], whole[0][at + 4]]));
    }
    for at in (0..600).chain((600..whole[0].len()).step_by(997)).chain(whole[0].len() - 30..whole[0].len()) {
        let (_, [a, b]) = connection((1, 2), Some(at));
        assert!(vec![0; LEN].starts_with(&b.plaintext), "byte {at}");
        assert!(!b.closed || b.plaintext.len() == LEN, "byte {at}");
        let is_loud = a.error.is_some() || b.error.is_some() || !b.closed;
        assert!(is_loud || ignored.contains(&at), "byte {at} was changed unseen");
    }
}

#[test]
fn a_provider_that_nobody_holds_any_more_is_used_again() {
    let held: Vec<_> = (0..4).map(seeded_provider).collect();
    let place = |provider: &CryptoProvider| std::ptr::from_ref(provider.secure_random).cast::<()>();
    let places: Vec<_> = held.iter().map(|provider| place(provider)).collect();
    for (number, at) in places.iter().enumerate() {
        assert!(!places[..number].contains(at), "two that live share nothing");
    }
    drop(held);
    for seed in 0..1000 {
        seeded_provider(seed);
    }
    let slots = locked(&SLOTS).len();
    assert!(slots < 200, "{slots} slots");
}
