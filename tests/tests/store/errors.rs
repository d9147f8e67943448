//! The disk is full, or fails: a clean error, nothing lost, and later success.

use std::io::ErrorKind;

use truecopy_protocol::job::StorageError;
use truecopy_sim::disk::{Faults, FaultyDisk, InjectedError, Lasting};
use truecopy_transport::store::{TrustDisk, storage_error};

use crate::share::{Failed, Progress, Receiver, TestShare, check_done, check_names};

fn share() -> TestShare {
    TestShare::new(&[("a/one", 300_000), ("a/two", 5), ("b", 40_000), ("a/none", 0), ("a/link->one", 0)])
}

#[test]
fn an_error_at_any_call_is_reported_and_the_next_run_succeeds() {
    let share = share();
    let receiver = Receiver { sync_every: 1, batch: 1, ..Receiver::new(&share) };
    for lasting in [Lasting::Once, Lasting::Sticky] {
        for call in 1.. {
            let error = Some(InjectedError { call, kind: ErrorKind::Other, lasting });
            let disk = FaultyDisk::new(call, Faults { error, ..Faults::default() });
            let result = receiver.run(&disk, &mut Progress::default());
            if disk.calls() < call {
                break;
            }
            match result {
                // Only what is for people, or what is cleared away at the end, may fail unseen.
                Ok(_) => {}
                Err(Failed::Storage(StorageError::Io) | Failed::Open(_)) => {}
                Err(other) => panic!("call {call}: {other:?}"),
            }
            disk.set_faults(Faults::default());
            let disk = disk.restart();
            check_names(&disk, &share, &[]);
            receiver.run(&disk, &mut Progress::default()).unwrap();
            check_done(&disk, &share);
            // What stands under a final name stands on the disk.
            check_done(&disk.power_cycle(), &share);
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_unsynced_is_believed_even_if_the_next_sync_succeeds() {
    let share = share();
    let receiver = Receiver { sync_every: 2, batch: 1, ..Receiver::new(&share) };
    for call in 1.. {
        let error = Some(InjectedError { call, kind: ErrorKind::Other, lasting: Lasting::Once });
        let disk = FaultyDisk::new(call, Faults { error, ..Faults::default() });
        let _ = receiver.run(&disk, &mut Progress::default());
        if disk.calls() < call {
            break;
        }
        disk.set_faults(Faults::default());
        let disk = disk.restart();
        if let Ok(staging) = receiver.open(&disk, TrustDisk::No) {
            let _ = receiver.fetch(&staging, &mut Progress::default());
            let _ = staging.checkpoint(&[], truecopy_protocol::job::Durability::Synced);
        }
        let disk = disk.power_cycle();
        let staging = receiver.open(&disk, TrustDisk::Yes).unwrap();
        let good = receiver.recheck(&staging).unwrap();
        assert_eq!(good.len(), staging.opened().claims.len(), "call {call}: a synced claim is wrong");
    }
}

#[test]
fn a_disk_that_fills_up_anywhere_says_so_and_goes_on_when_there_is_space() {
    let share = share();
    let receiver = Receiver { sync_every: 1, batch: 2, ..Receiver::new(&share) };
    for space in (0..400_000_u64).step_by(4096 * 3 + 512) {
        let disk = FaultyDisk::new(
            space,
            Faults { space_max: Some(space), short_permille: 100, ..Faults::default() },
        );
        let mut progress = Progress::default();
        match receiver.run(&disk, &mut progress) {
            Ok(_) => check_done(&disk, &share),
            Err(Failed::Storage(StorageError::NoSpace) | Failed::Open(_)) => {}
            Err(other) => panic!("{space}: {other:?}"),
        }
        check_names(&disk, &share, &[]);
        disk.set_faults(Faults::default());
        let synced = std::mem::take(&mut progress.synced);
        progress.landed.clear();
        receiver.run(&disk, &mut progress).unwrap();
        assert!(progress.landed.is_disjoint(&synced));
        check_done(&disk, &share);
    }
}

#[test]
fn bytes_that_rot_in_staging_are_found_and_fetched_again() {
    let share = share();
    let receiver = Receiver::new(&share);
    let disk = FaultyDisk::new(1, Faults::default());
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    drop(staging);
    let staged = disk
        .paths()
        .into_iter()
        .find(|(path, _)| path.as_path().as_bytes().ends_with(b"tree/a/one"))
        .unwrap();
    disk.rot(staged.0.as_path(), 270_000, 4);
    let mut progress = Progress::default();
    receiver.run(&disk, &mut progress).unwrap();
    assert_eq!(progress.landed.len(), 1);
    check_done(&disk, &share);
}

#[test]
fn a_sync_that_failed_is_not_tried_again_and_believed() {
    let share = share();
    let receiver = Receiver { sync_every: 100, ..Receiver::new(&share) };
    let disk = FaultyDisk::new(2, Faults::default());
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    let from = disk.calls();
    for call in from + 1..from + 60 {
        let error = Some(InjectedError { call, kind: ErrorKind::Other, lasting: Lasting::Once });
        let disk = FaultyDisk::new(2, Faults::default());
        let staging = receiver.open(&disk, TrustDisk::No).unwrap();
        receiver.fetch(&staging, &mut Progress::default()).unwrap();
        disk.set_faults(Faults { error, ..Faults::default() });
        for _ in 0..3 {
            let _ = staging.checkpoint(&[], truecopy_protocol::job::Durability::Synced);
        }
        drop(staging);
        let disk = disk.power_cycle();
        disk.set_faults(Faults::default());
        let staging = receiver.open(&disk, TrustDisk::Yes).unwrap();
        let good = receiver.recheck(&staging).unwrap();
        assert_eq!(good.len(), staging.opened().claims.len(), "call {call}: a synced claim is wrong");
    }
}

#[test]
fn several_workers_land_and_checkpoint_at_once() {
    let names: Vec<String> = (0..40).map(|number| format!("w/{number}")).collect();
    let entries: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 300_000)).collect();
    let all = TestShare::new(&entries);
    let disk =
        FaultyDisk::new(4, Faults { short_permille: 100, interrupted_permille: 50, ..Faults::default() });
    let receiver = Receiver { sync_every: 2, ..Receiver::new(&all) };
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    // Each fetches everything: the same bytes meet in the same files.
    std::thread::scope(|scope| {
        for batch in 1..5 {
            let (all, staging) = (&all, &staging);
            scope.spawn(move || {
                let receiver = Receiver { batch, sync_every: 2, ..Receiver::new(all) };
                receiver.fetch(staging, &mut Progress::default()).unwrap();
            });
        }
    });
    drop(staging);
    let disk = disk.power_cycle();
    let staging = receiver.open(&disk, TrustDisk::Yes).unwrap();
    assert_eq!(receiver.recheck(&staging).unwrap().len(), staging.opened().claims.len());
    drop(staging);
    disk.set_faults(Faults::default());
    receiver.run(&disk, &mut Progress::default()).unwrap();
    check_done(&disk, &all);
}

#[test]
fn every_error_of_the_system_has_its_meaning() {
    let meanings = [
        (ErrorKind::StorageFull, StorageError::NoSpace),
        (ErrorKind::QuotaExceeded, StorageError::NoSpace),
        (ErrorKind::PermissionDenied, StorageError::Denied),
        (ErrorKind::ReadOnlyFilesystem, StorageError::Denied),
        (ErrorKind::NotFound, StorageError::Vanished),
        (ErrorKind::AlreadyExists, StorageError::Conflict),
        (ErrorKind::NotADirectory, StorageError::Conflict),
        (ErrorKind::IsADirectory, StorageError::Conflict),
        (ErrorKind::DirectoryNotEmpty, StorageError::Conflict),
        (ErrorKind::InvalidInput, StorageError::Changed),
        (ErrorKind::WouldBlock, StorageError::Held),
        (ErrorKind::Unsupported, StorageError::Unsupported),
        (ErrorKind::InvalidFilename, StorageError::Unsupported),
        (ErrorKind::FileTooLarge, StorageError::Unsupported),
        (ErrorKind::TooManyLinks, StorageError::Unsupported),
        (ErrorKind::CrossesDevices, StorageError::Unsupported),
        (ErrorKind::UnexpectedEof, StorageError::Io),
    ];
    for (kind, meaning) in meanings {
        assert_eq!(storage_error(kind.into()), meaning, "{kind:?}");
    }
    assert_eq!(storage_error(std::io::Error::other(StorageError::Changed)), StorageError::Changed);
}
