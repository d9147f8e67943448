//! Who is there, what is moved, how the network is on a good day.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use truecopy_protocol::Config;
use truecopy_transport::pace::{Rate, Rates};

use crate::content::FileSpec;

/// Who is there and what is moved. Hosts are numbered: senders first, then receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Hosts that have the share.
    pub senders: u16,
    /// Hosts that fetch it.
    pub receivers: u16,
    /// How many senders each receiver is told of, from the one with its own number on; 0: all of them.
    #[serde(default)]
    pub sources: u16,
    /// What of the share senders have.
    #[serde(default, skip_serializing_if = "Holding::is_whole")]
    pub holding: Holding,
    /// Whether receivers give each other what they have.
    #[serde(default, skip_serializing_if = "Swarming::is_off")]
    pub swarm: Swarming,
    /// How many other receivers each is told of, as a tracker would.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub introduced: u16,
    /// How many trackers there are, at which all hosts announce the share. Swarms only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trackers: u16,
    /// What receivers are told of where the share is.
    #[serde(default, skip_serializing_if = "Told::is_addresses")]
    pub told: Told,
    /// Whether receivers that have everything stay and give it to others.
    #[serde(default, skip_serializing_if = "Staying::is_not")]
    pub staying: Staying,
    /// How many receivers, the last ones, give nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub free_riders: u16,
    /// What hosts say to each other; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<Talk>,
    /// What stands in the destination before: paths of the share that are there already, whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub present: Vec<String>,
    /// The share.
    #[serde(rename = "file")]
    pub files: Vec<FileSpec>,
}

/// What of the share senders have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// Each has all of it.
    #[default]
    Whole,
    /// Each offers the files whose numbers are its own, modulo the number of senders: none has all, together they do.
    InTurn,
}

impl Holding {
    const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }
}

/// Whether receivers give each other what they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Swarming {
    /// Only senders give, for they say nothing of a swarm.
    #[default]
    Off,
    /// All do, as soon as a sender has said that they may.
    AsTold,
    /// All do, from the beginning.
    On,
}

impl Swarming {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// Whether receivers give each other what they have, sooner or later.
    pub const fn is_swarm(self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// What receivers are told of where the share is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Where senders are; which trackers there are, too.
    #[default]
    Addresses,
    /// Which trackers there are, and of no sender.
    TrackersAlone,
    /// Nothing: whoever has the share dials them, again and again, as who offers files from behind a router. Swarms only.
    Called,
}

impl Told {
    const fn is_addresses(&self) -> bool {
        matches!(self, Self::Addresses)
    }
}

/// What a receiver does that has everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Staying {
    /// It goes.
    #[default]
    Leave,
    /// It gives to others, until all have everything.
    Seed,
}

impl Staying {
    const fn is_not(&self) -> bool {
        matches!(self, Self::Leave)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// What hosts say to each other in a room that all of them open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Talk {
    /// What goes on meanwhile.
    pub beside: Beside,
    /// How many others each host is told of; 0: all of them.
    pub known: u16,
    /// From whom on these are counted.
    #[serde(skip_serializing_if = "KnownFrom::is_next")]
    pub known_from: KnownFrom,
    /// How many texts and offers are said, by hosts to hosts that are drawn.
    pub texts: u16,
    /// How many calls are made.
    pub calls: u16,
    /// They are said at drawn times before this one, milliseconds.
    pub until_ms: u64,
    /// `Config::words_wait`, milliseconds. None: the default, and then what is said after the healing must arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience_ms: Option<u64>,
    /// How many hosts, the last ones, do not know the room's secret.
    #[serde(skip_serializing_if = "is_zero")]
    pub outsiders: u16,
    /// Calls that are made beside those that are drawn.
    #[serde(rename = "call", skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<CallMade>,
}

/// A call that is made by somebody who is named, at a time that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallMade {
    /// Who makes it.
    pub host: u16,
    /// Milliseconds of the run; after the healing there are none.
    pub at_ms: u64,
}

/// From whom on the hosts are counted that one is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownFrom {
    /// From the next one: nobody is in the middle.
    #[default]
    Next,
    /// From the first one: all are told of the same.
    First,
    /// From the next one, and each is twice as far on as the one before: nobody is in the middle, and nobody is many steps
    /// away.
    Doubling,
}

impl KnownFrom {
    const fn is_next(&self) -> bool {
        matches!(self, Self::Next)
    }
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            beside: Beside::Nothing,
            known: 0,
            known_from: KnownFrom::Next,
            texts: 20,
            calls: 4,
            until_ms: 10_000,
            patience_ms: None,
            outsiders: 0,
            made: Vec::new(),
        }
    }
}

/// What goes on while hosts talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    /// Nothing: no host has or fetches anything.
    #[default]
    Nothing,
    /// The share is moved.
    Share,
}

impl Scenario {
    /// So many senders and receivers of files of these sizes.
    pub fn new(senders: u16, receivers: u16, sizes: &[u64]) -> Self {
        let files = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| FileSpec { path: format!("share/f{number}"), size: *size })
            .collect();
        Self {
            senders,
            receivers,
            sources: 0,
            holding: Holding::Whole,
            swarm: Swarming::Off,
            introduced: 0,
            trackers: 0,
            told: Told::Addresses,
            staying: Staying::Leave,
            free_riders: 0,
            talk: None,
            present: Vec::new(),
            files,
        }
    }

    /// Whether hosts only talk, and nothing is moved.
    pub fn only_talks(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.beside == Beside::Nothing)
    }

    /// All hosts.
    pub const fn hosts(&self) -> usize {
        self.senders as usize + self.receivers as usize
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// The network without faults: the same for every pair and direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// One way, microseconds.
    pub latency_us: u64,
    /// What is added at random, microseconds at most.
    pub jitter_us: u64,
    /// What a host can send in all, bytes a second; 0: no limit.
    pub rate: u64,
    /// Bytes that may be written and not yet read, each way of a connection.
    pub window: u32,
    /// What one write takes at most, drawn anew each time (N1); 0: all.
    pub write_max: u32,
    /// What one read gives at most, drawn anew each time (N2); 0: all.
    pub read_max: u32,
    /// What arrives at once at most, drawn anew each time (N3); 0: all that was written at once.
    pub segment_max: u32,
    /// Calls that would block although they need not, in a thousand (N4).
    pub would_block_permille: u16,
    /// Calls that are interrupted, in a thousand (N5).
    pub interrupted_permille: u16,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            latency_us: 200,
            jitter_us: 0,
            rate: 0,
            window: 256 << 10,
            write_max: 0,
            read_max: 0,
            segment_max: 0,
            would_block_permille: 0,
            interrupted_permille: 0,
        }
    }
}

/// What of a node's configuration is not the default (P5). A missing value: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// `Config::conns_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conns_max: Option<u32>,
    /// `Config::spans_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans_max: Option<u32>,
    /// `Config::spans_reserved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans_reserved: Option<u32>,
    /// `Config::upload_spans_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_spans_max: Option<u32>,
    /// `Config::window_min` and `window_max`, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// `Config::active_chunks_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_chunks_max: Option<u32>,
    /// `Config::checkpoint_interval`, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_ms: Option<u64>,
    /// Give-up times (`find_timeout`, `lost_timeout`), milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub give_up_ms: Option<u64>,
    /// `Config::upload_slots`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_slots: Option<u32>,
    /// `Config::choke_interval`, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choke_ms: Option<u64>,
    /// `Config::peers_wanted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers_wanted: Option<u32>,
    /// Jobs that a host works on at once; 0: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u16>,
    /// What every host sends at most, bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_up: Option<u64>,
    /// What every host receives at most, bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_down: Option<u64>,
}

impl Tuning {
    /// The limits of rates of every host.
    pub fn rates(&self) -> Rates {
        Rates { up: self.limit_up.and_then(Rate::new), down: self.limit_down.and_then(Rate::new) }
    }

    /// The configuration of a node.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        let set = |to: &mut u32, value: Option<u32>| *to = value.unwrap_or(*to);
        set(&mut config.conns_max, self.conns_max);
        set(&mut config.spans_max, self.spans_max);
        set(&mut config.spans_reserved, self.spans_reserved);
        set(&mut config.upload_spans_max, self.upload_spans_max);
        set(&mut config.active_chunks_max, self.active_chunks_max);
        set(&mut config.upload_slots, self.upload_slots);
        set(&mut config.peers_wanted, self.peers_wanted);
        if let Some(ms) = self.choke_ms {
            config.choke_interval = Duration::from_millis(ms);
        }
        if let Some(window) = self.window {
            (config.window_min, config.window_max) = (window, window);
        }
        if let Some(ms) = self.checkpoint_ms {
            config.checkpoint_interval = Duration::from_millis(ms);
        }
        if let Some(ms) = self.give_up_ms {
            (config.find_timeout, config.lost_timeout) =
                (Duration::from_millis(ms), Duration::from_millis(ms));
        }
        config
    }
}

/// When everything heals that can, and how long it may take from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heal {
    /// Milliseconds after the start.
    pub at_ms: u64,
    /// Milliseconds that completion may take after it.
    pub budget_ms: u64,
    /// Errors that are allowed in place of completion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Allowed>,
}

impl Default for Heal {
    fn default() -> Self {
        Self { at_ms: 30_000, budget_ms: 900_000, allowed: Vec::new() }
    }
}

/// An honest error that a plan allows in place of completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// The sender's file is no longer what was shared, or cannot be read.
    SourceBroken,
    /// What came was wrong again and again.
    Integrity,
    /// The receiver's disk.
    Storage,
    /// No source was there any more.
    Gone,
}
