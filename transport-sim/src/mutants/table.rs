//! Where each bug must be seen, and how soon. Ceilings are seeds until the first catch, as a median of campaigns.

use truecopy_protocol::planted::Bug;

use super::probe::Probe;
use super::{crowds, scenes};
use crate::campaign::{Cast, Kind, Mix};
use crate::plan::{ChannelKind, Plan};

pub(super) struct Row {
    pub(super) bug: Bug,
    pub(super) probe: Probe,
    pub(super) ceiling: u64,
}

const fn clear(bug: Bug, cast: Cast, kind: Kind, ceiling: u64) -> Row {
    Row { bug, probe: Probe::Run(cast, ChannelKind::Clear, Mix::Only(kind)), ceiling }
}

const fn tls(bug: Bug, cast: Cast, kind: Kind, ceiling: u64) -> Row {
    Row { bug, probe: Probe::Run(cast, ChannelKind::Tls, Mix::Only(kind)), ceiling }
}

const fn calm(bug: Bug, cast: Cast, ceiling: u64) -> Row {
    Row { bug, probe: Probe::Run(cast, ChannelKind::Clear, Mix::Calm), ceiling }
}

const fn scene(bug: Bug, make: fn(u64) -> Plan, name: &'static str, ceiling: u64) -> Row {
    Row { bug, probe: Probe::Scene(name, make), ceiling }
}

/// Every bug, under the one kind of faults that shows it.
pub(super) const ROWS: &[Row] = &[
    clear(Bug::TailDropped, Cast::Pair, Kind::ShortWrites, 10),
    tls(Bug::TailDropped, Cast::Pair, Kind::ShortWrites, 10),
    clear(Bug::ReadIsFrame, Cast::Pair, Kind::ShortReads, 5),
    clear(Bug::BlockedCounted, Cast::Pair, Kind::WouldBlock, 10),
    tls(Bug::BlockedCounted, Cast::Pair, Kind::WouldBlock, 10),
    clear(Bug::InterruptedIsEnd, Cast::Pair, Kind::Interrupts, 20),
    tls(Bug::InterruptedIsEnd, Cast::Pair, Kind::Interrupts, 20),
    clear(Bug::EndIsComplete, Cast::Varied, Kind::EarlyFins, 10),
    tls(Bug::EndIsComplete, Cast::Varied, Kind::EarlyFins, 10),
    clear(Bug::WholeBuffers, Cast::Varied, Kind::ShortWrites, 20),
    clear(Bug::OwedForgotten, Cast::Pair, Kind::Resets, 50),
    tls(Bug::OwedForgotten, Cast::Pair, Kind::Resets, 50),
    clear(Bug::DecoderKept, Cast::Varied, Kind::Resets, 50),
    clear(Bug::DecoderKept, Cast::Pair, Kind::EarlyFins, 50),
    clear(Bug::NotDrained, Cast::Varied, Kind::People, 100),
    clear(Bug::OneReadOnly, Cast::Pair, Kind::ShortReads, 20),
    tls(Bug::OneReadOnly, Cast::Pair, Kind::ShortReads, 20),
    clear(Bug::LastUnchecked, Cast::Varied, Kind::Flips, 300),
    clear(Bug::OtherBuffer, Cast::Varied, Kind::SlowDisks, 100),
    clear(Bug::SourceUnchecked, Cast::Varied, Kind::SourceEdits, 50),
    calm(Bug::LastShort, Cast::Varied, 5),
    Row { bug: Bug::ShortOffset, probe: Probe::HUGE, ceiling: 5 },
    clear(Bug::MatchedByOrder, Cast::Varied, Kind::Hangs, 100),
    clear(Bug::AppendPosition, Cast::Varied, Kind::SlowDisks, 50),
    scene(Bug::LengthTrusted, scenes::killed_half_way, "killed half-way", 20),
    scene(Bug::ClaimsFirst, scenes::often_synced, "often synced", 10),
    clear(Bug::NoSync, Cast::Varied, Kind::PowerCuts, 20),
    clear(Bug::SyncBelieved, Cast::Varied, Kind::BadSyncs, 50),
    clear(Bug::ShortWriteIgnored, Cast::Varied, Kind::DiskShort, 10),
    clear(Bug::ShortWriteIgnored, Cast::Varied, Kind::NoSpace, 10),
    Row { bug: Bug::OtherVersion, probe: Probe::OTHER_VERSION, ceiling: 30 },
    scene(Bug::NoTimeout, scenes::sender_gone_dark, "sender gone dark", 10),
    clear(Bug::WallClock, Cast::Varied, Kind::Clocks, 20),
    clear(Bug::NoBackoff, Cast::Pair, Kind::Refusals, 5),
    clear(Bug::BannedAtOnce, Cast::Pair, Kind::Flips, 100),
    scene(Bug::LiarAsked, scenes::lying_have, "hostile: lying-have", 5),
    scene(Bug::KeepAliveLate, scenes::long_pause, "long pause", 10),
    scene(Bug::AskedTwice, scenes::two_sources, "two sources, delays", 100),
    scene(Bug::TakenBackForgotten, scenes::slow_source, "two sources, one slow", 5),
    scene(Bug::LengthBelieved, scenes::noise, "hostile: noise", 5),
    Row {
        bug: Bug::RandomOrder,
        probe: Probe::Twice(Cast::Varied, ChannelKind::Clear, Mix::Calm),
        ceiling: 2,
    },
    calm(Bug::PickedUnheld, Cast::Swarm, 20),
    calm(Bug::LastOfCount, Cast::Swarm, 5),
    scene(Bug::TakenBackUntold, crowds::slow_sources, "swarm, slow sources", 10),
    scene(Bug::ChokedForgotten, crowds::one_place, "swarm, one place", 5),
    scene(Bug::UnchokeUntold, crowds::one_place, "swarm, one place", 5),
    scene(Bug::TurnKept, crowds::one_place, "swarm, one place", 5),
    calm(Bug::MetUntold, Cast::Pair, 2),
    calm(Bug::ToldOfItself, Cast::Swarm, 5),
    scene(Bug::MeetsItself, crowds::false_peers, "hostile: false-peers", 10),
    scene(Bug::ToldEarly, crowds::poisoned, "swarm, poisoned", 10),
    scene(Bug::LentForEver, crowds::lent, "swarm, lent chunks", 10),
    scene(Bug::NetworkBanned, crowds::poisoned_and_parted, "swarm, poisoned", 10),
    scene(Bug::BanForgotten, crowds::poisoned, "swarm, poisoned", 10),
    clear(Bug::TrackerAtOnce, Cast::Swarm, Kind::Trackers, 10),
    scene(Bug::ChoiceForgets, scenes::chosen_anew, "chosen anew", 10),
    scene(Bug::StoppedAgain, crowds::named, "swarm, trackers", 5),
    clear(Bug::SaidOnce, Cast::Talk, Kind::Resets, 50),
    tls(Bug::SaidOnce, Cast::Talk, Kind::Resets, 50),
    clear(Bug::HeardAgain, Cast::Talk, Kind::Moves, 20),
    clear(Bug::HeardAgain, Cast::Talk, Kind::EarlyFins, 30),
    tls(Bug::HeardAgain, Cast::Talk, Kind::Resets, 50),
    calm(Bug::CallAgain, Cast::Talk, 10),
    clear(Bug::SameLife, Cast::Talk, Kind::Kills, 20),
    calm(Bug::SentIsHeard, Cast::Talk, 2),
    calm(Bug::LossUntold, Cast::Talk, 20),
    calm(Bug::HeardForgotten, Cast::Talk, 20),
    calm(Bug::FirstCalled, Cast::Swarm, 40),
];
