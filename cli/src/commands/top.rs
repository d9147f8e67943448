//! `truecopy top`: the daemon on a terminal, to be watched and steered.
//!
//! One thread asks the daemon how things are and gives it orders, one follows its events, and this one draws and reads
//! keys: a daemon that hangs never makes the keys hang.

mod feed;
mod keys;
mod model;
#[cfg(test)]
mod tests;
mod told;
mod view;

use std::io::{self, IsTerminal};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event;

use crate::api::Place;
use crate::args::TopArgs;
use crate::control::Controls;
use crate::exit::{Error, Exit, Result};
use crate::run::Context;

use feed::Feed;
use keys::Act;
use model::Model;

/// How long a key is waited for before the screen is drawn anew.
const FRAME: Duration = Duration::from_millis(100);

/// Runs the command.
pub fn run(_: &TopArgs, context: &Context) -> Result<Exit> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Error::usage("this is not a terminal")
            .hint("truecopy status tells the same once, and with --json to programs"));
    }
    let controls = Controls::new()?;
    let feed = Feed::start(&Place::new(context.home()?))?;
    let mut terminal = ratatui::try_init().map_err(|error| unusable(&error))?;
    let exit = show(&mut terminal, &feed, &controls);
    // If the terminal is gone, nobody looks at it.
    let _ = ratatui::try_restore();
    exit
}

fn show(terminal: &mut DefaultTerminal, feed: &Feed, controls: &Controls) -> Result<Exit> {
    let mut model = Model::default();
    loop {
        if let Some(exit) = controls.end() {
            return Ok(exit);
        }
        loop {
            match feed.updates().try_recv() {
                Ok(update) => model.take(update),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::new(Exit::Unexpected, "the daemon is asked no more"));
                }
            }
        }
        feed.look(model.chosen(), view::cells(terminal.size().map_err(|error| unusable(&error))?));
        terminal.draw(|frame| view::draw(frame, &model)).map_err(|error| unusable(&error))?;
        if event::poll(FRAME).map_err(|error| unusable(&error))?
            && let event::Event::Key(key) = event::read().map_err(|error| unusable(&error))?
        {
            match keys::press(&mut model, key) {
                Act::Nothing => {}
                Act::Order(order) => {
                    if !feed.order(order) {
                        model.complain("the daemon is slow; that was not done".into());
                    }
                }
                Act::Leave => return Ok(Exit::Success),
            }
        }
    }
}

fn unusable(error: &io::Error) -> Error {
    Error::new(Exit::LocalIo, format!("the terminal cannot be used: {error}"))
}
