//! `truecopy daemon`: a node without a console. Programs of this user steer it over its local API; its transfers outlive
//! it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};

use crate::api::{Api, Desk, Listening, Place, bridge};
use crate::args::{DaemonArgs, Listen, NodeArgs};
use crate::control::Controls;
use crate::engine::news::News;
use crate::engine::{Accepting, Engine, Keeping, Setup};
use crate::exit::{Error, Exit, Result};
use crate::home::{self, Home};
use crate::rooms::{Chosen, Room};
use crate::run::Context;

/// A unit for systemd: enabled by the user, for the user.
const UNIT: &str = include_str!("../../../docs/truecopy.service");

/// Runs the command.
pub fn run(args: &DaemonArgs, context: &Context) -> Result<Exit> {
    if args.unit {
        context.reporter.generated(UNIT.as_bytes());
        return Ok(Exit::Success);
    }
    let room = room(&args.node)?;
    let home = context.home()?;
    let _alone = alone(home)?;
    let controls = Controls::new()?;
    let node = &args.node;
    let listen = match node.port {
        Some(port) => vec![Listen::Everywhere { port }],
        None => node.listen.clone(),
    };
    let folder = std::path::absolute(&node.dir).map_err(|error| Error::local("find", &node.dir, &error))?;
    let accepting = if node.auto_accept { Accepting::All } else { Accepting::Trusted };
    let keeping = Keeping::Transfers;
    let limits = &node.limits;
    let mut engine = Engine::start(&Setup { home, listen, folder, accepting, limits, keeping, room })?;
    let (mut desk, caller) = bridge(engine.waker())?;
    let listening = match &args.socket {
        Some(path) => Listening::Socket(path.clone()),
        None => Listening::Loopback(
            args.api.map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |api| api.0),
        ),
    };
    let api = Api::start(&listening, args.api_host.as_deref(), Place::new(home), caller)?;
    tell(context, &desk, &News::Answering(api.address().to_owned()));
    let exit = serve(&mut engine, &mut desk, &controls, context);
    // First no order is taken any more, then everybody is told goodbye; whoever reads events hears of that too.
    desk.close();
    engine.end(&mut |news| tell(context, &desk, news));
    drop(api);
    exit
}

/// The room that the user names. None is made: it would be another one at each start.
fn room(args: &NodeArgs) -> Result<Room> {
    match Chosen::read(args.room.as_ref())? {
        Chosen::Known(room) => Ok(room),
        Chosen::Made(_) => Err(Error::usage("a daemon would be in another new room each time it starts")
            .hint("make a code once, and name it: truecopy room")),
    }
}

fn serve(engine: &mut Engine, desk: &mut Desk, controls: &Controls, context: &Context) -> Result<Exit> {
    loop {
        if let Some(exit) = controls.end() {
            return Ok(exit);
        }
        desk.serve(engine);
        if desk.is_over() {
            return Ok(Exit::Success);
        }
        if let Some(news) = engine.next_news()? {
            tell(context, desk, &news);
        }
    }
}

fn tell(context: &Context, desk: &Desk, news: &News) {
    let now = context.reporter.elapsed();
    desk.tell(news, now);
    context.reporter.line(&news.line(), &news.json(now));
}

/// One daemon a home: the lock goes with the process, however it ends.
fn alone(home: &Home) -> Result<File> {
    let path = home.state().join("daemon.lock");
    let failed = |error| Error::local("write", &path, &error);
    home::make_private_folder(home.state()).map_err(failed)?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::new(Exit::Conflict, "a daemon of this home runs already")
                .hint("see it: truecopy status; or give this one a home of its own: TRUECOPY_HOME"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
