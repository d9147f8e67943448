//! Runs the program in a folder of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder, and a home for the program in it.
pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truecopy"));
        let ours = std::env::vars_os().map(|(key, _)| key);
        for key in ours.filter(|key| key.to_string_lossy().starts_with("TRUECOPY_")) {
            command.env_remove(key);
        }
        command.args(args).current_dir(self.0.path()).env("TRUECOPY_HOME", self.path("home"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran(self.command(args).output().unwrap())
    }

    pub(crate) fn config(&self, text: &str) {
        std::fs::create_dir_all(self.path("home")).unwrap();
        std::fs::write(self.path("home/config.toml"), text).unwrap();
    }
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}\n{}", self.out(), self.err());
        self
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Standard output as JSON lines.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A folder with one of everything, called `share`.
pub(crate) fn sample(world: &World) -> PathBuf {
    let top = world.path("share");
    std::fs::create_dir_all(top.join("empty folder")).unwrap();
    std::fs::create_dir_all(top.join("日本")).unwrap();
    std::fs::write(top.join("日本/naïve.txt"), b"unicode").unwrap();
    std::fs::write(top.join("empty"), b"").unwrap();
    write_large(&top.join("large"), 1_000_000);
    #[cfg(unix)]
    std::os::unix::fs::symlink("large", top.join("link")).unwrap();
    top
}

pub(crate) fn write_large(path: &Path, len: u32) {
    let bytes: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(path, bytes).unwrap();
}

/// Puts one other byte at an offset.
pub(crate) fn spoil(path: &Path, offset: u64) {
    use std::io::{Read, Seek, SeekFrom, Write};
    let mut file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&[!byte[0]]).unwrap();
}
