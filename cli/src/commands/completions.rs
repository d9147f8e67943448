//! `truecopy completions`: made from the same model as the command line itself.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::{Exit, Result};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &CompletionsArgs, context: &Context) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "truecopy", &mut script);
    context.reporter.generated(&script);
    Ok(Exit::Success)
}
