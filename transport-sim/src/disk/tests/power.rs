//! The loss of power.

use super::*;

/// Bytes on the platter before, bytes written over them and not synced; what is there after a power loss.
fn loss(seed: u64, faults: Faults) -> (Vec<u8>, DiskCounts) {
    let disk = FaultyDisk::new(seed, faults);
    disk.put(path("f").as_path(), &[1; 20_000]);
    let file = open(&disk, "f");
    for sector in 0..32 {
        disk.write_at(&file, &[2; 512], sector * 512).unwrap();
    }
    let disk = disk.power_cycle();
    (read(&disk, "f"), disk.counts())
}

fn sectors(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(512).take(32).collect()
}

#[test]
fn any_subset_of_the_unsynced_sectors_survives_and_nothing_else_changes() {
    let mut shares = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let (bytes, counts) = loss(seed, Faults::default());
        assert!(sectors(&bytes).iter().all(|sector| *sector == [1; 512] || *sector == [2; 512]));
        assert!(bytes.len() == 20_000 && bytes[32 * 512..].iter().all(|byte| *byte == 1));
        let kept = sectors(&bytes).iter().filter(|sector| sector[0] == 2).count() as u64;
        assert_eq!((counts.kept_sectors, counts.lost_sectors), (kept, 32 - kept));
        shares.insert(kept);
    }
    assert!(shares.contains(&0) && shares.contains(&32) && shares.len() > 10, "{shares:?}");
}

#[test]
fn a_later_write_can_survive_an_earlier_one() {
    let mut reordered = 0;
    for seed in 0..100 {
        let (bytes, counts) = loss(seed, Faults::default());
        let kept: Vec<bool> = sectors(&bytes).iter().map(|sector| sector[0] == 2).collect();
        let is_prefix = kept.is_sorted_by(|a, b| a >= b);
        assert_eq!(counts.reordered, u64::from(!is_prefix));
        reordered += counts.reordered;
    }
    assert!((30..70).contains(&reordered), "{reordered}");
}

#[test]
fn with_the_knob_off_all_unsynced_data_is_lost_or_kept() {
    for (unsynced_data, byte) in [(AtPowerLoss::Lost, 1), (AtPowerLoss::Kept, 2)] {
        let (bytes, counts) = loss(1, Faults { unsynced_data, ..Faults::default() });
        assert!(bytes[..32 * 512].iter().all(|b| *b == byte));
        assert_eq!((counts.reordered, counts.torn_sectors), (0, 0));
    }
}

#[test]
fn a_torn_sector_is_old_and_new_in_its_front_back_or_middle() {
    let (mut front, mut back, mut middle, mut torn) = (0, 0, 0, 0);
    for seed in 0..50 {
        let (bytes, counts) = loss(seed, Faults { torn_permille: 300, ..Faults::default() });
        for sector in sectors(&bytes) {
            let changes = sector.windows(2).filter(|pair| pair[0] != pair[1]).count();
            match (changes, sector[0]) {
                (0, _) => continue,
                (1, 2) => front += 1,
                (1, _) => back += 1,
                (2, 1) => middle += 1,
                other => panic!("{other:?}"),
            }
            torn += 1;
        }
        torn -= counts.torn_sectors;
        assert_eq!(torn, 0);
    }
    assert!(front > 50 && back > 50 && middle > 50, "{front} {back} {middle}");
}

#[test]
fn tearing_some_sectors_shifts_no_fate_of_the_others() {
    for seed in 0..50 {
        let (whole, _) = loss(seed, Faults::default());
        let (torn, _) = loss(seed, Faults { torn_permille: 300, ..Faults::default() });
        for (whole, torn) in sectors(&whole).iter().zip(sectors(&torn)) {
            assert!(*whole == torn || torn[0] != torn[511] || torn[0] != torn[256]);
        }
    }
}

#[test]
fn the_fate_of_a_file_does_not_depend_on_another_file() {
    for seed in 0..30 {
        let disk = FaultyDisk::new(seed, Faults::default());
        disk.put(path("f").as_path(), &[1; 20_000]);
        disk.put(path("other").as_path(), &[1; 20_000]);
        for sector in 0..32 {
            disk.write_at(&open(&disk, "f"), &[2; 512], sector * 512).unwrap();
            disk.write_at(&open(&disk, "other"), &[2; 512], sector * 512).unwrap();
        }
        assert_eq!(read(&disk.power_cycle(), "f"), loss(seed, Faults::default()).0);
    }
}

#[test]
fn an_unsynced_length_can_be_lost() {
    let mut lost = 0;
    for seed in 0..40 {
        let disk = FaultyDisk::new(seed, Faults::default());
        disk.put(path("f").as_path(), &[1; 1000]);
        disk.write_at(&open(&disk, "f"), &[2; 1000], 1000).unwrap();
        let disk = disk.power_cycle();
        let len = read(&disk, "f").len();
        assert_eq!(disk.counts().lost_sizes, u64::from(len == 1000));
        lost += disk.counts().lost_sizes;
        // What lay beyond the end does not come back.
        disk.set_len(&open(&disk, "f"), 2000).unwrap();
        assert!(len == 2000 || read(&disk, "f")[1000..].iter().all(|byte| *byte == 0));
    }
    assert!((10..30).contains(&lost), "{lost}");
}

#[test]
fn a_name_or_a_rename_without_a_sync_of_its_folder_can_be_lost_and_with_it_cannot() {
    let mut lost = (0, 0);
    for seed in 0..60 {
        let disk = FaultyDisk::new(seed, Faults::default());
        for name in ["old", "sure"] {
            disk.sync_file(&create(&disk, name)).unwrap();
        }
        disk.sync_dir(None).unwrap();
        create(&disk, "fresh");
        disk.rename(path("old").as_path(), path("new").as_path(), Taken::Refuse).unwrap();
        let disk = disk.power_cycle();
        let names: Vec<_> = disk.paths().into_iter().map(|(path, _)| path).collect();
        let has = |name: &str| names.contains(&path(name));
        assert!(has("sure") && has("old") != has("new"));
        let counts = disk.counts();
        assert_eq!(counts.lost_names, u64::from(!has("fresh")) + u64::from(has("old")));
        assert_eq!(counts.lost_renames, u64::from(has("old")));
        lost = (lost.0 + counts.lost_names, lost.1 + counts.lost_renames);
    }
    assert!(lost.0 > 30 && lost.1 > 15 && lost.1 < 45, "{lost:?}");
    for (unsynced_names, is_kept) in [(AtPowerLoss::Lost, false), (AtPowerLoss::Kept, true)] {
        let disk = FaultyDisk::new(1, Faults { unsynced_names, ..Faults::default() });
        create(&disk, "f");
        assert_eq!(!disk.power_cycle().paths().is_empty(), is_kept);
    }
}

#[test]
fn what_a_sync_lied_about_is_not_there_after_a_power_loss() {
    let faults = Faults { unsynced_data: AtPowerLoss::Lost, ..Faults::default() };
    let disk = FaultyDisk::new(1, faults);
    disk.schedule(DiskFault::LyingSync { at: 2, lasting: Lasting::Once });
    disk.put(path("f").as_path(), &[1; 1000]);
    let file = open(&disk, "f");
    for (sync, expected) in [(1, 2_u8), (2, 2), (3, 4)] {
        disk.write_at(&file, &[sync as u8 + 1; 1000], 0).unwrap();
        disk.sync_file(&file).unwrap();
        assert_eq!(durable(&disk, "f").unwrap(), [expected; 1000], "sync {sync}");
    }
    assert_eq!(disk.counts().lying_syncs, 1);
}

#[test]
fn what_a_failed_sync_covered_is_forgotten_by_the_next_one() {
    let disk = planned(&[DiskFault::Error {
        call: CallKind::Sync,
        at: 1,
        error: Failure::Device,
        lasting: Lasting::Once,
    }]);
    disk.put(path("f").as_path(), &[1; 1000]);
    let file = open(&disk, "f");
    disk.write_at(&file, &[2; 1000], 0).unwrap();
    assert!(disk.sync_file(&file).is_err());
    disk.sync_file(&file).unwrap();
    assert_eq!((read(&disk, "f"), durable(&disk, "f").unwrap()), (vec![2; 1000], vec![1; 1000]));
    assert_eq!(disk.counts().failed_syncs, 1);
    disk.write_at(&file, &[3; 500], 0).unwrap();
    disk.sync_file(&file).unwrap();
    let expected = [[3; 500].as_slice(), &[2; 12], &[1; 488]].concat();
    assert_eq!(durable(&disk, "f").unwrap(), expected, "the sector that was written again is synced again");
    assert_eq!(read(&disk.power_cycle(), "f"), expected);
}
