//! Frames: any bytes, any messages, any cuts.

use alloc::vec::Vec;

use super::{Cursor, message};
use crate::wire::{BODY_MAX, BlocksHead, DecodeError, Decoder, Item, Message, Part, Splitter};

/// A message, or a frame of blocks with its payload put together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whole {
    Message(Message),
    Blocks(BlocksHead, Vec<u8>),
}

/// What a stream meant, and how far it went.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    items: Vec<Whole>,
    error: Option<DecodeError>,
}

/// Decodes a stream that comes in these runs.
fn hear<'a>(runs: impl Iterator<Item = &'a [u8]>) -> Heard {
    let (mut decoder, mut heard, mut came) =
        (Decoder::default(), Heard { items: Vec::new(), error: None }, 0);
    for mut run in runs {
        came += run.len();
        loop {
            match decoder.next(&mut run) {
                Ok(None) => break,
                Ok(Some(Item::Message(message))) => heard.items.push(Whole::Message(message)),
                Ok(Some(Item::Blocks(head))) => heard.items.push(Whole::Blocks(head, Vec::new())),
                Ok(Some(Item::Payload(bytes))) => {
                    assert!(!bytes.is_empty(), "payload is never empty");
                    let Some(Whole::Blocks(head, payload)) = heard.items.last_mut() else {
                        panic!("payload without its head")
                    };
                    payload.extend_from_slice(bytes);
                    assert!(payload.len() <= head.len as usize, "a frame has no more than its length");
                }
                Err(error) => {
                    heard.error = Some(error);
                    return heard;
                }
            }
        }
        assert!(run.is_empty(), "whatever is no error is consumed");
        assert!(decoder.memory() <= 2 * came.min(BODY_MAX), "memory follows the bytes that came");
    }
    heard
}

fn encode(items: &[Whole]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        match item {
            Whole::Message(message) => message.encode(&mut bytes),
            Whole::Blocks(head, payload) => {
                bytes.extend_from_slice(&head.encode());
                bytes.extend_from_slice(payload);
            }
        }
    }
    bytes
}

/// Any bytes: what they mean, encoded, means the same again.
pub fn frame_decode(bytes: &[u8]) {
    let heard = hear([bytes].into_iter());
    let encoded = encode(&heard.items);
    let again = hear([&encoded[..]].into_iter());
    assert_eq!(again, Heard { items: heard.items, error: None });
    assert_eq!(encode(&again.items), encoded);
}

/// Messages and frames of blocks that are well-formed: they come through as they are.
pub fn frame_round_trip(bytes: &[u8]) {
    let (mut input, mut items) = (Cursor::new(bytes), Vec::new());
    while !input.is_empty() {
        items.push(if input.one_in(8) {
            let (blob, block) = (input.number32(), input.number32());
            let len = input.u8().max(1);
            let mut payload = input.bytes(usize::from(len)).to_vec();
            payload.resize(usize::from(len), 0);
            Whole::Blocks(BlocksHead { blob, block, len: u32::from(len) }, payload)
        } else {
            Whole::Message(message(&mut input))
        });
    }
    let encoded = encode(&items);
    assert_eq!(hear([&encoded[..]].into_iter()), Heard { items, error: None });
}

/// A stream whole and in cuts: the first half of the input is the stream, the second says where it is cut.
pub fn split_equivalence(bytes: &[u8]) {
    let (stream, cuts) = bytes.split_at(bytes.len() - bytes.len() / 4);
    let whole = hear([stream].into_iter());
    assert_eq!(hear(Cuts::of(stream, cuts)), whole);
    assert_eq!(hear(stream.chunks(1)), whole);
    let parts = split([stream].into_iter());
    assert_eq!(split(Cuts::of(stream, cuts)), parts);
    assert_eq!(split(stream.chunks(1)), parts);
    compare(&whole, &parts);
}

/// The runs of a stream, each as long as the next cut says.
struct Cuts<'a> {
    stream: Cursor<'a>,
    cuts: Cursor<'a>,
}

impl<'a> Cuts<'a> {
    const fn of(stream: &'a [u8], cuts: &'a [u8]) -> Self {
        Self { stream: Cursor::new(stream), cuts: Cursor::new(cuts) }
    }
}

impl<'a> Iterator for Cuts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.stream.is_empty() {
            return None;
        }
        Some(if self.cuts.is_empty() { self.stream.rest() } else { self.stream.bytes(self.cuts.u8().into()) })
    }
}

/// The parts of a stream by kind: for recordings.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    control: Vec<u8>,
    proof: Vec<u8>,
    content: Vec<u8>,
    error: Option<DecodeError>,
}

fn split<'a>(runs: impl Iterator<Item = &'a [u8]>) -> Parts {
    let (mut splitter, mut parts) = (Splitter::default(), Parts::default());
    for mut run in runs {
        loop {
            match splitter.next(&mut run) {
                Ok(None) => break,
                Ok(Some(Part::Control(bytes))) => parts.control.extend_from_slice(bytes),
                Ok(Some(Part::Proof(bytes))) => parts.proof.extend_from_slice(bytes),
                Ok(Some(Part::Content(bytes))) => parts.content.extend_from_slice(bytes),
                Err(error) => {
                    parts.error = Some(error);
                    return parts;
                }
            }
        }
    }
    parts
}

/// The splitter knows as content exactly the bytes that the decoder hands out as a file's.
fn compare(heard: &Heard, parts: &Parts) {
    let mut content = Vec::new();
    for item in &heard.items {
        if let Whole::Blocks(BlocksHead { blob: 1.., .. }, payload) = item {
            content.extend_from_slice(payload);
        }
    }
    match (heard.error, parts.error) {
        // Only the decoder looks into bodies; the splitter hands a bad header out before it says so.
        (Some(DecodeError::BadBody(_) | DecodeError::UnknownTag(_)), _) | (Some(_), None) => {
            assert!(parts.content.starts_with(&content));
        }
        (decoder, splitter) => assert_eq!((decoder, content), (splitter, parts.content.clone())),
    }
}
