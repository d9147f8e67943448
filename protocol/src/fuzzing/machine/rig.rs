//! The driver around the node: does what a driver may, and looks after every input whether all still holds.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::content::content;
use super::link::{Link, Reading, SECRET, Standing, US, frame};
use super::model::{self, Cause, Kind, Model, Stage, must_refuse};
use super::store::{Luck, Store};
use super::talk::Talk;
use crate::config::Config;
use crate::content::identity::Role;
use crate::content::manifest::EntryKind;
use crate::content::selection::Selection;
use crate::content::tree::leaf;
use crate::input::{
    Afterwards, Command, Fetch, Input, LinkLoss, Order, Path, PeerHint, READ_MAX, Say, Share, Swarming,
};
use crate::job::{Job, StorageError};
use crate::output::{Event, Output, Refusal};
use crate::wire::{BlockRun, Message, Reason};
use crate::{BlobId, Candidate, ConnId, ContentId, Node, NodeId, Now, ShareId};

/// Outputs of one input at most: an event for every message that fits in one read, and some more.
const OUTPUTS_MAX: usize = READ_MAX / 6 + 1000;
/// Bytes on their way to the node on one connection at most.
const FLYING_MAX: usize = 1 << 20;
/// Connections that the driver keeps at once.
const LINKS_MAX: usize = 12;

/// Whether some bytes of a fetched share never come, so that it cannot be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sources {
    /// They send what they want.
    Any,
    /// The end of the last file is always wrong.
    Withhold,
}

/// A node and everything around it.
pub(super) struct Rig {
    node: Node,
    now: Now,
    memory_max: u64,
    sources: Sources,
    pub(super) links: Vec<Link>,
    pub(super) dials: BTreeMap<ConnId, (ShareId, NodeId)>,
    pub(super) jobs: Vec<Job>,
    pub(super) store: Store,
    pub(super) model: Model,
    rooms: BTreeMap<ShareId, Talk>,
    conns: BTreeSet<ConnId>,
    next_conn: u64,
    refused: Option<Refusal>,
    /// Offers that the user has not looked at.
    offers: Vec<ShareId>,
}

impl Rig {
    pub(super) fn new(config: Config, sources: Sources) -> Self {
        Self {
            memory_max: config.memory_max(0),
            node: Node::new(config, [5; 32], Now::ZERO),
            now: Now::ZERO,
            sources,
            links: Vec::new(),
            dials: BTreeMap::new(),
            jobs: Vec::new(),
            store: Store::default(),
            model: Model::default(),
            rooms: BTreeMap::new(),
            conns: BTreeSet::new(),
            next_conn: 1,
            refused: None,
            offers: Vec::new(),
        }
    }

    /// Gives an input to the node, takes what comes out, and looks at it.
    fn handle(&mut self, input: Input<'_>, cause: Cause) {
        self.node.handle(self.now, input);
        let mut outputs = 0;
        while let Some(output) = self.node.poll() {
            outputs += 1;
            self.output(output, cause);
        }
        assert!(outputs <= OUTPUTS_MAX, "{outputs} outputs of one input");
        let memory = self.node.memory();
        assert!(memory <= self.memory_max, "{memory} of {} bytes", self.memory_max);
        assert_eq!(self.node.jobs_open(), self.jobs.len(), "every job is open until it is answered");
        if let Some((at, timer)) = self.node.wake() {
            assert!(at > self.now, "{timer:?} is due and was not looked at");
        }
    }

    fn output(&mut self, output: Output, cause: Cause) {
        match output {
            Output::Dial { conn, share, key, .. } => {
                assert!(self.conns.insert(conn), "no connection is named twice");
                self.dials.insert(conn, (share, key.unwrap_or(NodeId([2; 32]))));
            }
            Output::Hangup { conn, .. } => {
                if self.dials.remove(&conn).is_none() {
                    let link = self.link(conn);
                    assert_eq!(link.standing, Standing::Up, "nothing is hung up twice");
                    assert_eq!(link.reading, Reading::Open, "what is hung up is read to its end");
                    link.standing = Standing::HungUp;
                }
            }
            Output::Flush { conn } => {
                self.link(conn);
                assert!(!self.node.sendable(conn, 1).is_empty(), "there is something to flush");
            }
            Output::Pause { conn } => {
                let link = self.link(conn);
                assert_eq!((link.standing, link.reading), (Standing::Up, Reading::Open));
                link.reading = Reading::Paused;
            }
            Output::Resume { conn } => {
                let link = self.link(conn);
                assert_eq!((link.standing, link.reading), (Standing::Up, Reading::Paused));
                link.reading = Reading::Open;
            }
            Output::Job(job) => {
                self.model.job(job.id());
                self.store.look(&job);
                self.jobs.push(job);
            }
            Output::Event(event) => self.event(&event, cause),
        }
    }

    fn event(&mut self, event: &Event, cause: Cause) {
        match event {
            Event::Refused { why, .. } => {
                assert_eq!(self.refused.replace(*why), None, "a command is refused once");
            }
            Event::Offer { share, .. } => self.offers.push(*share),
            Event::PeerUp { conn, share, .. } => {
                let link = self.link(*conn);
                assert_eq!(link.standing, Standing::Up);
                assert_eq!(link.share.replace(*share), None, "a connection is for one share");
            }
            Event::Completed { .. } => {
                assert_eq!(self.sources, Sources::Any, "nothing is complete that never came");
            }
            Event::Ended { share } => {
                let of = |job: &Job| share_of(job) == Some(*share);
                assert!(!self.jobs.iter().any(of), "a share ends after its last job");
            }
            _ => {}
        }
        self.model.event(event, cause);
        if let Some(talk) = self.rooms.get_mut(&model::share(event)) {
            talk.event(event);
        }
    }

    fn link(&mut self, conn: ConnId) -> &mut Link {
        match self.links.iter_mut().find(|link| link.conn == conn) {
            Some(link) => link,
            None => panic!("{conn:?} is no connection of the driver"),
        }
    }

    /// Gives a command. Says whether it was refused, and sees that it is when it must be.
    fn command(&mut self, share: ShareId, command: Command) -> Option<Refusal> {
        self.refused = None;
        self.handle(Input::Command(command), Cause::Command(share));
        self.refused.take()
    }

    /// Serves a content, or says that it will be.
    pub(super) fn serve(&mut self, share: ShareId, number: usize, is_ready: bool) {
        let content = content(number);
        if self.model.stage(share) == Some(Stage::Ended) {
            return;
        }
        let is_new = self.model.stage(share).is_none();
        let (manifest, layers) = (content.manifest.clone(), content.layers.clone());
        if is_new {
            self.store.add(share, content);
            self.model.begin(share, Role::Responder, manifest.content_id());
        }
        let command = match is_ready {
            true => Command::Share(Share::new(share, SECRET, manifest, layers)),
            false => Command::Announce { share, content: manifest.content_id(), secret: SECRET },
        };
        let refused = self.command(share, command);
        if is_new && refused.is_some() {
            self.model.forget(share);
        }
    }

    /// Fetches a content from so many peers.
    pub(super) fn fetch(&mut self, share: ShareId, number: usize, peers: usize) {
        let content = content(number);
        if self.model.stage(share) == Some(Stage::Ended) {
            return;
        }
        let is_new = self.model.stage(share).is_none();
        let id = content.manifest.content_id();
        if is_new {
            self.store.add(share, content);
            self.model.begin(share, Role::Initiator, id);
        }
        let peers = (0..peers).map(hint).collect();
        let fetch = Fetch::new(share, id, SECRET, peers);
        let refused = self.command(share, Command::Fetch(fetch));
        assert_eq!(refused, (!is_new).then_some(Refusal::Duplicate));
    }

    /// Fetches a content in a swarm, or in one as soon as a source says so, from so many peers.
    pub(super) fn fetch_in_swarm(
        &mut self,
        share: ShareId,
        number: usize,
        peers: usize,
        (swarm, afterwards): (Swarming, Afterwards),
    ) {
        if self.model.stage(share).is_some() {
            return;
        }
        let content = content(number);
        let id = content.manifest.content_id();
        self.store.add(share, content);
        self.model.begin(share, Role::Initiator, id);
        self.model.swarms(share, swarm, afterwards);
        let peers = (0..peers).map(hint).collect();
        let (port, order) = (Some(7), Order::RarestFirst);
        let fetch = Fetch { swarm, afterwards, port, order, ..Fetch::new(share, id, SECRET, peers) };
        assert_eq!(self.command(share, Command::Fetch(fetch)), None);
    }

    /// Serves a content to a swarm; one that was fetched, from its place.
    pub(super) fn seed(&mut self, share: ShareId, number: usize) {
        let may_seed = self.model.may_seed(share);
        if !may_seed && self.model.stage(share).is_some() {
            return;
        }
        let content = if may_seed { self.store.content(share) } else { content(number) };
        let (manifest, layers) = (content.manifest.clone(), content.layers.clone());
        if !may_seed {
            self.store.add(share, content);
            self.model.begin(share, Role::Responder, manifest.content_id());
            self.model.swarms(share, Swarming::On, Afterwards::Leave);
        }
        let offered =
            Share { swarm: Swarming::On, port: Some(7), ..Share::new(share, SECRET, manifest, layers) };
        match (self.command(share, Command::Share(offered)), may_seed) {
            (None, true) => self.model.seeds(share),
            (None, false) => {}
            // Its last jobs are not done.
            (Some(_), true) => {}
            (Some(_), false) => self.model.forget(share),
        }
    }

    /// Opens a room.
    pub(super) fn room(&mut self, room: ShareId, port: Option<u16>) {
        if self.model.stage(room).is_some() {
            return;
        }
        self.model.begin(room, Role::Responder, room_id());
        self.model.meets(room);
        self.rooms.insert(room, Talk::default());
        if self.command(room, Command::Room { room, secret: SECRET, local: US, port }).is_some() {
            // They have the same secret, and there is one already.
            self.model.forget(room);
            self.rooms.remove(&room);
        }
    }

    /// The user says something in a room, made from its tag.
    pub(super) fn say_to(&mut self, room: ShareId, to: NodeId, say: impl FnOnce(u64) -> Say) {
        let must = must_refuse(self.model.stage(room));
        let tag = self.rooms.get_mut(&room).map_or(0, |talk| talk.say(to));
        let refused = self.command(room, Command::Say { room, to, tag, say: say(tag) });
        assert!(must.is_none() || refused == must, "{refused:?}");
        if let (Some(_), Some(talk)) = (refused, self.rooms.get_mut(&room)) {
            talk.refused(tag);
        }
    }

    /// What was said in a room that was opened.
    #[cfg(test)]
    pub(super) fn talk(&self, room: ShareId) -> &Talk {
        &self.rooms[&room]
    }

    /// What is to be proven by whoever knows a share or a room.
    pub(super) fn content_id(&self, share: ShareId) -> Option<ContentId> {
        let of_room = self.rooms.contains_key(&share).then(room_id);
        of_room.or_else(|| Some(self.store.find(share)?.manifest.content_id()))
    }

    /// What was said on a connection is looked at.
    fn listen(&mut self, conn: ConnId) {
        let link = self.link(conn);
        let (peer, share) = (link.peer, link.share);
        let (said, heard) = (core::mem::take(&mut link.said), core::mem::take(&mut link.heard));
        for talk in self.rooms.values_mut() {
            said.iter().for_each(|message| talk.peer_says(peer, message));
        }
        if let Some(talk) = share.and_then(|share| self.rooms.get_mut(&share)) {
            heard.iter().for_each(|message| talk.node_says(conn, peer, message));
        }
    }

    /// Accepts offers that wait.
    pub(super) fn accept_offers(&mut self, selection: &Selection) {
        for share in core::mem::take(&mut self.offers) {
            if self.model.stage(share) == Some(Stage::Offered) {
                self.accept(share, selection.clone());
            }
        }
    }

    /// Accepts an offer, or tries to.
    pub(super) fn accept(&mut self, share: ShareId, selection: Selection) {
        let is_offered = self.model.stage(share) == Some(Stage::Offered);
        self.model.accept(share);
        let refused = self.command(share, Command::accept(share, selection));
        assert_eq!(refused.is_none(), is_offered, "an offer can be accepted, and nothing else");
    }

    /// Goes back to the offer, or tries to: it comes at once, or when the last jobs are done.
    pub(super) fn reconsider(&mut self, share: ShareId) {
        let is_accepted = self.model.stage(share) == Some(Stage::Accepted);
        self.model.reconsider(share);
        let refused = self.command(share, Command::Reconsider { share });
        assert!(refused.is_some() || is_accepted, "only what was accepted can be offered again");
        if refused.is_some() {
            // It is opened just now, or placed.
            self.model.accept_still(share);
        }
    }

    /// Declines an offer, or tries to.
    pub(super) fn decline(&mut self, share: ShareId, reason: Reason) {
        let is_offered = self.model.stage(share) == Some(Stage::Offered);
        if is_offered {
            self.model.tell(share);
        }
        let refused = self.command(share, Command::Decline { share, reason });
        assert_eq!(refused.is_none(), is_offered, "an offer can be declined, and nothing else");
    }

    /// Ends a share, or tries to.
    pub(super) fn end(&mut self, share: ShareId, reason: Reason) {
        let must = must_refuse(self.model.stage(share));
        self.model.tell(share);
        let refused = self.command(share, Command::End { share, reason });
        assert!(must.is_none() || refused == must, "{refused:?}");
    }

    /// A command that begins and ends nothing.
    pub(super) fn order(&mut self, share: ShareId, command: Command) {
        let must = must_refuse(self.model.stage(share));
        let refused = self.command(share, command);
        assert!(must.is_none() || refused == must, "{refused:?}");
    }

    /// A peer comes.
    pub(super) fn come(&mut self, peer: NodeId) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.connected(conn, Role::Responder, peer);
    }

    /// A dial succeeds.
    pub(super) fn dialled(&mut self, conn: ConnId) {
        if self.links.len() < LINKS_MAX
            && let Some((_, peer)) = self.dials.remove(&conn)
        {
            self.connected(conn, Role::Initiator, peer);
        }
    }

    fn connected(&mut self, conn: ConnId, role: Role, peer: NodeId) {
        if self.links.len() >= LINKS_MAX {
            return;
        }
        self.conns.insert(conn);
        self.links.push(Link::new(conn, role, peer));
        // Half of the peers come over a network, where they are told of and banned by address.
        let path = match peer.0[0] {
            odd if odd % 2 == 1 => Path::Tcp(([10, 0, 0, odd], 7_000).into()),
            _ => Path::Memory,
        };
        self.handle(Input::Connected { conn, role, local: US, peer, path }, Cause::Other);
    }

    /// A dial fails, or a connection is lost.
    pub(super) fn lose(&mut self, conn: ConnId, why: LinkLoss) {
        self.dials.remove(&conn);
        self.links.retain(|link| link.conn != conn);
        self.handle(Input::Disconnected { conn, why }, Cause::Other);
    }

    /// The other end says something, in runs of at most so many bytes.
    pub(super) fn say(&mut self, conn: ConnId, bytes: &[u8], run_max: usize) {
        let link = self.link(conn);
        if link.flying.len() + bytes.len() <= FLYING_MAX {
            link.speak(bytes);
        }
        self.listen(conn);
        self.deliver(conn, run_max);
    }

    /// Delivers what is on its way, as long as the node reads.
    pub(super) fn deliver(&mut self, conn: ConnId, run_max: usize) {
        loop {
            let link = self.link(conn);
            if link.reading == Reading::Paused || link.flying.is_empty() {
                return;
            }
            let len = link.flying.len().min(run_max.clamp(1, READ_MAX));
            let bytes: Vec<u8> = link.flying.drain(..len).collect();
            self.handle(Input::Received { conn, bytes: &bytes }, Cause::Other);
        }
    }

    pub(super) fn say_messages(&mut self, conn: ConnId, messages: &[Message]) {
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut bytes));
        self.say(conn, &bytes, READ_MAX);
    }

    /// A source sends a run of a blob, with this much of it changed.
    pub(super) fn send_run(
        &mut self,
        conn: ConnId,
        share: ShareId,
        run: BlockRun,
        frames: usize,
        flip: Option<usize>,
    ) {
        let content = self.store.content(share);
        let mut payload = content.run(run).to_vec();
        if let (Some(at), false) = (flip, payload.is_empty()) {
            let at = at % payload.len();
            payload[at] ^= 1;
        }
        let has_bytes = |kind: &EntryKind<'_>| matches!(kind, EntryKind::File(file) if file.size > 0);
        let last = content.manifest.entries().filter(|(_, entry)| has_bytes(&entry.kind)).last();
        let end = content.run(BlockRun { count: u32::MAX, ..run }).len();
        if self.sources == Sources::Withhold
            && last.is_some_and(|(index, _)| BlobId::of(index).0 == run.blob)
            && payload.len() == end
            && let Some(true_byte) = content.run(run).last()
            && let Some(byte) = payload.last_mut()
        {
            *byte = !*true_byte;
        }
        let (mut bytes, mut block) = (Vec::new(), run.block);
        for part in payload.chunks(frames.clamp(1, 16) * 16 * 1024) {
            bytes.extend(frame(run.blob, block, part));
            block = block.wrapping_add(frames.clamp(1, 16) as u32);
        }
        self.say(conn, &bytes, READ_MAX);
    }

    /// The channel takes at most so many bytes.
    pub(super) fn take(&mut self, conn: ConnId, max: usize) {
        let bytes = self.node.sendable(conn, max).concat();
        assert!(bytes.len() <= max);
        if bytes.is_empty() {
            return;
        }
        let content = self.link(conn).share.and_then(|share| self.store.find(share));
        self.link(conn).hear(&bytes, content);
        self.listen(conn);
        self.handle(Input::Sent { conn, len: bytes.len() }, Cause::Other);
    }

    /// A job is answered.
    pub(super) fn work(&mut self, index: usize, luck: Luck) {
        if index < self.jobs.len() {
            let job = self.jobs.swap_remove(index);
            let kind = kind_of(&job);
            let done = self.store.work(job, luck);
            self.handle(Input::Done(done), Cause::Answer(kind));
        }
    }

    /// Time passes.
    pub(super) fn wait(&mut self, by: Duration) {
        self.now = (self.now + by).min(Now::LATEST);
        self.handle(Input::Timeout, Cause::Other);
    }

    /// Time passes until the node wants to look at it.
    pub(super) fn wait_for_timer(&mut self) {
        if let Some((at, _)) = self.node.wake() {
            self.now = at.min(Now::LATEST);
            self.handle(Input::Timeout, Cause::Other);
        }
    }

    /// Everything ends: nothing may be left, whatever came before.
    pub(super) fn drain(&mut self) {
        for share in self.model.alive().collect::<Vec<_>>() {
            self.end(share, Reason::Leaving);
        }
        while let Some(link) = self.links.last() {
            let conn = link.conn;
            self.take(conn, usize::MAX);
            self.lose(conn, LinkLoss::Closed);
        }
        while !self.jobs.is_empty() {
            self.work(0, Luck::Good);
        }
        while let Some((conn, _)) = self.dials.first_key_value() {
            let conn = *conn;
            self.lose(conn, LinkLoss::TimedOut);
        }
        let left = self.model.alive().next();
        assert_eq!(left, None, "every share ends");
        assert_eq!((self.node.memory(), self.node.wake()), (0, None), "and leaves nothing");
    }
}

/// The name of a room, which is that of no content.
fn room_id() -> ContentId {
    ContentId(leaf(b"truecopy/1 room").0)
}

/// A peer that may be dialled.
pub(super) fn hint(number: usize) -> PeerHint {
    // Some have a key, some have not; the last has two addresses.
    let number = number as u8;
    let address = |port| Candidate::Tcp(([127, 0, 0, number], port).into());
    let key = number.is_multiple_of(2).then_some(NodeId([2 + number; 32]));
    let addresses = (0..=number % 2).map(|port| address(u16::from(port) + 1)).collect();
    PeerHint { key, addresses }
}

/// Reasons of the host.
pub(super) const ERRORS: [StorageError; 8] = [
    StorageError::NoSpace,
    StorageError::Denied,
    StorageError::Changed,
    StorageError::Vanished,
    StorageError::Conflict,
    StorageError::Held,
    StorageError::Io,
    StorageError::Unsupported,
];

const fn kind_of(job: &Job) -> Kind {
    match job {
        Job::Read(_) => Kind::Read,
        Job::Rehash(_) => Kind::Rehash,
        Job::Commit(_) => Kind::Commit,
        Job::Verify(_) => Kind::Verify,
        Job::Open(_) | Job::Land(_) | Job::Checkpoint(_) | Job::Sign(_) | Job::Announce(_) => Kind::Other,
    }
}

const fn share_of(job: &Job) -> Option<ShareId> {
    match job {
        Job::Open(job) => Some(job.share),
        Job::Read(job) => Some(job.share),
        Job::Land(job) => Some(job.share),
        Job::Rehash(job) => Some(job.share),
        Job::Checkpoint(job) => Some(job.share),
        Job::Commit(job) => Some(job.share),
        // A share does not wait for its trackers.
        Job::Sign(_) | Job::Verify(_) | Job::Announce(_) => None,
    }
}
