//! `truecopy sim story`: how bytes are lost without an error, and who notices.

use std::fs;

use truecopy_sim::story::Story;

use super::Outcome;
use crate::args::StoryArgs;
use crate::exit::{Error, Exit, Result};

use crate::run::Context;

/// Runs the command.
pub(super) fn run(args: &StoryArgs, context: &Context) -> Result<Outcome> {
    let told = Story::tell(args.seed)
        .map_err(|error| Error::new(Exit::Unexpected, format!("cannot simulate TLS: {error}")))?;
    if let Some(path) = &args.svg {
        fs::write(path, told.svg()).map_err(|error| Error::local("write", path, &error))?;
    }
    context.reporter.generated(told.text().as_bytes());
    Ok(Outcome::Pass)
}
