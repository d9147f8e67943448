use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Part, Splitter};
use crate::content::identity::ShareProof;
use crate::wire::{BlocksHead, DecodeError, Decoder, Item, Message, Proven};

/// The parts of a stream that comes in runs of `run` bytes, put together by kind: what is looked at, proofs, content.
fn split(stream: &[u8], run: usize) -> (Vec<u8>, Vec<u8>, Vec<u8>, Option<DecodeError>) {
    let (mut control, mut proof, mut content) = (vec![], vec![], vec![]);
    let mut splitter = Splitter::default();
    for mut bytes in stream.chunks(run.max(1)) {
        loop {
            match splitter.next(&mut bytes) {
                Ok(None) => break,
                Ok(Some(Part::Control(part))) => control.extend_from_slice(part),
                Ok(Some(Part::Proof(part))) => proof.extend_from_slice(part),
                Ok(Some(Part::Content(part))) => content.extend_from_slice(part),
                Err(error) => return (control, proof, content, Some(error)),
            }
        }
    }
    (control, proof, content, None)
}

fn blocks(blob: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = BlocksHead { blob, block: 3, len: payload.len() as u32 }.encode().to_vec();
    frame.extend_from_slice(payload);
    frame
}

fn control(message: &Message) -> Vec<u8> {
    let mut frame = vec![];
    message.encode(&mut frame);
    frame
}

#[test]
fn only_the_bytes_of_files_are_content() {
    let (ping, manifest, file) = (control(&Message::Ping(7)), blocks(0, b"manifest"), blocks(4, b"file"));
    let stream = [&ping[..], &file, &control(&Message::Paused), &manifest, &file, &ping].concat();
    for run in 1..stream.len() + 1 {
        let (looked_at, proof, content, error) = split(&stream, run);
        assert_eq!((&content[..], proof, error), (&b"filefile"[..], vec![], None));
        assert_eq!(looked_at.len() + content.len(), stream.len());
        assert!(looked_at.windows(8).any(|window| window == b"manifest"));
    }
}

#[test]
fn the_body_of_a_share_proof_stands_apart() {
    let frame = control(&Message::Proven(Proven { proof: ShareProof([5; 32]) }));
    for run in 1..frame.len() + 1 {
        let (head, proof, content, error) = split(&frame, run);
        assert_eq!((head.len(), proof, content, error), (6, vec![5; 32], vec![], None));
    }
}

#[test]
fn a_header_that_is_none_is_handed_out_before_the_error() {
    let (looked_at, _, content, error) = split(&[0xff; 40], 40);
    assert_eq!((looked_at, content), (vec![0xff; 6], vec![]));
    assert_eq!(error, Some(DecodeError::TooLong(u32::MAX)));
}

proptest! {
    #[test]
    fn it_finds_the_content_that_the_decoder_finds(
        frames in proptest::collection::vec((0..3_u32, 1..100_usize, 0..3_u8), 0..20),
        run in 1..300_usize,
    ) {
        let mut stream = vec![];
        for (blob, len, kind) in frames {
            match kind {
                0 => stream.extend(control(&Message::Pong(9))),
                // A frame of a newer version, which may be skipped.
                1 => {
                    stream.extend_from_slice(&(len as u32).to_le_bytes());
                    stream.extend_from_slice(&0xfff1_u16.to_le_bytes());
                    stream.extend(vec![1; len]);
                }
                _ => stream.extend(blocks(blob, &vec![2; len])),
            }
        }
        let (mut expected, mut blob) = (0, 0);
        let mut decoder = Decoder::default();
        let mut bytes = &stream[..];
        while let Ok(Some(item)) = decoder.next(&mut bytes) {
            match item {
                Item::Blocks(head) => blob = head.blob,
                Item::Payload(part) if blob != 0 => expected += part.len(),
                _ => {}
            }
        }
        let (looked_at, _, content, error) = split(&stream, run);
        prop_assert_eq!((content.len(), error), (expected, None));
        prop_assert_eq!(looked_at.len() + content.len(), stream.len());
    }

    #[test]
    fn any_bytes_are_taken_apart_without_harm(stream: Vec<u8>, run in 1..50_usize) {
        let (looked_at, proof, content, error) = split(&stream, run);
        if error.is_none() {
            prop_assert_eq!(looked_at.len() + proof.len() + content.len(), stream.len());
        }
    }
}
