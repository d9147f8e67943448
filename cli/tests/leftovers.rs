//! ls and clean, as processes.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::World;

/// A staging folder as an interrupted transfer leaves it, without a readable journal.
fn leave(world: &World) -> std::path::PathBuf {
    let folder = world.path("in/.truecopy-0123456789abcdef");
    std::fs::create_dir_all(folder.join("tree")).unwrap();
    std::fs::write(folder.join("tree/part"), b"half").unwrap();
    folder
}

#[test]
fn what_is_half_done_is_listed_and_removed() {
    let world = World::new();
    let folder = leave(&world);
    std::fs::write(world.path("in/mine"), b"mine").unwrap();
    let listed = world.run(&["ls", "in"]).exits(0).out();
    assert!(listed.contains(".truecopy-0123456789abcdef"), "{listed}");
    let lines = world.run(&["ls", "in", "--json"]).exits(0).json();
    assert_eq!(lines[0]["ev"], "half-done");
    world.run(&["clean", "in"]).exits(3);
    assert!(folder.exists());
    world.run(&["clean", "in", "--yes"]).exits(0);
    assert!(!folder.exists());
    assert_eq!(std::fs::read(world.path("in/mine")).unwrap(), b"mine");
    assert_eq!(world.run(&["ls", "in"]).exits(0).out(), "");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let world = World::new();
    assert!(world.run(&["ls", "nowhere"]).exits(8).err().contains("nowhere"));
}
