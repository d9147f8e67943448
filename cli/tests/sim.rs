//! `truecopy sim`: every command once, and its exit codes.
#![allow(missing_docs, reason = "a test")]

mod common;

use std::fs;

use common::{World, write_large};

/// A plan that fails: everything must be done before it can be, and nothing heals.
const HOPELESS: &str = r#"
version = 1
about = "Nobody can be reached in time"
seed = "0000000000000007"
channel = "clear"

[scenario]
senders = 1
receivers = 2

[[scenario.file]]
path = "share/a"
size = 70000

[[scenario.file]]
path = "share/b"
size = 3

[heal]
at_ms = 0
budget_ms = 0

[[fault]]
kind = "clock-jump"
host = 1
at_ms = 1
seconds = 5
"#;

#[test]
fn the_story_is_told_and_drawn() {
    let world = World::new();
    let text = world.run(&["sim", "story", "--svg", "story.svg"]).exits(0).out();
    assert!(text.contains("What TCP promises") && text.lines().all(|line| line.chars().count() <= 80));
    assert!(fs::read_to_string(world.path("story.svg")).unwrap().starts_with("<svg "));
    assert_eq!(text, world.run(&["sim", "story", "--seed", "2"]).exits(0).out());
    assert_ne!(text, world.run(&["sim", "story", "--seed", "3"]).exits(0).out());
}

#[test]
fn a_seed_runs_and_its_plan_gives_the_same_run() {
    let world = World::new();
    let seed = "tc1:pair:clear:calm:0000000000000001";
    let first = world.run(&["sim", "--seed", seed]).exits(0).out();
    assert!(first.starts_with("passed "), "{first}");
    world.run(&["sim", "plan", seed, "-o", "x.toml"]).exits(0);
    assert_eq!(world.run(&["sim", "replay", "x.toml", "--svg", "x.svg"]).exits(0).out(), first);
    assert!(fs::read_to_string(world.path("x.svg")).unwrap().contains("host 1"));
    let traced = world.run(&["sim", "replay", "x.toml", "--trace", "--node", "1"]).exits(0).out();
    assert!(traced.contains("event Completed") && !traced.contains("host 0"), "{traced}");
    let early = world.run(&["sim", "replay", "x.toml", "--until", "0.000001"]).exits(0).out();
    assert!(early.starts_with("stopped "), "{early}");
    assert!(world.run(&["sim", "explain", "x.toml"]).exits(0).out().contains("Nothing goes wrong."));
}

#[test]
fn a_failure_is_reported_and_shrinks_to_a_plan_and_a_test() {
    let world = World::new();
    fs::write(world.path("bad.toml"), HOPELESS).unwrap();
    let report = world.run(&["sim", "replay", "bad.toml"]).exits(1).out();
    assert!(report.contains("L1 Completion") && report.contains("truecopy sim replay bad.toml"), "{report}");
    let told = world.run(&["sim", "shrink", "bad.toml", "-o", "small.toml"]).exits(1).out();
    assert!(told.contains("0 faults, 2 hosts, 1 files"), "{told}");
    let small = world.run(&["sim", "replay", "small.toml"]).exits(1).out();
    assert!(small.contains("L1 Completion"), "{small}");
    let test = fs::read_to_string(world.path("small.toml.rs")).unwrap();
    assert!(test.contains("include_str!(\"small.toml\")"), "{test}");
}

#[test]
fn sweeps_tell_their_figures_and_end_with_their_budget() {
    let world = World::new();
    let args = ["sim", "sweep", "--seeds", "0..20", "--mix", "calm", "--cast", "pair", "--junit", "x.xml"];
    assert!(world.run(&args).exits(0).out().contains("20 seeds, 0 failed"));
    assert!(fs::read_to_string(world.path("x.xml")).unwrap().contains("failures=\"0\""));
    let endless =
        ["sim", "sweep", "--seeds", "0..100000000", "--mix", "calm", "--cast", "pair", "--time", "1s"];
    world.run(&endless).exits(4);
    assert!(world.run(&["sim", "check-determinism", "--seeds", "4"]).exits(0).out().contains("4 seeds"));
    // So few seeds cannot meet everything.
    assert!(world.run(&["sim", "coverage", "--seeds", "0..4"]).exits(1).out().contains("NEVER MET"));
}

#[test]
fn swarms_are_listed_played_and_taken_as_plans() {
    let world = World::new();
    let listed = world.run(&["sim", "swarm"]).exits(0).out();
    assert!(listed.contains("crowd100") && listed.contains("should be: the last within 1.35 x"), "{listed}");
    let played = world.run(&["sim", "swarm", "small"]).exits(0).out();
    assert!(played.starts_with("scene ") && played.trim_end().ends_with("passed"), "{played}");
    assert_eq!(played.lines().count(), 2, "{played}");
    world.run(&["sim", "replay", "small", "--swarm-svg", "x.svg"]).exits(0);
    world.run(&["sim", "swarm", "small", "--svg", "y.svg"]).exits(0);
    let drawn = fs::read_to_string(world.path("x.svg")).unwrap();
    assert!(drawn.contains("peer 8") && drawn == fs::read_to_string(world.path("y.svg")).unwrap());
    world.run(&["sim", "swarm", "small", "free", "--svg", "z.svg"]).exits(2);
    assert!(world.run(&["sim", "explain", "small"]).exits(0).out().starts_with("small: 8 receivers"));
    assert!(world.run(&["sim", "plan", "crowd20"]).exits(0).out().contains("receivers = 20"));
    world.run(&["sim", "swarm", "nobody"]).exits(2);
}

#[test]
fn what_is_no_plan_and_no_seed_is_a_wrong_argument() {
    let world = World::new();
    fs::write(world.path("x"), "what = 3").unwrap();
    for args in [
        &["sim"][..],
        &["sim", "--seed", "7"],
        &["sim", "replay", "x"],
        &["sim", "replay", "tc1:nobody"],
        &["sim", "sweep", "--seeds", "5..5"],
        &["sim", "sweep", "--mix", "only-nothing"],
    ] {
        assert_eq!(world.run(args).exits(2).out(), "", "{args:?}");
    }
    world.run(&["sim", "replay", "nowhere"]).exits(8);
}

#[test]
fn a_recording_of_a_real_transfer_becomes_a_plan() {
    let world = World::new();
    write_large(&world.path("large"), 300_000);
    fs::write(world.path("small"), b"abc").unwrap();
    let mut sender = world
        .command(&[
            "send",
            "-q",
            "--once",
            "--listen",
            "127.0.0.1:0",
            "--record",
            "send.rec",
            "large",
            "small",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ticket = String::new();
    let out = sender.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut ticket).unwrap();
    world.run(&["get", ticket.trim(), "-y", "-o", "got", "--record", "get.rec"]).exits(0);
    assert!(sender.wait().unwrap().success());
    for recording in ["send.rec", "get.rec"] {
        let plan = world.run(&["sim", "plan", recording]).exits(0).out();
        assert!(plan.contains("size = 300000") && plan.contains("size = 3\n"), "{plan}");
        assert!(plan.contains("channel = \"tls\"") && !plan.contains("[[fault]]"), "{plan}");
        assert!(world.run(&["sim", "replay", recording]).exits(0).out().starts_with("passed "));
    }
}
