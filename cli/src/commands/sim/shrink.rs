//! `truecopy sim shrink`: a small plan that fails in the same way, and a unit test of it.

use std::ffi::OsString;
use std::path::PathBuf;

use truecopy_sim::shrink::{Again, Budget, Ending, Shrunk, shrink, unit_test};

use super::{Outcome, plans, say};
use crate::args::ShrinkArgs;
use crate::escape::Shown;
use crate::exit::Result;
use crate::run::Context;

/// Runs the command.
pub(super) fn run(args: &ShrinkArgs, context: &Context) -> Result<Outcome> {
    let plan = plans::read(&args.plan)?;
    let mut budget = Budget { runs: args.runs, ..Budget::default() };
    if let Some(time) = args.budget {
        budget.time = time.0;
    }
    let Some(mut small) = shrink(&plan, budget) else {
        say(context, "the plan does not fail: there is nothing to shrink");
        return Ok(Outcome::Pass);
    };
    if small.plan.about.is_empty() {
        small.plan.about = format!("Fails with {}", small.failure);
    }
    let text = small.plan.to_toml();
    match &args.out {
        Some(path) => {
            plans::write_file(path, &text)?;
            let mut test = OsString::from(path);
            test.push(".rs");
            let (test, name) = (PathBuf::from(test), path.file_name().unwrap_or_default().to_string_lossy());
            plans::write_file(&test, &unit_test(&name, &small.failure))?;
            tell(context, &small);
            say(context, &format!("plan     {}", Shown::path(path)));
            say(context, &format!("test     {}", Shown::path(&test)));
        }
        None => context.reporter.generated(text.as_bytes()),
    }
    Ok(match (small.again, small.ending) {
        (Again::Unsteady, _) => Outcome::Different,
        (Again::Same, Ending::Exhausted) => Outcome::Exhausted,
        (Again::Same, Ending::Minimal) => Outcome::Failed,
    })
}

fn tell(context: &Context, small: &Shrunk) {
    let scenario = &small.plan.scenario;
    let ending = match small.ending {
        Ending::Minimal => "nothing more can go",
        Ending::Exhausted => "the budget is used up",
    };
    say(
        context,
        &format!(
            "fails    {}\nleft     {} faults, {} hosts, {} files, {} bytes, after {} runs: {ending}",
            small.failure,
            small.plan.faults.len(),
            scenario.hosts(),
            scenario.files.len(),
            scenario.size(),
            small.runs
        ),
    );
    for (step, times) in &small.steps {
        say(context, &format!("         {step}: {times}"));
    }
    if small.again == Again::Unsteady {
        say(context, "again    NOT THE SAME when run twice more: something is not deterministic");
    }
}
