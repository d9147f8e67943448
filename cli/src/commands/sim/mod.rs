//! `truecopy sim`: the simulator, one command a file. These commands have exit codes of their own ([`Outcome`]).

mod campaign;
mod plans;
mod shrink;
mod story;
mod swarm;

use std::process::ExitCode;

use crate::args::{SimArgs, SimCommand};
use crate::exit::Result;
use crate::run::Context;

/// How a simulation ended. Errors of the program itself have the program's codes: 2 for the command line, 8 for a file
/// that cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was found, or what was asked for is done.
    Pass = 0,
    /// An oracle was violated, or a figure is not what it should be.
    Failed = 1,
    /// Equal plans gave different runs.
    Different = 3,
    /// The budget was used up before there was a result.
    Exhausted = 4,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Runs the command.
pub fn run(args: &SimArgs, context: &Context) -> Result<Outcome> {
    let Some(command) = &args.command else {
        // clap demands one of both.
        return args.seed.map_or(Ok(Outcome::Pass), |seed| plans::seed(seed, context));
    };
    match command {
        SimCommand::Story(args) => story::run(args, context),
        SimCommand::Sweep(args) => campaign::sweep(args, context),
        SimCommand::Replay(args) => plans::replay(args, context),
        SimCommand::Plan(args) => plans::write(args, context),
        SimCommand::Shrink(args) => shrink::run(args, context),
        SimCommand::Explain(args) => plans::explain(args, context),
        SimCommand::Swarm(args) => swarm::run(args, context),
        SimCommand::Coverage(args) => campaign::coverage(args, context),
        SimCommand::CheckDeterminism(args) => campaign::determinism(args, context),
        SimCommand::Mutants => campaign::mutants(context),
        SimCommand::Bench(args) => campaign::bench(args, context),
    }
}

/// Writes a line of a result.
fn say(context: &Context, line: &str) {
    context.reporter.generated(format!("{line}\n").as_bytes());
}
