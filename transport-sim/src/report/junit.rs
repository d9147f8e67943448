//! A sweep as JUnit XML, for machines that gather results.

use super::canvas::escape;
use crate::campaign::{Sweep, Tally};

/// The results of a sweep: one case for the sweep, and one for each seed that failed.
pub fn junit(sweep: &Sweep, tally: &Tally) -> String {
    let name = escape(&format!("sim {} {:?} {}", sweep.cast, sweep.channel, sweep.mix).to_lowercase());
    let seconds = tally.took.as_secs_f64();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" time=\"{seconds:.3}\">\n",
        tally.runs,
        tally.failed.len()
    );
    text.push_str(&format!(
        "  <testcase classname=\"{name}\" name=\"{} seeds from {:x}\" time=\"{seconds:.3}\"/>\n",
        tally.runs, sweep.first
    ));
    for failed in &tally.failed {
        text.push_str(&format!(
            "  <testcase classname=\"{name}\" name=\"{}\"><failure message=\"{}\">truecopy sim --seed {}</failure></testcase>\n",
            failed.seed,
            escape(&failed.violation.to_string()),
            failed.seed
        ));
    }
    text + "</testsuite>\n"
}
