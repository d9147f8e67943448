//! `truecopy send`: hash, print the ticket, serve whoever has it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truecopy_mio::prepare::{Prepared, Sources};
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::content::tree::OneByOne;
use truecopy_protocol::input::{Command, Path as LinkPath, Share as Offered};
use truecopy_protocol::job::{StorageError, Verdict};
use truecopy_protocol::output::{Event as NodeEvent, Pausing, PeerGone};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{AccessSecret, Config, ConnId, EntryIndex, NodeId, ShareId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::store::{Share, Source, SourceTop};
use zeroize::Zeroizing;

use super::{contents, reading, source};
use crate::addresses;
use crate::args::{Listen, SendArgs};
use crate::control::{Control, Controls};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::net::{Net, Setup};
use crate::output::{Event, Link, Placed, Sent, Stage, Waiting};
use crate::record::{self, Disk, Run};
use crate::run::Context;
use crate::shares::{Remembered, Shares};
use crate::words;

/// The one share of this process.
const SHARE: ShareId = ShareId(0);
/// How long goodbyes may take.
const ENDING: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn run(args: &SendArgs, context: &Context) -> Result<Exit> {
    record::check(args.record.as_deref())?;
    let controls = Controls::new()?;
    let Ready { prepared, mut remembered } = ready(args, context)?;
    let secret = if args.metadata.is_some() { AccessSecret::PUBLIC } else { remembered.secret };
    let key = KeyPair::from_seed(Zeroizing::new(remembered.key_seed));
    let node = key.node_id();
    let run = Run::begin(Config::default(), args.record.as_deref(), &context.reporter)?;
    let net = listen(args, key, &run, &mut remembered)?;
    let Prepared { manifest, layers, sources, .. } = prepared;
    let storage = Arc::new(Share::Serving(serve(&manifest, &sources, &run)?));
    net.handle.register(SHARE, storage);
    let offered = Offered { share: SHARE, secret, manifest: Arc::clone(&manifest), layers: Arc::new(layers) };
    let mut sending = Sending {
        args,
        context,
        controls,
        net,
        manifest,
        peers: BTreeMap::new(),
        idle_since: Instant::now(),
    };
    sending.command(Command::Share(offered))?;
    sending.announce(secret, node);
    if let Some(port) = sending.net.handle.addresses().first().map(SocketAddr::port) {
        remembered.port = Some(port);
        let warn = |text: &str| context.reporter.tell(&Event::Warning { text });
        Shares::new(context.home()?).keep_port(&remembered, &warn);
    }
    sending.go_on()
}

/// A share that can be served under the key it had before.
#[derive(Debug)]
struct Ready {
    prepared: Prepared,
    remembered: Remembered,
}

/// Hashes what is to be sent, and remembers it for the next time.
fn ready(args: &SendArgs, context: &Context) -> Result<Ready> {
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

/// Listens where the user said; else everywhere, on the port of the last time if it is free.
fn listen(args: &SendArgs, key: KeyPair, run: &Run, remembered: &mut Remembered) -> Result<Net> {
    let seed = Zeroizing::new(remembered.key_seed);
    let start =
        |key: KeyPair, listen: Vec<truecopy_mio::Listen>| Net::start(Setup { key, run: run.clone(), listen });
    let failed = |error: std::io::Error| {
        Error::new(Exit::LocalIo, format!("cannot listen: {}", Shown::io(&error)))
            .hint("choose another address or port: --listen ADDR:PORT")
    };
    if !args.listen.is_empty() {
        return start(key, args.listen.iter().map(|listen| listen_at(*listen)).collect()).map_err(failed);
    }
    if let Some(port) = remembered.port
        && let Ok(net) = start(key, vec![truecopy_mio::Listen::Everywhere { port }])
    {
        return Ok(net);
    }
    start(KeyPair::from_seed(seed), vec![truecopy_mio::Listen::Everywhere { port: 0 }]).map_err(failed)
}

const fn listen_at(listen: Listen) -> truecopy_mio::Listen {
    match listen {
        Listen::Address(address) => truecopy_mio::Listen::At(address),
        Listen::Everywhere { port } => truecopy_mio::Listen::Everywhere { port },
    }
}

/// The files where they lie, each folder that holds some opened once.
fn serve(manifest: &Arc<Manifest>, sources: &Sources, run: &Run) -> Result<Source<Disk>> {
    let (mut roots, mut known, mut tops) = (Vec::new(), BTreeMap::<PathBuf, u16>::new(), Vec::new());
    for top in sources.tops() {
        let folder = top.folder().to_owned();
        let next = u16::try_from(roots.len())
            .map_err(|_| Error::new(Exit::Limit, "too many folders to send from"))?;
        let root = match known.entry(folder) {
            Entry::Occupied(root) => *root.get(),
            Entry::Vacant(vacant) => {
                let disk = run
                    .open_folder(vacant.key())
                    .map_err(|error| Error::local("open the folder", vacant.key(), &error))?;
                roots.push(disk);
                *vacant.insert(next)
            }
        };
        tops.push(SourceTop { root, name: Some(RelPath::to_owned(top.name())) });
    }
    Source::new(Arc::clone(manifest), roots, tops, sources.identities(), Arc::new(OneByOne))
        .map_err(|error| Error::new(Exit::Unexpected, error))
}

/// One receiver.
struct Peer {
    node: NodeId,
    path: LinkPath,
    since: Instant,
    sent: u64,
    /// Whether it has signed that it has everything.
    receipt: Signed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    No,
    Yes,
}

/// A share that is served, as the user sees it.
struct Sending<'a> {
    args: &'a SendArgs,
    context: &'a Context,
    controls: Controls,
    net: Net,
    manifest: Arc<Manifest>,
    peers: BTreeMap<ConnId, Peer>,
    idle_since: Instant,
}

impl Sending<'_> {
    fn command(&self, command: Command) -> Result<()> {
        self.net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
    }

    fn tell(&self, event: &Event<'_>) {
        self.context.reporter.tell(event);
    }

    /// The ticket, and what to type on the other machine.
    fn announce(&self, secret: AccessSecret, node: NodeId) {
        let listening = self.net.handle.addresses();
        for address in listening {
            self.tell(&Event::Listening { address: &address.to_string() });
        }
        let addresses = addresses::reachable(listening);
        let ticket = Ticket { content: self.manifest.content_id(), secret, node, addresses };
        self.tell(&Event::Ticket { ticket: &ticket.text() });
        self.tell(&Event::Waiting(Waiting::Receivers));
    }

    fn go_on(&mut self) -> Result<Exit> {
        loop {
            while let Some(wish) = self.controls.next() {
                if let Some(exit) = wish.exit() {
                    let reason = if wish == Control::Quit { Reason::Cancelled } else { Reason::Leaving };
                    self.end(reason)?;
                    return Err(Error::new(exit, "stopped serving")
                        .hint("send the same paths again, and receivers go on with the same ticket"));
                }
            }
            if let Some(event) = self.net.next()?
                && let Some(exit) = self.happened(event)?
            {
                return Ok(exit);
            }
            if let Some(timeout) = self.args.timeout
                && self.peers.is_empty()
                && self.idle_since.elapsed() >= timeout.0
            {
                self.end(Reason::Leaving)?;
                return Err(Error::new(Exit::PeerNotFound, "no receiver came in time"));
            }
        }
    }

    fn end(&self, reason: Reason) -> Result<()> {
        self.command(Command::End { share: SHARE, reason })?;
        self.net.wind_down(ENDING, |_| {});
        Ok(())
    }

    fn happened(&mut self, event: NodeEvent) -> Result<Option<Exit>> {
        match event {
            NodeEvent::PeerUp { conn, peer, path, .. } => {
                let peer = Peer { node: peer, path, since: Instant::now(), sent: 0, receipt: Signed::No };
                self.peers.insert(conn, peer);
                self.with_link(conn, |link| self.tell(&Event::Connected(link)));
            }
            NodeEvent::Uploaded { conn, bytes, .. } => {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.sent = bytes;
                }
                let (name, total) = (self.manifest.name(), self.manifest.total_size());
                self.with_link(conn, |link| self.tell(&Event::Sent(Sent { name, bytes, total, link })));
            }
            NodeEvent::Receipt { conn, outcome, verdict, .. } => self.receipt(conn, outcome, verdict),
            NodeEvent::PeerPaused { conn, now, .. } => {
                let waiting = match now {
                    Pausing::Paused => Waiting::PausedThere,
                    Pausing::Resumed => Waiting::Resumed,
                };
                if self.peers.contains_key(&conn) {
                    self.tell(&Event::Waiting(waiting));
                }
            }
            NodeEvent::PeerDown { conn, why, .. } => return self.gone(conn, why),
            NodeEvent::SourceBroken { entry, why, .. } => return self.broken(entry, why).map(Some),
            NodeEvent::Refused { why, .. } => {
                return Err(Error::new(Exit::Unexpected, format!("the core refused a command: {why}")));
            }
            NodeEvent::Offer { .. }
            | NodeEvent::Waiting { .. }
            | NodeEvent::Fetching { .. }
            | NodeEvent::Progress { .. }
            | NodeEvent::Completed { .. }
            | NodeEvent::Failed { .. }
            | NodeEvent::Ended { .. } => {}
        }
        Ok(None)
    }

    fn receipt(&mut self, conn: ConnId, outcome: truecopy_protocol::job::Outcome, verdict: Verdict) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if verdict == Verdict::Forged {
            self.tell(&Event::Warning {
                text: "a receiver sent a receipt with a wrong signature; it is not believed",
            });
            return;
        }
        peer.receipt = Signed::Yes;
        let (node, (_, address)) = (peer.node.to_hex(), words::path(peer.path));
        let placed = Placed {
            files: outcome.placed,
            already: outcome.already,
            skipped: outcome.skipped,
            bytes: outcome.bytes,
        };
        self.tell(&Event::Receipt { node: &node, address: &address, placed });
    }

    /// A receiver is gone: with `--once` the first that has everything ends the program.
    fn gone(&mut self, conn: ConnId, why: PeerGone) -> Result<Option<Exit>> {
        let mut text = String::new();
        let gone = words::gone(why, &mut text);
        self.with_link(conn, |link| self.tell(&Event::Disconnected { link, why: gone }));
        let Some(peer) = self.peers.remove(&conn) else { return Ok(None) };
        let level = crate::args::Level::Debug;
        self.context.reporter.log(
            level,
            "receiver gone",
            &[("sent", &peer.sent), ("seconds", &peer.since.elapsed().as_secs())],
        );
        if self.args.once && peer.receipt == Signed::Yes {
            self.end(Reason::Leaving)?;
            return Ok(Some(Exit::Success));
        }
        if self.peers.is_empty() {
            self.idle_since = Instant::now();
            self.tell(&Event::Waiting(Waiting::Receivers));
        }
        Ok(None)
    }

    /// Our own files are not what was hashed: nobody may be given a mixture.
    fn broken(&self, entry: EntryIndex, why: StorageError) -> Result<Exit> {
        let name = self.manifest.entry(entry).map(|entry| Shown::name(entry.path.as_bytes()).to_string());
        let name = name.unwrap_or_else(|| "a file".to_owned());
        let (exit, reason, what) = match why {
            StorageError::Changed => {
                (Exit::SourceChanged, Reason::SourceChanged, format!("{name} was changed while it was sent"))
            }
            StorageError::Vanished => {
                (Exit::SourceChanged, Reason::SourceChanged, format!("{name} was removed while it was sent"))
            }
            other => (Exit::LocalIo, Reason::SourceUnreadable, format!("{name} cannot be read: {other}")),
        };
        self.end(reason)?;
        Err(Error::new(exit, what)
            .hint("send it again once nothing writes to it: there will be a new ticket"))
    }

    fn with_link(&self, conn: ConnId, tell: impl FnOnce(Link<'_>)) {
        if let Some(peer) = self.peers.get(&conn) {
            let (node, (path, address)) = (peer.node.to_hex(), words::path(peer.path));
            tell(Link { node: &node, path, address: &address });
        }
    }
}
