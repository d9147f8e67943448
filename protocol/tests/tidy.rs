//! The house rules that a compiler does not know.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const CRATES: [&str; 6] = ["protocol", "transport", "transport-mio", "transport-sim", "server", "cli"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All Rust files under a folder, with their text; tests left out.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "tests" {
                found.extend(sources(&path));
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let found: Vec<_> = CRATES.iter().flat_map(|name| sources(&root().join(name).join("src"))).collect();
    assert!(found.len() > 30, "the sources are where they are looked for");
    found
}

#[test]
fn files_are_short() {
    for (path, text) in all_sources() {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn functions_are_short() {
    for (path, text) in all_sources() {
        let mut open: Vec<(usize, usize)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            let words: Vec<&str> = code.split(['(', '<']).next().unwrap().split_whitespace().collect();
            if words.contains(&"fn") && !code.starts_with("//") && !code.ends_with(';') {
                open.push((indent, number));
            }
            if code.starts_with('}')
                && let Some((_, start)) = open.pop_if(|(at, _)| *at == indent)
            {
                let lines = number - start + 1;
                assert!(lines <= FUNCTION_LINES_MAX, "{}:{} has {lines} lines", path.display(), start + 1);
            } else if let Some((_, start)) = open.last()
                && *start == number
                && code.ends_with('}')
            {
                open.pop();
            }
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("dbg", "!")];
    for (path, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().find(|word| line.contains(**word));
            assert_eq!(found, None, "{}:{}", path.display(), number + 1);
        }
    }
}

#[test]
fn layers_know_only_what_lies_below() {
    let rules: [(&str, &[&str]); 4] = [
        ("content", &["wire", "session", "swarm", "node"]),
        ("wire", &["session", "swarm", "node"]),
        ("session", &["swarm", "node"]),
        ("swarm", &["session", "node"]),
    ];
    for (layer, forbidden) in rules {
        let found = sources(&root().join("protocol/src").join(layer));
        assert!(!found.is_empty());
        for (path, text) in found {
            for above in forbidden {
                let names =
                    [format!("crate::{above}::"), format!("crate::{above};"), format!("crate::{{{above}")];
                let bad = names.iter().find(|name| text.contains(name.as_str()));
                assert_eq!(bad, None, "{}", path.display());
            }
        }
    }
}

/// The section numbers after `PROTOCOL §`, also of ranges such as `§3.5 to §3.7`.
fn cited(text: &str) -> Vec<String> {
    let number = |text: &str| -> String {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].trim_end_matches('.').to_owned()
    };
    text.split("PROTOCOL §").skip(1).map(number).collect()
}

#[test]
fn cited_sections_of_the_protocol_exist() {
    // Without the page there is nothing to hold the citations against.
    let Ok(page) = fs::read_to_string(root().join("PROTOCOL.md")) else { return };
    let headings: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches('#').split_whitespace().next())
        .map(|number| number.trim_end_matches('.'))
        .collect();
    for (path, text) in all_sources() {
        for section in cited(&text) {
            assert!(headings.contains(&section.as_str()), "{} cites §{section}", path.display());
        }
    }
}
