//! Attacks 8 and 9: other bytes than were offered, another offer than was accepted.

use truecopy_protocol::Hash;
use truecopy_protocol::output::{Failure, Fault};
use truecopy_protocol::wire::{BlockRun, Hashes, Info, Message, Reject, RejectWhy};

use crate::host::{End, Receiver};
use crate::invented::{Invented, Kind, noise};
use crate::sender::{Done, Hostile, answer, fetch, greeting};
use crate::wire::{Wire, blocks};
use crate::world::{World, together};

/// A share of one small file and one of several chunks.
fn share() -> Invented {
    Invented::new(&[
        (b"top/large", Kind::File(noise(1, 1_500_000), 0o644)),
        (b"top/small", Kind::File(noise(2, 5000), 0o644)),
    ])
}

/// What comes of a source that does this; nothing stands in the destination afterwards.
#[track_caller]
fn nothing_of(
    script: impl FnMut(&mut Wire, &Message, &Invented) -> std::io::Result<Done> + Send + 'static,
) -> Failure {
    let (world, content) = (World::new(), share());
    let (id, greeting) = (content.content_id(), greeting(&content));
    let hostile = Hostile::scripted(content, greeting, script);
    let end = fetch(&Receiver::new(&world.dest()), id, &hostile);
    let End::Failed(why) = end else { panic!("{end:?}") };
    world.untouched();
    why
}

fn is_of_file(message: &Message) -> bool {
    matches!(message, Message::Request(run) if run.blob > 0)
}

#[test]
fn attack_8_wrong_bytes_are_never_placed() {
    let _together = together();
    for blob in [1, 2] {
        let why = nothing_of(move |wire, message, content| match message {
            Message::Request(run) if run.blob == blob => {
                let mut other = content.clone();
                other.blobs.get_mut(&blob).unwrap().iter_mut().for_each(|byte| *byte ^= 1);
                answer(wire, message, &other).map(|()| Done::Mine)
            }
            _ => Ok(Done::Honest),
        });
        assert_eq!(why, Failure::Integrity(Fault::BadBytes));
    }
}

#[test]
fn attack_8_one_wrong_bit_late_in_a_file_is_enough() {
    let _together = together();
    let why = nothing_of(|wire, message, content| match message {
        Message::Request(run) if run.blob == 1 && run.block == 64 => {
            let mut other = content.clone();
            *other.blobs.get_mut(&1).unwrap().last_mut().unwrap() ^= 0x80;
            other.blobs.get_mut(&1).unwrap()[64 * 16_384] ^= 1;
            answer(wire, message, &other).map(|()| Done::Mine)
        }
        _ => Ok(Done::Honest),
    });
    assert_eq!(why, Failure::Integrity(Fault::BadBytes));
}

#[test]
fn attack_8_a_source_that_changed_is_told_apart() {
    let _together = together();
    // It says so at once, or when it is asked to look at its disk.
    let why = nothing_of(|wire, message, _| match message {
        Message::Request(run) if run.blob > 0 => {
            let reject = Reject { run: *run, why: RejectWhy::Changed };
            wire.say(&[Message::Reject(reject)]).map(|()| Done::Mine)
        }
        _ => Ok(Done::Honest),
    });
    assert!(matches!(why, Failure::SourceChanged(Some(_))), "{why:?}");
    let why = nothing_of(|wire, message, content| match message {
        Message::Request(run) if run.blob == 2 => {
            let mut other = content.clone();
            other.blobs.get_mut(&2).unwrap()[0] ^= 1;
            answer(wire, message, &other).map(|()| Done::Mine)
        }
        Message::Corrupt(corrupt) => {
            let run = BlockRun { blob: corrupt.blob, block: 0, count: 0 };
            let reject = Reject { run, why: RejectWhy::Changed };
            wire.say(&[Message::Reject(reject)]).map(|()| Done::Mine)
        }
        _ => Ok(Done::Honest),
    });
    assert!(matches!(why, Failure::SourceChanged(Some(_))), "{why:?}");
}

#[test]
fn attack_8_a_manifest_of_other_bytes_is_found_out() {
    let _together = together();
    let why = nothing_of(|wire, message, content| match message {
        Message::Request(run) if run.blob == 0 => {
            let mut other = content.clone();
            other.manifest[40] ^= 1;
            answer(wire, message, &other).map(|()| Done::Mine)
        }
        _ => Ok(Done::Honest),
    });
    assert_eq!(why, Failure::Integrity(Fault::BadManifest));
}

#[test]
fn attack_8_hashes_that_lead_elsewhere_are_found_out() {
    let _together = together();
    type Spoil = fn(&mut Hashes);
    let spoils: [Spoil; 4] = [
        |hashes| hashes.hashes[1].0[0] ^= 1,
        |hashes| hashes.proof.push(Hash([1; 32])),
        |hashes| hashes.hashes.truncate(1),
        |hashes| hashes.hashes.extend([Hash::ZERO; 1500]),
    ];
    for spoil in spoils {
        let why = nothing_of(move |wire, message, content| match message {
            Message::HashRequest(range) => {
                use truecopy_protocol::content::tree::{OneByOne, subtree};
                let hashes = content
                    .blob(range.blob)
                    .chunks(1 << 18)
                    .map(|chunk| subtree(&OneByOne, chunk, 4))
                    .collect();
                let mut answer = Hashes { range: *range, hashes, proof: vec![] };
                spoil(&mut answer);
                wire.say(&[Message::Hashes(answer)]).map(|()| Done::Mine)
            }
            _ => Ok(Done::Honest),
        });
        assert_eq!(why, Failure::Integrity(Fault::BadProof));
    }
}

#[test]
fn attack_8_blocks_that_nobody_asked_for_end_the_session() {
    let _together = together();
    let frames: [fn(&BlockRun) -> Vec<u8>; 6] = [
        |run| blocks(run.blob + 1, run.block, &[0; 16_384]),
        |run| blocks(run.blob, run.block + 1, &[0; 16_384]),
        |_| blocks(u32::MAX, u32::MAX, &[0; 16_384]),
        |run| blocks(run.blob, run.block, &[0; 100]),
        // Too long, by one byte, and its own continuation in another place.
        |run| {
            [blocks(run.blob, run.block, &[0; 16_384]), blocks(run.blob, run.block + 2, &[0; 16_384])]
                .concat()
        },
        |run| blocks(run.blob, run.block, &[0; 262_144]).repeat(3),
    ];
    for frame in frames {
        let why = nothing_of(move |wire, message, _| match message {
            Message::Request(run) if run.blob == 1 => wire.raw(&frame(run)).map(|()| Done::Mine),
            _ => Ok(Done::Honest),
        });
        assert!(matches!(why, Failure::Integrity(Fault::Unasked | Fault::BadBytes)), "{why:?}");
    }
}

#[test]
fn attack_9_another_root_after_consent_is_refused() {
    let _together = together();
    let other = Invented::file("top/evil", 77).identity();
    let why = nothing_of(move |wire, message, _| {
        if is_of_file(message) {
            wire.say(&[Message::Info(Info { size: other.size, root: other.root })])?;
            return Ok(Done::Mine);
        }
        Ok(Done::Honest)
    });
    assert_eq!(why, Failure::Integrity(Fault::BadManifest));
    // Before consent too: while the manifest is on its way.
    let why = nothing_of(move |wire, message, _| {
        if matches!(message, Message::Request(_)) {
            wire.say(&[Message::Info(Info { size: other.size, root: other.root })])?;
        }
        Ok(Done::Honest)
    });
    assert_eq!(why, Failure::Integrity(Fault::BadManifest));
}

#[test]
fn attack_9_the_manifest_cannot_be_sent_again() {
    let _together = together();
    let why = nothing_of(|wire, message, content| {
        if is_of_file(message) {
            wire.raw(&blocks(0, 0, &vec![1; content.manifest.len()]))?;
            return Ok(Done::Mine);
        }
        Ok(Done::Honest)
    });
    assert_eq!(why, Failure::Integrity(Fault::Unasked));
}

#[test]
fn attack_9_the_same_word_twice_changes_nothing() {
    let _together = together();
    let (world, content) = (World::new(), share());
    let (id, greeting) = (content.content_id(), greeting(&content));
    let again = greeting.clone();
    let hostile = Hostile::scripted(content, greeting, move |wire, _, _| {
        wire.say(&again)?;
        Ok(Done::Honest)
    });
    let end = fetch(&Receiver::new(&world.dest()), id, &hostile);
    assert!(matches!(end, End::Placed(outcome) if outcome.placed == 2), "{end:?}");
}
