//! `truecopy send`: hash, print the ticket, serve whoever has it.

mod serving;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use truecopy_mio::prepare::{Known, Monitor, Prepared};
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::metadata::Metadata;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{Command, Share as Offered, Swarming};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{AccessSecret, ContentId, NodeId, ShareId, Trackers};
use truecopy_transport::keys::KeyPair;
use zeroize::Zeroizing;

use super::{contents, reading, source};
use crate::addresses;
use crate::args::SendArgs;
use crate::control::Controls;
use crate::exit::{Error, Exit, Result};
use crate::limits::Limits;
use crate::net::{Net, configured};
use crate::output::{Event, Stage};
use crate::record::{self, Run};
use crate::run::Context;
use crate::shares::{Remembered, Shares};
use crate::standing::Standing;

use serving::Sending;

/// The one share of this process.
const SHARE: ShareId = ShareId(0);
/// How long goodbyes may take.
const ENDING: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn run(args: &SendArgs, context: &Context) -> Result<Exit> {
    record::check(args.record.as_deref())?;
    let mut controls = Controls::new()?;
    let shares = Shares::new(context.home()?);
    let warn = |text: &str| context.reporter.tell(&Event::Warning { text });
    let (mut remembered, known) = shares.find(&args.paths, args.links, &warn)?;
    let promised = args.metadata.as_deref().map(source::read_metadata).transpose()?;
    let named = promised.as_ref().map_or(&[][..], |metadata| &metadata.trackers);
    let trackers: Trackers = args.tracker.iter().chain(named).cloned().collect();
    // A content that is known beforehand is announced: receivers can come while it is hashed.
    let early = match &promised {
        Some(metadata) => {
            let open =
                Open::new(args, context, &mut remembered, metadata.manifest.content_id(), trackers.clone())?;
            open.announce()?;
            Some(open)
        }
        None => None,
    };
    let prepared = match prepare(args, context, known, &mut controls, early.as_ref(), promised.as_ref()) {
        Ok(prepared) => prepared,
        Err(error) => {
            if let Some(open) = &early {
                open.end(if error.exit == Exit::Integrity {
                    Reason::SourceChanged
                } else {
                    Reason::Leaving
                })?;
            }
            return Err(error);
        }
    };
    shares.keep(&remembered, &prepared, &warn);
    let open = match early {
        Some(open) => open,
        None => Open::new(args, context, &mut remembered, prepared.manifest.content_id(), trackers)?,
    };
    let manifest = open.share(prepared)?;
    // Before the ticket is told: whatever happens after that, it works again.
    if let Some(port) = open.net.handle.addresses().first().map(SocketAddr::port) {
        remembered.port = Some(port);
        shares.keep_port(&remembered, &warn);
    }
    if args.metadata.is_none() {
        open.tell(context);
    }
    Sending::new(args, context, controls, open, manifest).go_on()
}

/// Hashes what is to be sent, and compares it with what it should be.
fn prepare(
    args: &SendArgs,
    context: &Context,
    known: Option<Known>,
    controls: &mut Controls,
    early: Option<&Open>,
    promised: Option<&Metadata>,
) -> Result<Prepared> {
    let reporter = &context.reporter;
    let mut ended = None;
    let mut told = None;
    let tick = |monitor: &Monitor| {
        if let Some(exit) = controls.end() {
            ended = Some(exit);
            monitor.cancel();
        }
        let progress = monitor.progress();
        if let Some(open) = early
            && told.replace(progress) != Some(progress)
        {
            let (done, total) = (progress.bytes_done, progress.bytes_total);
            // If the reactor has ended, that is found out when the share is served.
            let _ = open.net.handle.command(Command::Preparing { share: SHARE, done, total });
        }
    };
    let prepared = reading::prepare(reporter, &args.paths, args.links, known, tick);
    if let Some(exit) = ended {
        return Err(Error::new(exit, "stopped while preparing; nothing was sent"));
    }
    let prepared = prepared?;
    if let Some(wanted) = promised
        && wanted.manifest.content_id() != prepared.manifest.content_id()
    {
        return Err(Error::new(Exit::Integrity, "the data is not what the metadata file says")
            .hint("see what differs with `truecopy verify PATH --against FILE`"));
    }
    let content = prepared.manifest.content_id().to_hex();
    reporter.tell(&Event::Share { stage: Stage::Prepared, contents: contents(&prepared.manifest, &content) });
    Ok(prepared)
}

/// A node that receivers can reach, and the name of what it has for them.
struct Open {
    net: Net,
    limits: Limits,
    run: Run,
    node: NodeId,
    secret: AccessSecret,
    content: ContentId,
    trackers: Trackers,
    swarm: Swarming,
}

impl Open {
    fn new(
        args: &SendArgs,
        context: &Context,
        remembered: &mut Remembered,
        content: ContentId,
        trackers: Trackers,
    ) -> Result<Self> {
        let secret = if args.metadata.is_some() { AccessSecret::PUBLIC } else { remembered.secret };
        let key = KeyPair::from_seed(Zeroizing::new(remembered.key_seed));
        let node = key.node_id();
        let limits = Limits::new(&args.limits);
        let config = args.limits.applied(configured(args.timeout, &args.output));
        let run = Run::begin(config, args.record.as_deref(), &context.reporter)?;
        let place = (&args.listen[..], remembered.port);
        let net = Net::listening(place, remembered.key_seed, &run, limits.rates())?;
        limits.tell(&context.reporter);
        let open = Self {
            net,
            limits,
            swarm: args.swarm.swarming(args.metadata.is_some()),
            run,
            node,
            secret,
            content,
            trackers,
        };
        if args.metadata.is_some() {
            open.tell(context);
        }
        Ok(open)
    }

    /// The addresses, the ticket, and what to type on the other machine.
    fn tell(&self, context: &Context) {
        let reporter = &context.reporter;
        let listening = self.net.handle.addresses();
        for address in listening {
            reporter.tell(&Event::Listening { address: &address.to_string() });
        }
        if self.swarm == Swarming::On {
            let text = "peers of this share see each other's addresses";
            reporter.tell(&Event::Note { text });
        }
        let addresses = addresses::reachable(listening);
        let ticket = Ticket {
            content: self.content,
            secret: self.secret,
            node: self.node,
            addresses,
            trackers: self.trackers.clone(),
        };
        reporter.tell(&Event::Ticket { ticket: &ticket.text() });
    }

    fn command(&self, command: Command) -> Result<()> {
        self.net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
    }

    fn announce(&self) -> Result<()> {
        self.command(Command::Announce { share: SHARE, content: self.content, secret: self.secret })?;
        self.add_trackers()
    }

    fn add_trackers(&self) -> Result<()> {
        if self.trackers.is_empty() {
            return Ok(());
        }
        self.command(Command::AddTrackers { share: SHARE, trackers: self.trackers.clone() })
    }

    /// Serves what was prepared.
    fn share(&self, prepared: Prepared) -> Result<Arc<Manifest>> {
        let standing = Standing::prepared(prepared);
        self.net.handle.register(SHARE, standing.serving(&self.run)?);
        let Standing { manifest, layers, .. } = standing;
        let port = self.net.handle.addresses().first().map(SocketAddr::port);
        let offered = Offered::new(SHARE, self.secret, Arc::clone(&manifest), layers);
        self.command(Command::Share(Offered { swarm: self.swarm, port, ..offered }))?;
        self.add_trackers()?;
        Ok(manifest)
    }

    /// Tells every receiver why, and waits until it is said.
    fn end(&self, reason: Reason) -> Result<()> {
        self.command(Command::End { share: SHARE, reason })?;
        self.net.wind_down(ENDING, |_| {});
        Ok(())
    }
}
