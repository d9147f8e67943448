//! `truecopy get`.

use super::source;
use crate::args::GetArgs;
use crate::exit::{Error, Exit, Result};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &GetArgs, _context: &Context) -> Result<Exit> {
    let _source = source::read(&args.source)?;
    Err(Error::new(Exit::Unexpected, "this build cannot reach the network"))
}
