//! Campaigns: seeds until the first catch, again and again from other seeds on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use truecopy_protocol::planted::{Bug, set};

use super::probe::{Caught, Probe};
use super::table::{ROWS, Row};
use crate::campaign::{Cast, Mix};
use crate::plan::ChannelKind;

/// Beyond so many times its ceiling a bug counts as not seen.
const PATIENCE: u64 = 4;

/// Does numbered work on several threads; the results in the order of the numbers.
pub(super) fn each<T: Send>(count: usize, jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..jobs.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let result = work(number);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// The first seed from `first` on of which the oracles say something, and what.
pub(super) fn hunt(probe: Probe, first: u64, most: u64) -> Option<(u64, Caught)> {
    (first..first + most).find_map(|seed| probe.look(seed).map(|caught| (seed, caught)))
}

/// The first seed of a campaign: no two share any.
const fn first_of(campaign: usize) -> u64 {
    (campaign as u64 + 1) << 32
}

/// Runs all rows, then the harmless changes. Whether everything was as it must be.
pub(super) fn all(
    only: &[u8],
    campaigns: usize,
    harmless: u64,
    jobs: usize,
    say: &mut dyn FnMut(&str),
) -> bool {
    let wanted = |bug: Bug| only.is_empty() || only.contains(&bug.number());
    say(" no  planted bug        channel  faults                     median  worst  ceiling  seen by");
    let mut passed = true;
    for row in ROWS.iter().filter(|row| wanted(row.bug)) {
        passed &= one(row, campaigns, jobs, say);
    }
    for bug in Bug::ALL.iter().copied().filter(|bug| bug.is_harmless() && wanted(*bug)) {
        passed &= leave(bug, harmless, jobs, say);
    }
    passed
}

fn one(row: &Row, campaigns: usize, jobs: usize, say: &mut dyn FnMut(&str)) -> bool {
    let Row { bug, probe, ceiling } = *row;
    set(Some(bug));
    let found = each(campaigns, jobs, |number| hunt(probe, first_of(number), PATIENCE * ceiling));
    set(None);
    // What is seen without the bug as well was not the bug.
    let innocent = each(campaigns, jobs, |number| found[number].and_then(|(seed, _)| probe.look(seed)));
    let mut takes: Vec<u64> = (0..)
        .zip(&found)
        .map(|(number, found)| found.map_or(u64::MAX, |(seed, _)| seed - first_of(number) + 1))
        .collect();
    takes.sort_unstable();
    let (median, worst) = (takes[takes.len() / 2], takes[takes.len() - 1]);
    let count = |takes: u64| if takes == u64::MAX { "never".into() } else { takes.to_string() };
    let mut seen: BTreeMap<Caught, usize> = BTreeMap::new();
    found.iter().flatten().for_each(|(_, caught)| *seen.entry(*caught).or_default() += 1);
    let seen: Vec<String> = seen
        .iter()
        .map(|(Caught { oracle, class }, times)| format!("{} {class} ×{times}", oracle.number()))
        .collect();
    say(&format!(
        "{:>3}  {:<17}  {:<7}  {:<25}  {:>6}  {:>5}  {ceiling:>7}  {}",
        bug.number(),
        bug.name(),
        probe.channel(),
        probe.faults(),
        count(median),
        count(worst),
        seen.join(", "),
    ));
    let mut passed = true;
    if worst == u64::MAX || median > ceiling {
        say(&format!("     NOT SEEN in time: {}", bug.about()));
        passed = false;
    }
    for (found, innocent) in found.iter().zip(&innocent) {
        if let (Some((seed, _)), Some(caught)) = (found, innocent) {
            say(&format!(
                "     seed {seed:016x} fails without the bug as well: {} {}",
                caught.oracle.number(),
                caught.class
            ));
            passed = false;
        }
    }
    passed
}

/// A harmless change, under all faults and casts: nothing may be said of it that is not said without it.
fn leave(bug: Bug, seeds: u64, jobs: usize, say: &mut dyn FnMut(&str)) -> bool {
    const PROBES: [Probe; 5] = [
        Probe::Run(Cast::Swarm, ChannelKind::Clear, Mix::Swarm),
        Probe::Run(Cast::Varied, ChannelKind::Clear, Mix::Swarm),
        Probe::Run(Cast::Five, ChannelKind::Clear, Mix::Swarm),
        Probe::Run(Cast::Varied, ChannelKind::Clear, Mix::Light),
        Probe::Run(Cast::Pair, ChannelKind::Tls, Mix::Swarm),
    ];
    let probe = |number: usize| PROBES[number % PROBES.len()];
    let seed = |number: usize| u64::from(bug.number()) << 40 | number as u64;
    set(Some(bug));
    let found = each(seeds as usize, jobs, |number| probe(number).look(seed(number)));
    set(None);
    let mut tripped = 0;
    for (number, caught) in found.iter().enumerate() {
        let Some(caught) = caught else { continue };
        // What fails anyway is for the sweeps to tell; here it says nothing.
        let innocent = probe(number).look(seed(number)).is_some();
        let without = if innocent { "without it as well" } else { "only with it" };
        tripped += u64::from(!innocent);
        let place = probe(number).faults();
        let what = format!("{} {}", caught.oracle.number(), caught.class);
        say(&format!(
            "     {place} {} {:016x} fails, {without}: {what}",
            probe(number).channel(),
            seed(number)
        ));
    }
    say(&format!(
        "{:>3}  {:<17}  {seeds} seeds, {tripped} tripped   {}",
        bug.number(),
        bug.name(),
        bug.about()
    ));
    tripped == 0
}
