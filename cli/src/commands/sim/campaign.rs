//! `truecopy sim sweep`, `coverage`, `check-determinism`, `mutants` and `bench`: many runs.

use std::thread;

use truecopy_sim::bench::{self, Target};
use truecopy_sim::campaign::{self, Cast, Mix, Sweep, Tally};
use truecopy_sim::coverage::Coverage;
use truecopy_sim::mutants;
use truecopy_sim::plan::ChannelKind;
use truecopy_sim::report;

use super::{Outcome, plans, say};
use crate::args::{BenchArgs, CoverageArgs, DeterminismArgs, SweepArgs};
use crate::exit::Result;
use crate::run::Context;

fn cores(jobs: Option<usize>) -> usize {
    jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// `truecopy sim sweep`.
pub(super) fn sweep(args: &SweepArgs, context: &Context) -> Result<Outcome> {
    let sweep = Sweep {
        cast: args.cast,
        channel: args.channel.into(),
        mix: args.mix,
        first: args.seeds.start,
        count: args.seeds.end - args.seeds.start,
        jobs: cores(args.jobs),
        time: args.time.map(|time| time.0),
        failures_max: args.failures,
    };
    let tally = campaign::sweep(&sweep);
    for failed in &tally.failed {
        say(context, &format!("FAILED  {}\n        {}", failed.seed, failed.violation));
    }
    say(context, &figures(&tally));
    if let Some(path) = &args.junit {
        plans::write_file(path, &report::junit(&sweep, &tally))?;
    }
    if !tally.failed.is_empty() {
        say(
            context,
            "see one again with: truecopy sim --seed SEED; make it small with: truecopy sim shrink SEED",
        );
        return Ok(Outcome::Failed);
    }
    Ok(if tally.runs < sweep.count { Outcome::Exhausted } else { Outcome::Pass })
}

fn figures(tally: &Tally) -> String {
    let runs = tally.runs.max(1) as f64;
    format!(
        "{} seeds, {} failed, in {:.1} s: {:.0} a minute; {:.0} events and {:.1} simulated seconds each",
        tally.runs,
        tally.failed.len(),
        tally.took.as_secs_f64(),
        tally.per_minute(),
        tally.events as f64 / runs,
        tally.nanos as f64 / 1e9 / runs
    )
}

/// `truecopy sim coverage`.
pub(super) fn coverage(args: &CoverageArgs, context: &Context) -> Result<Outcome> {
    let (mut met, mut failed) = (Coverage::default(), 0);
    // The clear channel gets most: a handshake costs as much as a short run.
    let parts = [
        (Cast::Pair, ChannelKind::Clear, 2),
        (Cast::Five, ChannelKind::Clear, 3),
        (Cast::Swarm, ChannelKind::Clear, 4),
        (Cast::Varied, ChannelKind::Clear, 4),
        (Cast::Varied, ChannelKind::Tls, 1),
        (Cast::Talk, ChannelKind::Clear, 2),
    ];
    let all: u64 = parts.iter().map(|(_, _, share)| share).sum();
    let mut first = args.seeds.start;
    for (cast, channel, share) in parts {
        let count = ((args.seeds.end - args.seeds.start) * share / all).max(1);
        let tally = campaign::sweep(&Sweep {
            cast,
            channel,
            mix: Mix::Swarm,
            first,
            count,
            jobs: cores(args.jobs),
            time: None,
            failures_max: usize::MAX,
        });
        first += count;
        met.add(&tally.coverage);
        failed += tally.failed.len();
        for failed in &tally.failed {
            say(context, &format!("FAILED  {}\n        {}", failed.seed, failed.violation));
        }
    }
    for (kind, name, times) in met.rows() {
        say(context, &format!("{kind:<7} {name:<44} {times:>12}"));
    }
    let missing = met.missing();
    if !missing.is_empty() {
        say(context, &format!("NEVER MET: {}", missing.join(", ")));
    }
    Ok(if missing.is_empty() && failed == 0 { Outcome::Pass } else { Outcome::Failed })
}

/// `truecopy sim check-determinism`.
pub(super) fn determinism(args: &DeterminismArgs, context: &Context) -> Result<Outcome> {
    match campaign::check_determinism(0, args.seeds) {
        Ok(()) => {
            say(context, &format!("{} seeds gave the same run twice", args.seeds));
            Ok(Outcome::Pass)
        }
        Err(parting) => {
            say(context, &format!("DIFFERENT  {}\n           first {}", parting.seed, parting.at));
            Ok(Outcome::Different)
        }
    }
}

/// `truecopy sim mutants`.
pub(super) fn mutants(context: &Context) -> Result<Outcome> {
    say(
        context,
        "This program has no planted bugs. In the folder of its sources, build and run them with:\n",
    );
    say(context, &format!("  {}", mutants::COMMAND));
    Ok(Outcome::Pass)
}

/// `truecopy sim bench`.
pub(super) fn bench(args: &BenchArgs, context: &Context) -> Result<Outcome> {
    let mut outcome = Outcome::Pass;
    bench::bench(cores(args.jobs), &mut |figure| {
        let (word, target) = match figure.target {
            Target::AtLeast(least) => ("at least", least),
            Target::AtMost(most) => ("at most", most),
        };
        let met = if figure.is_met() { "" } else { "   MISSED" };
        // Of ratios the second place behind the point matters.
        let places = if target < 10.0 { 2 } else { 0 };
        say(
            context,
            &format!(
                "{:<44} {:>12.*} {:<10} {word} {target:.places$}{met}\n{:<44} {}",
                figure.what,
                places.max(1),
                figure.value,
                figure.unit,
                "",
                figure.remark
            ),
        );
        if !figure.is_met() {
            outcome = Outcome::Failed;
        }
    });
    Ok(outcome)
}
