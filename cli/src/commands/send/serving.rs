//! A share that is served: what each receiver does, and when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::input::Path as LinkPath;
use truecopy_protocol::job::{Outcome, StorageError, Verdict};
use truecopy_protocol::output::{Event as NodeEvent, Pausing, PeerGone};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{ConnId, EntryIndex, NodeId};

use super::Open;
use crate::args::{Level, SendArgs};
use crate::commands::tell_receipt;
use crate::control::{Control, Controls};
use crate::crowd::Crowd;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, Link, Sent, Waiting};
use crate::run::Context;
use crate::trackers::Heard;
use crate::words;

/// A receipt is checked beside everything else: one that came last may be told so much later than the goodbye.
const RECEIPT_PATIENCE: Duration = Duration::from_secs(1);

/// One receiver.
struct Peer {
    node: NodeId,
    path: LinkPath,
    since: Instant,
    sent: u64,
    /// Whether it has signed that it has everything.
    receipt: Signed,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    No,
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    /// It said that it has all it wanted; its receipt may still be on its way through the check.
    Finished(Instant),
    /// It is gone otherwise.
    Gone(Instant),
}

/// A share that is served, as the user sees it.
pub(super) struct Sending<'a> {
    args: &'a SendArgs,
    context: &'a Context,
    controls: Controls,
    open: Open,
    manifest: Arc<Manifest>,
    peers: BTreeMap<ConnId, Peer>,
    /// The same, for the table of peers.
    crowd: Crowd,
    /// Bytes that receivers were sent who are forgotten.
    sent_before: u64,
    idle_since: Instant,
    heard: Heard,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        args: &'a SendArgs,
        context: &'a Context,
        controls: Controls,
        open: Open,
        manifest: Arc<Manifest>,
    ) -> Self {
        let (peers, idle_since) = (BTreeMap::new(), Instant::now());
        let (crowd, heard) = (Crowd::default(), Heard::default());
        Self { args, context, controls, open, manifest, peers, crowd, sent_before: 0, idle_since, heard }
    }

    /// Serves until the user, `--once`, `--timeout` or a broken source ends it.
    pub(super) fn go_on(&mut self) -> Result<Exit> {
        self.tell(&Event::Waiting(Waiting::Receivers));
        self.controls.read_keys();
        if self.controls.has_keys() {
            self.tell(&Event::Note { text: "keys: + and - faster and slower, q stop" });
        }
        loop {
            while let Some(wish) = self.controls.next() {
                if let Some(exit) = wish.exit() {
                    let reason = if wish == Control::Quit { Reason::Cancelled } else { Reason::Leaving };
                    self.open.end(reason)?;
                    return Err(Error::new(exit, "stopped serving")
                        .hint("send the same paths again, and receivers go on with the same ticket"));
                }
                self.open.limits.obey(wish, &self.open.net, &self.context.reporter)?;
            }
            self.open.limits.look(&self.open.net, &self.context.reporter)?;
            if let Some(event) = self.open.net.next()? {
                self.happened(event)?;
            }
            if let Some(exit) = self.sweep()? {
                return Ok(exit);
            }
            if let Some(timeout) = self.args.timeout
                && self.peers.is_empty()
                && self.idle_since.elapsed() >= timeout.0
            {
                self.open.end(Reason::Leaving)?;
                return Err(Error::new(Exit::PeerNotFound, "no receiver came in time")
                    .hint("check that the other machine can reach this one, and send it again"));
            }
        }
    }

    fn tell(&self, event: &Event<'_>) {
        self.context.reporter.tell(event);
    }

    fn happened(&mut self, event: NodeEvent) -> Result<()> {
        match event {
            NodeEvent::PeerUp { conn, peer, path, .. } => {
                let (receipt, presence) = (Signed::No, Presence::Here);
                let peer = Peer { node: peer, path, since: Instant::now(), sent: 0, receipt, presence };
                self.crowd.came(conn, peer.node, peer.path);
                self.peers.insert(conn, peer);
                self.with_link(conn, |link| self.tell(&Event::Connected(link)));
            }
            NodeEvent::Uploaded { conn, bytes, .. } => self.uploaded(conn, bytes),
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
            NodeEvent::PeerDown { conn, why, .. } => self.gone(conn, why),
            NodeEvent::SourceBroken { entry, why, .. } => return Err(self.broken(entry, why)?),
            NodeEvent::Refused { why, .. } => {
                return Err(Error::new(Exit::Unexpected, format!("the core refused a command: {why}")));
            }
            NodeEvent::Tracker { tracker, said, .. } => {
                self.heard.tell(&self.context.reporter, tracker, said);
            }
            NodeEvent::Peers { peers, .. } => {
                let now = self.context.reporter.elapsed();
                self.crowd.look(now, &peers);
                self.context.reporter.tell(&Event::Peers(&self.crowd.rows()));
            }
            NodeEvent::Offer { .. }
            | NodeEvent::Swarmed { .. }
            | NodeEvent::Waiting { .. }
            | NodeEvent::Fetching { .. }
            | NodeEvent::Progress { .. }
            | NodeEvent::Completed { .. }
            | NodeEvent::Failed { .. }
            | NodeEvent::Unmet { .. }
            | NodeEvent::Reachable { .. }
            | NodeEvent::Heard { .. }
            | NodeEvent::Delivered { .. }
            | NodeEvent::Undelivered { .. }
            | NodeEvent::Ended { .. } => {}
        }
        Ok(())
    }

    fn uploaded(&mut self, conn: ConnId, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.sent = bytes;
        }
        let all = self.sent_before + self.peers.values().map(|peer| peer.sent).sum::<u64>();
        let here = self.peers.values().filter(|peer| peer.presence == Presence::Here).count();
        let receivers = u32::try_from(here).unwrap_or(u32::MAX);
        let (name, total) = (self.manifest.name(), self.manifest.total_size());
        self.with_link(conn, |link| {
            self.tell(&Event::Sent(Sent { name, bytes, total, link, all, receivers }));
        });
    }

    fn receipt(&mut self, conn: ConnId, outcome: Outcome, verdict: Verdict) {
        let mut believed = false;
        self.with_link(conn, |link| believed = tell_receipt(&self.context.reporter, link, outcome, verdict));
        if let Some(peer) = self.peers.get_mut(&conn).filter(|_| believed) {
            peer.receipt = Signed::Yes;
        }
    }

    fn gone(&mut self, conn: ConnId, why: PeerGone) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let until = Instant::now() + RECEIPT_PATIENCE;
        if why == PeerGone::Said(Reason::Done) {
            peer.presence = Presence::Finished(until);
            return;
        }
        peer.presence = Presence::Gone(until);
        let mut text = String::new();
        let gone = words::gone(why, &mut text);
        self.with_link(conn, |link| self.tell(&Event::Disconnected { link, why: gone }));
    }

    /// Forgets receivers that are gone and of whom nothing more is to come: with `--once` the first that has everything
    /// ends the program.
    fn sweep(&mut self) -> Result<Option<Exit>> {
        let now = Instant::now();
        let over = |peer: &Peer| match peer.presence {
            Presence::Here => false,
            Presence::Finished(until) | Presence::Gone(until) => peer.receipt == Signed::Yes || now >= until,
        };
        let over: Vec<ConnId> =
            self.peers.iter().filter(|(_, peer)| over(peer)).map(|(conn, _)| *conn).collect();
        let mut finished = false;
        for conn in &over {
            let Some(peer) = self.peers.get(conn) else { continue };
            if matches!(peer.presence, Presence::Finished(_)) {
                let why = crate::output::Gone::Finished;
                self.with_link(*conn, |link| self.tell(&Event::Disconnected { link, why }));
                finished = true;
            }
            finished |= peer.receipt == Signed::Yes;
            self.sent_before += peer.sent;
            let seconds = peer.since.elapsed().as_secs();
            self.context.reporter.log(
                Level::Debug,
                "receiver gone",
                &[("sent", &peer.sent), ("seconds", &seconds)],
            );
            self.crowd.left(*conn);
            self.peers.remove(conn);
        }
        if self.args.once && finished {
            self.open.end(Reason::Leaving)?;
            return Ok(Some(Exit::Success));
        }
        if !over.is_empty() && self.peers.is_empty() {
            self.idle_since = Instant::now();
            self.tell(&Event::Waiting(Waiting::Receivers));
        }
        Ok(None)
    }

    /// Our own files are not what was hashed: nobody may be given a mixture.
    fn broken(&self, entry: EntryIndex, why: StorageError) -> Result<Error> {
        let (exit, reason, what) = words::broken(&self.manifest, entry, why);
        self.open.end(reason)?;
        Ok(Error::new(exit, what).hint("send it again once nothing writes to it: there will be a new ticket"))
    }

    fn with_link(&self, conn: ConnId, tell: impl FnOnce(Link<'_>)) {
        if let Some(peer) = self.peers.get(&conn) {
            let (node, (path, address)) = (peer.node.to_hex(), words::path(peer.path));
            tell(Link { node: &node, path, address: &address });
        }
    }
}
