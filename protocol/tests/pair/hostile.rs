//! Peers of other versions, and peers that keep to no rule.

use truecopy_protocol::content::identity::{Role, ShareProof};
use truecopy_protocol::content::manifest::ManifestError;
use truecopy_protocol::input::Command;
use truecopy_protocol::job::{Outcome, StorageError, Verdict};
use truecopy_protocol::output::{Event, Failure, Fault, Goodbye, Waiting};
use truecopy_protocol::wire::{
    BlockRun, ChunkRange, Corrupt, DecodeError, Features, HashRange, Hashes, Hello, Info, Message,
    PROTOCOL_VERSION, Preparing, Prove, Reason, Receipt, Reject, RejectWhy,
};
use truecopy_protocol::{Config, DiscoveryKey, Hash, UnixTime};

use crate::content::{self, Content, SPANS};
use crate::raw::{Raw, Said, frame};
use crate::world::SHARE;

const RUN: BlockRun = BlockRun { blob: 1, block: 0, count: 1 };

fn small() -> Content {
    Content::files(&[1000, 2000])
}

/// The fault that the node sees in these messages of a receiver.
fn receiver_says(content: &Content, messages: &[Message]) -> Option<Goodbye> {
    let mut raw = Raw::receiver_of(content);
    raw.open();
    messages.iter().for_each(|message| raw.say(message));
    raw.hangup
}

/// The same of a sender that has been asked for files.
fn sender_says(content: &Content, messages: &[Message]) -> Option<Goodbye> {
    let mut raw = Raw::sender_of(content);
    raw.store.source = crate::store::Source::Sound;
    raw.accepted();
    messages.iter().for_each(|message| raw.say(message));
    raw.hangup
}

fn misbehaved(fault: Fault) -> Option<Goodbye> {
    Some(Goodbye::Misbehaved(fault))
}

#[test]
fn no_common_version_is_told() {
    for (version_min, version) in [(0, 0), (PROTOCOL_VERSION + 1, PROTOCOL_VERSION + 3)] {
        let hello = Message::Hello(Hello { version, version_min, ..Raw::hello() });
        let mut raw = Raw::sender_of(&small());
        raw.say(&hello);
        assert_eq!(raw.failure(), Some(Failure::Version));
        assert!(raw.said.contains(&Said::Message(Message::Goodbye(Reason::Version))));
        let mut raw = Raw::receiver_of(&small());
        raw.say(&hello);
        assert!(raw.said.contains(&Said::Message(Message::Goodbye(Reason::Version))));
    }
}

#[test]
fn a_newer_peer_is_understood() {
    let mut raw = Raw::receiver_of(&small());
    let newer = Hello { version: 9, version_min: 1, features: Features(!0), ..Raw::hello() };
    let mut bytes = Vec::new();
    Message::Hello(newer).encode(&mut bytes);
    bytes.extend_from_slice(b"and more fields");
    let len = (bytes.len() - 6) as u32;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes.extend(frame(901, &[7; 60_000]));
    bytes.extend(frame(903, &[]));
    raw.bytes(&bytes);
    let proof = raw.proof(Role::Initiator);
    raw.say(&proof);
    let mut request = Vec::new();
    Message::Request(RUN).encode(&mut request);
    request.push(99);
    let len = (request.len() - 6) as u32;
    request[..4].copy_from_slice(&len.to_le_bytes());
    raw.bytes(&request);
    assert_eq!(raw.hangup, None);
    assert!(
        raw.said.iter().any(|said| matches!(said, Said::Blocks(head) if head.blob == 1 && head.len == 1000))
    );
    raw.bytes(&frame(900, &[]));
    assert_eq!(raw.hangup, misbehaved(DecodeError::UnknownTag(900).into()));
}

#[test]
fn unknown_shares_and_wrong_proofs_look_alike() {
    let content = small();
    let mut answers = Vec::new();
    for change in 0..3 {
        let mut raw = Raw::receiver_of(&content);
        raw.say(&Message::Hello(Raw::hello()));
        let Message::Prove(mut prove) = raw.proof(Role::Initiator) else { unreachable!() };
        match change {
            0 => prove = Prove { discovery: DiscoveryKey([1; 32]), ..prove },
            1 => prove = Prove { proof: ShareProof([1; 32]), ..prove },
            _ => prove = Prove { discovery: DiscoveryKey([1; 32]), proof: ShareProof([1; 32]) },
        }
        raw.say(&Message::Prove(prove));
        assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::NoSuchShare)));
        answers.push(raw.said.split_off(1));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_sender_that_cannot_prove_is_no_source() {
    let mut raw = Raw::sender_of(&small());
    raw.say(&Message::Hello(Raw::hello()));
    raw.say(&Message::Proven(truecopy_protocol::wire::Proven { proof: ShareProof([0; 32]) }));
    assert_eq!(raw.hangup, misbehaved(Fault::BadMac));
    assert_eq!(raw.failure(), Some(Failure::Integrity(Fault::BadMac)));
    let mut raw = Raw::sender_of(&small());
    raw.say(&Message::Hello(Raw::hello()));
    raw.say(&Message::Goodbye(Reason::NoSuchShare));
    assert_eq!(raw.failure(), Some(Failure::NoSuchShare));
}

#[test]
fn messages_out_of_turn_end_the_session() {
    let early = [
        Message::Ping(1),
        Message::Request(RUN),
        Message::Paused,
        Message::Have(vec![]),
        Message::Corrupt(Corrupt { blob: 1, chunk: 0 }),
    ];
    for message in early {
        for mut raw in [Raw::receiver_of(&small()), Raw::sender_of(&small())] {
            raw.say(&message);
            assert_eq!(raw.hangup, misbehaved(Fault::OutOfTurn), "{message:?}");
        }
    }
    let mut raw = Raw::receiver_of(&small());
    raw.blocks(1, 0, &[1; 5]);
    assert_eq!(raw.hangup, misbehaved(Fault::OutOfTurn));
    let content = small();
    for message in [Message::Hello(Raw::hello()), Message::Info(Info { size: 1, root: Hash::ZERO })] {
        assert_eq!(receiver_says(&content, &[message]), misbehaved(Fault::OutOfTurn));
    }
    for message in [Message::Hello(Raw::hello()), Message::Request(RUN)] {
        assert_eq!(sender_says(&content, &[message]), misbehaved(Fault::OutOfTurn));
    }
}

#[test]
fn giant_lengths_are_refused_before_anything_is_held() {
    for (tag, fault) in [(0, "body"), (3, "odd"), (901, "unknown"), (12, "blocks")] {
        let mut raw = Raw::receiver_of(&small());
        let mut bytes = u32::MAX.to_le_bytes().to_vec();
        bytes.extend_from_slice(&u16::to_le_bytes(tag));
        raw.bytes(&bytes);
        assert_eq!(raw.hangup, misbehaved(DecodeError::TooLong(u32::MAX).into()), "{fault}");
        assert!(raw.memory_high < 1000);
    }
}

#[test]
fn requests_outside_of_the_share_are_faults() {
    let content = Content::files(&[1000, 3 * SPANS]);
    let bad = [
        BlockRun { blob: 1, block: 1, count: 1 },
        BlockRun { blob: 1, block: 0, count: 0 },
        BlockRun { blob: 1, block: 0, count: u32::MAX },
        BlockRun { blob: 2, block: 15, count: 2 },
        BlockRun { blob: 2, block: u32::MAX, count: 1 },
        BlockRun { blob: 3, block: 0, count: 1 },
        BlockRun { blob: 0, block: 9999, count: 1 },
    ];
    for run in bad {
        assert_eq!(
            receiver_says(&content, &[Message::Request(run)]),
            misbehaved(Fault::BadRequest),
            "{run:?}"
        );
    }
    for (blob, first) in [(0, 0), (1, 0), (2, 1), (2, 512), (9, 0)] {
        let request = Message::HashRequest(HashRange { blob, first });
        assert_eq!(receiver_says(&content, &[request]), misbehaved(Fault::BadRequest), "{blob} {first}");
    }
    for (blob, chunk) in [(0, 0), (1, 1), (9, 0)] {
        let corrupt = Message::Corrupt(Corrupt { blob, chunk });
        assert_eq!(receiver_says(&content, &[corrupt]), misbehaved(Fault::BadRequest), "{blob} {chunk}");
    }
}

#[test]
fn floods_end_in_bounded_memory() {
    let content = Content::files(&[900 * SPANS]);
    let flood = |message: Message| {
        let mut raw = Raw::receiver_of(&content);
        raw.open();
        (raw.reads, raw.works) = (false, false);
        let mut bytes = Vec::new();
        (0..3000).for_each(|_| message.encode(&mut bytes));
        raw.bytes(&bytes);
        raw.hangup
    };
    assert_eq!(flood(Message::Ping(u64::MAX)), misbehaved(Fault::Flood));
    assert_eq!(flood(Message::Request(RUN)), misbehaved(Fault::Flood));
    assert_eq!(flood(Message::HashRequest(HashRange { blob: 1, first: 0 })), misbehaved(Fault::Flood));
    assert_eq!(flood(Message::Corrupt(Corrupt { blob: 1, chunk: 0 })), misbehaved(Fault::Flood));
    let receipt = Receipt {
        selection: Hash::ZERO,
        outcome: Outcome::default(),
        time: UnixTime(0),
        signature: [[0; 32]; 2],
    };
    assert_eq!(flood(Message::Receipt(receipt)), misbehaved(Fault::OutOfTurn));
    let scattered = (0..6000).map(|i| ChunkRange { first: 2 * i, count: 1 });
    let mut raw = Raw::sender_of(&content);
    raw.open();
    let identity = content.manifest.identity();
    raw.say(&Message::Info(Info { size: identity.size, root: identity.root }));
    for ranges in scattered.collect::<Vec<_>>().chunks(2000) {
        raw.say(&Message::Have(ranges.to_vec()));
    }
    assert_eq!(raw.hangup, None, "it may have as many as it likes");
    assert!(raw.memory_high < 256 * 1024, "and is not remembered before it is known how many there are");
}

#[test]
fn a_sender_that_is_told_to_have_what_is_not_there_is_wrong() {
    let content = small();
    let have = |first, count| Message::Have(vec![ChunkRange { first, count }]);
    for (first, count) in [(0, 3), (u32::MAX, 1), (1, u32::MAX)] {
        assert_eq!(sender_says(&content, &[have(first, count)]), misbehaved(Fault::BadRequest));
    }
}

#[test]
fn blocks_that_nobody_asked_for_are_faults() {
    let content = Content::files(&[SPANS, 2000]);
    let payload = content::bytes(truecopy_protocol::BlobId(1), 0, SPANS);
    let cases: [(u32, u32, usize); 6] =
        [(1, 16, 10), (3, 0, 10), (1, 1, 16384), (2, 0, 1999), (0, 0, 100), (2, 0, 2001)];
    for (blob, block, len) in cases {
        let mut raw = Raw::sender_of(&content);
        raw.accepted();
        raw.blocks(blob, block, &payload[..len]);
        assert_eq!(raw.hangup, misbehaved(Fault::Unasked), "{blob} {block} {len}");
        assert_eq!(raw.node.memory() / SPANS, 0, "buffers are given back");
    }
    // Twice, out of order within the run, and another run in between.
    for second in [(1, 0), (1, 2), (2, 0)] {
        let mut raw = Raw::sender_of(&content);
        raw.accepted();
        raw.blocks(1, 0, &payload[..16384]);
        assert_eq!(raw.hangup, None);
        raw.blocks(second.0, second.1, &payload[..2000]);
        assert_eq!(raw.hangup, misbehaved(Fault::Unasked), "{second:?}");
        assert_eq!(raw.node.memory() / SPANS, 0);
    }
}

#[test]
fn answers_without_questions_are_faults() {
    let content = small();
    let hashes =
        Message::Hashes(Hashes { range: HashRange { blob: 1, first: 0 }, hashes: vec![], proof: vec![] });
    let reject =
        Message::Reject(Reject { run: BlockRun { blob: 1, block: 7, count: 1 }, why: RejectWhy::Absent });
    let intact = Message::Intact(Corrupt { blob: 1, chunk: 0 });
    for message in [hashes, reject, intact] {
        assert_eq!(
            sender_says(&content, std::slice::from_ref(&message)),
            misbehaved(Fault::Unasked),
            "{message:?}"
        );
    }
}

#[test]
fn proofs_that_do_not_lead_to_the_root_are_faults() {
    let content = Content::files(&[3 * SPANS]);
    let range = HashRange { blob: 1, first: 0 };
    let right = content.layers.hashes().to_vec();
    let mut wrong = right.clone();
    wrong[1] = Hash([1; 32]);
    let lies = [(wrong, vec![]), (right[..2].to_vec(), vec![]), (right, vec![Hash::ZERO]), (vec![], vec![])];
    for (hashes, proof) in lies {
        let lie = Message::Hashes(Hashes { range, hashes, proof });
        assert_eq!(sender_says(&content, &[lie]), misbehaved(Fault::BadProof));
    }
}

#[test]
fn absent_blocks_are_not_asked_of_the_same_peer_again() {
    let content = small();
    let mut raw = Raw::sender_of(&content);
    raw.accepted();
    let asked = raw.requests().len();
    for _ in 0..3 {
        if raw.hangup.is_none() && raw.requests().len() == asked {
            raw.say(&Message::Reject(Reject { run: RUN, why: RejectWhy::Absent }));
        }
    }
    assert_eq!(raw.requests().len(), asked);
}

#[test]
fn a_manifest_that_is_another_is_refused() {
    let content = small();
    let mut raw = Raw::sender_of(&content);
    raw.open();
    raw.say(&Message::Info(Info { size: 100, root: Hash([1; 32]) }));
    assert_eq!(raw.hangup, misbehaved(Fault::BadManifest));
    let mut raw = Raw::sender_of(&content);
    raw.open();
    raw.offer();
    let mut manifest = content.manifest.encoded().to_vec();
    manifest[20] ^= 1;
    raw.blocks(0, 0, &manifest);
    assert_eq!(raw.hangup, misbehaved(Fault::BadManifest));
    assert_eq!(raw.failure(), Some(Failure::Integrity(Fault::BadManifest)));
}

#[test]
fn a_manifest_over_the_limit_is_refused_before_it_is_held() {
    let content = small();
    let size = content.manifest.encoded().len() as u64;
    let config = Config { manifest_max: size as u32 - 1, ..Config::default() };
    let mut raw = Raw::sender_with(&content, config);
    raw.open();
    raw.offer();
    assert_eq!(raw.failure(), Some(Failure::OfferTooLarge(size)));
    assert!(raw.requests().is_empty());
    let config = Config { entries_max: 1, ..Config::default() };
    let mut raw = Raw::sender_with(&content, config);
    raw.open();
    raw.offer();
    raw.blocks(0, 0, content.manifest.encoded());
    let too_many = ManifestError::TooManyEntries { count: 2, max: 1 };
    assert_eq!(raw.failure(), Some(Failure::BadOffer(too_many)));
    assert!(raw.said.contains(&Said::Message(Message::Goodbye(Reason::Refused))));
}

#[test]
fn silent_and_stalled_peers_are_left() {
    for opened in [false, true] {
        for mut raw in [Raw::receiver_of(&small()), Raw::sender_of(&small())] {
            if opened {
                raw.open();
            }
            raw.wait(45, |_| {});
            assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::TooSlow)), "{opened}");
        }
    }
    let answer_pings = |raw: &mut Raw| {
        if matches!(raw.said.last(), Some(Said::Message(Message::Ping(_)))) {
            raw.say(&Message::Pong(0));
            raw.said.clear();
        }
    };
    // It lives, and never says what it has.
    let mut raw = Raw::sender_of(&small());
    raw.open();
    raw.wait(45, answer_pings);
    assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::TooSlow)));
    // It lives, and does not deliver.
    let mut raw = Raw::sender_of(&small());
    raw.accepted();
    raw.wait(45, answer_pings);
    assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::TooSlow)));
    // It lives, and does not answer a doubt.
    let mut raw = Raw::sender_of(&small());
    raw.accepted();
    raw.blocks(1, 0, &[1; 1000]);
    raw.blocks(2, 0, &content::bytes(truecopy_protocol::BlobId(2), 0, 2000));
    assert!(raw.said.contains(&Said::Message(Message::Corrupt(Corrupt { blob: 1, chunk: 0 }))));
    raw.wait(45, answer_pings);
    assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::TooSlow)));
    // An idle receiver that lives is kept.
    let mut raw = Raw::receiver_of(&small());
    raw.open();
    raw.wait(300, answer_pings);
    assert_eq!(raw.hangup, None);
}

#[test]
fn a_peer_that_never_reads_is_left_and_its_buffers_come_back() {
    let content = Content::files(&[40 * SPANS]);
    let mut raw = Raw::receiver_of(&content);
    raw.open();
    raw.reads = false;
    for span in 0..40 {
        raw.say(&Message::Request(BlockRun { blob: 1, block: 16 * span, count: 16 }));
    }
    assert!(raw.node.memory() <= 8 * SPANS);
    raw.wait(70, |raw| {
        if raw.hangup.is_none() {
            raw.bytes(&frame(901, &[]));
        }
    });
    assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::TooSlow)));
    assert!(raw.node.memory() < SPANS);
    raw.lose();
    assert_eq!(raw.node.memory(), 0);
}

#[test]
fn a_slow_disk_pauses_reading_and_nobody_is_blamed() {
    let content = Content::files(&[200 * SPANS]);
    let mut raw = Raw::sender_of(&content);
    raw.accepted();
    raw.works = false;
    let mut answered = 0;
    while !raw.paused {
        let run = raw.requests().into_iter().filter(|run| run.blob == 1).nth(answered).unwrap();
        let payload = content::bytes(truecopy_protocol::BlobId(1), u64::from(run.block) * 16384, SPANS);
        raw.blocks(run.blob, run.block, &payload);
        answered += 1;
        assert_eq!(raw.hangup, None);
    }
    raw.wait(300, |_| {});
    assert_eq!(raw.hangup, None);
    raw.works = true;
    raw.handle(truecopy_protocol::input::Input::Timeout);
    assert!(!raw.paused);
    raw.wait(20, |_| {});
    assert_eq!(raw.hangup, None);
}

#[test]
fn too_many_connections_are_told_and_then_dropped() {
    let config = Config { conns_max: 2, ..Config::default() };
    let mut raw = Raw::receiver_with(&small(), config);
    raw.open();
    raw.connect();
    raw.open();
    for _ in 0..100 {
        raw.connect();
        assert_eq!(raw.hangup, Some(Goodbye::Said(Reason::Busy)));
    }
}

#[test]
fn who_has_proven_nothing_gives_way_to_who_comes_later() {
    let config = Config { conns_max: 2, ..Config::default() };
    let mut raw = Raw::receiver_with(&small(), config);
    raw.connect();
    raw.connect();
    assert_eq!(raw.hangup, None);
    raw.open();
    assert_eq!(raw.hangup, None);
}

#[test]
fn have_has_no_place_before_info() {
    let mut raw = Raw::sender_of(&small());
    raw.open();
    raw.say(&Message::Have(vec![ChunkRange { first: 0, count: 1 }]));
    assert_eq!(raw.hangup, misbehaved(Fault::OutOfTurn));
}

#[test]
fn forged_receipts_are_called_so_even_after_the_peer_left() {
    let mut raw = Raw::receiver_of(&small());
    raw.open();
    raw.works = false;
    let receipt = Receipt {
        selection: Hash::ZERO,
        outcome: Outcome::default(),
        time: UnixTime(5),
        signature: [[0; 32]; 2],
    };
    raw.say(&Message::Receipt(receipt));
    raw.say(&Message::Goodbye(Reason::Done));
    raw.lose();
    raw.works = true;
    raw.handle(truecopy_protocol::input::Input::Timeout);
    let forged =
        |event: &Event| matches!(event, Event::Receipt { verdict: Verdict::Forged, time: UnixTime(5), .. });
    assert!(raw.events.iter().any(forged));
}

#[test]
fn nothing_follows_a_goodbye() {
    let content = Content::files(&[40 * SPANS]);
    let mut raw = Raw::receiver_of(&content);
    raw.open();
    raw.reads = false;
    for span in 0..8 {
        raw.say(&Message::Request(BlockRun { blob: 1, block: 16 * span, count: 16 }));
    }
    raw.command(Command::End { share: SHARE, reason: Reason::Leaving });
    raw.reads = true;
    raw.handle(truecopy_protocol::input::Input::Timeout);
    assert_eq!(raw.said.last(), Some(&Said::Message(Message::Goodbye(Reason::Leaving))));
    assert!(!raw.said.iter().any(|said| matches!(said, Said::Blocks(_))));
}

#[test]
fn an_end_waits_for_every_job() {
    let mut raw = Raw::sender_of(&small());
    raw.accepted();
    raw.works = false;
    for (blob, len) in [(1, 1000), (2, 2000)] {
        raw.blocks(blob, 0, &content::bytes(truecopy_protocol::BlobId(blob), 0, len));
    }
    raw.command(Command::End { share: SHARE, reason: Reason::Cancelled });
    raw.lose();
    let ended = |raw: &Raw| raw.events.iter().any(|event| matches!(event, Event::Ended { .. }));
    assert!(!ended(&raw));
    raw.works = true;
    raw.handle(truecopy_protocol::input::Input::Timeout);
    assert!(ended(&raw));
    assert!(!raw.store.claims.is_empty(), "the last claims are written");
    assert_eq!(raw.node.wake(), None);
}

#[test]
fn a_source_that_says_changed_ends_the_fetch() {
    let mut raw = Raw::sender_of(&small());
    raw.accepted();
    raw.say(&Message::Reject(Reject { run: RUN, why: RejectWhy::Changed }));
    assert!(matches!(raw.failure(), Some(Failure::SourceChanged(Some(_)))));
    let _also_a_storage_error = StorageError::Changed;
}

#[test]
fn a_sender_that_says_it_is_still_preparing_when_all_is_placed_is_not_quoted() {
    let preparing = Message::Preparing(Preparing { done: 1, total: 2 });
    let mut raw = Raw::sender_of(&small());
    raw.open();
    raw.say(&preparing);
    let waits = |raw: &Raw| raw.events.iter().filter(|event| matches!(event, Event::Waiting { .. })).count();
    assert!(
        raw.events.iter().any(|event| matches!(
            event,
            Event::Waiting { why: Waiting::Preparing { done: 1, total: 2 }, .. }
        ))
    );
    let mut raw = Raw::sender_of(&small());
    raw.accepted();
    for (blob, len) in [(1, 1000), (2, 2000)] {
        raw.works = false;
        raw.blocks(blob, 0, &content::bytes(truecopy_protocol::BlobId(blob), 0, len));
    }
    while !raw.events.iter().any(|event| matches!(event, Event::Completed { .. })) {
        let job = raw.jobs.remove(0);
        let done = raw.store.work(job);
        raw.handle(truecopy_protocol::input::Input::Done(done));
    }
    let before = waits(&raw);
    raw.say(&preparing);
    assert_eq!((raw.hangup, waits(&raw)), (None, before));
}
