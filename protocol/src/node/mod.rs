//! The root: routes inputs to sessions and shares, keeps the limits, hands out jobs. PROTOCOL §5.

mod announce;
mod calling;
mod choke;
mod claims;
mod doubt;
mod ending;
mod exchange;
mod fetch;
mod flow;
mod jobs;
mod lend;
mod line;
mod offer;
mod peers;
#[cfg(planted)]
mod planted;
mod ready;
mod reconsider;
mod rooms;
mod serve;
mod swarm;
mod takeover;
mod tell;
mod will;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::content::geometry::SPAN;
use crate::input::{Command, Input};
use crate::output::{Event, Output, Refusal};
use crate::pool::Pool;
use crate::rng::Rng;
use crate::session::{Session, ShareKey};
use crate::swarm::circle::Circle;
use crate::swarm::download::Download;
use crate::swarm::targets::Targets;
use crate::swarm::upload::Upload;
use crate::timers::{Timer, Timers};
use crate::wire::Reason;
use crate::{ConnId, DiscoveryKey, Now, ShareId, UnixTime};

use announce::Announces;
use exchange::{Conn, Purpose, Reading};
use fetch::Fetching;
use jobs::Jobs;
use rooms::Room;
use serve::Serving;

/// A peer of the protocol: all of its connections and shares. See the crate's page for how to drive it.
#[derive(Debug)]
pub struct Node {
    config: Config,
    nonces: Rng,
    jitter: Rng,
    now: Now,
    clock: (Now, UnixTime),
    conns: BTreeMap<ConnId, Conn>,
    dials: BTreeMap<ConnId, ShareId>,
    serving: BTreeMap<ShareId, Serving>,
    /// Served shares that end, until their last connection is closed: who comes meanwhile is told why.
    unserved: BTreeMap<ShareId, (ShareKey, Reason)>,
    fetches: BTreeMap<ShareId, Fetching>,
    rooms: BTreeMap<ShareId, Room>,
    /// Receivers of served shares that are dialled.
    called: BTreeMap<ShareId, Targets>,
    /// What the peers of each share may know of each other.
    circles: BTreeMap<ShareId, Circle>,
    discoveries: BTreeMap<DiscoveryKey, ShareId>,
    announces: Announces,
    jobs: Jobs,
    pool: Pool,
    /// Peers that are gone while their receipt is being checked: told after it.
    last_words: BTreeMap<ConnId, Event>,
    /// Uploads that found no free buffer, the first to wait first.
    starving: VecDeque<ConnId>,
    /// How long a span lately took to leave.
    pace: Duration,
    /// Sources that may not be asked before others are done.
    waiting: VecDeque<ConnId>,
    /// Paused, if connections were since the buffers ran low.
    reading: Reading,
    timers: Timers,
    next_dial: u64,
    outputs: VecDeque<Output>,
    #[cfg(planted)]
    planted: planted::State,
}

/// Connections that the core dials have this bit; those of the driver have not.
const DIALLED: u64 = 1 << 63;

impl Node {
    /// A node without shares. Equal arguments and inputs give equal outputs.
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        let rng = Rng::new(seed);
        let config = config.sane();
        Self {
            pool: Pool::new(config.spans_max as usize),
            config,
            nonces: rng.child("nonces"),
            jitter: rng.child("jitter"),
            now,
            clock: (now, UnixTime::default()),
            conns: BTreeMap::new(),
            dials: BTreeMap::new(),
            last_words: BTreeMap::new(),
            serving: BTreeMap::new(),
            unserved: BTreeMap::new(),
            fetches: BTreeMap::new(),
            rooms: BTreeMap::new(),
            called: BTreeMap::new(),
            circles: BTreeMap::new(),
            discoveries: BTreeMap::new(),
            announces: Announces::new(&rng),
            jobs: Jobs::default(),
            starving: VecDeque::new(),
            pace: line::PATIENCE,
            waiting: VecDeque::new(),
            reading: Reading::Open,
            timers: Timers::default(),
            next_dial: DIALLED,
            outputs: VecDeque::new(),
            #[cfg(planted)]
            planted: planted::State::default(),
        }
    }

    /// Takes one input. The only mutation; infallible: faults of peers become hang-ups, of users refusals.
    ///
    /// Afterwards call [`poll`](Self::poll) until `None`. Inputs for connections that are gone are ignored.
    ///
    /// # Panics
    /// If outputs of the last input were not polled, or if time goes backwards or beyond [`Now::LATEST`]: faults of the
    /// driver.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        assert!(self.outputs.is_empty(), "poll until None after every handle");
        #[cfg(planted)]
        let now = self.wall_clock(now, &input);
        assert!(now >= self.now, "the driver's clock is monotonic");
        // No deadline could lie behind a later one: a timer that is set anew when it is due would be due for ever.
        assert!(now <= Now::LATEST, "the driver's clock begins near its origin");
        self.now = now;
        match input {
            Input::Connected { conn, role, local, peer, path } => {
                self.connected(conn, crate::session::Ends { role, local, peer, path });
            }
            Input::Received { conn, bytes } => self.received(conn, bytes),
            Input::Sent { conn, len } => self.sent(conn, len),
            Input::Disconnected { conn, why } => self.disconnected(conn, why),
            Input::Done(done) => self.done(done),
            Input::Command(command) => self.command(command),
            Input::Clock(time) => self.clock = (now, time),
            Input::Timeout => {}
        }
        while let Some(timer) = self.timers.expire(now) {
            self.expired(timer);
        }
        self.feed_starving();
        self.ask_waiting();
        self.relieve_pressure();
    }

    /// The next output; `None` when there is no more until the next `handle`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Runs of bytes that the channel of this connection may take, in order, `max` bytes at most together.
    /// Answer with [`Input::Sent`] for what it took, and when the stream took some of what the channel had.
    pub fn sendable(&self, conn: ConnId, max: usize) -> Vec<&[u8]> {
        self.conns.get(&conn).map(|conn| conn.session.outbox.sendable(max)).unwrap_or_default()
    }

    /// When to come back with [`Input::Timeout`] at the latest, and why.
    pub fn wake(&self) -> Option<(Now, Timer)> {
        self.timers.next()
    }

    /// Bytes that connections and buffers hold now; at most [`Config::memory_max`] less what channels hold.
    pub fn memory(&self) -> u64 {
        let of = |conn: &Conn| {
            let upload = conn.upload().map_or(0, Upload::memory);
            conn.session.memory() + upload + conn.download().map_or(0, Download::memory)
        };
        let conns: usize = self.conns.values().map(of).sum();
        let words: usize = self.rooms.values().map(Room::memory).sum();
        (conns + words) as u64 + self.pool.taken() as u64 * SPAN
    }

    /// Jobs that are not answered yet.
    pub fn jobs_open(&self) -> usize {
        self.jobs.open()
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Announce { share, content, secret } => self.announce(share, content, secret),
            Command::Preparing { share, done, total } => self.preparing(share, done, total),
            Command::Share(spec) => self.share(spec),
            Command::Fetch(spec) => self.fetch(spec),
            Command::Accept { share, selection, first } => self.accept(share, selection, first),
            Command::Decline { share, reason } => self.decline(share, reason),
            Command::Reconsider { share } => self.reconsider(share),
            Command::AddPeer { share, peer } => self.add_peer(share, peer),
            Command::AddTrackers { share, trackers } => self.add_trackers(share, &trackers),
            Command::Pause { share } => self.pause(share),
            Command::Resume { share } => self.resume(share),
            Command::Retry { share } => self.retry(share),
            Command::Room { room, secret, local, port } => self.open_room(room, secret, local, port),
            Command::Say { room, to, tag, say } => self.say(room, to, tag, say),
            Command::Call { room, text } => self.call(room, text),
            Command::End { share, reason } => self.end(share, reason),
        }
    }

    fn expired(&mut self, timer: Timer) {
        match timer {
            Timer::Handshake(conn) => self.handshake_expired(conn),
            Timer::Liveness(conn) => self.look_at(conn),
            Timer::Dial(share) => self.dial_due(share),
            Timer::Checkpoint(share) => self.checkpoint_due(share),
            Timer::Progress(share) => self.tell_progress(share),
            Timer::GiveUp(share) => self.give_up(share),
            Timer::Announce(share) => self.announce_due(share),
            Timer::Have(share) => self.tell_news(share),
            Timer::Choke(share) => self.choke_round(share),
            Timer::Seats(share) => self.look_at_seats(share),
            Timer::Gossip(share) => self.gossip(share),
            Timer::Words(room) => self.words_expired(room),
            Timer::Heard(room) => self.acknowledge_all(room),
            Timer::Speak(room) => self.speak_to_all(room),
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn refuse(&mut self, share: ShareId, why: Refusal) {
        self.event(Event::Refused { share, why });
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime(self.clock.1.0 + self.now.since(self.clock.0).as_secs())
    }

    /// Changes a session, and tells the driver if it has something to send now and had nothing before.
    fn with_session<T>(&mut self, id: ConnId, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let conn = self.conns.get_mut(&id)?;
        let was_empty = conn.session.outbox.is_empty();
        let result = change(&mut conn.session);
        if was_empty && !conn.session.outbox.is_empty() {
            self.outputs.push_back(Output::Flush { conn: id });
        }
        Some(result)
    }

    /// Whether a share's name is in use, be it by one that is ending.
    fn is_taken(&self, share: ShareId) -> bool {
        self.serving.contains_key(&share)
            || self.unserved.contains_key(&share)
            || self.fetches.contains_key(&share)
            || self.rooms.contains_key(&share)
    }

    /// The connections whose both ends have proven that they know a share.
    fn open_of(&self, share: ShareId) -> Vec<ConnId> {
        let is_open = |conn: &Conn| conn.exchange().is_some_and(|(of, _)| of == share);
        self.conns.iter().filter(|(_, conn)| is_open(conn)).map(|(id, _)| *id).collect()
    }

    /// The connections of a share, hung up ones left out.
    fn conns_of(&self, share: ShareId) -> Vec<ConnId> {
        let of = |conn: &Conn| match &conn.purpose {
            Purpose::Open(of, _) => *of == share,
            Purpose::Strange(of) => *of == Some(share),
            Purpose::Leaving(_) => false,
        };
        self.conns.iter().filter(|(_, conn)| of(conn)).map(|(id, _)| *id).collect()
    }
}
