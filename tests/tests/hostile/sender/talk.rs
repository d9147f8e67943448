//! Attacks 15 and 16: senders that speak out of turn, in another version, or not at all.

use std::time::Duration;

use truecopy_protocol::content::identity::ShareProof;
use truecopy_protocol::input::LinkLoss;
use truecopy_protocol::output::{Failure, Fault};
use truecopy_protocol::wire::{Corrupt, Features, Hello, Message, Proven};

use crate::host::{End, Receiver, SECRET, config};
use crate::invented::Invented;
use crate::sender::{Done, Hostile, fetch, greeting};
use crate::wire::frame;
use crate::world::{Memory, World, together};

fn content() -> Invented {
    Invented::file("file", 400_000)
}

#[track_caller]
fn fails(hostile: &Hostile) -> Failure {
    let world = World::new();
    let end = fetch(&Receiver::new(&world.dest()), content().content_id(), hostile);
    let End::Failed(why) = end else { panic!("{end:?}") };
    world.untouched();
    why
}

#[test]
fn attack_16_other_versions_are_named_and_refused() {
    let _together = together();
    for (version, version_min) in [(0, 0), (99, 2), (u16::MAX, u16::MAX)] {
        let hostile = Hostile::raw(move |wire| {
            let hello = Hello { version, version_min, features: Features(u64::MAX), nonce: wire.nonce };
            wire.say(&[Message::Hello(hello)])?;
            wire.until_end();
            Ok(())
        });
        assert_eq!(fails(&hostile), Failure::Version);
    }
}

#[test]
fn attack_16_a_sender_that_does_not_know_the_secret_is_left() {
    let _together = together();
    let hostile = Hostile::raw(|wire| {
        wire.greet()?;
        let _ = wire.message()?;
        wire.say(&[Message::Proven(Proven { proof: ShareProof([3; 32]) })])?;
        wire.until_end();
        Ok(())
    });
    assert_eq!(fails(&hostile), Failure::Integrity(Fault::BadMac));
    // Sent back to where it came from, the receiver's own proof is none.
    let hostile = Hostile::raw(|wire| {
        wire.greet()?;
        let Message::Prove(prove) = wire.message()? else { panic!("no proof") };
        wire.say(&[Message::Proven(Proven { proof: prove.proof })])?;
        wire.until_end();
        Ok(())
    });
    assert_eq!(fails(&hostile), Failure::Integrity(Fault::BadMac));
}

#[test]
fn attack_16_another_key_than_the_tickets_is_never_talked_to() {
    let _together = together();
    let hostile = Hostile::raw(|_| panic!("a session with the wrong key"));
    let (world, other) = (World::new(), truecopy_transport::keys::KeyPair::generate().unwrap().node_id());
    let dest = world.dest();
    let mut config = config();
    config.config.find_timeout = Duration::from_millis(500);
    let receiver = Receiver::with(&dest, config);
    receiver.seek(content().content_id(), Some(other), hostile.address);
    let end = receiver.run(|_| {});
    assert!(matches!(end, End::Failed(Failure::NotFound(LinkLoss::WrongKey))), "{end:?}");
    world.untouched();
}

#[test]
fn attack_15_frames_that_are_none_end_the_session() {
    let memory = Memory::watch();
    let frames: Vec<Vec<u8>> = vec![
        frame(u32::MAX, 24, &[]),
        frame(65_537, 1, &[]),
        frame(262_153, 12, &[]),
        frame(8, 12, &[0; 8]),
        frame(0, 12, &[]),
        frame(4, 200, &[0; 4]),
        frame(3, 6, &[0xff; 3]),
        // A list that claims to be longer than memory.
        frame(10, 8, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]),
        frame(0, 0, &[]),
    ];
    for bytes in frames {
        let shown = bytes.clone();
        let hostile = Hostile::raw(move |wire| {
            wire.admit(content().content_id(), SECRET)?;
            wire.raw(&bytes)?;
            let ending = wire.until_end();
            assert!(ending.took < Duration::from_secs(10));
            Ok(())
        });
        let why = fails(&hostile);
        assert!(matches!(why, Failure::Integrity(Fault::Decode(_))), "{shown:?}: {why:?}");
    }
    assert!(memory.grown() < 64, "{} MiB", memory.grown());
}

#[test]
fn attack_15_messages_out_of_turn_end_the_session() {
    let _together = together();
    let proof = ShareProof([0; 32]);
    let hello = crate::wire::hello(truecopy_protocol::content::identity::Nonce([1; 32]));
    let messages = [
        hello,
        Message::Proven(Proven { proof }),
        Message::Intact(Corrupt { blob: 1, chunk: 0 }),
        Message::Corrupt(Corrupt { blob: 1, chunk: 0 }),
        Message::Request(truecopy_protocol::wire::BlockRun { blob: 0, block: 0, count: 1 }),
    ];
    for message in messages {
        let greeting = [greeting(&content()), vec![message.clone()]].concat();
        let hostile = Hostile::scripted(content(), greeting, |_, _, _| Ok(Done::Honest));
        let why = fails(&hostile);
        assert!(matches!(why, Failure::Integrity(Fault::OutOfTurn | Fault::Unasked)), "{message:?}: {why:?}");
    }
}

/// It is alive and says what it has, but never what it is.
#[test]
fn attack_15_a_sender_that_tells_of_chunks_but_not_of_the_manifest_is_not_waited_for() {
    let _together = together();
    let greeting = greeting(&content())[1..].to_vec();
    let hostile = Hostile::scripted(content(), greeting, |_, _, _| Ok(Done::Honest));
    assert_eq!(fails(&hostile), Failure::Integrity(Fault::OutOfTurn));
}

/// It is alive, offers, and never delivers; again and again.
#[test]
fn attack_15_a_sender_that_never_delivers_is_given_up() {
    let _together = together();
    for silent_from in [0, 1] {
        let hostile =
            Hostile::scripted(content(), greeting(&content()), move |_, message, _| match message {
                Message::Request(run) if run.blob >= silent_from => Ok(Done::Mine),
                _ => Ok(Done::Honest),
            });
        let world = World::new();
        let dest = world.dest();
        let mut config = config();
        config.config.ping_after = Duration::from_millis(100);
        config.config.stall_max = Duration::from_millis(300);
        config.config.silence_max = Duration::from_millis(600);
        config.config.lost_timeout = Duration::from_secs(1);
        let receiver = Receiver::with(&dest, config);
        let end = fetch(&receiver, content().content_id(), &hostile);
        assert!(matches!(end, End::Failed(Failure::LinkLost(LinkLoss::TimedOut))), "{end:?}");
        world.untouched();
    }
}
