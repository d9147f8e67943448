//! Whether a plan gives the same run twice, and where two runs part.

use crate::content::BadContent;
use crate::plan::Plan;
use crate::world::{Keep, Options, run};

/// Where two runs of one plan part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The number of the first record that differs.
    pub record: usize,
    /// What the first run did there.
    pub first: String,
    /// What the second did.
    pub second: String,
}

/// Runs a plan twice.
///
/// # Errors
/// If its files make no share.
pub fn twice(plan: &Plan) -> Result<Option<Divergence>, BadContent> {
    let (first, second) = (run(plan, &Options::default())?, run(plan, &Options::default())?);
    let same = first.trace.digest() == second.trace.digest() && first.verdict == second.verdict;
    if same && first.stats == second.stats {
        return Ok(None);
    }
    // Rare, so the records are kept only now.
    let all = Options { keep: Keep::All, ..Options::default() };
    let (first, second) = (run(plan, &all)?, run(plan, &all)?);
    let mut records = first.trace.records().zip(second.trace.records()).enumerate();
    let shown = records.find(|(_, (first, second))| first != second);
    Ok(Some(match shown {
        Some((record, (first, second))) => {
            Divergence { record, first: first.to_string(), second: second.to_string() }
        }
        None => Divergence {
            record: first.trace.records().count().min(second.trace.records().count()),
            first: format!("{:?}", first.verdict),
            second: format!("{:?}", second.verdict),
        },
    }))
}
