//! `truecopy-server`: the tracker as a program.

mod args;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use truecopy_server::http::Server;
use truecopy_server::store::{DiskStore, Store};

use self::args::{Args, LogFormat, Place};

/// Something could not be done at the start.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = log(&args) {
        eprintln!("truecopy-server: {error}");
        return ExitCode::from(2);
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the server cannot start");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

fn log(args: &Args) -> Result<(), Failure> {
    let filter: Targets = args.log.parse()?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match args.log_format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

fn open(place: &Place) -> Result<Box<dyn Store>, Failure> {
    match place {
        Place::File(path) => Ok(Box::new(DiskStore::open(path)?)),
        #[cfg(feature = "redis")]
        Place::Redis(url) => Ok(Box::new(truecopy_server::store::RedisStore::open(url)?)),
        #[cfg(not(feature = "redis"))]
        Place::Redis(_) => Err("this program was built without Redis".into()),
    }
}

async fn serve(args: &Args) -> Result<(), Failure> {
    let store = args.store.as_ref().map(open).transpose()?;
    // Before anything is answered, so that no signal comes too early.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = Server::bind(args.config(), store)?;
    for address in server.addresses() {
        tracing::info!(%address, origin = server.origin(), "listening");
    }
    if !args.names_origin() {
        tracing::warn!(origin = server.origin(), "no --origin: announces must be signed for this one");
    }
    let ended = async {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted; ending"),
            _ = terminate.recv() => tracing::info!("terminated; ending"),
        }
    };
    server.run(ended).await;
    tracing::info!("ended");
    Ok(())
}
