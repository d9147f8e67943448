//! A machine of the world: its disk, its clocks, and the process that runs on it, if one does.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use truecopy_protocol::job::{Signature, Verdict, Verify};
use truecopy_protocol::output::Failure;
use truecopy_protocol::{NodeId, Now};
use truecopy_transport::channel::tls::TlsConfig;
use truecopy_transport::keys::{KeyPair, verify};
use truecopy_transport::pace::Rates;

use super::agenda::Life;
use super::channel::SimChannel;
use super::clock::HostClock;
use super::net;
use super::process::Process;
use super::weather::{MS, Window};
use super::words::Acts;
use crate::disk::FaultyDisk;
use crate::oracle::Blocks;
use crate::plan::{ChannelKind, Plan};

/// What a host is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Sender,
    Receiver,
}

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    On,
    Off,
}

/// Who a host is, and what proves it.
pub(super) enum Identity {
    /// A name that nothing proves.
    Clear(NodeId),
    /// Without a secure channel, yet with a key: trackers take no announce that is not signed.
    Signing(KeyPair),
    Tls(KeyPair, Box<TlsConfig>),
}

impl Identity {
    pub(super) fn new(plan: &Plan, host: usize) -> Self {
        let mut id = [0xa5; 32];
        id[..8].copy_from_slice(&(host as u64 + 1).to_le_bytes());
        let seed = plan.seed;
        match plan.channel {
            ChannelKind::Clear if plan.scenario.trackers > 0 => Self::Signing(KeyPair::from_seed(id.into())),
            ChannelKind::Clear => Self::Clear(NodeId(id)),
            ChannelKind::Tls => {
                let key = KeyPair::from_seed(id.into());
                let provider = crate::tls::seeded_provider(seed ^ (host as u64) << 32);
                let pool = net::BUFFERS.with(Clone::clone);
                #[expect(
                    clippy::expect_used,
                    reason = "the seeded provider can do TLS 1.3, as its tests show"
                )]
                let config = TlsConfig::with(&key, provider, pool).expect("a TLS configuration");
                Self::Tls(key, Box::new(config))
            }
        }
    }

    pub(super) fn node_id(&self) -> NodeId {
        match self {
            Self::Clear(id) => *id,
            Self::Signing(key) | Self::Tls(key, _) => key.node_id(),
        }
    }

    pub(super) fn sign(&self, statement: &[u8]) -> Signature {
        match self {
            Self::Clear(id) => stand_in(*id, statement),
            Self::Signing(key) | Self::Tls(key, _) => key.sign(statement),
        }
    }

    pub(super) fn verify(&self, job: &Verify) -> Verdict {
        match self {
            Self::Clear(_) if stand_in(job.signer, &job.statement) == job.signature => Verdict::Genuine,
            Self::Clear(_) => Verdict::Forged,
            Self::Signing(_) | Self::Tls(..) => verify(job.signer, &job.statement, &job.signature),
        }
    }
}

/// A signature that proves nothing, where nothing is to be proven.
fn stand_in(signer: NodeId, statement: &[u8]) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&signer.0);
    for (at, byte) in statement.iter().enumerate() {
        let slot = &mut bytes[32 + at % 32];
        *slot = slot.rotate_left(3) ^ byte.wrapping_add(at as u8);
    }
    Signature(bytes)
}

/// What the person before a receiver does and has seen.
#[derive(Debug)]
pub(super) struct Person {
    /// Errors that the program has ended with.
    pub(super) failures: Vec<Failure>,
    /// The last one since everything healed.
    pub(super) settled: Option<Failure>,
    /// What the program said when everything was placed.
    pub(super) outcome: Option<truecopy_protocol::job::Outcome>,
    /// When everything was placed.
    pub(super) finished: Option<u64>,
    pub(super) runs: u32,
    /// Offers that were looked at.
    pub(super) offers: u32,
    /// Payload bytes of the runs before this one, and of this one.
    pub(super) received: (u64, u64),
    /// What happened that explains bytes that come twice.
    pub(super) interruptions: u64,
    /// Bytes that were asked of two and came of the first as well.
    pub(super) doubled: u64,
}

pub(super) struct Host {
    pub(super) part: Part,
    pub(super) identity: Identity,
    pub(super) disk: FaultyDisk,
    pub(super) clock: HostClock,
    pub(super) power: Power,
    pub(super) incarnation: u32,
    pub(super) process: Option<Process>,
    pub(super) person: Person,
    /// What its process has said and heard.
    pub(super) acts: Acts,
    pub(super) blocks: Option<Blocks>,
    /// Times it got another address.
    pub(super) moved: u16,
    /// Connections made so far, by sender.
    pub(super) connections: BTreeMap<usize, u32>,
    /// When its line has sent all that it was given.
    pub(super) line_free: u64,
    /// When the job that was given last will be done, for workers that do one at a time.
    pub(super) busy_until: Vec<u64>,
    pub(super) refused: Vec<Window>,
    pub(super) ignored: Vec<Window>,
    pub(super) slow_accepts: Vec<(Window, u64)>,
    pub(super) slow_disk: Vec<(Window, u64)>,
    /// The process does nothing.
    pub(super) hung: Vec<Window>,
    /// The machine does nothing.
    pub(super) asleep: Vec<Window>,
    /// Its limits of rates.
    pub(super) rates: Rates,
    /// Its disk does what no disk should.
    pub(super) lies: bool,
    /// The states of its files when the share was made.
    pub(super) identities: Vec<truecopy_transport::disk::FileIdentity>,
    /// The person ends the program, and starts it again so much later.
    pub(super) stopped_for: Option<u64>,
    /// The state of the disk's names that was looked at last.
    pub(super) names_seen: u64,
    dials: VecDeque<u64>,
    pub(super) dials_high: usize,
}

/// Dials are counted over so long.
const STORM_WINDOW: u64 = 10_000 * MS;

impl Host {
    pub(super) fn new(part: Part, identity: Identity, disk: FaultyDisk, ppm: i32) -> Self {
        Self {
            part,
            identity,
            disk,
            clock: HostClock::new(ppm),
            power: Power::On,
            incarnation: 0,
            process: None,
            person: Person {
                failures: Vec::new(),
                settled: None,
                outcome: None,
                finished: None,
                runs: 0,
                offers: 0,
                received: (0, 0),
                interruptions: 0,
                doubled: 0,
            },
            acts: Acts::default(),
            blocks: None,
            moved: 0,
            connections: BTreeMap::new(),
            line_free: 0,
            busy_until: Vec::new(),
            refused: Vec::new(),
            ignored: Vec::new(),
            slow_accepts: Vec::new(),
            slow_disk: Vec::new(),
            hung: Vec::new(),
            asleep: Vec::new(),
            rates: Rates::default(),
            lies: false,
            identities: Vec::new(),
            stopped_for: None,
            names_seen: 0,
            dials: VecDeque::new(),
            dials_high: 0,
        }
    }

    pub(super) fn now(&self, world: u64) -> Now {
        self.clock.now(world)
    }

    pub(super) const fn life(&self, host: usize) -> Life {
        (host, self.incarnation)
    }

    pub(super) fn is_powered(&self) -> bool {
        self.power == Power::On
    }

    pub(super) fn ignores(&self, at: u64) -> bool {
        !self.is_powered() || self.ignored.iter().any(|window| window.holds(at))
    }

    pub(super) fn refuses(&self, at: u64) -> bool {
        self.refused.iter().any(|window| window.holds(at))
    }

    pub(super) fn slow_accept(&self, at: u64) -> u64 {
        self.slow_accepts.iter().filter(|(window, _)| window.holds(at)).map(|(_, add)| *add).sum()
    }

    pub(super) fn slow_job(&self, at: u64) -> u64 {
        self.slow_disk.iter().filter(|(window, _)| window.holds(at)).map(|(_, add)| *add).max().unwrap_or(0)
    }

    /// When what should happen now in the process can happen, if not now.
    pub(super) fn deferred(&self, at: u64) -> Option<u64> {
        let stops = self.hung.iter().chain(&self.asleep);
        stops.filter(|window| window.holds(at)).map(|window| window.to).max()
    }

    /// The same for what happens in the kernel.
    pub(super) fn machine_deferred(&self, at: u64) -> Option<u64> {
        self.asleep.iter().filter(|window| window.holds(at)).map(|window| window.to).max()
    }

    /// Counts a dial (L4).
    pub(super) fn dialled(&mut self, at: u64) {
        self.dials.push_back(at);
        while self.dials.front().is_some_and(|first| first + STORM_WINDOW < at) {
            self.dials.pop_front();
        }
        self.dials_high = self.dials_high.max(self.dials.len());
    }

    pub(super) fn connect_channel(&self, key: Option<NodeId>) -> Option<SimChannel> {
        match &self.identity {
            Identity::Clear(_) | Identity::Signing(_) => Some(net::clear(self.identity.node_id(), key)),
            Identity::Tls(_, config) => config.connect(key).ok().map(|tls| SimChannel::Tls(Box::new(tls))),
        }
    }

    pub(super) fn accept_channel(&self) -> Option<SimChannel> {
        match &self.identity {
            Identity::Clear(_) | Identity::Signing(_) => Some(net::clear(self.identity.node_id(), None)),
            Identity::Tls(_, config) => config.accept().ok().map(|tls| SimChannel::Tls(Box::new(tls))),
        }
    }

    /// What the link, pump and channel of one connection may hold.
    pub(super) const CHANNEL_MEMORY: u64 = 2 * 272 * 1024 + 128 * 1024;
}
