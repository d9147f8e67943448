//! N nodes, links between them, simulated time: everything that a driver does, badly on purpose.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{
    Afterwards, Command, Fetch, Input, LinkLoss, Order, Path, PeerHint, READ_MAX, Share, Swarming,
};
use truecopy_protocol::job::Job;
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::{AccessSecret, Candidate, Config, ConnId, Node, NodeId, Now, ShareId};

use crate::content::Content;
use crate::rng::{Rng, mix};
use crate::store::Store;

pub(crate) const SHARE: ShareId = ShareId(7);
pub(crate) const SECRET: AccessSecret = AccessSecret([3; 32]);

/// What goes wrong on the way, until it heals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Each link dies after so many bytes at most.
    pub(crate) link_bytes_max: u64,
    /// Dials that fail, in percent.
    pub(crate) dials_fail: u64,
    pub(crate) until: Duration,
}

pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) id: NodeId,
    pub(crate) store: Store,
    pub(crate) config: Config,
    pub(crate) events: Vec<Event>,
    /// Whether it takes part; if not, dials to it fail.
    pub(crate) is_up: bool,
    /// Offers are accepted with this, if at all.
    pub(crate) accepts: Option<Selection>,
    outputs: VecDeque<Output>,
    jobs: Vec<(Now, Job)>,
    taken: u64,
}

struct End {
    host: usize,
    conn: ConnId,
    paused: bool,
    hung_up: bool,
    gone: bool,
    /// What this end has sent and the other has not received.
    flying: VecDeque<(Now, Vec<u8>)>,
    flying_bytes: usize,
}

struct Link {
    ends: [End; 2],
    bytes_left: u64,
}

pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) hosts: Vec<Host>,
    pub(crate) rng: Rng,
    pub(crate) faults: Option<Faults>,
    links: Vec<Link>,
    dials: Vec<(Now, usize, ConnId, usize)>,
    next_conn: u64,
    /// Of all outputs and bytes, in order.
    pub(crate) digest: u64,
    seed: u64,
    steps: u64,
    still_steps: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Now::ZERO,
            hosts: Vec::new(),
            rng: Rng::new(seed),
            faults: None,
            links: Vec::new(),
            dials: Vec::new(),
            next_conn: 1,
            digest: 0,
            seed,
            steps: 0,
            still_steps: 0,
        }
    }

    pub(crate) fn add(&mut self, content: &Content, config: Config) -> usize {
        let number = self.hosts.len() as u8 + 1;
        let id = NodeId([number; 32]);
        self.hosts.push(Host {
            node: Node::new(config.clone(), node_seed(self.seed, number), self.now),
            id,
            store: Store::new(content),
            config,
            events: Vec::new(),
            is_up: true,
            accepts: Some(Selection::All),
            outputs: VecDeque::new(),
            jobs: Vec::new(),
            taken: 0,
        });
        self.hosts.len() - 1
    }

    /// A host that serves the content.
    pub(crate) fn sender(&mut self, content: &Content) -> usize {
        let host = self.add(content, Config::default());
        self.serve(host);
        host
    }

    pub(crate) fn serve(&mut self, host: usize) {
        let Content { manifest, layers } = self.hosts[host].store.content.clone();
        self.command(host, Command::Share(Share::new(SHARE, SECRET, manifest, layers)));
    }

    /// A host that serves the content to a swarm.
    pub(crate) fn seeder(&mut self, content: &Content) -> usize {
        let host = self.add(content, Config::default());
        let Content { manifest, layers } = content.clone();
        let plain = Share::new(SHARE, SECRET, manifest, layers);
        self.command(
            host,
            Command::Share(Share { swarm: Swarming::On, port: Some(host as u16 + 1), ..plain }),
        );
        host
    }

    /// A host that serves these entries of the content to a swarm.
    pub(crate) fn part_seeder(&mut self, content: &Content, held: Selection) -> usize {
        let host = self.add(content, Config::default());
        let Content { manifest, layers } = content.clone();
        let hashes = layers.hashes().to_vec();
        let layers = Arc::new(Layers::of_part(Arc::clone(&manifest), hashes, &held).unwrap());
        let plain = Share::new(SHARE, SECRET, manifest, layers);
        let port = Some(host as u16 + 1);
        self.command(host, Command::Share(Share { held, swarm: Swarming::On, port, ..plain }));
        host
    }

    /// A host that fetches the content, and gives to others what it has.
    pub(crate) fn leecher(
        &mut self,
        content: &Content,
        from: &[usize],
        swarm: Swarming,
        after: Afterwards,
    ) -> usize {
        let host = self.add(content, Config::default());
        let peers = from.iter().map(|from| self.hint(*from)).collect();
        let plain = Fetch::new(SHARE, content.manifest.content_id(), SECRET, peers);
        self.command(
            host,
            Command::Fetch(Fetch {
                swarm,
                port: Some(host as u16 + 1),
                order: Order::RarestFirst,
                afterwards: after,
                ..plain
            }),
        );
        host
    }

    pub(crate) fn fetch(&mut self, host: usize, from: &[usize]) {
        let content = self.hosts[host].store.content.manifest.content_id();
        let peers = from.iter().map(|from| self.hint(*from)).collect();
        let fetch = Fetch::new(SHARE, content, SECRET, peers);
        self.command(host, Command::Fetch(fetch));
    }

    /// A host that fetches the content.
    pub(crate) fn receiver(&mut self, content: &Content, from: &[usize]) -> usize {
        let host = self.add(content, Config::default());
        self.fetch(host, from);
        host
    }

    pub(crate) fn hint(&self, host: usize) -> PeerHint {
        let address = Candidate::Tcp(([127, 0, 0, 1], host as u16 + 1).into());
        PeerHint { key: self.hosts.get(host).map(|host| host.id), addresses: vec![address] }
    }

    pub(crate) fn command(&mut self, host: usize, command: Command) {
        self.handle(host, Input::Command(command));
    }

    /// The node dies with all its connections and jobs; its disk stays.
    pub(crate) fn crash(&mut self, host: usize) {
        for link in &mut self.links {
            if link.ends.iter().any(|end| end.host == host) {
                link.bytes_left = 0;
            }
        }
        for index in (0..self.links.len()).rev() {
            if self.links[index].bytes_left == 0 {
                self.cut(index);
            }
        }
        self.dials.retain(|(_, from, ..)| *from != host);
        let (seed, now) = (node_seed(self.rng.next(), host as u8), self.now);
        let host = &mut self.hosts[host];
        host.node = Node::new(host.config.clone(), seed, now);
        host.outputs.clear();
        host.jobs.clear();
        host.store.placed = None;
    }

    pub(crate) fn handle(&mut self, host: usize, input: Input<'_>) {
        self.steps += 1;
        self.still_steps += 1;
        assert!(self.still_steps < 2_000_000, "it spins at {:?}", self.now);
        let now = self.now;
        let host = &mut self.hosts[host];
        host.node.handle(now, input);
        while let Some(output) = host.node.poll() {
            self.digest = text_digest(self.digest, &format!("{output:?}"));
            host.outputs.push_back(output);
        }
        assert!(host.node.memory() <= host.config.memory_max(0), "memory");
        if let Some((at, timer)) = host.node.wake() {
            assert!(at > now, "{timer:?} is due and was not looked at");
        }
    }

    /// Runs until `done` or this much later; says whether it was done.
    pub(crate) fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            while self.round() {}
            if done(self) {
                return true;
            }
            match self.next_time() {
                Some(next) if next <= end => {
                    self.now = self.now.max(next);
                    self.still_steps = 0;
                }
                _ => {
                    self.now = end;
                    return false;
                }
            }
            for host in 0..self.hosts.len() {
                if self.hosts[host].node.wake().is_some_and(|(at, _)| at <= self.now) {
                    self.handle(host, Input::Timeout);
                }
            }
        }
    }

    /// One go at everything that can happen now, in a shuffled order.
    fn round(&mut self) -> bool {
        let mut moved = false;
        let first = self.rng.below(self.hosts.len().max(1) as u64) as usize;
        for turn in 0..self.hosts.len() {
            moved |= self.act((first + turn) % self.hosts.len());
        }
        for index in (0..self.dials.len()).rev() {
            if self.dials[index].0 <= self.now {
                let (_, from, conn, to) = self.dials.swap_remove(index);
                self.connect(from, conn, to);
                moved = true;
            }
        }
        for index in (0..self.links.len()).rev() {
            for side in [0, 1] {
                if index < self.links.len() {
                    moved |= self.send(index, side);
                }
                if index < self.links.len() {
                    moved |= self.deliver(index, side);
                }
            }
        }
        moved
    }

    fn act(&mut self, host: usize) -> bool {
        let mut moved = false;
        while let Some(output) = self.hosts[host].outputs.pop_front() {
            moved = true;
            self.output(host, output);
        }
        let due: Vec<usize> =
            (0..self.hosts[host].jobs.len()).filter(|i| self.hosts[host].jobs[*i].0 <= self.now).collect();
        if !due.is_empty() {
            let index = due[self.rng.below(due.len() as u64) as usize];
            let (_, job) = self.hosts[host].jobs.swap_remove(index);
            let done = self.hosts[host].store.work(job);
            self.handle(host, Input::Done(done));
            moved = true;
        }
        moved
    }

    fn output(&mut self, host: usize, output: Output) {
        match output {
            Output::Dial { conn, to, .. } => {
                let Candidate::Tcp(address) = to else { panic!("a test dials addresses") };
                let at = self.now + Duration::from_millis(self.rng.below(30));
                self.dials.push((at, host, conn, address.port() as usize - 1));
            }
            Output::Hangup { conn, .. } => {
                self.dials.retain(|(_, from, dial, _)| (*from, *dial) != (host, conn));
                self.with_end(host, conn, |end| end.hung_up = true);
            }
            Output::Pause { conn } => self.with_end(host, conn, |end| end.paused = true),
            Output::Resume { conn } => self.with_end(host, conn, |end| end.paused = false),
            Output::Flush { .. } => {}
            Output::Job(job) => {
                let delay = Duration::from_micros(self.rng.below(20_000));
                self.hosts[host].taken += 1;
                self.hosts[host].jobs.push((self.now + delay, job));
            }
            Output::Event(event) => {
                let accepts = self.hosts[host].accepts.clone();
                if let (Event::Offer { share, .. }, Some(selection)) = (&event, accepts) {
                    self.command(host, Command::accept(*share, selection));
                }
                self.hosts[host].events.push(event);
            }
        }
    }

    fn with_end(&mut self, host: usize, conn: ConnId, change: impl FnOnce(&mut End)) {
        let ends = self.links.iter_mut().flat_map(|link| &mut link.ends);
        if let Some(end) = ends.into_iter().find(|end| end.host == host && end.conn == conn) {
            change(end);
        }
    }

    fn is_faulty(&self) -> Option<Faults> {
        self.faults.filter(|faults| self.now < Now::ZERO + faults.until)
    }

    fn connect(&mut self, from: usize, conn: ConnId, to: usize) {
        let faults = self.is_faulty();
        let fails = faults.is_some_and(|faults| self.rng.chance(faults.dials_fail));
        if fails || !self.hosts.get(to).is_some_and(|host| host.is_up) {
            return self.handle(from, Input::Disconnected { conn, why: LinkLoss::Refused });
        }
        let other = ConnId(self.next_conn);
        self.next_conn += 1;
        let bytes_left = faults.map_or(u64::MAX, |faults| self.rng.below(faults.link_bytes_max) + 1);
        let end = |host, conn| End {
            host,
            conn,
            paused: false,
            hung_up: false,
            gone: false,
            flying: VecDeque::new(),
            flying_bytes: 0,
        };
        self.links.push(Link { ends: [end(from, conn), end(to, other)], bytes_left });
        let (here, there) = (self.hosts[from].id, self.hosts[to].id);
        let at = |host: usize| Path::Tcp(([127, 0, 0, 1], host as u16 + 1).into());
        let path = at(to);
        let (role, local, peer) = (Role::Initiator, here, there);
        self.handle(from, Input::Connected { conn, role, local, peer, path });
        let (role, local, peer, path) = (Role::Responder, there, here, at(from));
        self.handle(to, Input::Connected { conn: other, role, local, peer, path });
    }

    fn cut(&mut self, index: usize) {
        let link = self.links.swap_remove(index);
        for end in link.ends {
            if !end.gone {
                self.handle(end.host, Input::Disconnected { conn: end.conn, why: LinkLoss::Cut });
            }
        }
    }

    fn send(&mut self, index: usize, side: usize) -> bool {
        const FLYING_MAX: usize = 256 * 1024;
        let (max, delay) = (self.rng.cut(64 * 1024), self.rng.below(3_000));
        let end = &mut self.links[index].ends[side];
        if end.gone || end.flying_bytes >= FLYING_MAX {
            return false;
        }
        let bytes = self.hosts[end.host].node.sendable(end.conn, max).concat();
        if bytes.is_empty() {
            let closes = end.hung_up && end.flying.is_empty();
            if closes {
                end.gone = true;
                let (host, conn) = (end.host, end.conn);
                self.handle(host, Input::Disconnected { conn, why: LinkLoss::Closed });
                let other = &self.links[index].ends[1 - side];
                let (host, conn, gone) = (other.host, other.conn, other.gone);
                self.links.swap_remove(index);
                if !gone {
                    self.handle(host, Input::Disconnected { conn, why: LinkLoss::Closed });
                }
            }
            return closes;
        }
        assert!(bytes.len() <= max);
        self.digest =
            text_digest(self.digest, &format!("{} {:?}", bytes.len(), &bytes[..bytes.len().min(16)]));
        let (host, conn, len) = (end.host, end.conn, bytes.len());
        let earliest = end.flying.back().map_or(self.now, |(at, _)| *at);
        end.flying.push_back((earliest.max(self.now + Duration::from_micros(delay)), bytes));
        end.flying_bytes += len;
        let link = &mut self.links[index];
        link.bytes_left = link.bytes_left.saturating_sub(len as u64);
        let dead = link.bytes_left == 0;
        self.handle(host, Input::Sent { conn, len });
        if dead {
            self.cut(index);
        }
        true
    }

    fn deliver(&mut self, index: usize, side: usize) -> bool {
        let cut = self.rng.cut(READ_MAX);
        let link = &mut self.links[index];
        let (host, conn, paused, gone) = {
            let to = &link.ends[1 - side];
            (to.host, to.conn, to.paused, to.gone)
        };
        let from = &mut link.ends[side];
        let Some((at, bytes)) = from.flying.front_mut() else { return false };
        if *at > self.now || paused {
            return false;
        }
        let rest = bytes.split_off(bytes.len().min(cut));
        let run = std::mem::replace(bytes, rest);
        if bytes.is_empty() {
            from.flying.pop_front();
        }
        from.flying_bytes -= run.len();
        if !gone {
            self.handle(host, Input::Received { conn, bytes: &run });
        }
        true
    }

    fn next_time(&self) -> Option<Now> {
        let wakes = self.hosts.iter().filter_map(|host| host.node.wake().map(|(at, _)| at));
        let jobs = self.hosts.iter().flat_map(|host| host.jobs.iter().map(|(at, _)| *at));
        let flying = self.links.iter().flat_map(|link| {
            [0, 1].into_iter().filter_map(|side| {
                let paused = link.ends[1 - side].paused;
                link.ends[side].flying.front().filter(|_| !paused).map(|(at, _)| *at)
            })
        });
        let dials = self.dials.iter().map(|(at, ..)| *at);
        wakes.chain(jobs).chain(flying).chain(dials).min()
    }

    pub(crate) fn completed(&self, host: usize) -> bool {
        self.has(host, |event| matches!(event, Event::Completed { .. }))
    }

    pub(crate) fn ended(&self, host: usize) -> bool {
        self.has(host, |event| matches!(event, Event::Ended { .. }))
    }

    pub(crate) fn has(&self, host: usize, is: impl Fn(&Event) -> bool) -> bool {
        self.hosts[host].events.iter().any(is)
    }

    pub(crate) fn failure(&self, host: usize) -> Option<truecopy_protocol::output::Failure> {
        self.hosts[host].events.iter().find_map(|event| match event {
            Event::Failed { why, .. } => Some(*why),
            _ => None,
        })
    }

    /// Runs until a fetch is over; then nothing of it may be left.
    pub(crate) fn finish(&mut self, host: usize) {
        let over = self.run(Duration::from_secs(1200), |world| world.ended(host));
        let tail = self.hosts[host].events.iter().rev().take(8).collect::<Vec<_>>();
        assert!(over, "seed {}: not over at {:?}: {tail:?}", self.seed, self.now);
        assert_eq!(self.hosts[host].node.memory(), 0, "seed {}: everything is given back", self.seed);
        assert_eq!(self.hosts[host].node.jobs_open(), 0);
        assert_eq!(self.hosts[host].node.wake(), None, "no timer is left");
        assert_eq!(self.hosts[host].taken, self.hosts[host].store.answered, "every job is answered");
    }
}

fn node_seed(seed: u64, number: u8) -> [u8; 32] {
    let mut bytes = [number; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

fn text_digest(digest: u64, text: &str) -> u64 {
    text.bytes().fold(digest, |digest, byte| mix(digest ^ u64::from(byte)))
}
