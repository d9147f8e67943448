//! `truecopy sim`: the simulator, one command a file.

mod story;

use crate::args::{SimArgs, SimCommand};
use crate::exit::{Exit, Result};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &SimArgs, context: &Context) -> Result<Exit> {
    match &args.command {
        SimCommand::Story(args) => story::run(args, context),
    }
}
