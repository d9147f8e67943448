//! TLS on the pump: the same promise as in the clear, and every changed byte ends loudly.

use std::sync::OnceLock;

use truecopy_protocol::NodeId;
use truecopy_sim::stream::{Break, Damage, Direction, Eats, Random, Shape, pair};
use truecopy_transport::channel::ChannelError;
use truecopy_transport::channel::tls::{Tls, TlsConfig};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pump::Breakage;

use crate::legal::{exchange, seeded_lens};
use crate::toy::{Closing, End, Last, run};

pub(crate) fn keys() -> &'static [(NodeId, TlsConfig); 3] {
    static KEYS: OnceLock<[(NodeId, TlsConfig); 3]> = OnceLock::new();
    KEYS.get_or_init(|| {
        [1, 2, 3].map(|byte| {
            let key = KeyPair::from_seed([byte; 32].into());
            (key.node_id(), TlsConfig::new(&key).unwrap())
        })
    })
}

pub(crate) fn tls_pair() -> (Tls, Tls) {
    let [(_, a), (b_id, b), _] = keys();
    (a.connect(Some(*b_id)).unwrap(), b.accept().unwrap())
}

#[test]
fn streams_arrive_whole_over_hundreds_of_shapes() {
    for seed in 0..300 {
        let shapes = (Shape::seeded(seed), Shape::seeded(seed + 1_000_000));
        exchange(seed, tls_pair(), shapes, seeded_lens(seed, 150_000));
    }
}

#[test]
fn streams_of_megabytes_arrive_whole() {
    for seed in 0..6 {
        exchange(seed, tls_pair(), (Shape::SMOOTH, Shape::seeded(seed)), (4_000_000, 3_000_000));
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    exchange(0, tls_pair(), (Shape::BYTEWISE, Shape::BYTEWISE), (3000, 20_000));
}

#[test]
fn both_ends_learn_the_other_key() {
    let (left, right) = pair(0, Direction::smooth(), Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, 10), 2, Closing::AfterHearing(10));
    let mut b = End::new(b, right, (2, 10), 1, Closing::AfterHearing(10));
    run(0, &mut a, &mut b);
    assert_eq!((a.heard.peer, b.heard.peer), (Some(keys()[1].0), Some(keys()[0].0)));
}

/// Each end sends `LEN` bytes over one changed direction and closes when it has heard all. Returns how many bytes the
/// direction carried.
fn changed(seed: u64, direction: Direction) -> (End<Tls>, End<Tls>, u64) {
    let (left, right) = pair(seed, direction, Direction::smooth());
    let (a, b) = tls_pair();
    let mut a = End::new(a, left, (1, LEN), 2, Closing::AfterHearing(LEN));
    // The second end waits for the first one's closing word: so every byte of the changed direction counts.
    let mut b = End::new(b, right, (2, LEN), 1, Closing::Never);
    let mut written = 0;
    for turn in 0..600 {
        a.turn();
        written = a.stream.as_ref().map_or(written, |stream| stream.counts().written);
        b.turn();
        if b.heard.last.is_some() {
            b.pump.close();
        }
        if a.is_over() && b.is_over() {
            break;
        }
        // Both may wait for ever for a record that was made longer: a driver's patience ends.
        if turn > 500 {
            a.stream = None;
        }
    }
    (a, b, written)
}

const LEN: usize = 40_000;

/// The end that hears the changed direction must say so; neither may have heard anything but a prefix (which `End`
/// checks byte by byte).
fn assert_loud(what: &str, a: &End<Tls>, b: &End<Tls>) {
    assert!(matches!(b.heard.last, Some(Last::Broken(_))), "{what}: {:?} and {:?}", a.heard, b.heard);
    assert!(a.is_over() && b.is_over(), "{what}: {:?} and {:?}", a.heard, b.heard);
}

fn carried() -> u64 {
    let (a, b, written) = changed(0, Direction::smooth());
    assert_eq!((a.heard.len, b.heard.len, b.heard.last), (LEN, LEN, Some(Last::Closed)));
    assert!(written > LEN as u64 + 300);
    written
}

/// Every byte of the handshake, and a sample of what follows with both of its ends.
fn places(total: u64) -> Vec<u64> {
    let mut random = Random::new(0, "places");
    let handshake = total - LEN as u64;
    let mut places: Vec<u64> = (0..handshake).collect();
    places.extend((0..300).map(|_| handshake + random.below(LEN) as u64));
    places.extend(total - 40..total);
    places
}

/// Of a record's five header bytes, rustls does not judge the outer type (of an encrypted record) nor the low byte of
/// the version, which mean nothing in TLS 1.3. Everything else is loud, and those change nothing.
#[test]
fn a_flipped_bit_anywhere_ends_loudly_or_means_nothing() {
    let mut unnoticed = 0;
    for at in places(carried()) {
        let mask = 1 << (at % 8);
        let (a, b, _) = changed(at, Direction::smooth().damaged(Damage::Flip { at, mask }));
        if b.heard.last == Some(Last::Closed) {
            assert_eq!((a.heard.len, b.heard.len), (LEN, LEN), "flip at {at}");
            unnoticed += 1;
        } else {
            assert_loud(&format!("flip at {at}"), &a, &b);
        }
    }
    assert!(unnoticed <= 20, "{unnoticed} flips went unnoticed: more than there are such header bytes");
}

#[test]
fn dropped_doubled_swapped_and_foreign_bytes_end_loudly() {
    let total = carried();
    for (count, at) in places(total).into_iter().enumerate() {
        let len = 1 + count % 50;
        let damage = match count % 4 {
            0 => Damage::Drop { at, len },
            1 => Damage::Duplicate { at, len },
            2 => Damage::Swap { at, len },
            _ => Damage::Insert { at, bytes: vec![0x17; len] },
        };
        let (a, b, _) = changed(at, Direction::smooth().damaged(damage.clone()));
        if b.heard.last == Some(Last::Closed) {
            // Bytes equal to their neighbours change places without a trace; a damage that reaches over the end of
            // the direction is none.
            assert_eq!((a.heard.len, b.heard.len), (LEN, LEN), "{damage:?}");
            assert!(
                matches!(damage, Damage::Swap { .. } | Damage::Drop { .. } | Damage::Duplicate { .. }),
                "{damage:?}"
            );
            assert!(at + 100 > total || at < 400, "{damage:?}");
        } else {
            assert_loud(&format!("{damage:?}"), &a, &b);
        }
    }
}

#[test]
fn a_cut_at_any_byte_is_never_taken_for_the_end() {
    for at in places(carried()) {
        let (a, b, _) = changed(at, Direction::smooth().broken(Break::Fin { at }));
        assert_loud(&format!("end at {at}"), &a, &b);
        assert_eq!(b.heard.last, Some(Last::Broken(Breakage::Channel(ChannelError::Cut))), "end at {at}");

        let eats = if at % 2 == 0 { Eats::Unread } else { Eats::Unarrived };
        let (a, b, _) = changed(at, Direction::smooth().broken(Break::Reset { at, eats }));
        assert_loud(&format!("reset at {at}"), &a, &b);
    }
}
