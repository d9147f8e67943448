use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::frame::{BLOCKS_BODY_MAX, BLOCKS_HEAD};
use super::message::tag;
use super::*;
use crate::content::identity::{Nonce, ShareProof};
use crate::job::Outcome;
use crate::{DiscoveryKey, Hash, NodeId, UnixTime};

fn run() -> impl Strategy<Value = BlockRun> {
    any::<(u32, u32, u32)>().prop_map(|(blob, block, count)| BlockRun { blob, block, count })
}

fn message() -> impl Strategy<Value = Message> {
    let range = any::<(u32, u32)>().prop_map(|(blob, first)| HashRange { blob, first });
    let why = prop_oneof![
        Just(RejectWhy::Changed),
        Just(RejectWhy::Unreadable),
        Just(RejectWhy::Absent),
        Just(RejectWhy::Cancelled),
        Just(RejectWhy::Choked)
    ];
    let hashes = |max| many(any::<[u8; 32]>().prop_map(Hash), 0..max);
    let corrupt = any::<(u32, u32)>().prop_map(|(blob, chunk)| Corrupt { blob, chunk });
    prop_oneof![
        any::<(u16, u16, u64, [u8; 32])>().prop_map(|(version, version_min, features, nonce)| {
            Message::Hello(Hello { version, version_min, features: Features(features), nonce: Nonce(nonce) })
        }),
        any::<([u8; 32], [u8; 32])>().prop_map(|(key, proof)| Message::Prove(Prove {
            discovery: DiscoveryKey(key),
            proof: ShareProof(proof)
        })),
        any::<[u8; 32]>().prop_map(|proof| Message::Proven(Proven { proof: ShareProof(proof) })),
        any::<(u64, [u8; 32])>().prop_map(|(size, root)| Message::Info(Info { size, root: Hash(root) })),
        many(any::<(u32, u32)>(), 0..50).prop_map(|ranges| Message::Have(
            ranges.into_iter().map(|(first, count)| ChunkRange { first, count }).collect()
        )),
        run().prop_map(Message::Request),
        run().prop_map(Message::Cancel),
        (run(), why).prop_map(|(run, why)| Message::Reject(Reject { run, why })),
        range.clone().prop_map(Message::HashRequest),
        (range, hashes(512), hashes(32)).prop_map(|(range, hashes, proof)| Message::Hashes(Hashes {
            range,
            hashes,
            proof
        })),
        corrupt.clone().prop_map(Message::Corrupt),
        corrupt.prop_map(Message::Intact),
        any::<u64>().prop_map(Message::Ping),
        any::<u64>().prop_map(Message::Pong),
        any::<u16>().prop_map(|code| Message::Goodbye(code.into())),
        any::<(u64, u64)>().prop_map(|(done, total)| Message::Preparing(Preparing { done, total })),
        any::<([u8; 32], u64, [u64; 4], [[u8; 32]; 2])>().prop_map(|(selection, time, counts, signature)| {
            let [placed, already, skipped, bytes] = counts;
            Message::Receipt(Receipt {
                selection: Hash(selection),
                outcome: Outcome { placed, already, skipped, bytes },
                time: UnixTime(time),
                signature,
            })
        }),
        Just(Message::Paused),
        Just(Message::Resumed),
        any::<u16>().prop_map(|port| Message::Swarm(Swarm { port })),
        many(peer(), 0..=PEERS_MAX).prop_map(Message::Peers),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
    ]
}

fn peer() -> impl Strategy<Value = PeerAddress> {
    let address = |(ip, port)| core::net::SocketAddr::new(ip, port);
    any::<([u8; 32], (core::net::IpAddr, u16))>()
        .prop_map(move |(key, at)| PeerAddress { key: NodeId(key), address: address(at) })
}

/// A message, or the frame of blocks with so many bytes of payload.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whole {
    Message(Message),
    Blocks(BlocksHead, Vec<u8>),
}

fn whole() -> impl Strategy<Value = Whole> {
    let blocks = (any::<(u32, u32)>(), many(any::<u8>(), 1..300)).prop_map(|((blob, block), payload)| {
        Whole::Blocks(BlocksHead { blob, block, len: payload.len() as u32 }, payload)
    });
    prop_oneof![message().prop_map(Whole::Message), blocks]
}

fn encode(items: &[Whole]) -> Vec<u8> {
    let mut bytes = vec![];
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

/// Decodes bytes that come in these cuts.
fn decode<'a>(cuts: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Whole>, DecodeError> {
    let (mut decoder, mut items) = (Decoder::default(), vec![]);
    for mut input in cuts {
        while let Some(item) = decoder.next(&mut input)? {
            match item {
                Item::Message(message) => items.push(Whole::Message(message)),
                Item::Blocks(head) => items.push(Whole::Blocks(head, vec![])),
                Item::Payload(run) => {
                    assert!(!run.is_empty());
                    let Some(Whole::Blocks(_, payload)) = items.last_mut() else { panic!("payload first") };
                    payload.extend_from_slice(run);
                }
            }
        }
        assert!(input.is_empty());
    }
    Ok(items)
}

fn header(len: u32, tag: u16) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes[4..].copy_from_slice(&tag.to_le_bytes());
    bytes
}

fn one(bytes: &[u8]) -> Result<Vec<Whole>, DecodeError> {
    decode([bytes].into_iter())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut(items in many(whole(), 0..6), cut in 1_usize..200) {
        let bytes = encode(&items);
        prop_assert_eq!(&decode(bytes.chunks(cut)).unwrap(), &items);
        prop_assert_eq!(&one(&bytes).unwrap(), &items);
    }

    #[test]
    fn a_single_cut_anywhere_changes_nothing(item in whole(), other in whole()) {
        let items = [item, other];
        let bytes = encode(&items);
        for at in 0..bytes.len().min(400) {
            let (front, back) = bytes.split_at(at);
            prop_assert_eq!(&decode([front, back].into_iter()).unwrap(), &items);
        }
    }

    #[test]
    fn any_bytes_are_messages_or_an_error_and_memory_follows_what_came(bytes in many(any::<u8>(), 0..3000), cut in 1_usize..50) {
        let mut decoder = Decoder::default();
        for mut run in bytes.chunks(cut) {
            loop {
                match decoder.next(&mut run) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
            prop_assert!(decoder.memory() <= 2 * bytes.len().min(BODY_MAX));
        }
    }

    #[test]
    fn later_fields_are_ignored(message in message(), more in many(any::<u8>(), 0..40)) {
        let mut bytes = vec![];
        message.encode(&mut bytes);
        bytes.extend_from_slice(&more);
        let len = (bytes.len() - HEADER) as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        prop_assert_eq!(one(&bytes).unwrap(), [Whole::Message(message)]);
    }

    #[test]
    fn frames_of_unknown_odd_tags_between_others_change_nothing(
        items in many((whole(), unknown(1), many(any::<u8>(), 0..60)), 0..5), cut in 1_usize..80,
    ) {
        let (mut bytes, mut expected) = (vec![], vec![]);
        for (item, tag, body) in items {
            bytes.extend_from_slice(&header(body.len() as u32, tag));
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(&encode(core::slice::from_ref(&item)));
            expected.push(item);
        }
        prop_assert_eq!(&decode(bytes.chunks(cut)).unwrap(), &expected);
    }

    #[test]
    fn a_frame_of_an_unknown_even_tag_ends_it_after_what_came_before(
        items in many(whole(), 0..3), tag in unknown(0), body in many(any::<u8>(), 0..60),
    ) {
        let mut bytes = encode(&items);
        prop_assert_eq!(&one(&bytes).unwrap(), &items);
        bytes.extend_from_slice(&header(body.len() as u32, tag));
        bytes.extend_from_slice(&body);
        Message::Paused.encode(&mut bytes);
        prop_assert_eq!(one(&bytes), Err(DecodeError::UnknownTag(tag)));
    }

    #[test]
    fn a_body_cut_short_is_no_message(message in message(), at in any::<prop::sample::Index>()) {
        let mut bytes = vec![];
        message.encode(&mut bytes);
        let body = bytes.len() - HEADER;
        prop_assume!(body > 0);
        let len = at.index(body);
        bytes.truncate(HEADER + len);
        bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
        let tag = u16::from_le_bytes([bytes[4], bytes[5]]);
        prop_assert_eq!(one(&bytes), Err(DecodeError::BadBody(tag)));
    }

    #[test]
    fn the_parts_of_a_recording_are_the_stream_itself_however_it_is_cut(
        items in many(whole(), 0..6), cut in 1_usize..80,
    ) {
        let bytes = encode(&items);
        let (mut splitter, mut joined, mut content) = (Splitter::default(), vec![], vec![]);
        for mut input in bytes.chunks(cut) {
            while let Some(part) = splitter.next(&mut input).unwrap() {
                let (Part::Control(run) | Part::Proof(run) | Part::Content(run)) = part;
                joined.extend_from_slice(run);
                if let Part::Content(run) = part {
                    content.extend_from_slice(run);
                }
            }
        }
        let payloads = items.iter().filter_map(|item| match item {
            Whole::Blocks(head, payload) if head.blob != 0 => Some(&payload[..]),
            _ => None,
        });
        prop_assert_eq!(content, payloads.collect::<Vec<_>>().concat());
        prop_assert_eq!(joined, bytes);
    }
}

/// A tag that this version does not know, odd or even.
fn unknown(parity: u16) -> impl Strategy<Value = u16> {
    (15..=u16::MAX / 2).prop_map(move |half| half * 2 + parity)
}

#[test]
fn a_body_that_comes_slowly_takes_no_more_than_its_length() {
    let mut decoder = Decoder::default();
    let body = vec![0; BODY_MAX];
    let bytes = [&header(BODY_MAX as u32, tag::HAVE)[..], &body].concat();
    for mut run in bytes.chunks(1001) {
        assert!(decoder.next(&mut run).is_ok());
        assert!(decoder.memory() <= BODY_MAX);
    }
    assert_eq!(decoder.memory(), 0);
}

#[test]
fn lengths_are_checked_by_tag() {
    let too_long = |len| Err(DecodeError::TooLong(len));
    assert_eq!(one(&header(BODY_MAX as u32, tag::PING)), Ok(vec![]));
    assert_eq!(one(&header(BODY_MAX as u32 + 1, tag::PING)), too_long(BODY_MAX as u32 + 1));
    assert_eq!(one(&header(BODY_MAX as u32 + 1, 901)), too_long(BODY_MAX as u32 + 1));
    let most = BLOCKS_BODY_MAX as u32;
    assert_eq!(one(&header(most, tag::BLOCKS)), Ok(vec![]));
    assert_eq!(one(&header(most + 1, tag::BLOCKS)), too_long(most + 1));
    assert_eq!(one(&header(BLOCKS_HEAD as u32, tag::BLOCKS)), Err(DecodeError::Empty));
    assert_eq!(one(&header(0, tag::BLOCKS)), Err(DecodeError::Empty));
}

#[test]
fn unknown_odd_tags_are_skipped_and_even_ones_are_not() {
    let mut bytes = [&header(3, 901)[..], b"new", &header(0, 903)].concat();
    Message::Paused.encode(&mut bytes);
    assert_eq!(one(&bytes), Ok(vec![Whole::Message(Message::Paused)]));
    assert_eq!(one(&header(0, 900)), Err(DecodeError::UnknownTag(900)));
    assert_eq!(one(&header(0, tag::PING)), Err(DecodeError::BadBody(tag::PING)));
    assert_eq!(one(&[&header(1, tag::RECEIPT)[..], &[0]].concat()), Err(DecodeError::BadBody(tag::RECEIPT)));
}

#[test]
fn as_many_peers_as_may_be_told_fit_in_a_message() {
    let address = "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap();
    let peers = vec![PeerAddress { key: NodeId([255; 32]), address }; PEERS_MAX];
    let mut bytes = vec![];
    Message::Peers(peers.clone()).encode(&mut bytes);
    assert!(bytes.len() <= HEADER + BODY_MAX, "{} bytes", bytes.len());
    assert_eq!(one(&bytes), Ok(vec![Whole::Message(Message::Peers(peers))]));
}

#[test]
fn words_of_swarms_may_be_skipped_by_who_does_not_know_them_and_those_of_choking_may_not() {
    for (message, may_be_skipped) in [
        (Message::Swarm(Swarm { port: 1 }), true),
        (Message::Peers(vec![]), true),
        (Message::Choke, false),
        (Message::Unchoke, false),
        (Message::Interested, false),
        (Message::NotInterested, false),
    ] {
        let mut bytes = vec![];
        message.encode(&mut bytes);
        let tag = u16::from_le_bytes([bytes[4], bytes[5]]);
        assert_eq!(tag % 2 == 1, may_be_skipped, "{message:?}");
        assert_eq!(one(&bytes), Ok(vec![Whole::Message(message)]));
    }
}

#[test]
fn every_reason_has_its_own_code() {
    for code in 0..=u16::MAX {
        assert_eq!(u16::from(Reason::from(code)), code);
    }
}
