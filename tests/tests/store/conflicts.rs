//! What stands in the way, and what the policies do about it.

use std::sync::Arc;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::OneByOne;
use truecopy_protocol::job::StorageError;
use truecopy_sim::disk::{Faults, FaultyDisk};
use truecopy_transport::store::{
    ConflictReason, Held, OnConflict, OnImpossible, OpenError, Survey, TrustDisk, list_leftovers,
    remove_leftover,
};

use crate::share::{Failed, Progress, Receiver, TestShare, check_done, path};

fn share() -> TestShare {
    TestShare::new(&[("dir/a", 100), ("dir/b.txt", 300_000), ("note.txt", 50), ("dir/sub/c", 7)])
}

fn disk_with(entries: &[(&str, &[u8])]) -> FaultyDisk {
    let disk = FaultyDisk::new(3, Faults::default());
    for (at, bytes) in entries {
        disk.put(path(at).as_path(), bytes);
    }
    disk
}

#[test]
fn a_conflict_is_told_before_bytes_move_and_nothing_is_touched() {
    let share = share();
    let disk = disk_with(&[("dir/a", b"other"), ("note.txt", share.of("dir/a"))]);
    let before = disk.paths();
    let Err(Failed::Conflicts(conflicts)) = Receiver::new(&share).run(&disk, &mut Progress::default()) else {
        panic!()
    };
    assert_eq!(conflicts.len(), 2);
    assert!(conflicts.iter().all(|conflict| conflict.reason == ConflictReason::Differs));
    assert_eq!(disk.paths(), before);
}

#[test]
fn a_file_of_the_same_size_with_other_bytes_is_a_conflict_and_the_same_bytes_are_not() {
    let share = share();
    let mut other = share.of("dir/b.txt").to_vec();
    other[299_999] ^= 1;
    let disk = disk_with(&[("dir/b.txt", &other), ("dir/a", share.of("dir/a"))]);
    let manifest = Arc::clone(&share.manifest);
    let mut survey = Survey::take(&disk, manifest, Selection::All, Vec::new()).unwrap();
    assert_eq!(survey.candidates().len(), 2);
    survey.check_all(&disk, &OneByOne).unwrap();
    assert_eq!(survey.already(), [share.index("dir/a")]);
    let open = survey.decide(&disk, OnConflict::Fail, OnImpossible::Fail).unwrap().unwrap_err();
    assert_eq!(open[0].first, share.index("dir/b.txt"));
    let plan = survey.decide(&disk, OnConflict::Skip, OnImpossible::Fail).unwrap().unwrap();
    assert_eq!(plan.needed(), 57);
}

#[test]
fn what_is_there_already_is_counted_and_not_fetched() {
    let share = share();
    let disk = disk_with(&[("dir/b.txt", share.of("dir/b.txt"))]);
    let mut progress = Progress::default();
    let outcome = Receiver::new(&share).run(&disk, &mut progress).unwrap();
    assert_eq!((outcome.placed, outcome.already, progress.landed.len()), (3, 1, 3));
}

#[test]
fn rename_places_the_whole_top_level_name_under_a_free_one() {
    let share = share();
    let disk = disk_with(&[("dir/a", b"x"), ("note.txt", b"y"), ("note (2).txt", b"z")]);
    let receiver = Receiver { policy: OnConflict::Rename, ..Receiver::new(&share) };
    let outcome = receiver.run(&disk, &mut Progress::default()).unwrap();
    assert_eq!(outcome.placed, 4);
    assert_eq!(disk.content(path("dir (2)/b.txt").as_path()).unwrap(), share.of("dir/b.txt"));
    assert_eq!(disk.content(path("note (3).txt").as_path()).unwrap(), share.of("note.txt"));
    assert_eq!(disk.content(path("dir/a").as_path()).unwrap(), b"x");
}

#[test]
fn replace_never_replaces_a_folder_and_never_follows_a_link() {
    let share = share();
    let disk = disk_with(&[("note.txt/inside", b"kept"), ("outside", b"kept")]);
    disk.put_symlink(path("dir/a").as_path(), b"../outside");
    let receiver = Receiver { policy: OnConflict::Replace, ..Receiver::new(&share) };
    let Err(Failed::Conflicts(conflicts)) = receiver.run(&disk, &mut Progress::default()) else { panic!() };
    assert_eq!((conflicts.len(), conflicts[0].reason), (1, ConflictReason::Folder));
    let selected = ["dir/a", "dir/b.txt", "dir/sub/c"].map(|at| share.index(at));
    let receiver = Receiver { selection: Selection::Some(selected.to_vec()), ..receiver };
    receiver.run(&disk, &mut Progress::default()).unwrap();
    assert_eq!(disk.content(path("dir/a").as_path()).unwrap(), share.of("dir/a"));
    assert_eq!(disk.content(path("outside").as_path()).unwrap(), b"kept");
}

#[test]
fn a_folder_that_is_a_link_is_a_conflict_for_all_that_would_lie_in_it() {
    let share = share();
    let disk = disk_with(&[("elsewhere/x", b"kept")]);
    disk.put_symlink(path("dir").as_path(), b"elsewhere");
    let Err(Failed::Conflicts(conflicts)) = Receiver::new(&share).run(&disk, &mut Progress::default()) else {
        panic!()
    };
    assert_eq!((conflicts[0].count, conflicts[0].reason), (3, ConflictReason::NoFolder));
}

#[test]
fn what_stands_in_the_way_of_entries_that_are_not_wanted_is_no_conflict() {
    let share = share();
    let disk = disk_with(&[("dir", b"a file")]);
    let selection = Selection::Some(vec![share.index("note.txt")]);
    let receiver = Receiver { selection, ..Receiver::new(&share) };
    let outcome = receiver.run(&disk, &mut Progress::default()).unwrap();
    assert_eq!((outcome.placed, outcome.skipped), (1, 0));
    assert_eq!(disk.content(path("dir").as_path()).unwrap(), b"a file");
}

#[test]
fn a_name_that_is_taken_while_bytes_move_stops_the_commit_and_keeps_what_is_staged() {
    let share = share();
    let disk = disk_with(&[]);
    let receiver = Receiver::new(&share);
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    disk.put(path("note.txt").as_path(), b"mine");
    assert_eq!(staging.commit(), Err(StorageError::Conflict));
    drop(staging);
    assert_eq!(disk.content(path("note.txt").as_path()).unwrap(), b"mine");
    disk.remove_file_for_test("note.txt");
    let mut progress = Progress::default();
    receiver.run(&disk, &mut progress).unwrap();
    assert!(progress.landed.is_empty());
    check_done(&disk, &share);
}

trait Remove {
    fn remove_file_for_test(&self, at: &str);
}

impl Remove for FaultyDisk {
    fn remove_file_for_test(&self, at: &str) {
        truecopy_transport::disk::Disk::remove_file(self, path(at).as_path()).unwrap();
    }
}

#[test]
fn a_second_holder_is_told_who_holds_it_and_leftovers_are_listed_and_removed() {
    let share = share();
    let disk = disk_with(&[]);
    let receiver = Receiver::new(&share);
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    let Err(Failed::Open(OpenError::Held(Some(holder)))) = receiver.open(&disk, TrustDisk::No) else {
        panic!()
    };
    assert_eq!((holder.pid, holder.host.as_str()), (7, "here"));
    let listed = list_leftovers(&disk).unwrap();
    assert!(matches!(&listed[0].held, Held::By(Some(by)) if *by == holder));
    assert!(matches!(remove_leftover(&disk, &listed[0]), Err(OpenError::Held(_))));
    drop(staging);
    let listed = list_leftovers(&disk).unwrap();
    assert_eq!((listed[0].verified, listed[0].total, &listed[0].held), (300_157, 300_157, &Held::Free));
    assert_eq!(listed[0].content, Some(share.manifest.content_id()));
    remove_leftover(&disk, &listed[0]).unwrap();
    assert!(disk.paths().is_empty());
}

#[test]
fn what_an_earlier_wider_selection_left_half_done_does_not_ride_along() {
    let share = share();
    let disk = disk_with(&[]);
    let receiver = Receiver { batch: 1, ..Receiver::new(&share) };
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    let extent = truecopy_protocol::job::Extent {
        blob: truecopy_protocol::BlobId::of(share.index("dir/b.txt")),
        offset: 0,
        len: 16_384,
    };
    let land = truecopy_protocol::job::LandExtent { extent, height: 0, expected: None };
    staging.land(&[land], &share.of("dir/b.txt")[..16_384]).unwrap();
    drop(staging);
    let receiver = Receiver { selection: Selection::Some(vec![share.index("dir/a")]), ..receiver };
    receiver.run(&disk, &mut Progress::default()).unwrap();
    assert_eq!(disk.paths().len(), 2);
}

#[test]
fn a_share_may_not_bring_names_of_stagings_along() {
    let share = TestShare::new(&[(".truecopy-0123456789abcdef/journal", 5), ("ok", 3)]);
    let disk = disk_with(&[]);
    let manifest = Arc::clone(&share.manifest);
    let survey = Survey::take(&disk, manifest, Selection::All, Vec::new()).unwrap();
    assert_eq!(survey.impossible(), [EntryIndex(0)]);
}

#[test]
fn names_that_cannot_exist_here_fail_or_are_left_out() {
    let share = TestShare::new(&[("d/A", 5), ("d/a", 6), ("d/aux.c", 7), ("d/fine", 8)]);
    let rules = truecopy_protocol::content::judge::NameRules::WINDOWS;
    let impossible = truecopy_transport::store::impossible_entries(&share.manifest, &rules);
    assert_eq!(impossible, [share.index("d/a"), share.index("d/aux.c")]);
    let disk = disk_with(&[]);
    let manifest = Arc::clone(&share.manifest);
    let survey = Survey::take(&disk, manifest, Selection::All, impossible.clone()).unwrap();
    let open = survey.decide(&disk, OnConflict::Fail, OnImpossible::Fail).unwrap().unwrap_err();
    assert!(open.iter().all(|conflict| conflict.reason == ConflictReason::Impossible));
    let plan = survey.decide(&disk, OnConflict::Fail, OnImpossible::Skip).unwrap().unwrap();
    assert_eq!((plan.left_out(), plan.needed()), (&impossible[..], 13));
}

#[test]
fn every_conflict_has_its_reason_and_a_plan_says_what_it_replaces() {
    let share =
        TestShare::new(&[("d/dir/x", 1), ("d/file", 5), ("d/over", 5), ("d/empty/", 0), ("d/link->x", 0)]);
    let disk = disk_with(&[("d/over/inside", b"1"), ("d/dir", b"2"), ("d/empty", b"3"), ("d/link", b"4")]);
    disk.put_symlink(path("d/file").as_path(), b"elsewhere");
    let Err(Failed::Conflicts(found)) = Receiver::new(&share).plan(&disk) else { panic!() };
    let reasons = [
        ("d/dir/x", ConflictReason::NoFolder),
        ("d/empty", ConflictReason::NoFolder),
        ("d/file", ConflictReason::Link),
        ("d/link", ConflictReason::Differs),
        ("d/over", ConflictReason::Folder),
    ];
    let found: Vec<_> = found.iter().map(|conflict| (conflict.path.clone(), conflict.reason)).collect();
    assert_eq!(found, reasons.map(|(at, reason)| (path(at), reason)));

    let wanted = ["d/file", "d/link"].map(|at| share.index(at)).to_vec();
    let selection = Selection::Some(wanted.clone());
    let receiver = Receiver { policy: OnConflict::Replace, selection, ..Receiver::new(&share) };
    assert_eq!(receiver.plan(&disk).unwrap().replaced(), wanted);
}
