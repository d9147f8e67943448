//! `truecopy room`: the code of a new private room.

use crate::args::RoomArgs;
use crate::engine::news::News;
use crate::exit::{Exit, Result};
use crate::rooms;
use crate::run::Context;

/// Runs the command.
pub fn run(_: &RoomArgs, context: &Context) -> Result<Exit> {
    let news = News::Code(rooms::make()?.text());
    context.reporter.line(&news.line(), &news.json(context.reporter.elapsed()));
    Ok(Exit::Success)
}
