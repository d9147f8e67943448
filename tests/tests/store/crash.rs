//! The machine stops at every disk call: the process is killed, or the power is lost.

use truecopy_sim::disk::{Faults, FaultyDisk};
use truecopy_transport::disk::{Disk, Taken};
use truecopy_transport::store::{OnConflict, TrustDisk};

use crate::share::{Failed, Progress, Receiver, TestShare, check_done, check_names, path};

const BLOCK: usize = 16 * 1024;
const CHUNK: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    PowerLoss,
}

fn small_share() -> TestShare {
    TestShare::new(&[
        ("top/big", CHUNK + BLOCK + 1),
        ("top/deep/er/one", 1),
        ("top/deep/er/zero", 0),
        ("top/deep/link->../big", 0),
        ("top/empty/", 0),
        ("top/small", 777),
        ("single", BLOCK - 1),
    ])
}

struct Case<'a> {
    receiver: Receiver<'a>,
    others: Vec<(&'static str, &'static [u8])>,
    end: End,
    faults: Faults,
}

impl Case<'_> {
    fn disk(&self, seed: u64) -> FaultyDisk {
        let disk = FaultyDisk::new(seed, Faults::default());
        for (name, bytes) in &self.others {
            disk.put(path(name).as_path(), bytes);
        }
        disk.set_faults(self.faults);
        disk
    }

    fn calls(&self) -> u64 {
        let disk = self.disk(0);
        let before = disk.calls();
        self.receiver.run(&disk, &mut Progress::default()).unwrap();
        disk.calls() - before
    }

    /// Stops at a call, starts again, and looks at what is there.
    fn stop(&self, disk: &FaultyDisk, progress: &mut Progress, call: u64) -> FaultyDisk {
        let before = progress.clone();
        progress.landed.clear();
        disk.stop_at(disk.calls() + call);
        let outcome = self.receiver.run(disk, progress);
        assert!(outcome.is_err() || !disk.is_down() || progress.committing);
        if !before.committing {
            // What was surely kept before is not fetched again.
            let kept = if self.end == End::Kill { &before.written } else { &before.synced };
            assert!(progress.landed.is_disjoint(kept), "{:?} again, kept {kept:?}", progress.landed);
        }
        let next = if self.end == End::Kill { disk.restart() } else { disk.power_cycle() };
        if self.end == End::PowerLoss {
            progress.written.clone_from(&progress.synced);
        }
        check_names(&next, self.receiver.share, &self.others);
        next
    }

    /// Claims that may be trusted hold: those that were synced, or written since the boot.
    fn check_claims(&self, disk: &FaultyDisk) {
        let Ok(staging) = self.receiver.open(disk, TrustDisk::Yes) else { return };
        let good = self.receiver.recheck(&staging).unwrap();
        assert_eq!(good.len(), staging.opened().claims.len(), "a trusted claim is wrong");
    }

    fn finish(&self, disk: &FaultyDisk, progress: &mut Progress) {
        let kept = progress.clone();
        progress.landed.clear();
        self.receiver.run(disk, progress).unwrap();
        if !kept.committing {
            let kept = if self.end == End::Kill { &kept.written } else { &kept.synced };
            assert!(progress.landed.is_disjoint(kept), "{:?} again, kept {kept:?}", progress.landed);
        }
        check_names(disk, self.receiver.share, &self.others);
        if self.others.is_empty() {
            check_done(disk, self.receiver.share);
            let again = self.receiver.run(disk, &mut Progress::default()).unwrap();
            assert_eq!((again.placed, again.bytes), (0, self.receiver.share.manifest.total_size()));
            check_done(disk, self.receiver.share);
        }
    }

    fn every_call(&self) {
        let calls = self.calls();
        assert!(calls > 50);
        for call in 1..=calls {
            let disk = self.disk(call);
            let mut progress = Progress::default();
            let disk = self.stop(&disk, &mut progress, call);
            disk.set_faults(Faults::default());
            self.check_claims(&disk);
            self.finish(&disk, &mut progress);
        }
    }
}

#[test]
fn a_kill_at_every_call_is_resumed_to_the_same_bytes() {
    let share = small_share();
    let receiver = Receiver::new(&share);
    Case { receiver, others: Vec::new(), end: End::Kill, faults: Faults::default() }.every_call();
}

#[test]
fn a_power_loss_at_every_call_is_resumed_to_the_same_bytes() {
    let share = small_share();
    let receiver = Receiver::new(&share);
    Case { receiver, others: Vec::new(), end: End::PowerLoss, faults: Faults::default() }.every_call();
}

#[test]
fn a_merge_that_ends_at_every_call_is_resumed_and_leaves_others_alone() {
    let share = small_share();
    for end in [End::Kill, End::PowerLoss] {
        let receiver = Receiver::new(&share);
        let others: Vec<(&str, &[u8])> = vec![("top/mine", b"mine"), ("top/deep/also", b"also")];
        let case = Case { receiver, others, end, faults: Faults::default() };
        case.every_call();
    }
}

#[test]
fn a_replace_or_skip_that_ends_at_every_call_shows_old_or_new_and_nothing_between() {
    let share = small_share();
    for (end, policy) in [End::Kill, End::PowerLoss].into_iter().zip([OnConflict::Replace, OnConflict::Skip])
    {
        let receiver = Receiver { policy, ..Receiver::new(&share) };
        let others: Vec<(&str, &[u8])> = vec![("top/small", b"old"), ("single", b"older")];
        Case { receiver, others, end, faults: Faults::default() }.every_call();
    }
}

#[test]
fn thousands_of_seeds_of_crash_upon_crash_with_short_and_interrupted_calls_end_with_the_same_bytes() {
    let share = small_share();
    for seed in 0..3000_u64 {
        let end = if seed % 2 == 0 { End::Kill } else { End::PowerLoss };
        let receiver = Receiver {
            batch: 1 + (seed % 5) as usize,
            sync_every: 1 + (seed / 5 % 4) as usize,
            ..Receiver::new(&share)
        };
        let faults = Faults { short_permille: 200, interrupted_permille: 100, ..Faults::default() };
        let case = Case { receiver, others: Vec::new(), end, faults };
        let mut disk = case.disk(seed);
        let mut progress = Progress::default();
        for turn in 0..4 {
            let call = 1 + seed.wrapping_mul(0x9e37_79b9).wrapping_add(turn * 77) % 160;
            disk = case.stop(&disk, &mut progress, call);
            if seed % 3 == 0 {
                case.check_claims(&disk);
            }
        }
        disk.set_faults(Faults::default());
        case.check_claims(&disk);
        case.finish(&disk, &mut progress);
    }
}

#[test]
fn a_rename_that_ends_at_every_call_is_resumed_under_the_same_name() {
    let share = small_share();
    for end in [End::Kill, End::PowerLoss] {
        let receiver = Receiver { policy: OnConflict::Rename, ..Receiver::new(&share) };
        let others: Vec<(&str, &[u8])> = vec![("top/small", b"old"), ("single", b"older")];
        let case = Case { receiver, others, end, faults: Faults::default() };
        for call in 1..=case.calls() {
            let disk = case.disk(call);
            disk.stop_at(disk.calls() + call);
            let _ = case.receiver.run(&disk, &mut Progress::default());
            let disk = if end == End::Kill { disk.restart() } else { disk.power_cycle() };
            let names = |text: &str| {
                let found = disk.paths();
                found.into_iter().any(|(at, _)| at.as_path().as_bytes().ends_with(text.as_bytes()))
            };
            if !names("/journal") {
                continue;
            }
            // What was placed under another name is still told under it.
            let plan = case.receiver.plan(&disk).unwrap();
            for name in ["top (2)", "single (2)"].into_iter().filter(|name| names(name)) {
                assert!(plan.renamed().any(|(_, told)| *told == path(name)), "call {call}: {name}");
            }
            case.receiver.run(&disk, &mut Progress::default()).unwrap();
            assert!(names("top (2)") && names("single (2)") && !names("(3)"), "call {call}");
            assert_eq!(disk.content(path("top (2)/big").as_path()).unwrap(), share.of("top/big"));
            assert_eq!(disk.content(path("single (2)").as_path()).unwrap(), share.of("single"));
        }
    }
}

#[test]
fn what_a_commit_has_placed_is_there_after_a_power_loss() {
    let share = small_share();
    for seed in 0..200 {
        let disk = FaultyDisk::new(seed, Faults::default());
        if seed % 2 == 0 {
            disk.put(path("top/deep/mine").as_path(), b"mine");
        }
        Receiver::new(&share).run(&disk, &mut Progress::default()).unwrap();
        check_done(&disk.power_cycle(), &share);
    }
}

#[test]
fn claims_of_an_earlier_boot_that_were_only_written_are_hashed_again_and_not_trusted() {
    let share = small_share();
    let receiver = Receiver { batch: 1, sync_every: 3, ..Receiver::new(&share) };
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed, Faults::default());
        let staging = receiver.open(&disk, TrustDisk::No).unwrap();
        let mut progress = Progress::default();
        receiver.fetch(&staging, &mut progress).unwrap();
        drop(staging);
        let (written, synced) = (progress.written.len(), progress.synced.len());
        assert!(0 < synced && synced < written);
        let claims = |disk: &FaultyDisk, trust| receiver.open(disk, trust).unwrap().opened().claims.len();
        // The process alone ended: all that was written counts, trusted or to be hashed again.
        let disk = disk.restart();
        assert_eq!(claims(&disk, TrustDisk::No), written);
        assert_eq!(claims(&disk, TrustDisk::Yes), written);
        let disk = {
            let all = disk.restart();
            all.sync_all().unwrap();
            all.power_cycle()
        };
        assert_eq!(claims(&disk, TrustDisk::No), written, "all are there, and all are hashed again");
        assert_eq!(claims(&disk, TrustDisk::Yes), synced, "what was only written is not trusted");
    }
}

#[test]
fn thousands_of_claims_in_one_checkpoint_are_kept() {
    let names: Vec<String> = (0..2500).map(|at| format!("many/{at:04}")).collect();
    let entries: Vec<(&str, usize)> = names.iter().map(|name| (&name[..], 1)).collect();
    let share = TestShare::new(&entries);
    let receiver = Receiver { batch: 2500, sync_every: 9, ..Receiver::new(&share) };
    let disk = FaultyDisk::new(1, Faults::default());
    let staging = receiver.open(&disk, TrustDisk::No).unwrap();
    receiver.fetch(&staging, &mut Progress::default()).unwrap();
    drop(staging);
    let staging = receiver.open(&disk.restart(), TrustDisk::No).unwrap();
    assert_eq!(staging.opened().claims.len(), 2500);
}

#[test]
fn a_file_where_a_folder_was_placed_is_a_conflict_for_the_next_run() {
    let share = small_share();
    let receiver = Receiver::new(&share);
    let case = Case {
        receiver,
        others: vec![("top/deep/mine", b"mine")],
        end: End::Kill,
        faults: Faults::default(),
    };
    let mut seen = 0;
    for call in 1..=case.calls() {
        let disk = case.disk(call);
        disk.stop_at(disk.calls() + call);
        let _ = case.receiver.run(&disk, &mut Progress::default());
        let disk = disk.restart();
        let paths: Vec<_> = disk.paths().into_iter().map(|(at, _)| at).collect();
        if !paths.contains(&path("top/deep/er/one"))
            || !paths.iter().any(|at| at.as_path().file_name() == b"journal")
        {
            continue;
        }
        seen += 1;
        let (from, to) = (path("top/deep"), path("moved away"));
        Disk::rename(&disk, from.as_path(), to.as_path(), Taken::Refuse).unwrap();
        disk.put(from.as_path(), b"in the way");
        assert!(matches!(case.receiver.plan(&disk), Err(Failed::Conflicts(_))), "call {call}");
    }
    assert!(seen > 0);
}
