//! Crashes, rot, storage errors, sources that change.

use std::time::Duration;

use truecopy_protocol::job::{StorageError, Trust};
use truecopy_protocol::output::{Event, Failure, Fault};
use truecopy_protocol::{BlobId, EntryIndex};

use crate::content::{Content, SPANS};
use crate::store::{Broken, Source};
use crate::world::World;

const FILE: BlobId = BlobId(1);

fn crash_and_resume(content: &Content, seed: u64, trust: Trust, rot: bool) {
    let mut world = World::new(seed);
    let sender = world.sender(content);
    let receiver = world.receiver(content, &[sender]);
    let total = content.manifest.total_size();
    let mut claimed_before = 0;
    for crash in 1..=4 {
        let enough = total * crash / 5;
        world.run(Duration::from_secs(60), |world| {
            world.hosts[receiver].store.landed >= enough || world.ended(receiver)
        });
        world.crash(receiver);
        let store = &mut world.hosts[receiver].store;
        store.trust = trust;
        let claimed = store.claims.len();
        assert!(claimed >= claimed_before, "nothing claimed is forgotten");
        claimed_before = claimed;
        if rot && let Some((&chunk, _)) = store.claims.iter().next() {
            let (entry, within) =
                store.content.manifest.locate(truecopy_protocol::ChunkIndex(chunk)).unwrap();
            let range = store.content.manifest.shape(entry).unwrap().chunk_range(u64::from(within));
            store.staged.get_mut(&BlobId::of(entry)).unwrap()[range.start as usize] ^= 1;
        }
        world.hosts[receiver].events.clear();
        world.fetch(receiver, &[sender]);
    }
    let over = world.run(Duration::from_secs(600), |world| world.ended(receiver));
    assert!(over && world.completed(receiver), "seed {seed}: {:?}", world.hosts[receiver].events);
}

#[test]
fn a_transfer_goes_on_after_every_crash() {
    let content = Content::files(&[7 * SPANS + 1, 900, 2 * SPANS, 5000, 70 * 1024]);
    (0..20).for_each(|seed| crash_and_resume(&content, seed, Trust::Recheck, false));
}

#[test]
fn rotten_claims_are_fetched_again() {
    let content = Content::files(&[7 * SPANS + 1, 900, 2 * SPANS, 5000]);
    (0..20).for_each(|seed| crash_and_resume(&content, seed, Trust::Recheck, true));
}

#[test]
fn a_trusted_disk_is_not_read_again() {
    let content = Content::files(&[7 * SPANS + 1, 900, 2 * SPANS, 5000]);
    (0..20).for_each(|seed| crash_and_resume(&content, seed, Trust::Trusted, false));
}

#[test]
fn settled_files_are_not_fetched() {
    let content = Content::files(&[7 * SPANS, 900, 5000]);
    let mut world = World::new(1);
    let sender = world.sender(&content);
    let receiver = world.receiver(&content, &[sender]);
    world.hosts[receiver].store.settled = vec![EntryIndex(0)];
    world.finish(receiver);
    assert!(world.completed(receiver));
    assert_eq!(world.hosts[receiver].store.landed, 5900);
}

#[test]
fn bytes_that_are_wrong_once_are_asked_for_again() {
    for sizes in [vec![3 * SPANS, 5], vec![700, 800, 900], vec![SPANS]] {
        for seed in 0..10 {
            let content = Content::files(&sizes);
            let mut world = World::new(seed);
            let sender = world.sender(&content);
            world.hosts[sender].store.source = Source::FlipReads(FILE, 1);
            let receiver = world.receiver(&content, &[sender]);
            world.finish(receiver);
            assert!(world.completed(receiver), "{:?}", world.hosts[receiver].events);
        }
    }
}

#[test]
fn bytes_that_are_always_wrong_end_the_transfer() {
    for sizes in [vec![3 * SPANS, 5], vec![700, 800, 900], vec![9 * SPANS]] {
        let content = Content::files(&sizes);
        let mut world = World::new(1);
        let sender = world.sender(&content);
        world.hosts[sender].store.source = Source::FlipReads(FILE, u32::MAX);
        let receiver = world.receiver(&content, &[sender]);
        world.finish(receiver);
        assert_eq!(world.failure(receiver), Some(Failure::Integrity(Fault::BadBytes)));
        assert!(world.now.as_nanos() < 60_000_000_000);
    }
}

#[test]
fn one_lying_source_of_two_is_found_out() {
    let content = Content::files(&[9 * SPANS]);
    for seed in 0..10 {
        let mut world = World::new(seed);
        let sources = [world.sender(&content), world.sender(&content)];
        world.hosts[sources[0]].store.source = Source::FlipReads(FILE, u32::MAX);
        let receiver = world.receiver(&content, &sources);
        world.finish(receiver);
        assert!(world.completed(receiver), "seed {seed}: {:?}", world.failure(receiver));
    }
}

#[test]
fn a_changed_source_is_told_by_both_sides() {
    let sources = [
        Source::FailReads(FILE, StorageError::Changed),
        Source::FailReads(FILE, StorageError::Vanished),
        Source::Changed(FILE),
    ];
    for source in sources {
        for sizes in [vec![3 * SPANS, 5], vec![700, 800]] {
            let content = Content::files(&sizes);
            let mut world = World::new(1);
            let sender = world.sender(&content);
            world.hosts[sender].store.source = source;
            let receiver = world.receiver(&content, &[sender]);
            world.finish(receiver);
            assert_eq!(world.failure(receiver), Some(Failure::SourceChanged(Some(EntryIndex(0)))));
            assert!(world.has(sender, |event| matches!(event, Event::SourceBroken { .. })));
        }
    }
}

#[test]
fn a_changed_source_does_not_harm_a_transfer_that_has_another() {
    let content = Content::files(&[9 * SPANS, 5]);
    for seed in 0..10 {
        let mut world = World::new(seed);
        let sources = [world.sender(&content), world.sender(&content)];
        world.hosts[sources[0]].store.source = Source::FailReads(FILE, StorageError::Changed);
        let receiver = world.receiver(&content, &sources);
        world.finish(receiver);
        assert!(world.completed(receiver), "seed {seed}: {:?}", world.failure(receiver));
    }
}

#[test]
fn an_unreadable_source_is_told() {
    let content = Content::files(&[900]);
    let mut world = World::new(1);
    let sender = world.sender(&content);
    world.hosts[sender].store.source = Source::FailReads(FILE, StorageError::Io);
    let receiver = world.receiver(&content, &[sender]);
    world.finish(receiver);
    assert_eq!(world.failure(receiver), Some(Failure::SourceUnreadable(Some(EntryIndex(0)))));
}

#[test]
fn a_storage_error_ends_the_transfer_and_keeps_what_is_there() {
    let content = Content::files(&[40 * SPANS, 900]);
    for broken in [Broken::Open, Broken::Land, Broken::Checkpoint, Broken::Commit] {
        for seed in 0..5 {
            let mut world = World::new(seed);
            let sender = world.sender(&content);
            let receiver = world.receiver(&content, &[sender]);
            if broken != Broken::Open {
                world.run(Duration::from_secs(60), |world| world.hosts[receiver].store.landed > 20 * SPANS);
            }
            world.hosts[receiver].store.broken = Some((broken, StorageError::NoSpace));
            world.finish(receiver);
            assert_eq!(world.failure(receiver), Some(Failure::Storage(StorageError::NoSpace)), "{broken:?}");
            if matches!(broken, Broken::Land | Broken::Commit) {
                assert!(!world.hosts[receiver].store.claims.is_empty(), "{broken:?}");
            }
            world.hosts[receiver].store.broken = None;
            world.crash(receiver);
            world.hosts[receiver].events.clear();
            world.fetch(receiver, &[sender]);
            assert!(world.run(Duration::from_secs(600), |world| world.ended(receiver)));
            assert!(world.completed(receiver));
        }
    }
}
