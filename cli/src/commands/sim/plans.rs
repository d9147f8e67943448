//! `truecopy sim --seed`, `replay`, `plan` and `explain`: one plan, wherever it comes from.

use std::fs;
use std::path::Path;

use truecopy_sim::plan::{Plan, SeedText};
use truecopy_sim::recorded;
use truecopy_sim::report;
use truecopy_sim::scenes;
use truecopy_sim::world::{self, Keep, Options, Run, Verdict, Watch};
use truecopy_transport::record::MAGIC;

use super::{Outcome, say};
use crate::args::{ExplainArgs, PlanArgs, SimReplayArgs};
use crate::escape::Shown;
use crate::exit::{Error, Result};
use crate::run::Context;

/// `truecopy sim --seed`.
pub(super) fn seed(seed: SeedText, context: &Context) -> Result<Outcome> {
    let plan = Plan::of_seed(seed);
    let ran = run(&plan, &Options::default())?;
    Ok(verdict(&plan, &ran, &format!("truecopy sim --seed {seed}"), context))
}

/// `truecopy sim replay`.
pub(super) fn replay(args: &SimReplayArgs, context: &Context) -> Result<Outcome> {
    let plan = read(&args.plan)?;
    let keep = if args.trace || args.svg.is_some() { Keep::All } else { Keep::Last };
    let until = args.until.map(|seconds| (seconds.clamp(0.0, 1e9) * 1e9) as u64);
    let watch = if args.swarm_svg.is_some() { Watch::Swarm } else { Watch::Nothing };
    let ran = run(&plan, &Options { keep, until, watch, ..Options::default() })?;
    if args.trace {
        let mut text = String::new();
        for record in ran.trace.records() {
            if args.node.is_none() || record.host == args.node {
                text.push_str(&format!("{record}\n"));
            }
        }
        context.reporter.generated(text.as_bytes());
    }
    if let Some(path) = &args.svg {
        write_file(path, &report::picture(&plan, &ran))?;
    }
    if let Some(path) = &args.swarm_svg {
        draw_swarm(path, &plan, &ran)?;
    }
    let again = format!("truecopy sim replay {}", Shown::path(Path::new(&args.plan)));
    Ok(verdict(&plan, &ran, &again, context))
}

/// `truecopy sim plan`.
pub(super) fn write(args: &PlanArgs, context: &Context) -> Result<Outcome> {
    let text = read(&args.plan)?.to_toml();
    match &args.out {
        Some(path) => write_file(path, &text)?,
        None => context.reporter.generated(text.as_bytes()),
    }
    Ok(Outcome::Pass)
}

/// `truecopy sim explain`.
pub(super) fn explain(args: &ExplainArgs, context: &Context) -> Result<Outcome> {
    context.reporter.generated(report::story(&read(&args.plan)?).as_bytes());
    Ok(Outcome::Pass)
}

/// Reads a plan: a seed, a file, a recording, or a scene if no file has its name.
pub(super) fn read(text: &str) -> Result<Plan> {
    if text.starts_with("tc1:") {
        return text.parse().map(Plan::of_seed).map_err(|error| Error::usage(format!("{error}")));
    }
    let path = Path::new(text);
    if let Some(scene) = scenes::named(text).filter(|_| !path.exists()) {
        return Ok(scene.scene().plan);
    }
    let bytes = fs::read(path).map_err(|error| Error::local("read", path, &error))?;
    let name = Shown::path(path);
    let plan = if bytes.starts_with(&MAGIC[..]) {
        recorded::plan(&bytes[..]).map_err(|error| Error::usage(format!("{name}: {error}")))?
    } else {
        let text = String::from_utf8_lossy(&bytes);
        Plan::from_toml(&text).map_err(|error| {
            Error::usage(format!("{name}: {error}"))
                .hint("name a plan, a scene, a recording that --record wrote, or a seed as tc1:…")
        })?
    };
    plan.check().map_err(|error| Error::usage(format!("{name}: {error}")))?;
    Ok(plan)
}

fn run(plan: &Plan, options: &Options) -> Result<Run> {
    world::run(plan, options).map_err(|error| Error::usage(format!("{error}")))
}

/// Tells how a run ended.
fn verdict(plan: &Plan, ran: &Run, again: &str, context: &Context) -> Outcome {
    let stats = &ran.stats;
    let figures = format!(
        "{} events, {:.3} simulated seconds, {} connections, {} bytes, {} of {} receivers done; digest {:016x}",
        stats.events,
        stats.nanos as f64 / 1e9,
        stats.connections,
        stats.received,
        stats.completed,
        plan.scenario.receivers,
        ran.trace.digest()
    );
    match &ran.verdict {
        Verdict::Pass => say(context, &format!("passed   {figures}")),
        Verdict::Stopped => say(context, &format!("stopped  {figures}")),
        Verdict::Fail(_) => {
            context.reporter.generated(report::failure(plan, ran, again).as_bytes());
            say(context, &format!("\nfailed   {figures}"));
            return Outcome::Failed;
        }
    }
    Outcome::Pass
}

/// Draws a run that was watched.
pub(super) fn draw_swarm(path: &Path, plan: &Plan, ran: &Run) -> Result<()> {
    write_file(path, &report::swarm_picture(plan, ran).unwrap_or_default())
}

/// Writes a file as a whole.
pub(super) fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| Error::local("write", path, &error))
}
