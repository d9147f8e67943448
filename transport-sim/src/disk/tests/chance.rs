//! Faults by chance.

use super::*;

/// What a fixed script of calls meets, call by call: `k` a call that did all, `s` short, `i` interrupted, `e` any error.
/// And which of its syncs lied.
fn script(seed: u64, faults: Faults, planned: &[DiskFault]) -> (String, Vec<bool>, DiskCounts) {
    let disk = FaultyDisk::new(seed, faults);
    disk.put(path("f").as_path(), &[7; 3000]);
    for fault in planned {
        disk.schedule(fault.clone());
    }
    let (mut seen, mut lies) = (String::new(), vec![]);
    let file = FaultyFile { node: 1, access: OpenMode::Update };
    for turn in 0..300_u32 {
        let written = disk.write_at(&file, &[turn as u8; 1000], u64::from(turn % 3) * 1000);
        let read = disk.read_at(&file, &mut [0; 1000], 0);
        for moved in [written, read] {
            seen.push(match moved {
                Ok(1000) => 'k',
                Ok(_) => 's',
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 'i',
                Err(_) => 'e',
            });
        }
        let before = disk.counts().lying_syncs;
        let _ = disk.sync_file(&file);
        lies.push(disk.counts().lying_syncs > before);
    }
    (seen, lies, disk.counts())
}

const ALL: Faults = Faults {
    short_permille: 200,
    interrupted_permille: 100,
    lying_sync_permille: 300,
    space_max: None,
    torn_permille: 500,
    unsynced_data: AtPowerLoss::AnySubset,
    unsynced_names: AtPowerLoss::AnySubset,
    error: None,
};

#[test]
fn short_interrupted_and_lying_calls_come_about_as_often_as_they_are_set_to() {
    let (seen, lies, counts) = script(1, ALL, &[]);
    let count = |what: char| seen.chars().filter(|c| *c == what).count() as u64;
    assert_eq!(count('s'), counts.short_reads + counts.short_writes);
    assert!(counts.interrupted >= count('i'));
    assert_eq!(lies.iter().filter(|lie| **lie).count() as u64, counts.lying_syncs);
    let counted = [counts.short_reads, counts.short_writes, counts.interrupted, counts.lying_syncs];
    for (count, expected) in counted.into_iter().zip([54_u64, 54, 90, 81]) {
        assert!(count.abs_diff(expected) < 35, "{count} for {expected}");
    }
    let (seen, _, counts) = script(1, Faults::default(), &[]);
    assert_eq!((seen, counts), ("k".repeat(600), DiskCounts::default()), "no faults, no trouble");
    assert_ne!(script(2, ALL, &[]).0, script(1, ALL, &[]).0, "the seed decides");
    assert_eq!(script(1, ALL, &[]), script(1, ALL, &[]), "and nothing else");
}

#[test]
fn removing_one_knob_shifts_no_draw_of_another() {
    let (whole, lies, _) = script(3, ALL, &[]);
    let (without, same_lies, _) = script(3, Faults { interrupted_permille: 0, ..ALL }, &[]);
    for (at, (with, without)) in whole.chars().zip(without.chars()).enumerate() {
        assert!(with == without || with == 'i', "call {at}: {with} became {without}");
    }
    // What was interrupted could not lie.
    assert!(lies.iter().zip(&same_lies).all(|(with, without)| !with || *without));

    let (without, same_lies, _) = script(3, Faults { short_permille: 0, ..ALL }, &[]);
    assert_eq!(without, whole.replace('s', "k"));
    assert_eq!(same_lies, lies);

    let (same, without, _) = script(3, Faults { lying_sync_permille: 0, ..ALL }, &[]);
    assert_eq!(same, whole);
    assert!(!without.contains(&true));

    let error =
        DiskFault::Error { call: CallKind::Write, at: 5, error: Failure::Device, lasting: Lasting::Once };
    let (with, same_lies, _) = script(3, ALL, &[error]);
    let differing: Vec<_> = whole.chars().zip(with.chars()).filter(|(a, b)| a != b).collect();
    assert!(differing.len() == 1 && differing[0].1 == 'e', "{differing:?}");
    assert_eq!(same_lies, lies);
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_until_there_is_space() {
    let disk = FaultyDisk::new(1, Faults { space_max: Some(1024), ..Faults::default() });
    let file = create(&disk, "f");
    assert_eq!(disk.write_at(&file, &[1; 2000], 0).unwrap(), 1024);
    assert_eq!(kind(disk.write_at(&file, &[1; 976], 1024)), io::ErrorKind::StorageFull);
    assert_eq!(kind(disk.allocate(&file, 5000)), io::ErrorKind::StorageFull);
    assert_eq!((disk.counts().no_space, disk.free_space().unwrap()), (3, Some(0)));
    assert_eq!(disk.write_at(&file, &[2; 1000], 0).unwrap(), 1000, "what is paid for is always taken");
    disk.set_space(Some(4096));
    assert_eq!(disk.write_at(&file, &[1; 976], 1024).unwrap(), 976);
    disk.set_space(None);
    assert_eq!(disk.write_at(&file, &[1; 9000], 2000).unwrap(), 9000);
    assert_eq!(disk.counts().no_space, 3);
}

#[test]
fn a_stopped_machine_answers_no_more_and_says_so() {
    let disk = FaultyDisk::new(1, Faults::default());
    let file = create(&disk, "f");
    disk.stop_at(disk.calls() + 2);
    disk.write_at(&file, &[1; 10], 0).unwrap();
    assert!(disk.write_at(&file, &[1; 10], 10).is_err() && disk.is_down());
    assert!(disk.sync_file(&file).is_err());
    assert_eq!((disk.counts().stops, disk.counts().failed_syncs), (1, 0));
    // The process that ended can do no harm to the next one.
    let next = disk.restart();
    let again = open(&next, "f");
    next.write_at(&again, &[2; 10], 0).unwrap();
    assert!(disk.sync_file(&file).is_err());
    next.sync_file(&again).unwrap();
    next.sync_dir(None).unwrap();
    assert_eq!(durable(&next, "f").unwrap()[..10], [2; 10]);
}
