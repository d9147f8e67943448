//! Makes a failing plan small. A smaller plan counts only if the same oracle fails with the same class of claim: another
//! bug is not this one.

mod ddmin;
mod steps;
mod value;

use std::fmt;
use std::time::{Duration, Instant};

use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::world::{Options, run};

/// What a plan fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The oracle.
    pub oracle: Oracle,
    /// The class of the claim.
    pub class: &'static str,
    /// When, in nanoseconds of the run.
    pub at: u64,
}

impl Failure {
    /// Whether it is the same bug, as far as an oracle can tell.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.oracle, self.class) == (other.oracle, other.class)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.oracle, self.class)
    }
}

/// How much work shrinking may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Runs.
    pub runs: u32,
    /// Time.
    pub time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { runs: 2000, time: Duration::from_secs(60) }
    }
}

/// Why shrinking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// No step makes it smaller.
    Minimal,
    /// The budget is used up.
    Exhausted,
}

/// Whether the small plan still fails when it is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Twice, with the same failure.
    Same,
    /// It does not fail every time: the simulator, or the code under it, is not deterministic.
    Unsteady,
}

/// A small plan.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What it fails with.
    pub failure: Failure,
    /// Runs that it took.
    pub runs: u32,
    /// What each kind of step has achieved, in order, if anything: its name, and how often.
    pub steps: Vec<(&'static str, u32)>,
    /// Why it ended.
    pub ending: Ending,
    /// What came of two more runs.
    pub again: Again,
}

/// Shrinks a plan. None if it does not fail.
pub fn shrink(plan: &Plan, budget: Budget) -> Option<Shrunk> {
    shrink_with(plan, budget, &mut |plan| {
        let ran = run(plan, &Options::default()).ok()?;
        let found = ran.violation()?;
        Some(Failure { oracle: found.oracle, class: found.class, at: found.at })
    })
}

/// Shrinks a plan by any test: what a plan fails with, or none.
pub fn shrink_with(
    plan: &Plan,
    budget: Budget,
    test: &mut dyn FnMut(&Plan) -> Option<Failure>,
) -> Option<Shrunk> {
    let failure = test(plan)?;
    let mut shrinker = Shrinker {
        plan: plan.clone(),
        failure,
        budget,
        began: Instant::now(),
        runs: 1,
        steps: Vec::new(),
        step: "",
        test,
    };
    let mut before = None;
    while before.as_ref() != Some(&shrinker.plan) && !shrinker.is_exhausted() {
        before = Some(shrinker.plan.clone());
        shrinker.all_steps();
    }
    let ending = if shrinker.is_exhausted() { Ending::Exhausted } else { Ending::Minimal };
    let again =
        (0..2).all(|_| (shrinker.test)(&shrinker.plan).is_some_and(|again| again.is_same(&shrinker.failure)));
    let Shrinker { plan, failure, runs, steps, .. } = shrinker;
    let again = if again { Again::Same } else { Again::Unsteady };
    Some(Shrunk { plan, failure, runs: runs + 2, steps, ending, again })
}

/// The smallest plan so far.
struct Shrinker<'a> {
    plan: Plan,
    failure: Failure,
    budget: Budget,
    began: Instant,
    runs: u32,
    steps: Vec<(&'static str, u32)>,
    step: &'static str,
    test: &'a mut dyn FnMut(&Plan) -> Option<Failure>,
}

impl Shrinker<'_> {
    fn is_exhausted(&self) -> bool {
        self.runs >= self.budget.runs || self.began.elapsed() >= self.budget.time
    }

    /// Keeps another plan if it fails in the same way.
    fn attempt(&mut self, plan: Plan) -> bool {
        if plan == self.plan || self.is_exhausted() || plan.check().is_err() {
            return false;
        }
        self.runs += 1;
        let Some(failure) = (self.test)(&plan).filter(|failure| failure.is_same(&self.failure)) else {
            return false;
        };
        (self.plan, self.failure) = (plan, failure);
        match self.steps.last_mut() {
            Some((name, times)) if *name == self.step => *times += 1,
            _ => self.steps.push((self.step, 1)),
        }
        true
    }

    /// Keeps a changed plan if it fails in the same way.
    fn attempt_with(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.plan.clone();
        change(&mut plan);
        self.attempt(plan)
    }
}

/// A plan of a failure that was mended, as a unit test: Rust source that includes the plan's file by its name.
pub fn unit_test(file: &str, failure: &Failure) -> String {
    let stem: String = file
        .trim_end_matches(".toml")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    format!(
        "/// Failed once with {failure}.\n\
         #[test]\n\
         fn the_plan_{stem}_passes() {{\n    \
             let plan = truecopy_sim::plan::Plan::from_toml(include_str!({file:?})).unwrap();\n    \
             let run = truecopy_sim::world::run(&plan, &Default::default()).unwrap();\n    \
             assert_eq!(run.violation(), None);\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests;
