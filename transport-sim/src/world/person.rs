//! The programs as people run them: `send` and `get`, and running them again when they ended with an error.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::EntryKind;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::OneByOne;
use truecopy_protocol::input::{self, Afterwards, Command, Fetch, Order, PeerHint, Share as Offered};
use truecopy_protocol::job::{Outcome, StorageError};
use truecopy_protocol::output::{Event, Failure};
use truecopy_protocol::wire::{PeerAddress, Reason};
use truecopy_protocol::{Candidate, UnixTime};
use truecopy_transport::disk::{Disk, FileIdentity, OpenMode};
use truecopy_transport::store::{
    Holder, OnConflict, OnImpossible, OpenError, Plan as Placing, Receiving, Share, Source, SourceTop,
    Staging, StagingOptions, Survey, TrustDisk,
};

use super::actor::{Actor, Manner};
use super::agenda::{Happening, Life};
use super::host::{Part, Power};
use super::process::Process;
use super::watch::{Level, Mark};
use super::weather::MS;
use super::words::Acts;
use super::{Phase, SECRET, SHARE, World, host, net};
use crate::content::Content;
use crate::disk::{Faults, FaultyDisk};
use crate::oracle::{Standing, complete};
use crate::plan::{Fault, Holding, Plan, Script, Staying, Swarming, Told};

/// The pause of a person before the program is run again; doubles up to eight times.
const RERUN: u64 = 2_000 * MS;
/// How often the user of a sender names the receivers to it.
const CALL_ON: u64 = 2_000 * MS;

/// What came of looking at an offer.
enum Offer {
    Accept(Box<Staging<FaultyDisk>>),
    /// Everything is there already.
    Here(Outcome),
}

impl World<'_> {
    /// Files stand where the scenario says, durably.
    pub(super) fn place_files(&mut self, host: usize) {
        let content = Rc::clone(&self.content);
        let is_sender = self.hosts[host].part == Part::Sender;
        for (index, entry) in content.manifest.entries() {
            let path = entry.path;
            let present = self.plan.scenario.present.iter().any(|name| name.as_bytes() == path.as_bytes());
            if let (EntryKind::File(_), Some(truth)) = (entry.kind, content.truth(index))
                && (is_sender || present)
            {
                self.hosts[host].disk.put(path, truth);
            }
        }
        if is_sender {
            self.hosts[host].identities = identities(&self.hosts[host].disk, &content);
        }
    }

    /// A host's program starts.
    pub(super) fn start(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        state.power = Power::On;
        let is_done = state.part == Part::Receiver && state.person.outcome.is_some();
        let talks = self.plan.scenario.talk.is_some();
        if state.process.is_some() || is_done && !talks {
            return;
        }
        state.incarnation += 1;
        state.person.runs += 1;
        state.acts = Acts::default();
        state.busy_until.clear();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.plan.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&(host as u64).to_le_bytes());
        seed[16..20].copy_from_slice(&state.incarnation.to_le_bytes());
        let now = state.now(self.now);
        let mut config = self.plan.tuning.config();
        if host >= self.plan.scenario.hosts() - usize::from(self.plan.scenario.free_riders) {
            config.upload_slots = 0;
        }
        if let Some(ms) = self.plan.scenario.talk.as_ref().and_then(|talk| talk.patience_ms) {
            config.words_wait = Duration::from_millis(ms);
        }
        let mut process = Process::new(config, seed, now, host::Host::CHANNEL_MEMORY);
        process.pacer.set(now, state.rates);
        state.process = Some(process);
        let life = state.life(host);
        if let Some(watched) = &mut self.watched {
            let has = if state.part == Part::Sender { held_bytes(self.plan, &self.content, host) } else { 0 };
            watched.stands(self.now, host, Level::Has(has));
        }
        self.tell_time(life);
        match self.hosts[host].part {
            _ if is_done || self.plan.scenario.only_talks() => {}
            Part::Sender => self.send(life),
            Part::Receiver => self.get(life),
        }
        self.enter_room(life);
    }

    /// The program ends by itself.
    pub(super) fn exit(&mut self, host: usize) {
        self.drop_process(host);
        self.hosts[host].disk = self.hosts[host].disk.restart();
    }

    /// The program of a sender ends, if it does nothing else.
    fn gives_up(&mut self, life: Life) {
        if self.plan.scenario.talk.is_none() {
            self.exit(life.0);
        }
    }

    fn send(&mut self, life: Life) {
        let content = Rc::clone(&self.content);
        if let Some(manner) = self.manner(life.0) {
            let mut actor = Actor::new(manner, content, self.plan.seed);
            if manner == Manner::Hostile(Script::FalsePeers) {
                actor.gossip = self.false_peers();
            }
            if let Some(process) = self.process(life) {
                process.actor = Some(actor);
            }
            return;
        }
        let host = &mut self.hosts[life.0];
        // As the program does: what is unchanged keeps its ticket, what is touched is hashed again.
        let now = identities(&host.disk, &content);
        if now != host.identities {
            let whole = content.manifest.entries().all(|(index, entry)| match content.truth(index) {
                Some(truth) => host.disk.content(entry.path).as_deref() == Some(truth),
                None => true,
            });
            if !whole {
                self.coverage.branch("sender gave up on a changed source");
                return self.gives_up(life);
            }
            host.identities = now;
        }
        let Some(source) = source(&host.disk, &content, &host.identities) else { return self.gives_up(life) };
        if let Some(process) = &host.process {
            process.stores.register(SHARE, Arc::new(Share::Serving(source)));
        }
        let held = held(self.plan, &content, life.0);
        let layers = match held {
            Selection::All => Arc::clone(&content.layers),
            Selection::Some(_) => {
                let hashes = content.layers.hashes().to_vec();
                let part = Layers::of_part(Arc::clone(&content.manifest), hashes, &held);
                part.map_or_else(|_| Arc::clone(&content.layers), Arc::new)
            }
        };
        let offered = Offered { held, ..Offered::new(SHARE, SECRET, Arc::clone(&content.manifest), layers) };
        let offered = match self.plan.scenario.swarm {
            Swarming::Off => offered,
            Swarming::AsTold | Swarming::On => {
                let port = Some(net::address(life.0, self.hosts[life.0].moved).port());
                Offered { swarm: input::Swarming::On, port, ..offered }
            }
        };
        if let Some(process) = self.process(life) {
            process.moves_share = true;
        }
        self.command(life, Command::Share(offered));
        self.name_trackers(life);
        if self.plan.scenario.told == Told::Called {
            self.call_on(life);
        }
    }

    /// Names all receivers to a sender, now and every two seconds from now on.
    pub(super) fn call_on(&mut self, life: Life) {
        if self.process(life).is_none() || self.hosts[life.0].stopped_for.is_some() {
            return;
        }
        for receiver in usize::from(self.plan.scenario.senders)..self.hosts.len() {
            let peer = self.hint(receiver);
            self.command(life, Command::AddPeer { share: SHARE, peer });
        }
        self.coverage.branch("receivers called on");
        self.agenda.add(self.now + CALL_ON, Happening::CallOn(life));
    }

    /// Every host as it is, and some at addresses where nobody is, or somebody else.
    fn false_peers(&self) -> Vec<PeerAddress> {
        let hosts = self.hosts.len();
        let key = |host: usize| self.hosts[host].identity.node_id();
        let true_ones = (0..hosts).map(|host| (key(host), net::address(host, self.hosts[host].moved)));
        let elsewhere = (0..3).map(|n| (key(hosts - 1), net::address(n, 0)));
        let nowhere = (0..3).map(|n| (key(0), net::address(hosts + n, 0)));
        let all = true_ones.chain(elsewhere).chain(nowhere);
        all.map(|(key, address)| PeerAddress { key, address }).collect()
    }

    fn manner(&mut self, host: usize) -> Option<Manner> {
        let manner = self.plan.faults.iter().find_map(|fault| match *fault {
            Fault::Hostile { host: of, script } if usize::from(of) == host => Some(Manner::Hostile(script)),
            Fault::NewerPeer { host: of } if usize::from(of) == host => Some(Manner::Newer),
            _ => None,
        })?;
        self.coverage.fault(match manner {
            Manner::Hostile(_) => "hostile",
            Manner::Newer => "newer-peer",
        });
        Some(manner)
    }

    fn get(&mut self, life: Life) {
        let senders = usize::from(self.plan.scenario.senders);
        let sources = match usize::from(self.plan.scenario.sources) {
            0 => senders,
            some => some.min(senders),
        };
        let sources = match self.plan.scenario.told {
            Told::Addresses => sources,
            Told::TrackersAlone | Told::Called => 0,
        };
        let peers = (0..sources).map(|n| self.hint((life.0 + n) % senders)).collect();
        let content = self.content.manifest.content_id();
        let peers = self.introduce(life.0, peers);
        self.hosts[life.0].acts.hinted = peers.iter().filter_map(host_of).collect();
        let plain = Fetch {
            port: Some(net::address(life.0, self.hosts[life.0].moved).port()),
            ..Fetch::new(SHARE, content, SECRET, peers)
        };
        let fetch = match self.plan.scenario.swarm {
            // As with a ticket: the sender may say otherwise, and does not.
            Swarming::Off => Fetch { swarm: input::Swarming::AsTold, ..plain },
            told @ (Swarming::AsTold | Swarming::On) => Fetch {
                swarm: match told {
                    Swarming::On => input::Swarming::On,
                    Swarming::Off | Swarming::AsTold => input::Swarming::AsTold,
                },
                order: Order::RarestFirst,
                afterwards: match self.plan.scenario.staying {
                    Staying::Leave => Afterwards::Leave,
                    Staying::Seed => Afterwards::Seed,
                },
                ..plain
            },
        };
        if let Some(process) = self.process(life) {
            process.moves_share = true;
        }
        self.command(life, Command::Fetch(fetch));
        self.name_trackers(life);
    }

    /// Adds as many other receivers as a tracker would name.
    fn introduce(&mut self, host: usize, mut peers: Vec<PeerHint>) -> Vec<PeerHint> {
        let senders = usize::from(self.plan.scenario.senders);
        let others = self.hosts.len() - senders;
        for _ in 0..usize::from(self.plan.scenario.introduced).min(others - 1) {
            let other = senders + self.draws.below(others);
            if other != host {
                peers.push(self.hint(other));
            }
        }
        peers
    }

    pub(super) fn hint(&self, sender: usize) -> PeerHint {
        let host = &self.hosts[sender];
        let address = net::address(sender, host.moved);
        PeerHint { key: Some(host.identity.node_id()), addresses: vec![Candidate::Tcp(address)] }
    }

    pub(super) fn command(&mut self, life: Life, command: Command) {
        self.through_door(life, None, |door| door.command(command));
        self.settle(life);
    }

    pub(super) fn sender_told(&mut self, life: Life, event: &Event) {
        match event {
            Event::Receipt { verdict, outcome, .. } => self.judge_receipt(life.0, *verdict, outcome),
            Event::PeerDown { why, .. } => self.judge_gone(life, *why),
            Event::SourceBroken { .. } => self.coverage.branch("source broken"),
            Event::Ended { .. } => {
                let back = self.hosts[life.0].stopped_for.take();
                if self.stays_in_room(life, back) {
                    return;
                }
                self.exit(life.0);
                if let Some(nanos) = back {
                    self.agenda.add(self.now + nanos, Happening::Start(life.0));
                }
            }
            _ => {}
        }
    }

    pub(super) fn receiver_told(&mut self, life: Life, event: Event) {
        let host = life.0;
        match event {
            Event::Offer { manifest, .. } => {
                debug_assert_eq!(*manifest, *self.content.manifest, "the ContentId names the manifest");
                match self.thinks_for(host) {
                    0 => self.offered(life),
                    nanos => {
                        self.coverage.fault("think");
                        self.agenda.add(self.now + nanos, Happening::Decide(life));
                    }
                }
            }
            Event::Progress { progress, .. } => {
                self.hosts[host].person.received.1 = progress.received;
                if let Some(watched) = &mut self.watched {
                    watched.stands(self.now, host, Level::Has(progress.verified));
                }
                if !self.disk_lies(host)
                    && let Some(blocks) = &mut self.hosts[host].blocks
                {
                    let checked = blocks.progress(&progress);
                    self.check(host, checked);
                }
            }
            Event::PeerDown { why, .. } => {
                self.hosts[host].person.interruptions += 1;
                self.judge_gone(life, why);
            }
            Event::Completed { outcome, .. } => {
                if (0..usize::from(self.plan.scenario.senders)).all(|host| self.hosts[host].process.is_none())
                {
                    self.coverage.branch("completed without a sender");
                }
                self.hosts[host].person.outcome = Some(outcome);
                self.hosts[host].person.finished = Some(self.now);
                self.may_be_over = true;
                if let Some(watched) = &mut self.watched {
                    watched.stands(self.now, host, Level::Has(self.content.manifest.total_size()));
                    watched.mark(self.now, host, Mark::Done);
                }
                if self.plan.scenario.staying == Staying::Seed {
                    self.seed(life);
                }
            }
            Event::Failed { why, .. } => self.failed(host, why),
            Event::Ended { .. } => self.ended(life),
            _ => {}
        }
    }

    /// The program serves what it has fetched from its place.
    fn seed(&mut self, life: Life) {
        let (host, content) = (life.0, Rc::clone(&self.content));
        let disk = self.hosts[host].disk.clone();
        let now = identities(&disk, &content);
        let (manifest, layers) = (Arc::clone(&content.manifest), Arc::clone(&content.layers));
        let command = match source(&disk, &content, &now) {
            Some(source) => {
                if let Some(process) = self.process(life) {
                    process.stores.register(SHARE, Arc::new(Share::Serving(source)));
                }
                self.coverage.branch("seeds what it fetched");
                Command::Share(Offered::new(SHARE, SECRET, manifest, layers))
            }
            None => Command::End { share: SHARE, reason: Reason::Done },
        };
        self.command(life, command);
    }

    /// How long this person looks at offers, in nanoseconds.
    fn thinks_for(&self, host: usize) -> u64 {
        let long = self.plan.faults.iter().filter_map(|fault| match *fault {
            Fault::Think { receiver, for_ms } if usize::from(receiver) == host => Some(for_ms),
            _ => None,
        });
        if self.phase == Phase::Healed { 0 } else { long.max().unwrap_or(0) * MS }
    }

    /// The person accepts what was offered, if the program still runs.
    pub(super) fn decide(&mut self, life: Life) {
        if self.process(life).is_some() {
            self.offered(life);
        }
    }

    /// The person looks at the offer as the program does.
    fn offered(&mut self, life: Life) {
        let host = life.0;
        let content = Rc::clone(&self.content);
        let disk = self.hosts[host].disk.clone();
        if let Some(process) = self.process(life) {
            // It may be offered again: then what was opened before is closed first.
            process.stores.release(SHARE);
        }
        let looked = look(&disk, &content, host);
        if disk.is_down() {
            return self.stopped_at_call(host);
        }
        self.look_at_names(host);
        match looked {
            Ok(Offer::Accept(staging)) => {
                let storage = Share::Receiving(Box::new(Receiving::opened(*staging)));
                if let Some(process) = self.process(life) {
                    process.stores.register(SHARE, Arc::new(storage));
                }
                let offers = self.hosts[host].person.offers;
                self.hosts[host].person.offers += 1;
                let first = first(&content, offers);
                self.command(life, Command::Accept { share: SHARE, selection: Selection::All, first });
            }
            Ok(Offer::Here(outcome)) => {
                self.coverage.branch("already here");
                if !self.disk_lies(host) {
                    let checked = complete(&disk, &content, &outcome, Standing::Seen);
                    self.check(host, checked);
                }
                self.hosts[host].person.outcome = Some(outcome);
                self.hosts[host].person.finished = Some(self.now);
                self.command(life, Command::Decline { share: SHARE, reason: Reason::Done });
            }
            Err(error) => {
                self.failed(host, Failure::Storage(error));
                self.command(life, Command::Decline { share: SHARE, reason: Reason::Leaving });
            }
        }
    }

    fn failed(&mut self, host: usize, why: Failure) {
        self.judge_failure(host, why);
        let healed = self.phase == Phase::Healed;
        self.may_be_over = true;
        let person = &mut self.hosts[host].person;
        person.failures.push(why);
        if healed {
            person.settled = Some(why);
        }
    }

    /// A receiver's program ends; if not everything is there, the person runs it again.
    pub(super) fn ended(&mut self, life: Life) {
        let host = life.0;
        let back = self.hosts[host].stopped_for.take();
        if self.stays_in_room(life, back) {
            return;
        }
        self.exit(host);
        if let Some(watched) = &mut self.watched {
            watched.mark(self.now, host, Mark::Left);
        }
        let person = &mut self.hosts[host].person;
        let (before, last) = person.received;
        person.received = (before + last, 0);
        if person.outcome.is_some() && self.plan.faults.is_empty() {
            // Nothing can happen to it any more, and a crowd's files take much memory.
            self.hosts[host].disk = FaultyDisk::new(0, Faults::default());
            return;
        }
        if person.outcome.is_none() {
            person.interruptions += 1;
            let pause = back.unwrap_or_else(|| RERUN << person.failures.len().min(8));
            self.agenda.add(self.now + pause, Happening::Start(host));
        }
        if let Some(blocks) = &mut self.hosts[host].blocks {
            blocks.killed();
        }
    }
}

/// The host that a hint leads to.
fn host_of(hint: &PeerHint) -> Option<usize> {
    hint.addresses.iter().find_map(|address| match address {
        Candidate::Tcp(address) => net::host_at(*address).map(|(host, _)| host),
        Candidate::Host { .. } => None,
    })
}

/// What comes first of an offer that is looked at again: every other file, each time the others.
fn first(content: &Content, offers: u32) -> Selection {
    if offers == 0 {
        return Selection::none();
    }
    let entries = content.manifest.entries().map(|(entry, _)| entry);
    Selection::Some(entries.filter(|entry| entry.0 % 2 == offers % 2).collect())
}

/// What of the share a sender offers.
fn held(plan: &Plan, content: &Content, host: usize) -> Selection {
    let senders = usize::from(plan.scenario.senders);
    let is_held = |entry| content.number(entry).is_none_or(|number| usize::from(number) % senders == host);
    match plan.scenario.holding {
        Holding::Whole => Selection::All,
        Holding::InTurn => Selection::Some(
            content.manifest.entries().map(|(entry, _)| entry).filter(|entry| is_held(*entry)).collect(),
        ),
    }
}

/// Bytes of it.
fn held_bytes(plan: &Plan, content: &Content, host: usize) -> u64 {
    let held = held(plan, content, host);
    let files = content.manifest.entries().filter(|(entry, _)| held.contains(*entry));
    files.filter_map(|(entry, _)| content.manifest.file(entry)).map(|file| file.size).sum()
}

/// Looks at the destination, and opens the staging if anything is missing.
fn look(disk: &FaultyDisk, content: &Content, host: usize) -> Result<Offer, StorageError> {
    let manifest = Arc::clone(&content.manifest);
    let mut survey = Survey::take(disk, manifest, Selection::All, Vec::new())?;
    survey.check_all(disk, &OneByOne)?;
    let plan = survey
        .decide(disk, OnConflict::Fail, OnImpossible::Fail)?
        // Only names of the share stand there.
        .map_err(|_| StorageError::Conflict)?;
    if is_here(&plan, content) {
        let files = content.manifest.entries().filter_map(|(index, _)| content.manifest.file(index));
        let bytes = files.map(|file| file.size).sum();
        let already = u64::from(content.manifest.file_count());
        return Ok(Offer::Here(Outcome { placed: 0, already, skipped: 0, bytes }));
    }
    if survey.free_space().is_some_and(|free| free < plan.needed()) {
        return Err(StorageError::NoSpace);
    }
    let options = StagingOptions {
        manifest: Arc::clone(&content.manifest),
        selection: Selection::All,
        plan,
        trust: TrustDisk::No,
        holder: Holder { pid: host as u32, host: "simulated".into(), since: UnixTime(1) },
        hasher: Arc::new(OneByOne),
    };
    match Staging::open(disk.clone(), options) {
        Ok(staging) => Ok(Offer::Accept(Box::new(staging))),
        Err(OpenError::Held(_)) => Err(StorageError::Held),
        Err(OpenError::Storage(error)) => Err(error),
    }
}

/// Whether nothing is left to be done, as the program judges it.
fn is_here(plan: &Placing, content: &Content) -> bool {
    plan.settled().len() as u32 == content.manifest.len() && plan.placed().is_empty()
}

/// The state of every entry of a source; nothing for one that is not there.
pub(super) fn identities(disk: &FaultyDisk, content: &Content) -> Vec<FileIdentity> {
    let nothing = FileIdentity { device: 0, inode: 0, size: 0, mtime: 0, ctime: 0 };
    content
        .manifest
        .entries()
        .map(|(_, entry)| disk.metadata(entry.path).map_or(nothing, |found| found.identity))
        .collect()
}

pub(super) fn source(
    disk: &FaultyDisk,
    content: &Content,
    identities: &[FileIdentity],
) -> Option<Source<FaultyDisk>> {
    let mut tops: Vec<&[u8]> = content
        .manifest
        .entries()
        .filter_map(|(_, entry)| entry.path.as_bytes().split(|b| *b == b'/').next())
        .collect();
    tops.dedup();
    // A source that can be read at all can be opened.
    if let Some((_, entry)) = content.manifest.entries().find(|(index, _)| content.truth(*index).is_some()) {
        disk.open(entry.path, OpenMode::Read).ok()?;
    }
    let tops = tops.iter().map(|_| SourceTop { root: 0, name: None }).collect();
    let hasher = Arc::new(OneByOne);
    let manifest = Arc::clone(&content.manifest);
    Source::new(manifest, vec![disk.clone()], tops, identities.iter().copied(), hasher).ok()
}
