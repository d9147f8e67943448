//! From the arguments to the exit code.

use std::ffi::OsString;
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;

use crate::args::{self, Command, NoCommand, OutputArgs};
use crate::commands::remote::{self, Steer};
use crate::commands::{self, sim};
use crate::exit::{Error, Exit, Result};
use crate::home::Home;
use crate::output::Reporter;
use crate::trace;

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// Where to tell what happens.
    pub reporter: Arc<Reporter>,
    /// Where the program keeps its own.
    pub home: Result<Home>,
}

impl Context {
    /// The folders of the program, for commands that need them.
    pub fn home(&self) -> Result<&Home> {
        self.home.as_ref().map_err(|error| {
            let again = Error::new(error.exit, &error.what);
            match &error.hint {
                Some(hint) => again.hint(hint),
                None => again,
            }
        })
    }
}

/// How the program ended: by its own table of exit codes, or by that of simulations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// See [`Exit`].
    Program(Exit),
    /// A simulation has a result.
    Simulation(sim::Outcome),
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Program(exit) => exit.into(),
            Ended::Simulation(outcome) => outcome.into(),
        }
    }
}

/// Runs the program.
pub fn run(args: Vec<OsString>) -> Ended {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let what = format!("the program has a fault{place}");
        let error = Error::new(Exit::Unexpected, what).hint("please report it, with what you typed");
        Reporter::new(&OutputArgs::default()).fail(&error);
    }));
    panic::catch_unwind(|| start(args)).unwrap_or(Ended::Program(Exit::Unexpected))
}

fn start(args: Vec<OsString>) -> Ended {
    let home = Home::find();
    let cli = match args::read(args, &home) {
        Ok(cli) => cli,
        Err(NoCommand::Clap(error)) => return tell_clap(&error),
        Err(NoCommand::Config(error)) => return fail(&Reporter::new(&OutputArgs::default()), &error),
    };
    let context = Context { reporter: Arc::new(Reporter::new(&cli.command.output())), home };
    trace::follow(&context.reporter);
    match dispatch(cli.command, &context) {
        Ok(ended) => {
            context.reporter.clear();
            ended
        }
        Err(error) => fail(&context.reporter, &error),
    }
}

fn dispatch(command: Command, context: &Context) -> Result<Ended> {
    let exit = match command {
        Command::Send(args) => commands::send::run(&args, context),
        Command::Get(args) => commands::get::run(&args, context),
        Command::Seed(args) => commands::seed::run(&args, context),
        Command::Create(args) => commands::create::run(&args, context),
        Command::Inspect(args) => commands::inspect::run(&args, context),
        Command::Link(args) => commands::link::run(&args, context),
        Command::Verify(args) => commands::verify::run(&args, context),
        Command::Ls(args) => commands::leftovers::list(&args, context),
        Command::Clean(args) => commands::leftovers::clean(&args, context),
        Command::Demo(args) => commands::demo::run(&args, context),
        Command::Replay(args) => commands::replay::run(&args, context),
        Command::Node(args) => commands::node::run(&args, context),
        Command::Room(args) => commands::room::run(&args, context),
        Command::Daemon(args) => commands::daemon::run(&args, context),
        Command::Status(args) => remote::status(&args, context),
        Command::Top(args) => commands::top::run(&args, context),
        Command::Pause(args) => remote::steer(Steer::Pause, &args, context),
        Command::Resume(args) => remote::steer(Steer::Resume, &args, context),
        Command::Cancel(args) => remote::steer(Steer::Cancel, &args, context),
        Command::Retry(args) => remote::steer(Steer::Retry, &args, context),
        Command::Rm(args) => remote::steer(Steer::Rm, &args, context),
        Command::Sim(args) => return sim::run(&args, context).map(Ended::Simulation),
        Command::Completions(args) => commands::completions::run(&args, context),
        Command::Man(args) => commands::man::run(&args, context),
    };
    exit.map(Ended::Program)
}

fn fail(reporter: &Reporter, error: &Error) -> Ended {
    reporter.fail(error);
    Ended::Program(error.exit)
}

fn tell_clap(error: &clap::Error) -> Ended {
    // Without a standard output or error there is nobody to tell.
    let _ = error.print();
    Ended::Program(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Success,
        _ => Exit::Usage,
    })
}
