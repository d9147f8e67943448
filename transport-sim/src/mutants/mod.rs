//! Planted bugs, and the proof that the simulator sees them: how many seeds each takes until an oracle speaks.
//!
//! Bugs exist only in builds with `--cfg planted`; any other build can only say how to make one ([`COMMAND`]).

#[cfg(planted)]
mod board;
#[cfg(planted)]
mod crowds;
#[cfg(planted)]
mod hunt;
#[cfg(planted)]
mod probe;
#[cfg(planted)]
mod scenes;
#[cfg(planted)]
mod stores;
#[cfg(planted)]
mod table;

/// Builds and runs them, in the folder of the sources.
pub const COMMAND: &str =
    "RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/planted-rustc cargo run -p truecopy-sim --example mutants";

/// How much is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// Three campaigns a bug: the gate.
    #[default]
    Quick,
    /// Twenty campaigns a bug, and many more seeds for the harmless changes.
    Full,
    /// Every bug against every single kind of faults: which of them shows it.
    Board,
}

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much.
    pub size: Size,
    /// Threads; 0: as many as there are cores.
    pub jobs: usize,
    /// The numbers of the bugs; none: all of them.
    pub only: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Every bug was seen in time, and no harmless change was taken for one.
    Passed,
    /// Not so.
    Failed,
    /// There are no bugs in this build.
    NotPlanted,
}

/// Runs the catalogue and tells line by line. One at a time in a process: the active bug is the process's.
#[cfg(planted)]
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> Ran {
    // Bugs panic; that is told in the table.
    std::panic::set_hook(Box::new(|_| {}));
    let jobs = match options.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some,
    };
    let passed = match options.size {
        Size::Quick => hunt::all(&options.only, 3, 100, jobs, say),
        Size::Full => hunt::all(&options.only, 20, 2_000, jobs, say),
        Size::Board => board::all(&options.only, jobs, say),
    };
    truecopy_protocol::planted::set(None);
    if passed { Ran::Passed } else { Ran::Failed }
}

/// Says how to make a build that can.
#[cfg(not(planted))]
pub fn run(_options: &Options, say: &mut dyn FnMut(&str)) -> Ran {
    say("this build has no planted bugs; in the folder of the sources:");
    say(COMMAND);
    Ran::NotPlanted
}
