//! Recordings of a hostile or broken hand: read, copied and replayed.

use truecopy_protocol::fuzzing::Cursor;
use truecopy_protocol::{Config, Now};

use crate::record::{MAGIC, PIECE_MAX, Reader, Start, VERSION, Writer, replay};

/// Any bytes as a recording; and as the messages of one whose checksums are right.
///
/// Nodes may well panic in a replay: that an input is one that no driver gives is for the replay to say, and its last
/// resort is to catch the panic. A fuzzer must not take it for a crash.
pub fn recording(bytes: &[u8]) {
    look(bytes);
    let mut input = Cursor::new(bytes);
    let mut file = match input.below(4) {
        // The very beginning is what the input says, too.
        0 => [&MAGIC[..], &VERSION.to_le_bytes()].concat(),
        // The seeds of the recordings that the corpus began with.
        1 => begun(1),
        _ => begun(2),
    };
    while !input.is_empty() {
        append(&mut input, &mut file);
    }
    look(&file);
}

fn begun(seed: u8) -> Vec<u8> {
    let config = Config::default();
    let start = Start { program: "fuzz".into(), config, seed: [seed; 32], now: Now::ZERO };
    let mut file = Vec::new();
    let written = Writer::new(&mut file, &start).and_then(|mut writer| writer.flush());
    assert!(written.is_ok(), "memory takes all");
    file
}

/// One more message, in one piece or two: two bytes of length, and what the input says.
fn append(input: &mut Cursor<'_>, file: &mut Vec<u8>) {
    let word = input.u16();
    let message = input.bytes(usize::from(word & 0x7fff).min(PIECE_MAX));
    if word & 0x8000 == 0 {
        append_piece(file, message, 0);
    } else {
        let (front, back) = message.split_at(message.len() / 2);
        append_piece(file, front, 1 << 31);
        append_piece(file, back, 0);
    }
}

fn append_piece(file: &mut Vec<u8>, piece: &[u8], more: u32) {
    // Far shorter than 2^31.
    let len = (piece.len() as u32 | more).to_le_bytes();
    file.extend_from_slice(&len);
    file.extend_from_slice(&crc32(&[&len, piece].concat()).to_le_bytes());
    file.extend_from_slice(piece);
}

/// CRC-32 of IEEE 802.3, bit by bit: a second opinion.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// Reads it, copies what can be read, and replays it.
fn look(file: &[u8]) {
    let Ok((start, reader)) = Reader::open(file) else {
        assert!(replay(file).is_err(), "what has no beginning is not replayed");
        return;
    };
    let entries = copy(&start, reader, file);
    let report = match replay(file) {
        Ok(report) => report,
        Err(error) => panic!("it has a beginning: {error}"),
    };
    assert_eq!(report.start, start);
    assert!(report.inputs <= entries, "no input is made up");
    assert_eq!(report.ending.is_some(), report.divergence.is_none(), "a replay ends in one way");
    assert!(!report.to_string().is_empty());
}

/// Whatever can be read is written again as it was read. Returns how many entries that are.
fn copy(start: &Start, mut reader: Reader<&[u8]>, file: &[u8]) -> u64 {
    let (mut copied, mut entries) = (Vec::new(), 0);
    {
        let Ok(mut writer) = Writer::new(&mut copied, start) else { panic!("memory takes all") };
        while let Ok(Some(entry)) = reader.next() {
            assert!(writer.entry(&entry).is_ok(), "what was read can be written");
            entries += 1;
        }
        assert!(reader.offset() <= file.len() as u64);
        assert!(writer.flush().is_ok());
    }
    let (Ok((_, mut first)), Ok((again, mut second))) = (Reader::open(file), Reader::open(&copied[..]))
    else {
        panic!("both have a beginning")
    };
    assert_eq!(&again, start);
    for _ in 0..entries {
        match (first.next(), second.next()) {
            (Ok(Some(entry)), Ok(Some(copy))) => assert_eq!(entry, copy),
            different => panic!("a copy is read as the original: {different:?}"),
        }
    }
    assert!(matches!(second.next(), Ok(None)));
    entries
}
