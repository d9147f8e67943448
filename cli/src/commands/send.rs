//! `truecopy send`.

use truecopy_mio::prepare::Prepared;

use super::{contents, reading, source};
use crate::args::SendArgs;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, Stage};
use crate::run::Context;
use crate::shares::{Remembered, Shares};

/// Runs the command.
pub fn run(args: &SendArgs, context: &Context) -> Result<Exit> {
    let _ready = ready(args, context)?;
    Err(Error::new(Exit::Unexpected, "this build cannot reach the network"))
}

/// A share that can be served under the key it had before.
#[derive(Debug)]
pub struct Ready {
    /// What is served.
    pub prepared: Prepared,
    /// Under which key, secret and port.
    pub remembered: Remembered,
}

/// Hashes what is to be sent, and remembers it for the next time.
pub fn ready(args: &SendArgs, context: &Context) -> Result<Ready> {
    let reporter = &context.reporter;
    let shares = Shares::new(context.home()?);
    let warn = |text: &str| reporter.tell(&Event::Warning { text });
    let (remembered, known) = shares.find(&args.paths, args.links, &warn)?;
    let prepared = reading::prepare(reporter, &args.paths, args.links, known)?;
    if let Some(path) = &args.metadata {
        let wanted = source::read_metadata(path)?;
        if wanted.manifest.content_id() != prepared.manifest.content_id() {
            let what = format!("the data is not what {} says", Shown::path(path));
            return Err(Error::new(Exit::Integrity, what)
                .hint("see what differs with `truecopy verify PATH --against FILE`"));
        }
    }
    shares.keep(&remembered, &prepared, &warn);
    let content = prepared.manifest.content_id().to_hex();
    reporter.tell(&Event::Share { stage: Stage::Prepared, contents: contents(&prepared.manifest, &content) });
    Ok(Ready { prepared, remembered })
}
