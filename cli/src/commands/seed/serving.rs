//! Shares that are served side by side: what their receivers do, until the user ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::input::{Command, Share as Offered, Swarming};
use truecopy_protocol::job::StorageError;
use truecopy_protocol::output::Event as NodeEvent;
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{ConnId, EntryIndex, NodeId, ShareId};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;
use zeroize::Zeroizing;

use crate::addresses;
use crate::commands::{contents, tell_receipt};
use crate::control::{Control, Controls};
use crate::crowd::Crowd;
use crate::exit::{Error, Exit, Result};
use crate::limits::Limits;
use crate::net::Net;
use crate::output::{Event, Stage, Waiting, amount};
use crate::record::Run;
use crate::run::Context;
use crate::seeds::{Record, SeedNode};
use crate::trackers::Heard;
use crate::words;

/// How long goodbyes may take.
const ENDING: Duration = Duration::from_secs(5);
/// A program is told of the peers one by one no more often than this.
const PEERS_EVERY: Duration = Duration::from_secs(1);

/// One share.
struct Served {
    record: Record,
    crowd: Crowd,
}

/// Shares that are served, as the user sees them.
pub(super) struct Serving<'a> {
    context: &'a Context,
    controls: Controls,
    limits: Limits,
    /// Those of each share.
    each: Rates,
    net: Net,
    shares: BTreeMap<ShareId, Served>,
    told: Option<Duration>,
    heard: Heard,
    /// How the last share ended that had to.
    broken: Option<Exit>,
}

impl<'a> Serving<'a> {
    /// Hands every share to the node, and tells its ticket.
    pub(super) fn begin(
        context: &'a Context,
        controls: Controls,
        (limits, each): (Limits, Rates),
        net: Net,
        (run, node): (&Run, &SeedNode),
        records: Vec<Record>,
    ) -> Result<Self> {
        let node = KeyPair::from_seed(Zeroizing::new(node.key_seed)).node_id();
        let mut serving = Self {
            context,
            controls,
            limits,
            each,
            net,
            shares: BTreeMap::new(),
            told: None,
            heard: Heard::default(),
            broken: None,
        };
        for address in serving.net.handle.addresses() {
            context.reporter.tell(&Event::Listening { address: &address.to_string() });
        }
        for (number, record) in (0..).zip(records) {
            serving.add(ShareId(number), record, run, node)?;
        }
        if serving.shares.values().any(|served| served.record.swarm == Swarming::On) {
            let text = "peers of these shares see each other's addresses (--no-swarm: they do not)";
            context.reporter.tell(&Event::Note { text });
        }
        Ok(serving)
    }

    fn add(&mut self, share: ShareId, record: Record, run: &Run, node: NodeId) -> Result<()> {
        let standing = &record.standing;
        let manifest = Arc::clone(&standing.manifest);
        self.net.handle.register(share, standing.serving(run)?);
        let offer = Offered::new(share, record.secret, Arc::clone(&manifest), Arc::clone(&standing.layers));
        let listening = self.net.handle.addresses();
        let port = listening.first().map(SocketAddr::port);
        self.command(Command::Share(Offered {
            swarm: record.swarm,
            port,
            held: standing.held.clone(),
            ..offer
        }))?;
        if !record.trackers.is_empty() {
            self.command(Command::AddTrackers { share, trackers: record.trackers.clone() })?;
        }
        if self.each != Rates::default() {
            let limited = self.net.handle.set_share_rates(share, self.each);
            limited.map_err(|stopped| Error::new(Exit::Unexpected, stopped))?;
        }
        let id = manifest.content_id();
        let content = id.to_hex();
        let reporter = &self.context.reporter;
        reporter.tell(&Event::Share { stage: Stage::Prepared, contents: contents(&manifest, &content) });
        let addresses = addresses::reachable(listening);
        if standing.held != Selection::All {
            let (here, all) = (amount(standing.size()), amount(manifest.total_size()));
            let text = format!("a part of it is served: {here} of {all}; receivers need others for the rest");
            reporter.tell(&Event::Note { text: &text });
        }
        let ticket =
            Ticket { content: id, secret: record.secret, node, addresses, trackers: record.trackers.clone() };
        reporter.tell(&Event::Ticket { ticket: &ticket.text() });
        self.shares.insert(share, Served { record, crowd: Crowd::default() });
        Ok(())
    }

    fn command(&self, command: Command) -> Result<()> {
        self.net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
    }

    /// Serves until the user ends it, or nothing is left that could be served.
    pub(super) fn go_on(&mut self, left_out: usize) -> Result<Exit> {
        if left_out > 0 {
            let text = format!("{left_out} of the remembered shares are not served");
            self.context.reporter.tell(&Event::Warning { text: &text });
        }
        self.context.reporter.tell(&Event::Waiting(Waiting::Receivers));
        loop {
            while let Some(wish) = self.controls.next() {
                if let Some(exit) = wish.exit() {
                    let reason = if wish == Control::Quit { Reason::Cancelled } else { Reason::Leaving };
                    self.end_all(reason)?;
                    return Err(Error::new(exit, "stopped serving")
                        .hint("`truecopy seed` goes on with the same shares and tickets"));
                }
                self.limits.obey(wish, &self.net, &self.context.reporter)?;
            }
            self.limits.look(&self.net, &self.context.reporter)?;
            if let Some(event) = self.net.next()? {
                self.happened(event)?;
            }
            if let Some(exit) = self.broken.filter(|_| self.shares.is_empty()) {
                return Err(Error::new(exit, "no share is left that could be served")
                    .hint("put the files back, and run `truecopy seed` again"));
            }
        }
    }

    fn end_all(&mut self, reason: Reason) -> Result<()> {
        for share in self.shares.keys() {
            self.command(Command::End { share: *share, reason })?;
        }
        for _ in &self.shares {
            self.net.wind_down(ENDING, |_| {});
        }
        Ok(())
    }

    fn happened(&mut self, event: NodeEvent) -> Result<()> {
        let reporter = &self.context.reporter;
        match event {
            NodeEvent::PeerUp { share, conn, peer, path, .. } => {
                let Some(served) = self.shares.get_mut(&share) else { return Ok(()) };
                served.crowd.came(conn, peer, path);
                if let Some(link) = served.crowd.link(conn) {
                    reporter.tell(&Event::Connected(link));
                }
            }
            NodeEvent::PeerDown { share, conn, why, .. } => {
                let Some(served) = self.shares.get_mut(&share) else { return Ok(()) };
                let mut text = String::new();
                let why = words::gone(why, &mut text);
                if let Some(link) = served.crowd.link(conn) {
                    reporter.tell(&Event::Disconnected { link, why });
                }
                served.crowd.left(conn);
            }
            NodeEvent::Uploaded { share, conn, bytes } => {
                if let Some(served) = self.shares.get_mut(&share) {
                    served.crowd.sent(conn, bytes);
                }
                self.tell_given(share, conn, bytes);
            }
            NodeEvent::Peers { share, peers } => {
                let now = reporter.elapsed();
                let is_due = self.told.is_none_or(|told| now.saturating_sub(told) >= PEERS_EVERY);
                if (is_due || !reporter.is_json())
                    && let Some(served) = self.shares.get_mut(&share)
                {
                    self.told = Some(now);
                    served.crowd.look(now, &peers);
                    reporter.tell(&Event::Peers(&served.crowd.rows()));
                }
            }
            NodeEvent::Receipt { share, conn, outcome, verdict, .. } => {
                let served = self.shares.get(&share);
                if let Some(link) = served.and_then(|served| served.crowd.link(conn)) {
                    let _believed = tell_receipt(reporter, link, outcome, verdict);
                }
            }
            NodeEvent::Tracker { tracker, said, .. } => self.heard.tell(reporter, tracker, said),
            NodeEvent::SourceBroken { share, entry, why } => self.broken(share, entry, why)?,
            NodeEvent::Refused { why, .. } => {
                return Err(Error::new(Exit::Unexpected, format!("the core refused a command: {why}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn tell_given(&self, share: ShareId, conn: ConnId, bytes: u64) {
        let all = self.shares.values().map(|served| served.crowd.given()).sum();
        let Some(served) = self.shares.get(&share) else { return };
        if let Some(link) = served.crowd.link(conn) {
            let name = served.record.standing.manifest.name();
            self.context.reporter.tell(&Event::Given { name, bytes, link, all });
        }
    }

    /// Files are not what was hashed: that share ends, the others go on.
    fn broken(&mut self, share: ShareId, entry: EntryIndex, why: StorageError) -> Result<()> {
        let Some(served) = self.shares.remove(&share) else { return Ok(()) };
        let (exit, reason, what) = words::broken(&served.record.standing.manifest, entry, why);
        self.context.reporter.tell(&Event::Warning { text: &format!("{what}: its share is served no more") });
        self.broken = Some(exit);
        self.command(Command::End { share, reason })
    }
}
