//! The report of a failure: what was claimed, where and when, what was going on, and how to see it again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::words;
use crate::oracle::Violation;
use crate::plan::Plan;
use crate::world::{Run, What};

/// Records that are shown.
const LAST: usize = 40;

const MS: u64 = 1_000_000;

/// The report of a run that failed; the empty text for any other. `again` is the line that runs it again.
pub fn failure(plan: &Plan, run: &Run, again: &str) -> String {
    let Some(found) = run.violation() else { return String::new() };
    let mut out = String::new();
    let mut say = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    say(format!("FAILED   {}", found.oracle));
    say(format!("class    {}", found.class));
    say(format!("claim    {}", found.claim));
    say(format!("when     {:.6} s{}", found.at as f64 / 1e9, who(plan, found)));
    if let Some(place) = &found.place {
        let path = plan.scenario.files.get(usize::from(place.file)).map_or("?", |file| file.path.as_str());
        say(format!("where    bytes {}..{} of {path}", place.range.start, place.range.end));
        say(format!("origin   what stands there comes from {}", place.origin));
    }
    say(format!("again    {again}"));
    say(String::new());
    say(active(plan, found.at));
    say(met(run));
    let shown = involved(plan, found);
    say(format!("the last {LAST} things that hosts {} did:", list(&shown)));
    let of_them = |host: Option<u16>| host.is_none_or(|host| shown.contains(&usize::from(host)));
    let records: Vec<_> = run.trace.records().filter(|record| of_them(record.host)).collect();
    for record in &records[records.len().saturating_sub(LAST)..] {
        say(format!("  {record}"));
    }
    out
}

fn who(plan: &Plan, found: &Violation) -> String {
    match found.host {
        Some(host) if host < plan.scenario.senders => format!(", host {host}, a sender"),
        Some(host) => format!(", host {host}, a receiver"),
        None => String::new(),
    }
}

fn list(hosts: &BTreeSet<usize>) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The host of the claim, those that active faults name, and one of the other side if there is none yet.
fn involved(plan: &Plan, found: &Violation) -> BTreeSet<usize> {
    let all = 0..plan.scenario.hosts();
    let Some(host) = found.host.map(usize::from) else { return all.take(8).collect() };
    let mut hosts = BTreeSet::from([host]);
    for fault in plan.faults.iter().filter(|fault| is_active(fault, found.at)) {
        let named: Vec<usize> = fault.hosts().collect();
        if named.contains(&host) {
            hosts.extend(named);
        }
    }
    if hosts.len() == 1 {
        let senders = usize::from(plan.scenario.senders);
        hosts.insert(if host < senders { senders } else { (host - senders) % senders });
    }
    hosts
}

fn is_active(fault: &crate::plan::Fault, at: u64) -> bool {
    words::window(fault).is_none_or(|(from, to)| from * MS <= at && at <= to * MS)
}

fn active(plan: &Plan, at: u64) -> String {
    let mut text = String::from("faults at that time:\n");
    let active = plan.faults.iter().filter(|fault| is_active(fault, at));
    let lines: Vec<String> = active.map(|fault| format!("  {}\n", words::fault(fault))).collect();
    text.push_str(&lines.concat());
    if lines.is_empty() {
        text.push_str("  none\n");
    }
    text
}

fn met(run: &Run) -> String {
    let mut text = String::from("faults met:");
    for (kind, name, times) in run.coverage.rows() {
        if kind == "fault" && times > 0 {
            // Writing to a `String` cannot fail.
            let _ = write!(text, " {name} {times},");
        }
    }
    let said = |what: &str| {
        let is =
            |record: &&crate::world::Record| matches!(&record.what, What::Said(text) if text.contains(what));
        run.trace.records().filter(is).count()
    };
    let text = text.trim_end_matches(',');
    format!("{text}\nseen at the end: {} panics, {} lost connections\n", said("panic"), said("disconnected"))
}
