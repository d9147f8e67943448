//! The command line itself: help, configuration, exit codes, streams.
#![allow(missing_docs, reason = "a test")]

mod common;

use common::{World, sample};

const COMMANDS: [&str; 24] = [
    "send",
    "get",
    "seed",
    "create",
    "inspect",
    "link",
    "verify",
    "ls",
    "clean",
    "demo",
    "replay",
    "node",
    "daemon",
    "room",
    "top",
    "status",
    "pause",
    "resume",
    "cancel",
    "retry",
    "rm",
    "sim",
    "completions",
    "man",
];

/// Commands below `sim`.
const SIM_COMMANDS: [&str; 11] = [
    "story",
    "sweep",
    "replay",
    "plan",
    "shrink",
    "explain",
    "swarm",
    "coverage",
    "check-determinism",
    "mutants",
    "bench",
];

#[test]
fn the_help_of_each_command_has_an_example() {
    let world = World::new();
    for command in COMMANDS {
        let help = world.run(&[command, "--help"]).exits(0).out();
        assert!(help.contains(&format!("Examples:\n  truecopy {command}")), "{command}: {help}");
    }
    for command in SIM_COMMANDS {
        let help = world.run(&["sim", command, "--help"]).exits(0).out();
        assert!(help.contains(&format!("Examples:\n  truecopy sim {command}")), "{command}: {help}");
    }
    assert!(world.run(&["--help"]).exits(0).out().contains("Examples:"));
}

#[test]
fn wrong_arguments_exit_with_2_and_leave_standard_output_alone() {
    let world = World::new();
    for args in [
        &["send"][..],
        &["get", "x", "--on-conflict", "maybe"],
        &["get", "x", "--peer", "nowhere"],
        &["send", ".", "--timeout", "soon"],
        &["seed", ".", "--peers-max", "0"],
        &["frobnicate"],
        &["truecopy:damaged"],
    ] {
        assert_eq!(world.run(args).exits(2).out(), "", "{args:?}");
    }
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_beside_the_known_ones() {
    let world = World::new();
    world.config("colour = true\n");
    let error = world.run(&["inspect", "x"]).exits(2).err();
    assert!(error.contains("unknown key colour") && error.contains("on-conflict"), "{error}");
    world.config("[get]\nlisten = \":1\"\n");
    let error = world.run(&["inspect", "x"]).exits(2).err();
    assert!(error.contains("unknown key get.listen"), "{error}");
    world.config("quiet = \n");
    let error = world.run(&["inspect", "x"]).exits(2).err();
    assert!(error.contains("config.toml line 1"), "{error}");
}

#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_configuration() {
    let world = World::new();
    sample(&world);
    let name = |world: &World, env: Option<&str>, flag: Option<&str>| {
        let mut args = vec!["create", "share"];
        args.extend(flag.map(|_| "-o"));
        args.extend(flag);
        let mut command = world.command(&args);
        if let Some(value) = env {
            command.env("TRUECOPY_OUT", value);
        }
        assert!(command.output().unwrap().status.success());
        ["config", "env", "flag"].into_iter().find(|name| {
            let path = world.path(name);
            path.exists() && std::fs::remove_file(path).is_ok()
        })
    };
    world.config("[create]\nout = \"config\"\n");
    assert_eq!(name(&world, None, None), Some("config"));
    assert_eq!(name(&world, Some("env"), None), Some("env"));
    assert_eq!(name(&world, Some("env"), Some("flag")), Some("flag"));
}

#[test]
fn a_truth_in_the_configuration_can_be_taken_back() {
    let world = World::new();
    sample(&world);
    world.config("json = true\n");
    world.run(&["create", "share", "-o", "x"]).exits(0);
    assert_eq!(world.run(&["inspect", "x"]).exits(0).json()[0]["v"], 1);
    let plain = world.command(&["inspect", "x"]).env("TRUECOPY_JSON", "0").output().unwrap();
    assert!(plain.stdout.starts_with(b"name"));
}

#[test]
fn quiet_says_nothing_but_the_product() {
    let world = World::new();
    sample(&world);
    let ran = world.run(&["create", "share", "-o", "x", "-q"]).exits(0);
    assert_eq!((ran.out(), ran.err()), (String::new(), String::new()));
    let ran = world.run(&["inspect", "x", "-q"]).exits(0);
    assert!(ran.out().contains("share/large") && ran.err().is_empty());
}

#[test]
fn failures_are_one_json_object_too() {
    let world = World::new();
    let ran = world.run(&["inspect", "nowhere", "--json"]).exits(8);
    let lines = ran.json();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["ev"], "error");
    assert_eq!(lines[0]["exit"], 8);
    assert_eq!(lines[0]["code"], "local-io");
    assert_eq!(lines[0]["retryable"], false);
    assert!(ran.err().starts_with("error: "));
}

#[test]
fn completions_and_manual_know_every_command() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = world.run(&["completions", shell]).exits(0).out();
        assert!(script.contains("on-conflict") && script.contains("verify"), "{shell}");
    }
    let page = world.run(&["man"]).exits(0).out();
    for command in COMMANDS {
        assert!(page.contains(&format!("TRUECOPY {}", command.to_uppercase())), "{command}");
    }
    for command in SIM_COMMANDS {
        assert!(page.contains(&format!("TRUECOPY SIM {}", command.to_uppercase())), "{command}");
    }
    assert!(page.contains("EXIT STATUS"));
    world.run(&["man", "--pages", "pages"]).exits(0);
    let pages = std::fs::read_dir(world.path("pages")).unwrap().count();
    assert_eq!(pages, COMMANDS.len() + SIM_COMMANDS.len() + 1);
}

#[test]
fn a_file_called_like_a_ticket_is_a_file() {
    let world = World::new();
    let ran = world.run(&["truecopy:damaged"]).exits(2);
    assert!(ran.err().contains("ticket"), "{}", ran.err());
    std::fs::write(world.path("truecopy:damaged"), b"").unwrap();
    let ran = world.run(&["inspect", "truecopy:damaged"]).exits(7);
    assert!(ran.err().contains("metadata"), "{}", ran.err());
}
