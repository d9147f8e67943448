//! What fuzzing has found worth keeping, run through the same bodies without a fuzzer.
//!
//! Beside the promises that the bodies look at: no input, whatever lengths it claims, takes more memory than its target
//! says.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod memory;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use truecopy_protocol::fuzzing::Target;

/// Bytes of one corpus, and of one input, at most: they are kept for ever.
const CORPUS_MAX: u64 = 300 * 1024;
const INPUT_MAX: usize = 16 * 1024;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz")
}

fn targets() -> impl Iterator<Item = &'static Target> {
    let protocol = truecopy_protocol::fuzzing::TARGETS.iter();
    let drivers = truecopy_transport::fuzzing::TARGETS.iter().chain(truecopy_sim::fuzzing::TARGETS);
    protocol.chain(drivers).chain(truecopy_server::fuzzing::TARGETS)
}

/// The names in a folder, without their endings.
fn stems(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// Runs the corpora of these targets. The name of an input that fails stands last in the output.
fn replay(is_wanted: impl Fn(&str) -> bool) {
    for target in targets().filter(|target| is_wanted(target.name)) {
        let inputs = corpus(target.name);
        assert!(inputs.len() >= 10, "the corpus of {} has {} inputs", target.name, inputs.len());
        let bytes: u64 = inputs.iter().map(|(_, input)| input.len() as u64).sum();
        assert!(bytes <= CORPUS_MAX, "the corpus of {} has {bytes} bytes", target.name);
        // Whatever is made once is made here.
        (target.run)(&[]);
        for (path, input) in inputs {
            println!("{}", path.display());
            assert!(input.len() <= INPUT_MAX);
            let peak = memory::peak(|| (target.run)(&input));
            let max = target.memory_max + 64 * input.len();
            assert!(peak <= max, "{}: {peak} bytes at once, of {max}", path.display());
        }
    }
}

#[test]
fn the_corpora_of_frames_and_content_hold() {
    replay(|name| {
        !["machine_", "tracker_", "journal", "recording"].iter().any(|other| name.starts_with(other))
    });
}

#[test]
fn the_corpora_of_whole_nodes_hold() {
    replay(|name| name.starts_with("machine_"));
}

#[test]
fn the_corpora_of_trackers_hold() {
    replay(|name| name.starts_with("tracker_"));
}

#[test]
fn the_corpora_of_journals_and_recordings_hold() {
    replay(|name| name == "journal" || name == "recording");
}

#[test]
fn whatever_bytes_decide_a_node_in_a_room_holds() {
    let target = targets().find(|target| target.name == "machine_rooms").unwrap();
    let mut word = 1_u64;
    let mut next = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 40) as usize
    };
    for run in 0..runs() {
        println!("run {run}");
        let input: Vec<u8> = (0..next() % 700).map(|_| next() as u8).collect();
        (target.run)(&input);
    }
}

/// Inputs of chance, or so many hundreds as `TRUECOPY_TEST_SEEDS` says.
fn runs() -> usize {
    std::env::var("TRUECOPY_TEST_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .map_or(400, |n: usize| 100 * n)
}

#[test]
fn every_target_has_its_file_and_its_corpus_and_nothing_else_is_there() {
    let names: BTreeSet<String> = targets().map(|target| target.name.to_owned()).collect();
    assert_eq!(stems(&fuzz().join("fuzz_targets")), names);
    assert_eq!(stems(&fuzz().join("corpus")), names);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no [[bin]]");
    }
}

#[test]
fn the_guard_of_memory_sees_what_is_taken_and_given_back() {
    let peak = memory::peak(|| {
        drop(vec![1_u8; 3 << 20]);
        drop(vec![1_u8; 1 << 20]);
    });
    assert!((3 << 20..4 << 20).contains(&peak), "{peak}");
    let peak = memory::peak(|| {
        let mut grown = vec![1_u8; 1 << 20];
        grown.resize(5 << 20, 2);
    });
    assert!(peak >= 5 << 20, "{peak}");
}
