use proptest::prelude::*;
use truecopy_protocol::input::PeerHint;
use truecopy_protocol::{Config, ContentId, Now, ShareId};
use truecopy_transport::record::{
    Entry, MAGIC, ReadError, RecordedCommand, RecordedInput, Secret, Start, VERSION, Writer, replay,
};

use crate::world::{Sink, start, transfer};

#[test]
fn a_recording_cut_at_any_byte_is_replayed_as_far_as_it_goes() {
    let [_, receiver] = transfer(16 * 1024);
    // Every byte of the beginning, then some all over.
    let cuts = (0..600).chain((600..receiver.len()).step_by(receiver.len() / 200));
    for cut in cuts {
        match replay(&receiver[..cut]) {
            Ok(report) => assert_eq!(report.divergence, None, "cut at {cut}"),
            Err(ReadError::NotARecording | ReadError::Cut(_)) => {}
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

#[test]
fn a_flipped_bit_is_seen() {
    let [sender, _] = transfer(16 * 1024);
    for at in (0..sender.len()).step_by(sender.len() / 300) {
        let mut bad = sender.clone();
        bad[at] ^= 0x10;
        match replay(&bad[..]) {
            Ok(report) => {
                assert_eq!(report.divergence, None, "flipped at {at}");
                assert!(report.to_string().contains("damaged") || report.to_string().contains("cut off"));
            }
            Err(
                ReadError::NotARecording | ReadError::Version(_) | ReadError::Damaged(_) | ReadError::Cut(_),
            ) => {}
            Err(error) => panic!("flipped at {at}: {error}"),
        }
    }
}

#[test]
fn a_length_that_is_claimed_allocates_nothing() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0xff; 64]);
    assert!(matches!(replay(&bytes[..]), Err(ReadError::Damaged(_))));
}

#[test]
fn an_unknown_version_is_refused() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(VERSION + 1).to_le_bytes());
    assert!(matches!(replay(&bytes[..]), Err(ReadError::Version(version)) if version == VERSION + 1));
}

/// CRC-32 of IEEE 802.3, bit by bit: a second opinion.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// Where each piece begins, and what it holds.
fn pieces(recording: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut pieces) = (&recording[MAGIC.len() + 2..], Vec::new());
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize & 0xff_ffff;
        pieces.push(&rest[8..8 + len]);
        rest = &rest[8 + len..];
    }
    pieces
}

fn recording(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    for piece in pieces {
        let len = (piece.len() as u32).to_le_bytes();
        bytes.extend_from_slice(&len);
        bytes.extend_from_slice(&crc32(&[&len, &piece[..]].concat()).to_le_bytes());
        bytes.extend_from_slice(piece);
    }
    bytes
}

#[test]
fn entries_of_one_who_knows_the_checksum_do_no_harm() {
    let [sender, receiver] = transfer(16 * 1024);
    for whole in [sender, receiver] {
        let good: Vec<Vec<u8>> = pieces(&whole).into_iter().map(<[u8]>::to_vec).collect();
        assert_eq!(recording(&good), whole);
        // In some pieces one byte is changed: whatever is said of it, nothing breaks.
        for at in (1..good.len()).step_by(good.len() / 150) {
            let mut bad = good.clone();
            let byte = at * 7 % bad[at].len();
            bad[at][byte] = bad[at][byte].wrapping_add(1 + at as u8 % 250);
            let _ = replay(&recording(&bad)[..]);
        }
        // Two pieces change places; one is there twice; one is missing.
        for at in (1..good.len() - 1).step_by(good.len() / 50) {
            let mut bad = good.clone();
            bad.swap(at, at + 1);
            let _ = replay(&recording(&bad)[..]);
            let mut bad = good.clone();
            bad.insert(at, good[at].clone());
            let _ = replay(&recording(&bad)[..]);
            let mut bad = good.clone();
            bad.remove(at);
            let _ = replay(&recording(&bad)[..]);
        }
    }
}

/// Timers that are set anew when they are due would be due for ever at the end of the clock.
#[test]
fn a_recording_at_the_end_of_all_time_is_not_given_to_a_node() {
    let end = Now::from_nanos(u64::MAX);
    let sink = Sink::default();
    let mut writer = Writer::new(sink.clone(), &Start { now: Now::ZERO, ..start(2) }).unwrap();
    let address = "192.0.2.1:7".parse().unwrap();
    let fetch = RecordedCommand::Fetch {
        share: ShareId(0),
        content: ContentId([1; 32]),
        secret: Secret::Public,
        peers: vec![PeerHint { key: None, addresses: vec![address] }].into(),
        known: None,
        swarm: Default::default(),
        course: Default::default(),
    };
    for input in [RecordedInput::Command(fetch), RecordedInput::Timeout] {
        writer.entry(&Entry::Input { now: end, input }).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    let divergence = replay(&sink.bytes()[..]).unwrap().divergence.unwrap();
    assert_eq!((divergence.index, divergence.replayed.as_str()), (0, "no clock runs so long"));
}

proptest! {
    #[test]
    fn random_bytes_are_no_recording(bytes: Vec<u8>) {
        prop_assert!(replay(&bytes[..]).is_err());
    }

    #[test]
    fn random_pieces_do_no_harm(pieces: Vec<Vec<u8>>) {
        let _ = replay(&recording(&pieces)[..]);
    }

    #[test]
    fn random_entries_do_no_harm(mut entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 0..40)) {
        let start = Start { config: Config::default(), ..start(1) };
        let sink = Sink::default();
        Writer::new(sink.clone(), &start).unwrap().flush().unwrap();
        let whole = sink.bytes();
        for entry in &mut entries {
            // Mostly inputs.
            entry[0] %= 2;
        }
        let mut all = vec![pieces(&whole)[0].to_vec()];
        all.append(&mut entries);
        let _ = replay(&recording(&all)[..]);
    }
}
