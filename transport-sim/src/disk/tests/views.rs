//! What an oracle sees, beside what programs see.

use super::*;

#[test]
fn what_is_seen_and_what_is_durable_are_told_apart_byte_by_byte() {
    let disk = FaultyDisk::new(1, Faults::default());
    let file = create(&disk, "f");
    disk.write_at(&file, &[1; 40_000], 0).unwrap();
    assert_eq!(durable(&disk, "f"), None, "its name is not durable");
    disk.sync_dir(None).unwrap();
    assert_eq!(durable(&disk, "f"), Some(vec![]), "its bytes are not durable");
    disk.sync_file(&file).unwrap();
    assert!(durable(&disk, "f").unwrap() == [1; 40_000]);
    disk.write_at(&file, &[2; 100], 16_350).unwrap();
    disk.write_at(&file, &[3; 10], 50_000).unwrap();
    assert!(durable(&disk, "f").unwrap() == [1; 40_000]);
    let mut buf = [9; 8];
    assert_eq!(disk.read_seen(path("f").as_path(), 16_346, &mut buf), Some(8));
    assert_eq!(buf, [1, 1, 1, 1, 2, 2, 2, 2]);
    assert_eq!(disk.read_seen(path("f").as_path(), 49_998, &mut buf), Some(8));
    assert_eq!(buf, [0, 0, 3, 3, 3, 3, 3, 3]);
    assert_eq!(disk.read_durable(path("f").as_path(), 39_996, &mut buf), Some(4));
    disk.sync_all().unwrap();
    assert!(durable(&disk, "f").unwrap() == read(&disk, "f"));
    assert_eq!(disk.read_seen(path("g").as_path(), 0, &mut buf), None);
    let calls = disk.calls();
    disk.read_seen(path("f").as_path(), 0, &mut buf);
    assert_eq!((disk.calls(), disk.counts()), (calls, DiskCounts::default()), "looking is no call");
}

#[test]
fn what_is_durable_survives_every_power_loss() {
    for seed in 0..200 {
        let disk = FaultyDisk::new(seed, Faults::default());
        let mut random = crate::stream::Random::new(seed, "script");
        let file = create(&disk, "f");
        disk.sync_dir(None).unwrap();
        // No byte is written twice with two values, so that what is synced stays certain.
        for _ in 0..30 {
            let offset = random.below(60) * 300;
            disk.write_at(&file, &[offset as u8 | 1; 300], offset as u64).unwrap();
            if random.below(4) == 0 {
                disk.sync_file(&file).unwrap();
            }
        }
        let before = durable(&disk, "f").unwrap();
        let seen = read(&disk, "f");
        let disk = disk.power_cycle();
        let after = read(&disk, "f");
        assert!(after.len() == before.len() || after.len() == seen.len());
        for (at, byte) in before.iter().enumerate() {
            assert!(*byte == after[at] || *byte == 0 && seen[at] == after[at], "seed {seed} byte {at}");
        }
        assert!(durable(&disk, "f").unwrap() == after, "after it, all is durable");
    }
}

#[test]
fn the_version_of_the_names_grows_when_and_only_when_names_change() {
    let disk = FaultyDisk::new(1, Faults::default());
    let mut last = disk.names_version();
    let mut grows = |what: &str, is_changed: bool, act: &dyn Fn()| {
        act();
        assert_eq!(disk.names_version() > last, is_changed, "{what}");
        last = disk.names_version();
    };
    grows("create", true, &|| assert!(disk.open(path("f").as_path(), OpenMode::Create).is_ok()));
    grows("write", false, &|| assert!(disk.write_at(&open(&disk, "f"), b"1", 0).is_ok()));
    grows("sync of a folder", true, &|| disk.sync_dir(None).unwrap());
    grows("a second one", false, &|| disk.sync_dir(None).unwrap());
    grows("folder", true, &|| disk.create_dir(path("d").as_path(), 0o755).unwrap());
    grows("rename", true, &|| {
        disk.rename(path("f").as_path(), path("d/f").as_path(), Taken::Refuse).unwrap();
    });
    grows("put", true, &|| disk.put(path("e/x").as_path(), b"1"));
    grows("edit", true, &|| assert!(disk.edit(path("d/f").as_path(), &Edit::Remove)));
    grows("power loss", true, &|| drop(disk.power_cycle()));
}

#[test]
fn durable_paths_are_those_whose_folders_were_synced_and_put_syncs_its_own_alone() {
    let disk = FaultyDisk::new(1, Faults::default());
    let names = |paths: Vec<(RelPathBuf, FileKind)>| -> Vec<String> {
        let text = |path: RelPathBuf| String::from_utf8(path.into_bytes()).unwrap();
        paths.into_iter().map(|(path, _)| text(path)).collect()
    };
    disk.put(path("a/x").as_path(), b"1");
    disk.create_dir(path("b").as_path(), 0o755).unwrap();
    let file = create(&disk, "b/y");
    disk.write_at(&file, b"2", 0).unwrap();
    disk.put(path("a/z").as_path(), b"3");
    assert_eq!(names(disk.paths()), ["a", "a/x", "a/z", "b", "b/y"]);
    assert_eq!(names(disk.durable_paths()), ["a", "a/x", "a/z", "b"]);
    disk.sync_dir(Some(path("b").as_path())).unwrap();
    assert_eq!(durable(&disk, "b/y"), Some(vec![]), "nobody synced its bytes");
    disk.rename(path("b/y").as_path(), path("a/x").as_path(), Taken::Replace).unwrap();
    assert_eq!(durable(&disk, "a/x").unwrap(), b"1", "the old file until the folder is synced");
}

#[test]
fn healing_ends_every_fault_and_keeps_what_was_done() {
    let faults = Faults {
        short_permille: 1000,
        interrupted_permille: 1000,
        unsynced_data: AtPowerLoss::Lost,
        ..Faults::default()
    };
    let disk = FaultyDisk::new(1, faults);
    disk.put(path("f").as_path(), &[1; 100]);
    disk.rot(path("f").as_path(), 3, 1);
    disk.schedule(DiskFault::LyingSync { at: 1, lasting: Lasting::Sticky });
    disk.stop_at(1);
    disk.heal();
    let file = open(&disk, "f");
    assert_eq!(disk.write_at(&file, &[2; 50], 50).unwrap(), 50);
    assert_eq!(read(&disk, "f")[3], 0);
    disk.sync_file(&file).unwrap();
    disk.write_at(&file, &[3; 50], 50).unwrap();
    assert_eq!(read(&disk.power_cycle(), "f")[50..], [2; 50]);
    assert_eq!(disk.counts().lying_syncs + disk.counts().interrupted + disk.counts().stops, 0);
}
