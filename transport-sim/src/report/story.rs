//! A plan in words: who is there, what goes wrong and when, and the same host by host.

use super::words;
use crate::plan::{ChannelKind, Network, Plan, Told};

/// The story of a plan.
pub fn story(plan: &Plan) -> String {
    let mut lines = Vec::new();
    if !plan.about.is_empty() {
        lines.push(plan.about.clone());
    }
    let scenario = &plan.scenario;
    let channel = match plan.channel {
        ChannelKind::Clear => "without encryption",
        ChannelKind::Tls => "over TLS",
    };
    lines.push(format!(
        "{} sender(s) (hosts 0..{}) and {} receiver(s) (hosts {}..{}), {channel}; {} file(s), {} bytes.",
        scenario.senders,
        scenario.senders,
        scenario.receivers,
        scenario.senders,
        scenario.hosts(),
        scenario.files.len(),
        scenario.size()
    ));
    match (scenario.trackers, scenario.told) {
        (_, Told::Called) => lines.push("Receivers know of nobody: senders dial them.".to_owned()),
        (0, _) => {}
        (some, Told::Addresses) => lines.push(format!("All announce the share at {some} tracker(s).")),
        (some, Told::TrackersAlone) => lines.push(format!(
            "All announce the share at {some} tracker(s); receivers know of nobody but by these."
        )),
    }
    for path in &scenario.present {
        lines.push(format!("{path} is there already."));
    }
    lines.push(network(&plan.network));
    lines.push(format!(
        "At {} ms everything heals that can; within {} ms from then on all must be done{}.",
        plan.heal.at_ms,
        plan.heal.budget_ms,
        if plan.heal.allowed.is_empty() {
            String::new()
        } else {
            format!(", or have ended with one of {:?}", plan.heal.allowed)
        }
    ));
    lines.push(String::new());
    if plan.faults.is_empty() {
        lines.push("Nothing goes wrong.".into());
    } else {
        timeline(plan, &mut lines);
        by_host(plan, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn network(network: &Network) -> String {
    let mut text = format!("One way takes {} µs", network.latency_us);
    let mut add = |is_on: bool, what: String| {
        if is_on {
            text.push_str(&what);
        }
    };
    add(network.jitter_us > 0, format!(" and up to {} at random", network.jitter_us));
    add(network.rate > 0, format!("; a host sends {} bytes a second", network.rate));
    add(true, format!("; {} bytes may be under way", network.window));
    add(network.write_max > 0, format!("; a write takes 1 to {} bytes", network.write_max));
    add(network.read_max > 0, format!("; a read gives 1 to {}", network.read_max));
    add(network.segment_max > 0, format!("; 1 to {} arrive at once", network.segment_max));
    add(
        network.would_block_permille > 0,
        format!("; {} ‰ of calls block without need", network.would_block_permille),
    );
    add(
        network.interrupted_permille > 0,
        format!("; {} ‰ of calls are interrupted", network.interrupted_permille),
    );
    text + "."
}

/// When a fault happens.
fn when(fault: &crate::plan::Fault) -> String {
    match words::window(fault) {
        Some((from, to)) if from == to => format!("{from} ms"),
        Some((from, to)) if to >= u64::from(u32::MAX) => format!("{from} ms on"),
        Some((from, to)) => format!("{from}..{to} ms"),
        None => "at its place".into(),
    }
}

fn timeline(plan: &Plan, lines: &mut Vec<String>) {
    lines.push("What goes wrong:".into());
    let mut faults: Vec<_> = plan.faults.iter().collect();
    faults.sort_by_key(|fault| words::window(fault).map_or(0, |(from, _)| from));
    for fault in faults {
        lines.push(format!("  {:<16} {}", when(fault), words::fault(fault)));
    }
    lines.push(String::new());
}

/// Seconds that a bar shows.
const COLUMNS: u64 = 60;

/// A bar for each host: `█` while something is wrong with it.
fn by_host(plan: &Plan, lines: &mut Vec<String>) {
    let ends =
        plan.faults.iter().filter_map(words::window).map(|(from, to)| from.max(to.min(plan.heal.at_ms)));
    let end = ends.max().unwrap_or(1).max(COLUMNS);
    lines.push(format!("Host by host, 0 to {end} ms (█ a fault holds, · none):"));
    for host in 0..plan.scenario.hosts().min(24) {
        let windows: Vec<_> = plan
            .faults
            .iter()
            .filter(|fault| fault.hosts().any(|of| of == host) || fault.name() == "swizzle")
            .filter_map(words::window)
            .collect();
        let bar: String = (0..COLUMNS)
            .map(|column| {
                let (start, stop) = (column * end / COLUMNS, (column + 1) * end / COLUMNS);
                let holds = windows.iter().any(|(from, to)| *from < stop && *to >= start);
                if holds { '█' } else { '·' }
            })
            .collect();
        let part = if host < usize::from(plan.scenario.senders) { "sender" } else { "receiver" };
        lines.push(format!("  {host:>2} {part:<8} {bar}"));
    }
}
