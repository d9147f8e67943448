//! Trackers of a world: the real pure tracker and its gate, without HTTP around them, and what the program does to speak
//! with one. Announces are signed, or show the token that the tracker gave for an earlier one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::input::Command;
use truecopy_protocol::job::{self, AnnounceError, AnnounceEvent, AnnounceReply, Job, TrackerPeer};
use truecopy_protocol::{TrackerUrl, Trackers as Urls, UnixTime};
use truecopy_server::tracker::{Announce, Config, Denied, Gate, Proof, Reply, Token, Tracker};

use super::agenda::{Happening, Life};
use super::clock::civil;
use super::weather::{MS, Weather, Window, below};
use super::{SHARE, World, net, trace};
use crate::plan::{Fault, Plan, Told, TrackerTrouble};
use crate::stream::Random;

/// What servers may choose: so short that what a tracker forgot is told again within a run.
const CONFIG: fn() -> Config =
    || Config { interval: 120, min_interval: 15, peer_ttl: 300, ..Config::default() };
/// To the end of the handshakes and the request, in ways of one packet.
const WAYS: u64 = 5;
/// For so long the program waits for a connection, and for an answer.
const CONNECT_MAX: u64 = 8_000 * MS;
const CALL_MAX: u64 = 20_000 * MS;
/// When a source holds as many keys as it may, or the tracker is full: what the server says then.
const PAUSE: Duration = Duration::from_secs(300);

/// One tracker.
struct House {
    url: TrackerUrl,
    tracker: Tracker,
    gate: Gate,
    /// Times that it began knowing nothing.
    lives: u32,
    troubles: Vec<(Window, TrackerTrouble)>,
}

/// An announce on its way.
struct Letter {
    from: Life,
    /// The job that is answered with what comes of it.
    job: u64,
    house: usize,
    announce: Announce,
}

/// All trackers, and what is on its way to them.
pub(super) struct Houses {
    seed: u64,
    houses: Vec<House>,
    letters: BTreeMap<u64, Letter>,
    next: u64,
    draws: Random,
}

/// A tracker that knows nothing, and what proves announces to it.
fn begin(seed: u64, number: usize, lives: u32, url: &TrackerUrl, since: UnixTime) -> (Tracker, Gate) {
    let seed = seed ^ (number as u64) << 40 ^ u64::from(lives) << 20;
    let mut secret = [0x7c; 32];
    secret[..8].copy_from_slice(&seed.to_le_bytes());
    (Tracker::new(CONFIG(), seed), Gate::new(url.as_str().to_owned(), secret, since))
}

impl Houses {
    pub(super) fn new(plan: &Plan, weather: &Weather) -> Self {
        let house = |number: usize| {
            let url = TrackerUrl::new(&format!("https://tracker{number}.example")).ok()?;
            let (tracker, gate) = begin(plan.seed, number, 0, &url, civil(0));
            let troubles = plan.faults.iter().filter_map(|fault| match *fault {
                Fault::Tracker { tracker, from_ms, to_ms, trouble } if usize::from(tracker) == number => {
                    Some((weather.window(from_ms, to_ms), trouble))
                }
                _ => None,
            });
            Some(House { url, tracker, gate, lives: 0, troubles: troubles.collect() })
        };
        Self {
            seed: plan.seed,
            houses: (0..usize::from(plan.scenario.trackers)).filter_map(house).collect(),
            letters: BTreeMap::new(),
            next: 0,
            draws: Random::new(plan.seed, "trackers"),
        }
    }

    /// Their names, as a link would have them.
    fn urls(&self) -> Option<Urls> {
        let urls: Urls = self.houses.iter().map(|house| house.url.clone()).collect();
        (!urls.is_empty()).then_some(urls)
    }
}

impl House {
    fn has(&self, at: u64, wanted: TrackerTrouble) -> bool {
        self.troubles.iter().any(|(window, trouble)| *trouble == wanted && window.holds(at))
    }

    /// Whether nobody answers there.
    fn is_gone(&self, at: u64) -> bool {
        self.has(at, TrackerTrouble::Gone) || self.has(at, TrackerTrouble::Forgets)
    }

    /// If it began anew since it was looked at last, it knows nothing.
    fn look(&mut self, seed: u64, number: usize, at: u64) -> bool {
        let ends = |(window, trouble): &&(Window, TrackerTrouble)| {
            *trouble == TrackerTrouble::Forgets && window.from < window.to && window.to <= at
        };
        let lives = self.troubles.iter().filter(ends).count() as u32;
        if lives == self.lives {
            return false;
        }
        let since = self.troubles.iter().filter(ends).map(|(window, _)| window.to).max().unwrap_or(0);
        self.lives = lives;
        (self.tracker, self.gate) = begin(seed, number, lives, &self.url, civil(since));
        true
    }
}

/// Where trackers answer: as far away as hosts are, so that they may name these.
fn address(house: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 255, 255, house as u8))
}

impl World<'_> {
    /// A share is announced at all trackers of the plan.
    pub(super) fn name_trackers(&mut self, life: Life) {
        if let Some(trackers) = self.trackers.urls() {
            self.command(life, Command::AddTrackers { share: SHARE, trackers });
        }
    }

    /// A core wants a tracker to be told. Whether there is such a tracker: else nobody answers the job here.
    pub(super) fn announces(&mut self, life: Life, number: u64, job: &job::Announce) -> bool {
        let found = self.trackers.houses.iter().position(|house| house.url == job.tracker);
        let Some(house) = found else { return false };
        let known = self.process(life).and_then(|process| process.tokens.get(&house).copied());
        let host = &self.hosts[life.0];
        let Some(port) = NonZeroU16::new(net::address(life.0, host.moved).port()) else { return false };
        let announce = Announce {
            discovery: job.discovery,
            node: host.identity.node_id(),
            port,
            left: job.left,
            event: job.event,
            proof: Proof::Token(known.unwrap_or(Token([0; Token::LEN]))),
        };
        let letter = Letter { from: life, job: number, house, announce };
        if known.is_some() {
            self.post(letter)
        } else {
            self.sign(letter)
        }
        true
    }

    /// Signs an announce as the program does, with its own clock, and sends it.
    fn sign(&mut self, mut letter: Letter) {
        let host = &self.hosts[letter.from.0];
        let time = host.clock.civil(self.now);
        let mut nonce = Nonce([0; 32]);
        nonce
            .0
            .chunks_mut(8)
            .for_each(|part| part.copy_from_slice(&self.trackers.draws.draw().to_le_bytes()));
        let origin = self.trackers.houses[letter.house].url.as_str();
        let statement = letter.announce.statement(origin, time, &nonce);
        let signature = host.identity.sign(&statement);
        letter.announce.proof = Proof::Signed { time, nonce, signature };
        self.post(letter);
    }

    /// One way of a packet to a tracker.
    fn way(&mut self) -> u64 {
        let network = &self.plan.network;
        network.latency_us * 1_000 + below(&mut self.trackers.draws, network.jitter_us * 1_000 + 1)
    }

    fn post(&mut self, letter: Letter) {
        let at = self.now + WAYS * self.way();
        let number = self.trackers.next;
        self.trackers.next += 1;
        self.trackers.letters.insert(number, letter);
        self.agenda.add(at, Happening::Letter(number));
    }

    /// An announce reaches its tracker, if that is there.
    pub(super) fn letter_arrives(&mut self, number: u64) {
        let Some(letter) = self.trackers.letters.remove(&number) else { return };
        let (now, seed) = (self.now, self.trackers.seed);
        let house = &mut self.trackers.houses[letter.house];
        if house.is_gone(now) {
            self.coverage.fault("tracker-gone");
            // Its machine is there and refuses, or nothing is.
            let is_refused = self.trackers.draws.happens(500);
            let after = if is_refused { self.way() } else { CONNECT_MAX };
            return self.reply(&letter, Err(AnnounceError::Unreachable), after);
        }
        if house.look(seed, letter.house, now) {
            self.coverage.fault("tracker-forgets");
        }
        let source = net::address(letter.from.0, self.hosts[letter.from.0].moved).ip();
        let house = &mut self.trackers.houses[letter.house];
        let is_lost = house.has(now, TrackerTrouble::LosesAnswers);
        let heard = house.hear(civil(now), source, &letter.announce);
        self.trace.add(
            now,
            None,
            trace::said(format_args!("tracker {} hears host {}", letter.house, letter.from.0)),
        );
        if is_lost && self.trackers.draws.happens(500) {
            self.coverage.fault("answer-lost");
            return self.reply(&letter, Err(AnnounceError::Unreachable), CALL_MAX);
        }
        let back = self.way();
        match heard {
            Err(Denied::BadToken) => {
                self.coverage.branch("announce with a token that does not hold");
                self.process(letter.from).and_then(|process| process.tokens.remove(&letter.house));
                self.sign(letter);
            }
            Err(denied) => self.reply(&letter, Err(refused(denied)), back),
            Ok((token, reply)) => {
                let is_last = letter.announce.event == AnnounceEvent::Stopped;
                if let Some(process) = self.process(letter.from).filter(|_| !is_last) {
                    process.tokens.insert(letter.house, token);
                }
                self.reply(&letter, Ok(told(&reply, letter.house)), back);
            }
        }
    }

    /// The program hears what came of it, a while later.
    fn reply(&mut self, letter: &Letter, result: Result<AnnounceReply, AnnounceError>, after: u64) {
        self.coverage.branch(match result {
            Ok(_) => "announce answered",
            Err(AnnounceError::Unreachable) => "announce lost",
            Err(AnnounceError::WrongTime) => "announce at a wrong time",
            Err(_) => "announce denied",
        });
        let Some(process) = self.process(letter.from) else { return };
        let Some(Job::Announce(job)) = process.jobs.remove(&letter.job) else { return };
        let tracker = job.tracker.clone();
        let named = result.as_ref().map(|reply| reply.peers.clone()).unwrap_or_default();
        process.answers.insert(letter.job, job.done(result));
        self.call_ends(letter.from.0, &tracker, &named, self.now + after);
        self.agenda.add(self.now + after, Happening::Answer(letter.from, letter.job));
    }

    /// Whether receivers know of others by trackers alone.
    pub(super) fn meets_by_trackers(&self) -> bool {
        let scenario = &self.plan.scenario;
        scenario.told == Told::TrackersAlone && scenario.introduced == 0
    }
}

impl House {
    /// What the server does with a request, behind HTTP.
    fn hear(&mut self, now: UnixTime, source: IpAddr, announce: &Announce) -> Result<(Token, Reply), Denied> {
        let proven = self.gate.check(now, source, announce)?;
        let mut changes = Vec::new();
        self.tracker.sweep(now, usize::from(u8::MAX), &mut changes);
        let reply = self.tracker.announce(now, source, announce, &proven, &mut changes)?;
        Ok((proven.token(), reply))
    }
}

/// What the core hears of a refusal, as the program's driver has it.
const fn refused(denied: Denied) -> AnnounceError {
    match denied {
        Denied::WrongTime => AnnounceError::WrongTime,
        Denied::Forged | Denied::BadToken => AnnounceError::Refused,
        Denied::Replayed => AnnounceError::Unreachable,
        Denied::Full | Denied::Crowded | Denied::Unsure => AnnounceError::Busy { pause: PAUSE },
        Denied::Early { wait } => AnnounceError::Busy { pause: Duration::from_secs(wait as u64) },
    }
}

fn told(reply: &Reply, house: usize) -> AnnounceReply {
    let config = CONFIG();
    let peers = reply.peers.iter().map(|peer| TrackerPeer { node: peer.node, address: peer.address });
    AnnounceReply {
        interval: Duration::from_secs(config.interval.into()),
        min_interval: Duration::from_secs(config.min_interval.into()),
        seeders: reply.scrape.seeders,
        leechers: reply.scrape.leechers,
        peers: peers.collect(),
        from: address(house),
    }
}
