//! Kinds of faults, and how a seed makes some of each.

use super::Cast;
use crate::disk::{CallKind, DiskFault, Edit, Failure, Lasting, Mtime};
use crate::plan::{
    Allowed, ChannelKind, Eating, End, Fault, Plan, Scenario, Script, SleepClock, Swarming, Told,
    TrackerTrouble, Way,
};
use crate::stream::Random;

macro_rules! kinds {
    ($($kind:ident => $name:literal, $doc:literal;)*) => {
        /// A kind of faults that a mix may have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $(#[doc = $doc] $kind,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name in mixes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    ShortWrites => "short-writes", "N1.";
    ShortReads => "short-reads", "N2.";
    Segments => "segments", "N3.";
    WouldBlock => "would-block", "N4.";
    Interrupts => "interrupts", "N5.";
    LostEdges => "lost-edges", "N6.";
    Delays => "delays", "N7.";
    SlowLines => "slow-lines", "N8, N18.";
    OneWaySlow => "one-way-slow", "N9.";
    Losses => "losses", "N10.";
    Partitions => "partitions", "N11.";
    Swizzle => "swizzle", "N12.";
    Resets => "resets", "N13, N14.";
    EarlyFins => "early-fins", "N16.";
    Hangs => "hangs", "N17.";
    Flips => "flips", "N19. Not what TCP does.";
    Scrambles => "scrambles", "N20. Not what TCP does.";
    Ghosts => "ghosts", "N22. Not what TCP does.";
    Refusals => "refusals", "N23.";
    Moves => "moves", "N24.";
    Hostile => "hostile", "N25.";
    DiskShort => "disk-short", "D1.";
    NoSpace => "no-space", "D2.";
    DiskErrors => "disk-errors", "D3, D13.";
    CrashAtCall => "crash-at-call", "D4, D5, D6, D10.";
    BadSyncs => "bad-syncs", "D7, a sync that fails.";
    LyingSyncs => "lying-syncs", "D7, a sync that lies.";
    Misdirections => "misdirections", "D8.";
    Rot => "rot", "D9.";
    SourceEdits => "source-edits", "D11.";
    SlowDisks => "slow-disks", "D12.";
    Kills => "kills", "P1.";
    PowerCuts => "power-cuts", "P1, N15.";
    Sleeps => "sleeps", "P2.";
    Clocks => "clocks", "P3.";
    NewerPeers => "newer-peers", "P4.";
    Tuning => "tuning", "P5, P6.";
    Trackers => "trackers", "N26. Trackers are gone, forget, or are not heard. Swarms only.";
    People => "people", "The user pauses, goes on, stops and starts again.";
    Limits => "limits", "The user limits rates for a while.";
    SendersLeave => "senders-leave", "All senders of a swarm stop at one time, and come back much later.";
}

/// Bytes a second that a network carries at least when nothing is wrong with it.
const SLOWEST: u64 = 64 << 10;

/// The lowest limit of a rate that says nothing of the patience of others: one record of each connection in time.
const LIMIT_MIN: u64 = 32 << 10;

/// Draws in the shapes that faults like.
struct Draw<'a> {
    draws: &'a mut Random,
    plan: &'a Plan,
}

impl Draw<'_> {
    fn below(&mut self, end: usize) -> usize {
        self.draws.below(end)
    }

    /// Between one and `max`, every magnitude as likely.
    fn scale(&mut self, max: u64) -> u64 {
        let bits = 1 + self.below(max.max(2).ilog2() as usize + 1);
        1 + self.draws.draw() % (1 << bits).min(max)
    }

    fn host(&mut self) -> u16 {
        self.below(self.plan.scenario.hosts()) as u16
    }

    fn sender(&mut self) -> u16 {
        self.below(usize::from(self.plan.scenario.senders)) as u16
    }

    fn receiver(&mut self) -> u16 {
        self.plan.scenario.senders + self.below(usize::from(self.plan.scenario.receivers)) as u16
    }

    /// A host that may dial others.
    fn dialler(&mut self) -> u16 {
        if self.plan.scenario.talk.is_some() { self.host() } else { self.receiver() }
    }

    /// A host that a receiver may dial.
    fn dialled(&mut self) -> u16 {
        match self.plan.scenario.swarm {
            _ if self.plan.scenario.talk.is_some() => self.host(),
            Swarming::Off => self.sender(),
            Swarming::AsTold | Swarming::On => self.host(),
        }
    }

    fn way(&mut self) -> Way {
        if self.below(4) == 0 { Way::Up } else { Way::Down }
    }

    fn nth(&mut self) -> u32 {
        [0, 0, 0, 1, 1, 2, 3][self.below(7)]
    }

    /// A byte of a connection: in its beginning, or anywhere.
    fn byte(&mut self, way: Way) -> u64 {
        let all = match way {
            Way::Down => self.plan.scenario.size() + 2_000,
            Way::Up => 1_000,
        };
        if self.below(3) == 0 { self.draws.draw() % 1_500 } else { self.draws.draw() % all.max(1) }
    }

    /// A moment: early ones are more likely, for a run is short.
    fn moment(&mut self) -> u64 {
        self.scale(3_000) - 1
    }

    /// A time that begins early and lasts.
    fn window(&mut self, longest: u64) -> (u64, u64) {
        let from = self.moment();
        (from, from + self.scale(longest))
    }

    fn call(&mut self) -> u64 {
        self.scale(400)
    }
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it says something in such runs.
    pub(super) const fn fits(self, channel: ChannelKind, cast: Cast) -> bool {
        match self {
            // A liar needs an honest sender beside it.
            Self::Hostile => !matches!(cast, Cast::Pair | Cast::Talk),
            Self::NewerPeers => !matches!(cast, Cast::Talk),
            // Whoever seems to say what is no word is not met again.
            Self::Flips | Self::Scrambles => !matches!((channel, cast), (ChannelKind::Clear, Cast::Talk)),
            Self::SendersLeave | Self::Trackers => matches!(cast, Cast::Swarm),
            Self::Ghosts => matches!(channel, ChannelKind::Clear) && !matches!(cast, Cast::Talk),
            _ => true,
        }
    }

    /// Adds some of it. Then [`Plan::settle`].
    pub(crate) fn add(self, plan: &mut Plan, draws: &mut Random) {
        if self.shapes(plan, draws) {
            return;
        }
        let times = 1 + draws.below(3);
        for _ in 0..times {
            let mut draw = Draw { draws, plan };
            if let Some(fault) =
                self.network(&mut draw).or_else(|| self.host(&mut draw)).or_else(|| self.disk(&mut draw))
            {
                plan.faults.push(fault);
            }
        }
    }

    /// What holds for the whole run. Whether it is of this sort.
    fn shapes(self, plan: &mut Plan, draws: &mut Random) -> bool {
        let mut draw = Draw { draws, plan: &plan.clone() };
        let network = &mut plan.network;
        match self {
            Self::ShortWrites => {
                if draw.below(3) > 0 {
                    network.write_max = draw.scale(20_000) as u32;
                }
                if draw.below(2) == 0 {
                    network.window = 64 + draw.scale(64_000) as u32;
                }
            }
            Self::ShortReads => network.read_max = draw.scale(20_000) as u32,
            Self::Segments => network.segment_max = 200 + draw.scale(20_000) as u32,
            Self::WouldBlock => network.would_block_permille = 1 + draw.below(300) as u16,
            Self::Interrupts => network.interrupted_permille = 1 + draw.below(100) as u16,
            Self::Tuning => tune(plan, &mut draw),
            Self::SendersLeave => {
                let (at_ms, down_ms) = (draw.moment(), 10_000 + draw.scale(60_000));
                plan.faults.extend((0..plan.scenario.senders).map(|host| Fault::Stop {
                    host,
                    at_ms,
                    down_ms,
                }));
            }
            // Then faults are drawn.
            Self::Trackers => {
                if plan.scenario.swarm == Swarming::On {
                    plan.scenario.trackers = plan.scenario.trackers.max(1);
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    fn network(self, draw: &mut Draw<'_>) -> Option<Fault> {
        let (receiver, sender, nth, way) = (draw.dialler(), draw.dialled(), draw.nth(), draw.way());
        let at_byte = draw.byte(way);
        Some(match self {
            Self::LostEdges => {
                Fault::LostEdge { receiver, sender, nth, way, arrival: draw.scale(12) as u32 - 1 }
            }
            Self::Delays => {
                let ((from_ms, to_ms), host) = (draw.window(20_000), draw.host());
                let (add_us, jitter_us) = (draw.scale(2_000_000), draw.scale(200_000));
                Fault::Delay { host, way, from_ms, to_ms, add_us, jitter_us }
            }
            Self::OneWaySlow => {
                let way = if draw.below(2) == 0 { Way::Up } else { Way::Down };
                let add_us = 1_000 + draw.scale(500_000);
                Fault::Delay {
                    host: draw.host(),
                    way,
                    from_ms: 0,
                    to_ms: u64::from(u32::MAX),
                    add_us,
                    jitter_us: 0,
                }
            }
            Self::SlowLines => {
                let ((from_ms, to_ms), host) = (draw.window(10_000), draw.host());
                Fault::Slow { host, from_ms, to_ms, rate: draw.scale(1 << 20) }
            }
            Self::Losses => {
                let ((from_ms, to_ms), host) = (draw.window(5_000), draw.host());
                Fault::Loss { host, from_ms, to_ms, permille: 10 + draw.below(500) as u16 }
            }
            Self::Partitions => {
                let (from_ms, to_ms) = draw.window(60_000);
                let way = [None, None, Some(Way::Up), Some(Way::Down)][draw.below(4)];
                Fault::Partition { receiver, sender, way, from_ms, to_ms }
            }
            Self::Swizzle => {
                let (step_ms, hold_ms) = (draw.scale(500), draw.scale(10_000));
                Fault::Swizzle { from_ms: draw.moment(), step_ms, hold_ms }
            }
            Self::Resets => {
                let eats_unread = if draw.below(2) == 0 { Eating::Unread } else { Eating::UnderWay };
                if draw.below(3) == 0 {
                    Fault::ResetAt { receiver, sender, at_ms: draw.moment(), eats_unread }
                } else {
                    Fault::Reset { receiver, sender, nth, way, at_byte, eats_unread }
                }
            }
            Self::EarlyFins => Fault::EarlyFin { receiver, sender, nth, way, at_byte },
            Self::Flips => Fault::Flip { receiver, sender, nth, way, at_byte, mask: 1 << draw.below(8) },
            Self::Scrambles => scramble(draw, (receiver, sender, nth), way, at_byte),
            Self::Ghosts => {
                let nth = 1 + draw.below(2) as u32;
                Fault::Ghost { receiver, sender, nth, way: Way::Down, at_byte, len: draw.scale(4_096) as u32 }
            }
            Self::Refusals => refusal(draw, sender),
            Self::Moves => Fault::Move { host: sender, at_ms: draw.moment(), lost_ms: draw.scale(10_000) },
            _ => return None,
        })
    }

    fn host(self, draw: &mut Draw<'_>) -> Option<Fault> {
        let (host, at_ms, down_ms) = (draw.host(), draw.moment(), draw.scale(20_000));
        Some(match self {
            Self::Kills => Fault::Crash { host, at_ms, down_ms, end: End::Kill },
            Self::PowerCuts => Fault::Crash { host, at_ms, down_ms, end: End::Power },
            Self::Hangs => Fault::Hang { host, from_ms: at_ms, to_ms: at_ms + 2 * down_ms + 1 },
            Self::Sleeps => {
                let clock = if draw.below(2) == 0 { SleepClock::Stops } else { SleepClock::Runs };
                Fault::Sleep { host, from_ms: at_ms, to_ms: at_ms + draw.scale(3_600_000), clock }
            }
            Self::Clocks => {
                if draw.below(2) == 0 {
                    let ppm = [500, -500, 50_000, -50_000][draw.below(4)];
                    Fault::ClockRate { host, ppm }
                } else {
                    let seconds = draw.scale(1 << 31) as i64;
                    let seconds = if draw.below(2) == 0 { -seconds } else { seconds };
                    Fault::ClockJump { host, at_ms, seconds }
                }
            }
            Self::Trackers if draw.plan.scenario.trackers > 0 => {
                // Announces are made when programs start, and long after.
                let from_ms = if draw.below(2) == 0 { 0 } else { draw.moment() };
                let to_ms = from_ms + draw.scale(120_000);
                let trouble = [TrackerTrouble::Gone, TrackerTrouble::Forgets, TrackerTrouble::LosesAnswers];
                let tracker = draw.below(usize::from(draw.plan.scenario.trackers)) as u16;
                Fault::Tracker { tracker, from_ms, to_ms, trouble: trouble[draw.below(3)] }
            }
            Self::NewerPeers => Fault::NewerPeer { host: draw.sender() },
            Self::Limits => {
                let (from_ms, to_ms) = draw.window(20_000);
                let mut rate = || if draw.below(3) == 0 { 0 } else { LIMIT_MIN + draw.scale(1 << 20) };
                Fault::Limit { host, from_ms, to_ms, up: rate(), down: rate() }
            }
            Self::SlowDisks => {
                let (from_ms, to_ms) = draw.window(10_000);
                Fault::SlowDisk { host, from_ms, to_ms, add_ms: draw.scale(2_000) }
            }
            Self::People => {
                let receiver = draw.receiver();
                // Long enough that only signs of life keep the connection.
                let long_ms = draw.scale(120_000);
                match draw.below(5) {
                    0 | 1 => Fault::Stop { host, at_ms, down_ms },
                    2 => Fault::Pause { receiver, from_ms: at_ms, to_ms: at_ms + long_ms },
                    3 => Fault::Reconsider { receiver, at_ms },
                    _ => Fault::Think { receiver, for_ms: long_ms },
                }
            }
            Self::Hostile => return hostile(draw),
            _ => return None,
        })
    }

    fn disk(self, draw: &mut Draw<'_>) -> Option<Fault> {
        let receiver = draw.receiver();
        let host = if draw.below(4) == 0 { draw.sender() } else { receiver };
        let path = draw.plan.scenario.files[draw.below(draw.plan.scenario.files.len())].path.clone();
        let at = draw.call();
        let (host, fault) = match self {
            Self::DiskShort => {
                let len = draw.scale(20_000);
                let at = draw.scale(60);
                let fault = if draw.below(2) == 0 {
                    DiskFault::ShortRead { at, len }
                } else {
                    DiskFault::ShortWrite { at, len }
                };
                (host, fault)
            }
            Self::NoSpace => {
                let space = draw.draws.draw() % (draw.plan.scenario.size() + 4_096);
                (receiver, DiskFault::NoSpace { space })
            }
            Self::DiskErrors => (receiver, disk_error(draw, at)),
            Self::BadSyncs => {
                let (at, error) = (draw.scale(16), Failure::Device);
                (receiver, DiskFault::Error { call: CallKind::Sync, at, error, lasting: Lasting::Once })
            }
            Self::LyingSyncs => {
                let lasting = if draw.below(2) == 0 { Lasting::Sticky } else { Lasting::Once };
                (receiver, DiskFault::LyingSync { at: draw.scale(16), lasting })
            }
            Self::Misdirections => {
                let (at, offset) = (draw.scale(8), draw.draws.draw() % draw.plan.scenario.size().max(1));
                let fault = if draw.below(2) == 0 {
                    DiskFault::MisdirectedWrite { at, path: None, offset }
                } else {
                    DiskFault::MisdirectedRead { at, path: None, offset }
                };
                (host, fault)
            }
            Self::Rot => {
                let offset = draw.draws.draw() % draw.plan.scenario.size().max(1);
                let mask = 1 << draw.below(8);
                (draw.sender(), DiskFault::Rot { call: CallKind::Any, at, path, offset, mask })
            }
            Self::SourceEdits => {
                let size = draw.plan.scenario.size().max(1);
                let (offset, len) = (draw.draws.draw() % size, draw.scale(4_096));
                let edit = match draw.below(5) {
                    0 => Edit::Overwrite { offset, len, mtime: Mtime::Moved },
                    1 => Edit::Overwrite { offset, len, mtime: Mtime::Restored },
                    2 => Edit::Resize { len: offset },
                    3 => Edit::Replace { len: size },
                    _ => Edit::Remove,
                };
                (draw.sender(), DiskFault::Edit { call: CallKind::Any, at: draw.scale(40), path, edit })
            }
            Self::CrashAtCall => {
                let end = if draw.below(3) == 0 { End::Kill } else { End::Power };
                return Some(Fault::CrashAtCall {
                    host: receiver,
                    call: at,
                    down_ms: draw.scale(5_000),
                    end,
                });
            }
            _ => return None,
        };
        Some(Fault::Disk { host, fault })
    }
}

/// Bytes of a connection vanish, come twice or change places.
fn scramble(draw: &mut Draw<'_>, (receiver, sender, nth): (u16, u16, u32), way: Way, at_byte: u64) -> Fault {
    let len = draw.scale(4_000) as u32;
    match draw.below(3) {
        0 => Fault::DropBytes { receiver, sender, nth, way, at_byte, len },
        1 => Fault::DuplicateBytes { receiver, sender, nth, way, at_byte, len },
        _ => Fault::SwapBytes { receiver, sender, nth, way, at_byte, len },
    }
}

/// A sender does not let anybody in, or only slowly.
fn refusal(draw: &mut Draw<'_>, host: u16) -> Fault {
    // Mostly there is but one dial that could meet it: the first.
    let (from_ms, to_ms) = if draw.below(4) > 0 { (0, draw.scale(10_000)) } else { draw.window(10_000) };
    match draw.below(4) {
        0 | 1 => Fault::Refuse { host, from_ms, to_ms },
        2 => Fault::Ignore { host, from_ms, to_ms },
        _ => Fault::SlowAccept { host, from_ms, to_ms, add_ms: draw.scale(20_000) },
    }
}

/// Any call fails, once or from then on.
fn disk_error(draw: &mut Draw<'_>, at: u64) -> DiskFault {
    let error = [
        Failure::Device,
        Failure::NoSpace,
        Failure::Quota,
        Failure::ReadOnly,
        Failure::NotFound,
        Failure::Denied,
        Failure::Interrupted,
    ][draw.below(7)];
    // No system interrupts every call for ever, and whoever is interrupted tries again.
    let lasts = draw.below(3) == 0 && error != Failure::Interrupted;
    let lasting = if lasts { Lasting::Sticky } else { Lasting::Once };
    DiskFault::Error { call: CallKind::Any, at, error, lasting }
}

/// Limits and windows that nobody chose for their beauty.
fn tune(plan: &mut Plan, draw: &mut Draw<'_>) {
    let tuning = &mut plan.tuning;
    if draw.below(2) == 0 {
        tuning.spans_max = Some(10 + draw.below(30) as u32);
        tuning.spans_reserved = Some(9 + draw.below(8) as u32);
    }
    if draw.below(2) == 0 {
        tuning.upload_spans_max = Some(1 + draw.below(4) as u32);
    }
    if draw.below(2) == 0 {
        tuning.window = Some(16_384 << draw.below(6));
    }
    if draw.below(2) == 0 {
        tuning.active_chunks_max = Some(1 + draw.below(4) as u32);
    }
    if draw.below(2) == 0 {
        tuning.checkpoint_ms = Some(1 + draw.scale(200));
    }
    if draw.below(2) == 0 {
        tuning.workers = Some(1 + draw.below(3) as u16);
    }
    if draw.below(3) == 0 {
        tuning.conns_max = Some(1 + draw.below(4) as u32);
    }
    if draw.below(2) == 0 {
        tuning.upload_slots = Some(1 + draw.below(4) as u32);
        tuning.choke_ms = Some(200 + draw.scale(20_000));
    }
}

impl Plan {
    /// Sets what follows from all faults together: when everything heals, and which errors are honest.
    pub fn settle(&mut self) {
        // One honest source and its disk must be left.
        let senders = self.scenario.senders;
        if self.faults.iter().any(|fault| matches!(fault, Fault::Hostile { .. })) {
            self.faults.retain(
                |fault| !matches!(fault, Fault::Disk { host, fault } if *host < senders && spoils(fault)),
            );
        }
        // Whoever speaks in a sender's place announces itself nowhere.
        if self.faults.iter().any(|fault| matches!(fault, Fault::Hostile { .. } | Fault::NewerPeer { .. })) {
            self.scenario.told = Told::Addresses;
        }
        let ends = self.faults.iter().map(Fault::ends_ms);
        self.heal.at_ms = ends.max().unwrap_or(0).max(2_000) + 1_000;
        // A window that the line's length makes slower than any modem says nothing of the product.
        let lasting = |fault: &Fault| match *fault {
            Fault::Delay { add_us, .. } if fault.ends_ms() == 0 => add_us,
            _ => 0,
        };
        let round_us = 2 * self.network.latency_us + self.faults.iter().map(lasting).sum::<u64>();
        let least = SLOWEST * round_us / 1_000_000;
        self.network.window = self.network.window.max(u32::try_from(least).unwrap_or(u32::MAX));
        // Bytes that vanish within a frame are made up for by whatever comes next: pings, a few bytes every ten seconds.
        let gap = |fault: &Fault| match *fault {
            Fault::DropBytes { len, .. } => u64::from(len),
            _ => 0,
        };
        self.heal.budget_ms += 1_000 * self.faults.iter().map(gap).sum::<u64>();
        // Whoever seems to break the protocol is not dialled again in that run; with a liar left, it takes until its end.
        if self.faults.iter().any(|fault| matches!(fault, Fault::Hostile { .. })) {
            let damages = self.faults.iter().filter(|fault| fault.damages_bytes()).count() as u64;
            self.heal.budget_ms += RUN_MS * damages;
        }
        let spoils_source = self
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Disk { host, fault } if *host < senders && spoils(fault)));
        if spoils_source {
            self.heal.allowed = vec![Allowed::SourceBroken, Allowed::Integrity, Allowed::Gone];
        }
    }
}

/// How long a run with nobody of use may take: what the core waits for a lost peer, and a last connection.
const RUN_MS: u64 = 660_000;

/// Whether a disk's fault leaves a source other than it was.
const fn spoils(fault: &DiskFault) -> bool {
    matches!(fault, DiskFault::Edit { .. } | DiskFault::Rot { .. } | DiskFault::MisdirectedWrite { .. })
}

/// One of the senders lies; all others are honest: the liar is always the same one.
fn hostile(draw: &mut Draw<'_>) -> Option<Fault> {
    let script = [
        Script::WrongBytes,
        Script::OldVersion,
        Script::WrongIndex,
        Script::WrongLength,
        Script::WrongHashes,
        Script::LyingHave,
        Script::WrongReject,
        Script::Silent,
        Script::Noise,
        Script::FalsePeers,
    ][draw.below(10)];
    let Scenario { senders, sources, .. } = draw.plan.scenario;
    if senders < 2 || sources > 0 {
        // A receiver may know nobody else.
        return None;
    }
    let known = draw.plan.faults.iter().find_map(|fault| match fault {
        Fault::Hostile { host, .. } => Some(*host),
        _ => None,
    });
    let host = known.unwrap_or_else(|| draw.sender());
    Some(Fault::Hostile { host, script })
}
