//! Connections of the world: dials, turns, what is under way, and how it ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{LinkLoss, Path};
use truecopy_protocol::{Candidate, ConnId, NodeId};
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::link::{After, Link};

use super::agenda::{Happening, Life};
use super::channel::SimChannel;
use super::process::EndId;
use super::weather::{Course, MS};
use super::words::Words;
use super::{World, shapes};
use crate::clear::Clear;
use crate::oracle::Tap;
use crate::plan::Way;
use crate::stream::{Counts, Eats, Ending, Random, SimStream, pair};

/// How long a channel's handshake may take, as the program has it.
const HANDSHAKE: u64 = 10_000 * MS;
/// After a call that would block without a reason, the kernel says ready again.
const SPURIOUS: u64 = 20_000;

thread_local! {
    /// Big buffers outlive a run: their first touch costs more than a short run.
    pub(super) static BUFFERS: Pool = Pool::default();
}

/// What an end of a connection is.
#[derive(Debug)]
pub(super) enum EndState {
    /// Nobody has it yet: it is on its way to the accepting side.
    Coming(SimStream),
    /// A process moves it.
    Live(Box<Link<SimStream, SimChannel>>),
    /// The machine lost its power, or its address: nobody answers, nobody closes.
    Vanished { stream: SimStream },
    /// It is closed.
    Gone,
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) life: Life,
    pub(super) conn: ConnId,
    pub(super) state: EndState,
    /// When its process was done with it.
    pub(super) over_at: Option<u64>,
    turn: Turn,
    deadline: Option<truecopy_protocol::Now>,
    /// The turn that a limit of the rate holds up until then, in the host's time.
    paced: Option<truecopy_protocol::Now>,
    /// Draws of the direction that this end writes.
    draws: Random,
    /// Bytes of that direction that are scheduled to arrive.
    scheduled: usize,
    last_arrival: u64,
    arrivals: u32,
    ending: Ending,
    seen: Counts,
    waits: Waits,
}

/// Whether a turn is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Due,
    Not,
}

/// Whether a writer waits for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    ForRoom,
    Not,
}

/// A connection of two hosts. Side 0 has dialled: the receiver.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) receiver: usize,
    pub(super) sender: usize,
    pub(super) nth: u32,
    pub(super) ends: [End; 2],
    pub(super) tap: Tap,
    pub(super) words: Words,
    /// It was made for the room.
    pub(super) is_of_room: bool,
    /// Nothing passes any more, and nobody is told.
    pub(super) severed: Severed,
    pub(super) damaged: bool,
}

/// Whether a connection still reaches from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severed {
    Not,
    Silently,
}

impl Conn {
    /// What the direction that a side writes has done, as whichever end is still there sees it.
    fn counts(&self, side: usize) -> Option<Counts> {
        let near = self.ends[side].stream().map(SimStream::counts);
        near.or_else(|| self.ends[1 - side].stream().map(SimStream::inbound_counts))
    }

    /// Resets both directions, if any end still has them. Whether one has.
    pub(super) fn reset(&mut self, eats: Eats) -> bool {
        let open = |end: &&mut End| matches!(end.state, EndState::Live(_) | EndState::Coming(_));
        match self.ends.iter_mut().find(open).and_then(End::stream_mut) {
            Some(stream) => {
                stream.reset(eats);
                true
            }
            None => false,
        }
    }

    pub(super) const fn course(&self, side: usize) -> Course {
        Course { receiver: self.receiver, sender: self.sender, way: way_of(side) }
    }
}

/// The direction that a side writes.
pub(super) const fn way_of(side: usize) -> Way {
    if side == 0 { Way::Up } else { Way::Down }
}

impl End {
    fn new(life: Life, conn: ConnId, state: EndState, seed: u64, name: &str) -> Self {
        Self {
            life,
            conn,
            state,
            over_at: None,
            turn: Turn::Not,
            deadline: None,
            paced: None,
            draws: Random::new(seed, name),
            scheduled: 0,
            last_arrival: 0,
            arrivals: 0,
            ending: Ending::Open,
            seen: Counts::default(),
            waits: Waits::Not,
        }
    }

    /// Its machine is gone.
    pub(super) fn vanish(&mut self) {
        self.state = match std::mem::replace(&mut self.state, EndState::Gone) {
            EndState::Live(link) => EndState::Vanished { stream: link.into_stream() },
            EndState::Coming(stream) | EndState::Vanished { stream } => EndState::Vanished { stream },
            EndState::Gone => EndState::Gone,
        };
    }

    pub(super) fn stream(&self) -> Option<&SimStream> {
        match &self.state {
            EndState::Coming(stream) | EndState::Vanished { stream } => Some(stream),
            EndState::Live(link) => Some(link.stream()),
            EndState::Gone => None,
        }
    }

    fn stream_mut(&mut self) -> Option<&mut SimStream> {
        match &mut self.state {
            EndState::Coming(stream) | EndState::Vanished { stream } => Some(stream),
            EndState::Live(link) => Some(link.stream_mut()),
            EndState::Gone => None,
        }
    }
}

/// The address of a host that has moved so many times.
pub(super) fn address(host: usize, moved: u16) -> SocketAddr {
    let ip = Ipv4Addr::new(10, (host >> 16) as u8, (host >> 8) as u8, host as u8);
    SocketAddr::new(IpAddr::V4(ip), 7000 + moved)
}

/// The host that has an address, and how often it had moved by then.
pub(super) fn host_at(address: SocketAddr) -> Option<(usize, u16)> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    let [ten, a, b, c] = ip.octets();
    let host = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    (ten == 10).then_some((host, address.port().checked_sub(7000)?))
}

impl World<'_> {
    /// The core wants a connection.
    pub(super) fn dial(&mut self, from: Life, conn: ConnId, to: &Candidate, key: Option<NodeId>) {
        let Candidate::Tcp(to) = to else { return self.dial_fails(from, conn, LinkLoss::Unreachable, 0) };
        let at = self.now;
        if let Some(process) = self.process(from) {
            process.dials.insert(conn);
        }
        self.hosts[from.0].dialled(at);
        let Some((host, _)) = host_at(*to).filter(|(host, _)| *host < self.hosts.len()) else {
            return self.dial_fails(from, conn, LinkLoss::Unreachable, MS);
        };
        let course = Course { receiver: from.0, sender: host, way: Way::Up };
        let (_, arrives) = self.weather.arrival(course, at, 60, &mut self.draws);
        if let Some(arrives) = arrives {
            self.agenda.add(arrives, Happening::Dial { from, conn, to: *to, key });
        }
    }

    fn dial_fails(&mut self, from: Life, conn: ConnId, why: LinkLoss, after: u64) {
        self.agenda.add(self.now + after, Happening::DialFails { from, conn, why });
    }

    pub(super) fn dial_failed(&mut self, from: Life, conn: ConnId, why: LinkLoss) {
        if self.process(from).is_some_and(|process| process.dials.remove(&conn)) {
            self.disconnect(from, conn, why);
        }
    }

    /// A dial has reached its host.
    pub(super) fn dial_arrives(&mut self, from: Life, conn: ConnId, to: SocketAddr, key: Option<NodeId>) {
        let is_wanted = self.process(from).is_some_and(|process| process.dials.contains(&conn));
        let Some((host, moved)) = host_at(to) else { return };
        if !is_wanted || self.hosts[host].moved != moved {
            return;
        }
        let course = Course { receiver: from.0, sender: host, way: Way::Down };
        let (_, back) = self.weather.arrival(course, self.now, 60, &mut self.draws);
        let Some(back) = back else { return };
        let back = back - self.now;
        if self.hosts[host].ignores(self.now) {
            self.coverage.fault("ignore");
        } else if self.hosts[host].process.is_none() && self.hosts[host].is_powered() {
            self.dial_fails(from, conn, LinkLoss::Refused, back);
        } else if self.hosts[host].refuses(self.now) {
            self.coverage.fault("refuse");
            self.dial_fails(from, conn, LinkLoss::Refused, back);
        } else if self.hosts[host].process.is_some() {
            self.connect(from, conn, host, key, back);
        }
    }

    fn connect(&mut self, from: Life, conn: ConnId, sender: usize, key: Option<NodeId>, back: u64) {
        let receiver = from.0;
        if self.meets_by_trackers() && self.hosts[receiver].connections.is_empty() {
            self.coverage.branch("met by a tracker alone");
        }
        let nth = self.hosts[receiver].connections.entry(sender).or_default();
        let number = *nth;
        *nth += 1;
        let shapes::Shapes { up, down, seed, order } = shapes::of(self.plan, receiver, sender, number);
        let damaged = !up.damages.is_empty() || !down.damages.is_empty();
        let (near, far) = pair(seed, up, down);
        let accepting = {
            let process = self.hosts[sender].process.as_mut();
            process.map(|process| {
                process.next_conn += 1;
                ConnId(process.next_conn)
            })
        };
        let Some(accepting) = accepting else { return };
        let Some(channel) = self.hosts[receiver].connect_channel(key) else { return };
        let index = self.conns.len();
        let (here, there) = (self.hosts[receiver].now(self.now), self.hosts[sender].life(sender));
        let path = Path::Tcp(address(sender, self.hosts[sender].moved));
        let deadline = here + std::time::Duration::from_nanos(HANDSHAKE);
        let link = Link::new(conn, Role::Initiator, path, near, channel, deadline);
        let ends = [
            End::new(from, conn, EndState::Live(Box::new(link)), seed, "net/up"),
            End::new(there, accepting, EndState::Coming(far), seed, "net/down"),
        ];
        let severed = Severed::Not;
        let tap = Tap::new(order);
        let words = Words::default();
        let is_of_room = self.process(from).is_some_and(|process| process.room_dials.remove(&conn));
        let nth = number;
        self.conns.push(Conn { receiver, sender, nth, ends, tap, words, is_of_room, severed, damaged });
        if let Some(process) = self.process(from) {
            process.dials.remove(&conn);
            process.ends.insert(conn, (index, 0));
        }
        self.coverage.branch("connected");
        if !is_of_room && !self.hosts[receiver].acts.hinted.contains(&sender) {
            self.coverage.branch("met by hearsay");
        }
        let slow = self.hosts[sender].slow_accept(self.now);
        if slow > 0 {
            self.coverage.fault("slow-accept");
        }
        self.agenda.add(self.now + back, Happening::Ready((index, 0)));
        self.agenda.add(self.now + slow, Happening::Accept(index));
        self.mind_deadline((index, 0));
    }

    /// The accepting process learns of a connection.
    pub(super) fn accept(&mut self, index: usize) {
        let at = self.now;
        let Conn { receiver, sender, ends: [_, end], .. } = &mut self.conns[index];
        let (receiver, sender) = (*receiver, *sender);
        if self.hosts[sender].life(sender) != end.life || self.hosts[sender].process.is_none() {
            // The process that it came to is gone: the kernel has closed it.
            end.state = EndState::Gone;
            return self.agenda.add(at, Happening::Ready((index, 0)));
        }
        let EndState::Coming(_) = end.state else { return };
        let EndState::Coming(stream) = std::mem::replace(&mut end.state, EndState::Gone) else { return };
        let Some(channel) = self.hosts[sender].accept_channel() else { return };
        let deadline = self.hosts[sender].now(at) + std::time::Duration::from_nanos(HANDSHAKE);
        let path = Path::Tcp(address(receiver, self.hosts[receiver].moved));
        let conn = end.conn;
        let link = Link::new(conn, Role::Responder, path, stream, channel, deadline);
        end.state = EndState::Live(Box::new(link));
        if let Some(process) = &mut self.hosts[sender].process {
            process.ends.insert(conn, (index, 1));
        }
        self.mind_deadline((index, 1));
        self.turn_soon((index, 1));
    }

    pub(super) fn turn_soon(&mut self, end: EndId) {
        let state = &mut self.conns[end.0].ends[end.1];
        if matches!(state.state, EndState::Live(_)) && state.turn == Turn::Not {
            state.turn = Turn::Due;
            self.agenda.add(self.now, Happening::Turn(end));
        }
    }

    /// A limit of the rate holds it up until then.
    fn turn_later(&mut self, id: EndId, at: truecopy_protocol::Now) {
        let end = &mut self.conns[id.0].ends[id.1];
        if end.paced != Some(at) {
            end.paced = Some(at);
            let at = self.hosts[end.life.0].clock.world(at).max(self.now);
            self.agenda.add(at, Happening::Turn(id));
        }
    }

    /// A connection moves what it can.
    pub(super) fn turn(&mut self, id: EndId) {
        let (index, side) = id;
        self.conns[index].ends[side].turn = Turn::Not;
        let EndState::Live(_) = self.conns[index].ends[side].state else { return };
        let state = std::mem::replace(&mut self.conns[index].ends[side].state, EndState::Gone);
        let EndState::Live(mut link) = state else { return };
        let life = self.conns[index].ends[side].life;
        let after = self.through_door(life, Some(id), |door| link.turn(door)).unwrap_or(After::Over);
        let memory = link.memory();
        match after {
            After::Over => {
                self.conns[index].ends[side].over_at = Some(self.now);
                drop(link);
            }
            After::Again | After::Rest | After::Later(_) => {
                self.conns[index].ends[side].state = EndState::Live(link);
            }
        }
        self.check_channel_memory(life.0, memory);
        self.moved(id);
        self.mind_deadline(id);
        match after {
            After::Again => self.turn_soon(id),
            After::Later(at) => self.turn_later(id, at),
            After::Rest | After::Over => {}
        }
        self.settle(life);
    }

    /// What follows from a turn for the other end.
    pub(super) fn moved(&mut self, (index, side): EndId) {
        self.schedule_bytes((index, side));
        self.tell_ending((index, side));
        let conn = &mut self.conns[index];
        let (mut again, mut told) = (false, false);
        for lane in [side, 1 - side] {
            let Some(counts) = conn.counts(lane) else { continue };
            let end = &mut conn.ends[lane];
            let seen = std::mem::replace(&mut end.seen, counts);
            // Either direction of this end may have blocked for nothing.
            again |= counts.spurious > seen.spurious;
            if lane == side && counts.full > seen.full {
                end.waits = Waits::ForRoom;
            }
            let read = lane != side && counts.read > seen.read;
            let tell = read && end.waits == Waits::ForRoom;
            if tell {
                end.waits = Waits::Not;
            }
            self.streams.add(&seen, &counts);
            told |= tell;
        }
        if told {
            self.ready_at_other_end((index, side));
        }
        if again {
            self.agenda.add(self.now + SPURIOUS, Happening::Ready((index, side)));
        }
    }

    /// What this end has written comes to the other one.
    fn schedule_bytes(&mut self, (index, side): EndId) {
        let course = self.conns[index].course(side);
        let conn = &mut self.conns[index];
        let Some(under_way) = conn.ends[1 - side].stream().map(SimStream::under_way) else { return };
        let end = &mut conn.ends[side];
        let mut left = under_way.saturating_sub(end.scheduled);
        if left == 0 || conn.severed == Severed::Silently {
            return;
        }
        let segment_max = self.plan.network.segment_max as usize;
        while left > 0 {
            let start = self.now.max(self.hosts[course.from()].line_free);
            let piece_max = self.weather.piece_max(course.from(), start);
            let end = &mut self.conns[index].ends[side];
            let len = match segment_max {
                0 => left.min(piece_max),
                max => left.min(1 + end.draws.below(max)),
            };
            left -= len;
            end.scheduled += len;
            let (free, arrives) = self.weather.arrival(course, start, len as u64, &mut end.draws);
            self.hosts[course.from()].line_free = free;
            let Some(arrives) = arrives else {
                // TCP has given up on it.
                return self.give_up((index, side));
            };
            end.last_arrival = end.last_arrival.max(arrives);
            let at = end.last_arrival;
            self.agenda.add(at, Happening::Arrive((index, 1 - side), len));
        }
    }

    fn give_up(&mut self, (index, side): EndId) {
        self.coverage.branch("tcp gave up");
        if let Some(stream) = self.conns[index].ends[side].stream_mut() {
            stream.reset(Eats::Unarrived);
        }
        self.tell_ending((index, side));
    }

    /// The other end learns that this direction has ended, behind everything that is under way.
    pub(super) fn tell_ending(&mut self, (index, side): EndId) {
        let conn = &mut self.conns[index];
        // The direction is seen from whichever end still has its stream.
        let ending = conn.ends[side]
            .stream()
            .map(SimStream::ending)
            .or_else(|| conn.ends[1 - side].stream().map(SimStream::inbound_ending));
        let Some(ending) = ending.filter(|ending| *ending != conn.ends[side].ending) else { return };
        conn.ends[side].ending = ending;
        if ending == Ending::Reset {
            conn.ends[1 - side].ending = Ending::Reset;
            self.agenda.add(self.now, Happening::Ready((index, side)));
        }
        if conn.severed == Severed::Not {
            self.ready_at_other_end((index, side));
        }
    }

    /// The other end is told that its stream is ready, as soon as word of it can be there.
    fn ready_at_other_end(&mut self, (index, side): EndId) {
        let course = self.conns[index].course(side);
        let end = &mut self.conns[index].ends[side];
        if let (_, Some(arrives)) = self.weather.arrival(course, self.now, 0, &mut end.draws) {
            let at = arrives.max(end.last_arrival);
            self.agenda.add(at, Happening::Ready((index, 1 - side)));
        }
    }

    /// Bytes reach an end.
    pub(super) fn arrive(&mut self, id: EndId, len: usize) {
        let (index, side) = id;
        let conn = &mut self.conns[index];
        if conn.severed == Severed::Silently {
            return;
        }
        conn.ends[1 - side].scheduled = conn.ends[1 - side].scheduled.saturating_sub(len);
        conn.ends[1 - side].arrivals += 1;
        let arrival = conn.ends[1 - side].arrivals - 1;
        let (receiver, sender, nth) = (conn.receiver, conn.sender, conn.nth);
        let end = &mut conn.ends[side];
        match &mut end.state {
            EndState::Gone => {}
            EndState::Coming(stream) => drop(stream.arrive(len)),
            EndState::Vanished { stream } => {
                if self.hosts[end.life.0].is_powered() {
                    // The machine is there again and knows nothing of it.
                    stream.reset(Eats::Unarrived);
                    self.coverage.branch("reset by a machine that was started again");
                    self.tell_ending(id);
                }
            }
            EndState::Live(link) => {
                link.stream_mut().arrive(len);
                if shapes::loses_edge(self.plan, receiver, sender, nth, way_of(1 - side), arrival) {
                    return self.coverage.fault("lost-edge");
                }
                link.readable();
                self.turn_soon(id);
            }
        }
    }

    pub(super) fn ready(&mut self, id: EndId) {
        if let EndState::Live(link) = &mut self.conns[id.0].ends[id.1].state {
            link.readable();
            link.writable();
            self.turn_soon(id);
        }
    }

    fn mind_deadline(&mut self, id: EndId) {
        let end = &mut self.conns[id.0].ends[id.1];
        let EndState::Live(link) = &end.state else { return };
        if link.deadline() != end.deadline {
            end.deadline = link.deadline();
            if let Some(at) = end.deadline {
                let at = self.hosts[end.life.0].clock.world(at).max(self.now);
                self.agenda.add(at, Happening::Deadline(id));
            }
        }
    }

    pub(super) fn deadline(&mut self, id: EndId) {
        let end = &mut self.conns[id.0].ends[id.1];
        let life = end.life;
        let now = self.hosts[life.0].now(self.now);
        let EndState::Live(link) = &end.state else { return };
        if link.deadline().is_none_or(|at| at > now) {
            return;
        }
        let EndState::Live(mut link) = std::mem::replace(&mut end.state, EndState::Gone) else { return };
        self.through_door(life, Some(id), |door| link.expire(door));
        drop(link);
        self.moved(id);
        self.settle(life);
    }

    /// The core hung up.
    pub(super) fn hang_up(&mut self, life: Life, conn: ConnId) {
        let Some(process) = self.process(life) else { return };
        if process.dials.remove(&conn) {
            return self.disconnect(life, conn, LinkLoss::Closed);
        }
        let Some(id) = process.ends.get(&conn).copied() else { return };
        let now = self.hosts[life.0].now(self.now);
        if let EndState::Live(link) = &mut self.conns[id.0].ends[id.1].state {
            link.hang_up(now);
        }
        self.mind_deadline(id);
        self.turn_soon(id);
    }

    fn disconnect(&mut self, life: Life, conn: ConnId, why: LinkLoss) {
        use truecopy_transport::link::Door as _;
        self.through_door(life, None, |door| door.disconnected(conn, why));
        self.settle(life);
    }
}

/// The clear channel of a host.
pub(super) fn clear(local: NodeId, expected: Option<NodeId>) -> SimChannel {
    SimChannel::Clear(Clear::new(local, expected, BUFFERS.with(Clone::clone)))
}
