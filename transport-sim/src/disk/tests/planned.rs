//! Faults at a stated call.

use std::io::ErrorKind;

use truecopy_transport::disk::FileIdentity;

use super::*;

fn error(call: CallKind, at: u64, error: Failure, lasting: Lasting) -> DiskFault {
    DiskFault::Error { call, at, error, lasting }
}

#[test]
fn an_error_comes_at_its_call_of_its_kind_and_lasts_as_long_as_it_says() {
    use CallKind as C;
    use Lasting::{Once, Sticky};
    let disk = planned(&[
        error(C::Write, 2, Failure::Device, Once),
        error(C::Read, 1, Failure::Quota, Sticky),
        error(C::Rename, 1, Failure::ReadOnly, Once),
        error(C::Any, 8, Failure::NoSpace, Once),
    ]);
    let file = create(&disk, "f");
    let results = [
        disk.write_at(&file, b"1", 0).map(drop),
        disk.write_at(&file, b"2", 0).map(drop),
        disk.write_at(&file, b"3", 0).map(drop),
        disk.read_at(&file, &mut [0], 0).map(drop),
        disk.read_at(&file, &mut [0], 0).map(drop),
        disk.rename(path("f").as_path(), path("g").as_path(), Taken::Refuse),
        disk.write_at(&file, b"4", 0).map(drop),
        disk.rename(path("f").as_path(), path("g").as_path(), Taken::Refuse),
    ];
    use ErrorKind as E;
    let expected = [
        None,
        Some(E::Other),
        None,
        Some(E::QuotaExceeded),
        Some(E::QuotaExceeded),
        Some(E::ReadOnlyFilesystem),
        Some(E::StorageFull),
        None,
    ];
    assert_eq!(results.map(|result| result.err().map(|error| error.kind())), expected);
    assert_eq!((disk.counts().errors, disk.calls(), disk.calls_of(C::Write)), (5, 9, 4));
    assert_eq!(read(&disk, "g"), b"3", "a call that failed has done nothing");
    disk.heal();
    assert_eq!(disk.read_at(&file, &mut [0], 0).unwrap(), 1);
}

#[test]
fn a_file_can_be_denied_or_gone_for_one_call_and_a_lock_held_by_another_program() {
    let disk = planned(&[
        error(CallKind::Open, 2, Failure::Denied, Lasting::Once),
        error(CallKind::Open, 3, Failure::NotFound, Lasting::Once),
        error(CallKind::Lock, 1, Failure::Locked, Lasting::Once),
        DiskFault::StaleLock { at: 3, path: "lock".into() },
    ]);
    create(&disk, "f");
    let open = || disk.open(path("f").as_path(), OpenMode::Read).map(drop);
    assert_eq!(kind(open()), ErrorKind::PermissionDenied);
    assert_eq!(kind(open()), ErrorKind::NotFound);
    open().unwrap();
    let lock = |disk: &FaultyDisk| disk.lock(path("lock").as_path()).map(drop);
    assert_eq!(kind(lock(&disk)), ErrorKind::WouldBlock);
    lock(&disk).unwrap();
    assert_eq!(kind(lock(&disk)), ErrorKind::WouldBlock);
    assert_eq!(kind(lock(&disk.restart())), ErrorKind::WouldBlock, "the other program goes on");
    let disk = disk.restart();
    let counts = disk.counts();
    assert_eq!((counts.denied, counts.not_found, counts.stale_locks), (1, 1, 3));
    disk.heal();
    lock(&disk).unwrap();
}

#[test]
fn a_planned_read_or_write_is_short() {
    let disk = planned(&[DiskFault::ShortRead { at: 2, len: 3 }, DiskFault::ShortWrite { at: 1, len: 0 }]);
    let file = create(&disk, "f");
    assert_eq!(disk.write_at(&file, b"12345", 0).unwrap(), 1);
    assert_eq!(disk.write_at(&file, b"12345", 0).unwrap(), 5);
    let reads = [(); 3].map(|()| disk.read_at(&file, &mut [0; 9], 0).unwrap());
    assert_eq!(reads, [5, 3, 5]);
    assert_eq!((disk.counts().short_reads, disk.counts().short_writes), (1, 1));
}

#[test]
fn a_disk_that_is_too_small_takes_nothing_until_it_is_healed() {
    let disk = planned(&[DiskFault::NoSpace { space: 512 }]);
    let file = create(&disk, "f");
    assert_eq!(disk.write_at(&file, &[1; 600], 0).unwrap(), 512);
    assert_eq!(kind(disk.write_at(&file, &[1; 88], 512)), ErrorKind::StorageFull);
    assert_eq!(disk.counts().no_space, 2);
    disk.heal();
    assert_eq!(disk.write_at(&file, &[1; 88], 512).unwrap(), 88);
}

#[test]
fn a_misdirected_write_lands_elsewhere_and_is_reported_as_done() {
    let misdirected = |at, path: Option<&str>, offset| DiskFault::MisdirectedWrite {
        at,
        path: path.map(String::from),
        offset,
    };
    let disk = planned(&[misdirected(1, None, 6000), misdirected(2, Some("other"), 3)]);
    disk.put(path("f").as_path(), &[1; 10_000]);
    disk.put(path("other").as_path(), &[9; 5]);
    let file = open(&disk, "f");
    assert_eq!(disk.write_at(&file, &[2; 1000], 0).unwrap(), 1000);
    assert_eq!(disk.write_at(&file, &[3; 10], 10_000).unwrap(), 10);
    disk.write_at(&file, &[4; 10], 20).unwrap();
    disk.sync_file(&file).unwrap();
    let mut expected = [1; 10_010];
    expected[6000..7000].fill(2);
    expected[20..30].fill(4);
    // The length is known, the bytes never came.
    expected[10_000..].fill(0);
    for bytes in [read(&disk, "f"), durable(&disk, "f").unwrap()] {
        assert!(bytes == expected);
    }
    assert_eq!(durable(&disk, "other").unwrap(), [9, 9, 9, 3, 3], "it does not grow");
    assert_eq!(disk.counts().misdirected_writes, 2);
}

#[test]
fn a_misdirected_read_gives_the_bytes_of_elsewhere_once() {
    let disk = planned(&[
        DiskFault::MisdirectedRead { at: 1, path: None, offset: 5 },
        DiskFault::MisdirectedRead { at: 2, path: Some("other".into()), offset: 3 },
    ]);
    disk.put(path("f").as_path(), b"0123456789");
    disk.put(path("other").as_path(), b"abcde");
    let file = open(&disk, "f");
    let reads = [(); 3].map(|()| {
        let mut buf = [9; 4];
        assert_eq!(disk.read_at(&file, &mut buf, 0).unwrap(), 4);
        buf
    });
    assert_eq!(reads, [*b"5678", *b"de\0\0", *b"0123"]);
    assert_eq!(disk.counts().misdirected_reads, 2);
}

#[test]
fn a_byte_rots_before_its_call_in_what_is_seen_and_what_is_durable_and_nowhere_else() {
    let rot = |path: &str, offset| DiskFault::Rot {
        call: CallKind::Read,
        at: 2,
        path: path.into(),
        offset,
        mask: 0x81,
    };
    let disk = planned(&[rot("f", 700), rot("f", 10), rot("late", 0)]);
    disk.put(path("f").as_path(), &[0; 1000]);
    let file = open(&disk, "f");
    disk.write_at(&file, &[5; 20], 0).unwrap();
    let before = disk.identity(&file).unwrap();
    let reads = [(); 2].map(|()| {
        let mut buf = [0; 1000];
        disk.read_at(&file, &mut buf, 0).unwrap();
        (buf[10], buf[11], buf[700], buf[701])
    });
    assert_eq!(reads, [(5, 5, 0, 0), (5 ^ 0x81, 5, 0x81, 0)]);
    let platter = durable(&disk, "f").unwrap();
    assert_eq!((platter[10], platter[11], platter[700]), (0x81, 0, 0x81), "what was unsynced stays so");
    assert_eq!((disk.identity(&file).unwrap(), disk.counts().rotten_bytes), (before, 2));
    disk.put(path("late").as_path(), &[1]);
    disk.read_at(&file, &mut [0], 0).unwrap();
    assert_eq!((read(&disk, "late"), disk.counts().rotten_bytes), (vec![0x80], 3), "as soon as it can");
}

/// What a reader that has the file open, and one that looks it up, see of an edit before its second read.
fn edited(edit: Edit) -> (FaultyDisk, FileIdentity, FileIdentity, Option<FileIdentity>) {
    let disk = planned(&[DiskFault::Edit { call: CallKind::Read, at: 2, path: "f".into(), edit }]);
    disk.put(path("f").as_path(), &[1; 1000]);
    let file = disk.open(path("f").as_path(), OpenMode::Read).unwrap();
    disk.read_at(&file, &mut [0], 0).unwrap();
    let before = disk.identity(&file).unwrap();
    assert_eq!(disk.counts().edits, 0);
    disk.read_at(&file, &mut [0], 0).unwrap();
    assert_eq!(disk.counts().edits, 1);
    let named = disk.metadata(path("f").as_path()).ok().map(|metadata| metadata.identity);
    let after = disk.identity(&file).unwrap();
    (disk, before, after, named)
}

#[test]
fn a_file_that_is_overwritten_while_it_is_read_shows_it_in_its_times() {
    for mtime in [Mtime::Moved, Mtime::Restored] {
        let (disk, before, after, _) = edited(Edit::Overwrite { offset: 990, len: 100, mtime });
        let bytes = read(&disk, "f");
        assert!(bytes[..990] == [1; 990] && bytes[990..].iter().all(|byte| *byte != 1));
        assert_eq!((after.size, after.inode), (1000, before.inode));
        assert!(after.ctime > before.ctime);
        assert_eq!(after.mtime != before.mtime, mtime == Mtime::Moved);
    }
}

#[test]
fn a_file_can_be_cut_replaced_or_removed_while_it_is_read() {
    let (disk, before, after, named) = edited(Edit::Resize { len: 10 });
    assert_eq!((after.size, read(&disk, "f")), (10, vec![1; 10]));
    assert!(after.mtime > before.mtime && named == Some(after));

    let (disk, before, after, named) = edited(Edit::Replace { len: 1000 });
    assert_eq!(after, before, "the open file is the old one");
    assert!(named.is_some_and(|named| named.inode != before.inode && named.size == 1000));
    assert_ne!(read(&disk, "f"), [1; 1000]);

    let (_, before, after, named) = edited(Edit::Remove);
    assert_eq!((after, named), (before, None));
}

#[test]
fn an_edit_that_would_change_nothing_is_none() {
    let disk = planned(&[]);
    disk.put(path("f").as_path(), &[1; 10]);
    let overwrite = Edit::Overwrite { offset: 10, len: 1, mtime: Mtime::Moved };
    for edit in [overwrite, Edit::Resize { len: 10 }] {
        assert!(!disk.edit(path("f").as_path(), &edit));
    }
    assert!(!disk.edit(path("none").as_path(), &Edit::Remove));
    assert_eq!(disk.counts().edits, 0);
    assert!(disk.edit(path("f").as_path(), &Edit::Remove));
}

#[test]
fn what_is_planned_survives_being_written_down_in_flat_tables() {
    let faults = [
        error(CallKind::SetAttributes, 3, Failure::NotFound, Lasting::Sticky),
        DiskFault::ShortRead { at: 1, len: 2 },
        DiskFault::ShortWrite { at: 1, len: 2 },
        DiskFault::NoSpace { space: 7 },
        DiskFault::LyingSync { at: 1, lasting: Lasting::Once },
        DiskFault::MisdirectedWrite { at: 1, path: None, offset: 2 },
        DiskFault::MisdirectedRead { at: 1, path: Some("a/b".into()), offset: 2 },
        DiskFault::Rot { call: CallKind::Any, at: 1, path: "a".into(), offset: 2, mask: 3 },
        DiskFault::Edit {
            call: CallKind::Read,
            at: 1,
            path: "a".into(),
            edit: Edit::Overwrite { offset: 1, len: 2, mtime: Mtime::Restored },
        },
        DiskFault::Edit { call: CallKind::Read, at: 1, path: "a".into(), edit: Edit::Remove },
        DiskFault::StaleLock { at: 1, path: "a".into() },
    ];
    for fault in faults {
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<DiskFault>(&text).unwrap(), fault, "{text}");
        assert_eq!(text.matches('{').count(), 1, "{text}");
    }
    let table = "kind = 'edit'\ncall = 'read'\nat = 4\npath = 'a'\nedit = 'resize'\nlen = 5";
    let expected =
        DiskFault::Edit { call: CallKind::Read, at: 4, path: "a".into(), edit: Edit::Resize { len: 5 } };
    assert_eq!(toml::from_str::<DiskFault>(table).unwrap(), expected);
    let faults: Faults = toml::from_str("torn-permille = 5\nunsynced-names = 'lost'").unwrap();
    let expected = Faults { torn_permille: 5, unsynced_names: AtPowerLoss::Lost, ..Faults::default() };
    assert_eq!(faults, expected);
}
