//! Attack 7: lies about sizes and counts. Nothing is allocated or written on the word of a peer.

use truecopy_protocol::Hash;
use truecopy_protocol::content::manifest::{ManifestError, ManifestIdentity};
use truecopy_protocol::output::{Event, Failure, Fault};
use truecopy_protocol::wire::{ChunkRange, Info, Message};

use crate::host::{End, Receiver};
use crate::invented::{Invented, Kind, header};
use crate::sender::{Done, Hostile, fetch, offered, refused};
use crate::world::{Memory, World, together};

/// MiB that an attack may cost, whatever it says.
const COST_MAX: u64 = 64;

#[test]
fn attack_7_files_that_no_disk_holds_are_refused_before_bytes_move() {
    let memory = Memory::watch();
    let world = World::new();
    let claim = Kind::Claim(1 << 45, Hash([1; 32]));
    let End::NoSpace(needed, free) = offered(&world, Invented::new(&[(b"huge", claim.clone())])) else {
        panic!("accepted")
    };
    assert!(needed == 1 << 45 && free < needed);
    assert_eq!(std::fs::read_dir(world.dest()).unwrap().count(), 0);
    let many: Vec<(Vec<u8>, Kind)> =
        (0..64).map(|number| (format!("{number:02}").into_bytes(), claim.clone())).collect();
    let many: Vec<(&[u8], Kind)> = many.iter().map(|(name, kind)| (&name[..], kind.clone())).collect();
    assert!(matches!(offered(&world, Invented::new(&many)), End::NoSpace(..)));
    let too_large = Kind::Claim((1 << 46) + 1, Hash([1; 32]));
    assert!(matches!(refused(Invented::new(&[(b"huge", too_large)])), ManifestError::FileTooLarge(_)));
    let all = Kind::Claim(u64::MAX, Hash([1; 32]));
    refused(Invented::new(&[(b"a", all.clone()), (b"b", all)]));
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_7_counts_are_not_believed() {
    let memory = Memory::watch();
    for count in [1_000_000_000, u64::from(u32::MAX), 4_000_001] {
        let why = refused(Invented::bare(header(b"share", 0, count)));
        assert!(matches!(why, ManifestError::TooManyEntries { .. } | ManifestError::Header), "{why:?}");
    }
    // As many as are allowed, and none of them there.
    assert!(matches!(refused(Invented::bare(header(b"share", 0, 4_000_000))), ManifestError::Malformed(_)));
    let mut long = header(b"share", 0, 1);
    long.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, b'x']);
    refused(Invented::bare(long));
    refused(Invented::bare(vec![0; 100_000]));
    refused(Invented::bare(vec![0xff; 100_000]));
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_7_a_manifest_beyond_the_limit_is_not_fetched() {
    let memory = Memory::watch();
    for size in [(64 << 20) + 1, 1 << 45, u64::MAX] {
        let world = World::new();
        let identity = ManifestIdentity { size, root: Hash([7; 32]) };
        let hostile = Hostile::raw(move |wire| {
            wire.admit(identity.content_id(), crate::host::SECRET)?;
            wire.say(&[Message::Info(Info { size, root: identity.root })])?;
            let ending = wire.until_end();
            assert!(ending.said.is_some());
            Ok(())
        });
        let end = fetch(&Receiver::new(&world.dest()), identity.content_id(), &hostile);
        assert!(matches!(end, End::Failed(Failure::OfferTooLarge(told)) if told == size), "{end:?}");
        world.untouched();
    }
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}

#[test]
fn attack_7_an_empty_manifest_is_refused_and_not_waited_for() {
    let _together = together();
    assert!(matches!(refused(Invented::bare(Vec::new())), ManifestError::Header));
}

#[test]
fn attack_7_a_deep_tree_arrives_or_is_refused() {
    let _together = together();
    let world = World::new();
    let deep = |folders: usize| [&b"d/".repeat(folders)[..], b"file"].concat();
    let content = Invented::new(&[(&deep(120), Kind::File(vec![1; 10], 0o644))]);
    let end = offered(&world, content);
    assert!(matches!(end, End::Placed(_)), "{end:?}");
    let world = World::new();
    let end = offered(&world, Invented::new(&[(&deep(127), Kind::File(vec![1; 10], 0o644))]));
    assert!(matches!(end, End::Placed(_)), "{end:?}");
    let why = refused(Invented::new(&[(&deep(65_536), Kind::File(vec![1; 10], 0o644))]));
    assert!(matches!(why, ManifestError::Path { .. }));
}

/// Ranges of chunks without end, some of them beyond all numbers.
#[test]
fn attack_7_claims_of_chunks_are_bounded() {
    let memory = Memory::watch();
    let world = World::new();
    let content = Invented::file("file", 1000);
    let id = content.content_id();
    let greeting = crate::sender::greeting(&content);
    let hostile = Hostile::scripted(content, greeting[..1].to_vec(), |wire, _, _| {
        for part in 0..100_u32 {
            let ranges = (0..4096).map(|at| ChunkRange { first: (part * 4096 + at) * 2, count: 1 }).collect();
            wire.say(&[Message::Have(ranges)])?;
        }
        Ok(Done::Mine)
    });
    let end = fetch(&Receiver::new(&world.dest()), id, &hostile);
    assert!(matches!(end, End::Failed(Failure::Integrity(Fault::Flood | Fault::BadRequest))), "{end:?}");
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
    world.untouched();
}

/// A source that says the same thing over and over, to a program that does not listen.
#[test]
fn attack_7_chatter_costs_the_receiver_no_memory() {
    use truecopy_protocol::wire::Preparing;
    let memory = Memory::watch();
    let world = World::new();
    let content = Invented::file("file", 1000);
    let id = content.content_id();
    let greeting = crate::sender::greeting(&content);
    let (told, heard) = std::sync::mpsc::channel::<()>();
    let mut once = Some(told);
    let hostile = Hostile::scripted(content, greeting, move |wire, message, _| {
        if matches!(message, Message::Request(run) if run.blob > 0) && once.is_some() {
            let say = |number: u64| Message::Preparing(Preparing { done: number, total: u64::MAX });
            let chatter: Vec<Message> = (0..10_000)
                .flat_map(|number| [say(number), Message::Paused, Message::Resumed, Message::Pong(number)])
                .collect();
            for _ in 0..20 {
                wire.say(&chatter)?;
            }
            drop(once.take());
        }
        Ok(Done::Honest)
    });
    let (dest, mut deaf) = (world.dest(), true);
    let receiver = Receiver::new(&dest);
    receiver.seek(id, Some(hostile.id), hostile.address);
    let end = receiver.run(|event| {
        if matches!(event, Event::Fetching { .. }) && std::mem::take(&mut deaf) {
            // Until all of it is said.
            let _ = heard.recv();
        }
    });
    assert!(matches!(end, End::Placed(_) | End::Failed(_)), "{end:?}");
    assert!(memory.grown() < COST_MAX, "{} MiB", memory.grown());
}
