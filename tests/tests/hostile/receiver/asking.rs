//! Attacks 11 and 15: requests outside of the share, floods, frames that are none.

use truecopy_protocol::Hash;
use truecopy_protocol::content::identity::{Nonce, ShareProof};
use truecopy_protocol::wire::{BlockRun, ChunkRange, Corrupt, HashRange, Info, Message, Proven, Reason};

use super::{COST_MAX, Scene, misbehaved};
use crate::wire::{Heard, blocks, frame, hello};
use crate::world::{Memory, together};

const fn run(blob: u32, block: u32, count: u32) -> BlockRun {
    BlockRun { blob, block, count }
}

#[test]
fn attack_11_requests_outside_of_the_share_end_the_session() {
    let _together = together();
    let scene = Scene::new(1_000_000);
    let messages = [
        Message::Request(run(999, 0, 1)),
        Message::Request(run(u32::MAX, 0, 1)),
        Message::Request(run(1, u32::MAX, 1)),
        Message::Request(run(1, u32::MAX, u32::MAX)),
        Message::Request(run(1, 0, 0)),
        Message::Request(run(1, 0, 17)),
        Message::Request(run(1, 15, 2)),
        Message::Request(run(1, 62, 1)),
        Message::Request(run(0, 1, 1)),
        Message::HashRequest(HashRange { blob: 2, first: 0 }),
        Message::HashRequest(HashRange { blob: 1, first: 1 }),
        Message::HashRequest(HashRange { blob: 1, first: 512 }),
        Message::HashRequest(HashRange { blob: u32::MAX, first: u32::MAX }),
        Message::Corrupt(Corrupt { blob: 0, chunk: 0 }),
        Message::Corrupt(Corrupt { blob: 1, chunk: 4 }),
        Message::Corrupt(Corrupt { blob: 1, chunk: u32::MAX }),
        Message::Corrupt(Corrupt { blob: u32::MAX, chunk: 0 }),
    ];
    for message in messages {
        let mut wire = scene.open();
        wire.say(std::slice::from_ref(&message)).unwrap();
        misbehaved(&format!("{message:?}"), &wire.until_end());
    }
    scene.serves();
}

#[test]
fn attack_15_messages_out_of_turn_end_the_session() {
    let _together = together();
    let scene = Scene::new(100_000);
    let proof = ShareProof([0; 32]);
    let messages = [
        hello(Nonce([1; 32])),
        Message::Proven(Proven { proof }),
        Message::Info(Info { size: 1, root: Hash([1; 32]) }),
        Message::Intact(Corrupt { blob: 1, chunk: 0 }),
    ];
    for message in messages {
        let mut wire = scene.open();
        wire.say(std::slice::from_ref(&message)).unwrap();
        misbehaved(&format!("{message:?}"), &wire.until_end());
        // Before anything is proven they have no more place.
        let mut wire = scene.connect();
        wire.say(&[hello(wire.nonce), message.clone()]).unwrap();
        misbehaved(&format!("{message:?}"), &wire.until_end());
    }
    scene.serves();
}

#[test]
fn attack_15_frames_that_are_none_end_the_session() {
    let memory = Memory::watch();
    let scene = Scene::new(100_000);
    let frames = [
        frame(u32::MAX, 10, &[]),
        frame(65_537, 3, &[]),
        frame(1 << 31, 12, &[]),
        frame(4, 200, &[0; 4]),
        frame(0, u16::MAX - 1, &[]),
        frame(2, 10, &[0xff; 2]),
        frame(10, 8, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]),
        blocks(1, 0, &[0; 16_384]),
    ];
    for bytes in frames {
        for open in [true, false] {
            let mut wire = if open { scene.open() } else { scene.connect() };
            wire.raw(&bytes).unwrap();
            misbehaved(&format!("{:?}", &bytes[..6]), &wire.until_end());
        }
    }
    scene.serves();
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

/// Says the same until it is hung up on, at most so many times.
#[track_caller]
fn flood(scene: &Scene, message: &[Message], times: usize) {
    let mut wire = scene.open();
    let part: Vec<Message> = message.iter().cycle().take(1000).cloned().collect();
    for _ in 0..times / 1000 {
        if wire.say(&part).is_err() {
            // Hung up on, and the reset came before the word could be read.
            return;
        }
    }
    misbehaved(&format!("{message:?}"), &wire.until_end());
}

#[test]
fn attack_11_floods_end_in_a_goodbye_and_cost_no_memory() {
    let memory = Memory::watch();
    let scene = Scene::new(4 << 20);
    flood(&scene, &[Message::Request(run(1, 0, 16))], 10_000);
    flood(&scene, &[Message::Request(run(0, 0, 1))], 10_000);
    flood(&scene, &[Message::HashRequest(HashRange { blob: 1, first: 0 })], 200_000);
    flood(&scene, &[Message::Corrupt(Corrupt { blob: 1, chunk: 0 })], 10_000);
    flood(&scene, &[Message::Ping(7)], 100_000);
    scene.serves();
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

/// News of a receiver that nobody reads must not pile up.
#[test]
fn attack_11_a_receiver_that_pauses_and_resumes_without_end_costs_no_memory() {
    let scene = Scene::new(100_000);
    let memory = Memory::watch();
    flood(&scene, &[Message::Paused, Message::Resumed], 2_000_000);
    assert!(memory.grown() < 32, "{} MiB", memory.grown());
    scene.serves();
}

#[test]
fn attack_11_what_may_be_skipped_is_skipped_and_not_kept() {
    let memory = Memory::watch();
    let scene = Scene::new(100_000);
    let mut wire = scene.open();
    let unknown = frame(65_536, 65_535, &vec![7; 65_536]);
    let ranges = Message::Have((0..4096).map(|at| ChunkRange { first: at * 3, count: 1 }).collect());
    for _ in 0..200 {
        wire.raw(&unknown).unwrap();
        wire.say(&[ranges.clone(), Message::Pong(1)]).unwrap();
    }
    wire.say(&[Message::Request(run(1, 0, 1))]).unwrap();
    assert!(matches!(wire.hear().unwrap(), Heard::Blocks(head) if head.blob == 1));
    scene.serves();
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_11_nothing_is_served_after_a_goodbye() {
    let memory = Memory::watch();
    let scene = Scene::new(4 << 20);
    let mut wire = scene.open();
    wire.say(&[Message::Goodbye(Reason::Cancelled)]).unwrap();
    // It may be closed before all of this is said.
    let requests = vec![Message::Request(run(1, 0, 16)); 1000];
    for _ in 0..20 {
        if wire.say(&requests).is_err() {
            break;
        }
    }
    let mut blocks = 0;
    while let Ok(heard) = wire.hear() {
        match heard {
            Heard::Blocks(..) => blocks += 1,
            Heard::Message(_) => {}
            Heard::End => break,
        }
    }
    assert_eq!(blocks, 0);
    scene.serves();
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}
