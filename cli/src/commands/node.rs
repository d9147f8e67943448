//! `truecopy node`: a node with a console, on a terminal or through a pipe.

mod console;

use std::sync::mpsc::TryRecvError;

use crate::args::{Listen, NodeArgs};
use crate::control::Controls;
use crate::engine::news::News;
use crate::engine::order::Order;
use crate::engine::{Accepting, Engine, Keeping, Setup};
use crate::exit::{Error, Exit, Result};
use crate::rooms::Chosen;
use crate::run::Context;

use console::Console;

/// Runs the command.
pub fn run(args: &NodeArgs, context: &Context) -> Result<Exit> {
    let chosen = Chosen::read(args.room.as_ref())?;
    let controls = Controls::new()?;
    let listen = match args.port {
        Some(port) => vec![Listen::Everywhere { port }],
        None => args.listen.clone(),
    };
    let home = context.home()?;
    let accepting = if args.auto_accept { Accepting::All } else { Accepting::Trusted };
    let keeping = Keeping::Nothing;
    let (folder, limits, room) = (args.dir.clone(), &args.limits, chosen.room());
    let setup = Setup { home, listen, folder, accepting, limits, keeping, room };
    let mut engine = Engine::start(&setup)?;
    let mut console = Console::open(home, &context.reporter)?;
    if let Chosen::Made(code) = chosen {
        console.tell(&News::Code(code.text()));
    }
    let exit = talk(&mut engine, &mut console, &controls);
    engine.end(&mut |news| console.tell(news));
    exit
}

fn talk(engine: &mut Engine, console: &mut Console, controls: &Controls) -> Result<Exit> {
    let mut is_over = false;
    loop {
        if let Some(exit) = controls.end() {
            return Ok(exit);
        }
        loop {
            match console.lines().try_recv() {
                Ok(line) => {
                    if !obey(engine, console, &line)? {
                        return Ok(Exit::Success);
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        match engine.next_news()? {
            Some(news) => console.tell(&news),
            // Nothing more will be typed: what was typed is finished.
            None if is_over && !engine.is_busy() => return Ok(Exit::Success),
            None => {}
        }
    }
}

/// Does what a line says. Whether the node goes on.
fn obey(engine: &mut Engine, console: &mut Console, line: &str) -> Result<bool> {
    let order = match Order::read(line) {
        Ok(Some(Order::Quit)) => return Ok(false),
        Ok(None) => return Ok(true),
        Ok(Some(order)) => engine.order(order),
        Err(error) => Err(error),
    };
    match order {
        Ok(_) => {}
        Err(error) if error.exit == Exit::Unexpected => return Err(error),
        Err(error) => console.tell(&trouble(&error)),
    }
    Ok(true)
}

fn trouble(error: &Error) -> News {
    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    News::Trouble(format!("{}{hint}", error.what))
}
