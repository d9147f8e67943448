//! `truecopy sim swarm`: swarms and rooms at scale, a line of figures each.

use std::path::Path;

use truecopy_sim::bench;
use truecopy_sim::report;
use truecopy_sim::scenes::{self, Changes, Goal, Named, Played, Stage};
use truecopy_sim::world::{Options, Verdict, Watch};

use super::{Outcome, plans, say};
use crate::args::SimSwarmArgs;
use crate::exit::{Error, Result};
use crate::run::Context;

/// `truecopy sim swarm`.
pub(super) fn run(args: &SimSwarmArgs, context: &Context) -> Result<Outcome> {
    if args.names.is_empty() {
        list(context);
        return Ok(Outcome::Pass);
    }
    let choke_ms = args.choke.map(|pause| u64::try_from(pause.0.as_millis()).unwrap_or(u64::MAX));
    let mut stage = Stage::new(Changes { seed: args.seed, upload_slots: args.slots, choke_ms });
    if args.svg.is_some() && args.names.len() > 1 {
        return Err(Error::usage("one picture shows one scene; name one"));
    }
    let mut outcome = Outcome::Pass;
    say(context, HEAD);
    // The parser lets no other names through.
    for scene in args.names.iter().filter_map(|name| scenes::named(name)) {
        if play(scene, &mut stage, args.svg.as_deref(), context)? != Outcome::Pass {
            outcome = Outcome::Failed;
        }
    }
    Ok(outcome)
}

fn list(context: &Context) {
    for scene in scenes::all() {
        let goal = scene.goal_in_words();
        say(context, &format!("{:<12} {}", scene.name, scene.about));
        if !goal.is_empty() {
            say(context, &format!("{:<12} should be: {goal}", ""));
        }
    }
    say(context, "\nplay one with: truecopy sim swarm NAME; see its plan with: truecopy sim plan NAME");
}

const HEAD: &str = "scene          first  median    last   least   ratio    free   again   real s  verdict";

/// Plays a scene and tells its figures.
fn play(scene: &Named, stage: &mut Stage, svg: Option<&Path>, context: &Context) -> Result<Outcome> {
    let bad = |error| Error::usage(format!("{error}"));
    let watch = if svg.is_some() { Watch::Swarm } else { Watch::Nothing };
    let played = stage.play(scene, &Options { watch, ..Options::default() }).map_err(bad)?;
    if let Some(path) = svg {
        plans::draw_swarm(path, &stage.set(scene).plan, &played.run)?;
    }
    let figure = stage.figure(scene, &played).map_err(bad)?;
    let missed = figure.as_ref().filter(|figure| !figure.is_met());
    let note = match &figure {
        Some(figure) if missed.is_some() => {
            format!("; MISSED: {:.2} {}, not {}", figure.value, figure.unit, scene.goal_in_words())
        }
        Some(figure) => format!("; {:.2} {}: {}", figure.value, figure.unit, scene.goal_in_words()),
        None => String::new(),
    };
    say(context, &format!("{}{note}", line(scene, &played)));
    if let Verdict::Fail(_) = &played.run.verdict {
        let again = format!("truecopy sim swarm {}", scene.name);
        let plan = stage.set(scene).plan;
        context.reporter.generated(report::failure(&plan, &played.run, &again).as_bytes());
    }
    if scene.goal == Goal::Memory
        && let Some(peak) = bench::peak()
    {
        let most = figure.as_ref().map_or(0.0, |figure| figure.target.bound());
        say(
            context,
            &format!("{:<12} at most {most:.0} MiB; all hosts and the simulator together: {peak:.2} GiB", ""),
        );
    }
    let is_well = played.is_passed() && missed.is_none();
    Ok(if is_well { Outcome::Pass } else { Outcome::Failed })
}

/// The figures of a scene under [`HEAD`].
fn line(scene: &Named, played: &Played) -> String {
    let verdict = match &played.run.verdict {
        Verdict::Pass => "passed",
        Verdict::Fail(_) => "FAILED",
        Verdict::Stopped => "stopped",
    };
    let free = played.free_to_honest().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "{:<12} {:>7.places$} {:>7.places$} {:>7.places$} {:>7.places$} {:>7.2} {free:>7} {:>5.1} % {:>8.1}  {verdict}",
        scene.name,
        played.first(),
        played.median(),
        played.last(),
        played.least,
        played.ratio(),
        100.0 * played.again,
        played.took,
        places = scene.goal.places()
    )
}
