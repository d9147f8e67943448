//! What is counted, as Prometheus text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;

use super::app::App;
use super::histogram::{self, Histogram};
use super::route::{Endpoint, ROUTES};
use crate::bootstrap::Check;
use crate::tracker::Proof;

/// The statuses that are counted one by one; the last stands for all others.
const STATUSES: [u16; 13] = [200, 202, 400, 401, 403, 404, 405, 408, 409, 413, 429, 503, 0];

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By route, with unknown paths at the end, and by status.
    answers: [[AtomicU64; STATUSES.len()]; ROUTES.len() + 1],
    /// How long answers took, by route.
    took: [Histogram; ROUTES.len() + 1],
    signed: AtomicU64,
    token: AtomicU64,
    checks: [AtomicU64; 3],
    connects: [AtomicU64; 3],
    merged: AtomicU64,
    reloads: AtomicU64,
    shared_failures: AtomicU64,
}

/// What came of dials, in the order of their counters.
const CHECKS: [(Check, &str); 3] =
    [(Check::Answered, "answered"), (Check::Silent, "silent"), (Check::Postponed, "postponed")];

impl Metrics {
    pub(super) fn answered(&self, endpoint: Option<Endpoint>, status: StatusCode, took: Duration) {
        let route = ROUTES.iter().position(|route| Some(route.endpoint) == endpoint).unwrap_or(ROUTES.len());
        let other = STATUSES.len() - 1;
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(other);
        self.answers[route][status].fetch_add(1, Ordering::Relaxed);
        self.took[route].add(took);
    }

    pub(super) fn announced(&self, proof: &Proof) {
        let counter = match proof {
            Proof::Signed { .. } => &self.signed,
            Proof::Token(_) => &self.token,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A plain peer was dialled, or not.
    pub(super) fn checked(&self, check: Check) {
        count_check(&self.checks, check);
    }

    /// A node was dialled at its second address, or not; it answered if it proved its key.
    pub(super) fn connected_back(&self, check: Check) {
        count_check(&self.connects, check);
    }

    /// Changes of replicas, of this one too, were merged.
    pub(super) fn merged(&self, changes: usize) {
        self.merged.fetch_add(changes as u64, Ordering::Relaxed);
    }

    /// All records were read again.
    pub(super) fn reloaded(&self) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }

    /// The store that replicas share did not answer one of its readers.
    pub(super) fn shared_store_failed(&self) {
        self.shared_failures.fetch_add(1, Ordering::Relaxed);
    }
}

fn count_check(counters: &[AtomicU64; 3], check: Check) {
    if let Some(kind) = CHECKS.iter().position(|(known, _)| *known == check) {
        counters[kind].fetch_add(1, Ordering::Relaxed);
    }
}

/// One family: its comment, its type, its samples.
fn family(text: &mut String, name: &str, kind: &str, help: &str, samples: &[(String, u64)]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Counters of answers, and how long they took.
fn render_answers(text: &mut String, metrics: &Metrics) {
    let paths: Vec<&str> = ROUTES.iter().map(|route| route.path).chain(["other"]).collect();
    let mut answers = Vec::new();
    for (path, counters) in paths.iter().zip(&metrics.answers) {
        for (status, counter) in STATUSES.iter().zip(counters).filter(|(_, counter)| count(counter) > 0) {
            answers.push((format!("{{path=\"{path}\",status=\"{status}\"}}"), count(counter)));
        }
    }
    family(text, "truecopy_requests_total", "counter", "Requests answered.", &answers);
    histogram::head(text, "truecopy_request_seconds", "From the head of a request to its answer.");
    for (path, histogram) in paths.iter().zip(&metrics.took) {
        histogram.render(text, "truecopy_request_seconds", &format!("path=\"{path}\""));
    }
}

/// All of them.
pub(super) fn render(app: &App) -> String {
    let mut text = String::new();
    let metrics = &app.metrics;
    render_answers(&mut text, metrics);
    let kind = |name: &str, counter| (format!("{{proof=\"{name}\"}}"), count(counter));
    let announces = [kind("signature", &metrics.signed), kind("token", &metrics.token)];
    family(&mut text, "truecopy_announces_total", "counter", "Announces taken.", &announces);
    let results = |counters: &[AtomicU64; 3]| -> Vec<(String, u64)> {
        let pairs = CHECKS.iter().zip(counters);
        pairs.map(|((_, name), counter)| (format!("{{result=\"{name}\"}}"), count(counter))).collect()
    };
    let checks = results(&metrics.checks);
    family(&mut text, "truecopy_plain_checks_total", "counter", "Plain peers checked.", &checks);
    let connects = results(&metrics.connects);
    family(&mut text, "truecopy_connect_backs_total", "counter", "Second addresses dialled.", &connects);
    let single = |text: &mut String, name, kind, help, value| {
        family(text, name, kind, help, &[(String::new(), value)]);
    };
    let (peers, shares, idle) = {
        let tracker = app.tracker();
        (tracker.peers(), tracker.shares(), tracker.idle_shares())
    };
    single(&mut text, "truecopy_peers", "gauge", "Peers of all shares.", peers as u64);
    single(&mut text, "truecopy_shares", "gauge", "Shares with peers.", shares as u64);
    single(&mut text, "truecopy_idle_shares", "gauge", "Shares remembered without peers.", idle as u64);
    let plain = app.registry().len() as u64;
    single(&mut text, "truecopy_plain_peers", "gauge", "Plain peers known, answering or not.", plain);
    let waiting = app.wishes().len() as u64;
    single(
        &mut text,
        "truecopy_second_addresses_waiting",
        "gauge",
        "Second addresses to be dialled.",
        waiting,
    );
    if let Some(writer) = app.writer() {
        let pending = writer.pending() as u64;
        single(&mut text, "truecopy_store_pending", "gauge", "Changes not handed to the store yet.", pending);
        let failures = writer.failures();
        single(&mut text, "truecopy_store_failures_total", "counter", "Batches that failed.", failures);
    }
    if app.replicas().is_some() {
        let mut counter = |name, help, value| single(&mut text, name, "counter", help, count(value));
        counter("truecopy_merged_changes_total", "Changes of all replicas heard of.", &metrics.merged);
        counter("truecopy_reloads_total", "Times all records were read again.", &metrics.reloads);
        let help = "Times other replicas could not be asked or heard.";
        counter("truecopy_shared_failures_total", help, &metrics.shared_failures);
    }
    text
}
