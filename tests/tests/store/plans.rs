//! Any share into any destination under any policy: what stands there afterwards is what a model says.

mod model;

use std::collections::BTreeMap;

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use proptest::test_runner::Config;
use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::Outcome;
use truecopy_sim::disk::{Faults, FaultyDisk};
use truecopy_transport::store::OnConflict;

use self::model::{Expected, Here, Is, Tree, expect, look, put};
use crate::share::{Failed, Progress, Receiver, TestShare};

const BLOCK: usize = 16 * 1024;

/// So many cases, unless `PROPTEST_CASES` says otherwise: each is some hundred disk calls.
fn few(cases: u32) -> Config {
    let config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { Config { cases, ..config } }
}

/// What the share brings to a path.
#[derive(Clone, Copy, Debug)]
enum Brought {
    File(usize),
    Folder,
    Link,
}

/// Paths of which some lie under others.
fn path() -> impl Strategy<Value = String> {
    "[abc](/[abc]){0,2}"
}

/// The entries of a share: none lies under another.
fn brought() -> impl Strategy<Value = BTreeMap<String, Brought>> {
    let file = prop::sample::select(&[0, 1, 300, BLOCK, BLOCK + 1, 300_000][..]).prop_map(Brought::File);
    let kind = prop_oneof![4 => file, 1 => Just(Brought::Folder), 1 => Just(Brought::Link)];
    btree_map(path(), kind, 1..8).prop_map(|all| {
        let is_apart = |at: &String| !all.keys().any(|other| other.starts_with(&format!("{at}/")));
        let apart = all.iter().filter(|(at, _)| is_apart(at));
        // A link at the top would have to lead out.
        let kind = |at: &str, kind| match kind {
            Brought::Link if !at.contains('/') => Brought::Folder,
            kind => kind,
        };
        apart.map(|(at, brought)| (at.clone(), kind(at, *brought))).collect()
    })
}

/// What stands in the destination before: some of it by chance what the share brings.
fn there() -> impl Strategy<Value = BTreeMap<String, Here>> {
    let here = prop_oneof![
        4 => Just(Here::Same),
        1 => Just(Here::SameSize),
        1 => Just(Here::OtherSize),
        1 => Just(Here::Folder),
        1 => Just(Here::Link),
    ];
    btree_map(path(), here, 0..6)
}

fn policy() -> impl Strategy<Value = OnConflict> {
    prop::sample::select(&[OnConflict::Fail, OnConflict::Skip, OnConflict::Rename, OnConflict::Replace][..])
}

#[derive(Clone, Debug)]
struct Case {
    brought: BTreeMap<String, Brought>,
    there: BTreeMap<String, Here>,
    chosen: Option<std::collections::BTreeSet<usize>>,
    policy: OnConflict,
}

fn case() -> impl Strategy<Value = Case> {
    (brought(), there(), prop::option::weighted(0.3, btree_set(0..6_usize, 1..4)), policy())
        .prop_map(|(brought, there, chosen, policy)| Case { brought, there, chosen, policy })
}

impl Case {
    fn share(&self) -> TestShare {
        let text = |(at, kind): (&String, &Brought)| match kind {
            Brought::File(size) => (at.clone(), *size),
            Brought::Folder => (format!("{at}/"), 0),
            Brought::Link => (format!("{at}->x"), 0),
        };
        let entries: Vec<(String, usize)> = self.brought.iter().map(text).collect();
        TestShare::new(&entries.iter().map(|(at, size)| (&at[..], *size)).collect::<Vec<_>>())
    }

    fn selection(&self, share: &TestShare) -> Selection {
        let Some(chosen) = &self.chosen else { return Selection::All };
        let known = chosen.iter().map(|at| EntryIndex(*at as u32)).filter(|at| at.0 < share.manifest.len());
        Selection::Some(known.collect())
    }

    /// The disk as it is before, and what the model expects.
    fn start(&self, share: &TestShare, selection: &Selection, seed: u64) -> (FaultyDisk, Tree, Expected) {
        let disk = FaultyDisk::new(seed, Faults::default());
        for (at, here) in &self.there {
            put(&disk, share, at, *here);
        }
        let before = look(&disk);
        let expected = expect(share, &before, selection, self.policy);
        (disk, before, expected)
    }
}

fn receiver<'a>(share: &'a TestShare, case: &Case, selection: &Selection) -> Receiver<'a> {
    Receiver { policy: case.policy, selection: selection.clone(), ..Receiver::new(share) }
}

fn sums(outcome: &Outcome) -> (u64, u64, u64) {
    (outcome.placed + outcome.already, outcome.skipped, outcome.bytes)
}

proptest! {
    #![proptest_config(few(200))]

    #[test]
    fn what_stands_there_afterwards_is_what_the_policy_says_and_nothing_else(case in case()) {
        let share = case.share();
        let selection = case.selection(&share);
        let (disk, before, expected) = case.start(&share, &selection, 1);
        let receiver = receiver(&share, &case, &selection);
        match (receiver.run(&disk, &mut Progress::default()), &expected) {
            (Err(Failed::Conflicts(_)), Expected::Conflicts) => prop_assert_eq!(look(&disk), before),
            (Ok(outcome), Expected::Placed { after, outcome: told, .. }) => {
                prop_assert_eq!(&look(&disk), after);
                prop_assert_eq!(&outcome, told);
            }
            (got, _) => prop_assert!(false, "{:?} instead of {:?}", got, expected),
        }
    }

    #[test]
    fn a_second_run_finds_all_there_already_and_changes_nothing(case in case()) {
        let share = case.share();
        let selection = case.selection(&share);
        let (disk, _, expected) = case.start(&share, &selection, 2);
        // What was renamed is not looked for under its other name: a second run would place it once more.
        let Expected::Placed { after, outcome, renamed: 0 } = expected else { return Ok(()) };
        let receiver = receiver(&share, &case, &selection);
        receiver.run(&disk, &mut Progress::default()).unwrap();
        let mut progress = Progress::default();
        let again = receiver.run(&disk, &mut progress).unwrap();
        prop_assert_eq!((again.placed, sums(&again)), (0, sums(&outcome)));
        prop_assert!(progress.landed.is_empty());
        prop_assert_eq!(look(&disk), after);
    }

    #[test]
    fn a_run_that_ends_at_any_call_is_finished_by_the_next_to_the_same_state(
        case in case(), at in any::<prop::sample::Index>(), is_power_lost in any::<bool>(), seed in any::<u64>(),
    ) {
        let share = case.share();
        let selection = case.selection(&share);
        let (disk, before, expected) = case.start(&share, &selection, seed);
        let Expected::Placed { after, outcome, renamed } = expected else { return Ok(()) };
        let receiver = receiver(&share, &case, &selection);
        let calls = {
            let (other, ..) = case.start(&share, &selection, seed);
            let start = other.calls();
            receiver.run(&other, &mut Progress::default()).unwrap();
            other.calls() - start
        };
        disk.stop_at(disk.calls() + 1 + at.index(calls as usize) as u64);
        let first = receiver.run(&disk, &mut Progress::default());
        let disk = if is_power_lost { disk.power_cycle() } else { disk.restart() };
        let left = look(&disk);
        // Between the two runs every file is the old one or the new one.
        for (at, is) in left.iter().filter(|(at, is)| !model::is_staged(at) && **is != Is::Folder) {
            prop_assert!(before.get(at) == Some(is) || after.get(at) == Some(is), "{} is {:?}", at, is);
        }
        let has_journal = left.keys().any(|at| at.ends_with("/journal"));
        if renamed > 0 && !has_journal && left.keys().any(|at| !before.contains_key(at) && !model::is_staged(at)) {
            // The names are given and the staging is gone: it was over, and the next run is another transfer.
            prop_assert!(after.keys().all(|at| left.contains_key(at)));
            return Ok(());
        }
        let second = receiver.run(&disk, &mut Progress::default());
        prop_assert!(second.is_ok(), "{:?} after {:?}", second, first);
        prop_assert_eq!(look(&disk), after);
        prop_assert_eq!(sums(&second.unwrap()), sums(&outcome));
    }
}
