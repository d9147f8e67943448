//! What is counted, as Prometheus text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

use super::app::App;
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
    signed: AtomicU64,
    token: AtomicU64,
    checks: [AtomicU64; 3],
}

impl Metrics {
    pub(super) fn answered(&self, endpoint: Option<Endpoint>, status: StatusCode) {
        let route = ROUTES.iter().position(|route| Some(route.endpoint) == endpoint).unwrap_or(ROUTES.len());
        let other = STATUSES.len() - 1;
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(other);
        self.answers[route][status].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn announced(&self, proof: &Proof) {
        let counter = match proof {
            Proof::Signed { .. } => &self.signed,
            Proof::Token(_) => &self.token,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn checked(&self, check: Check) {
        let kind = match check {
            Check::Answered => 0,
            Check::Silent => 1,
            Check::Postponed => 2,
        };
        self.checks[kind].fetch_add(1, Ordering::Relaxed);
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

/// All of them.
pub(super) fn render(app: &App) -> String {
    let mut text = String::new();
    let metrics = &app.metrics;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let paths = ROUTES.iter().map(|route| route.path).chain(["other"]);
    let mut answers = Vec::new();
    for (path, counters) in paths.zip(&metrics.answers) {
        for (status, counter) in STATUSES.iter().zip(counters).filter(|(_, counter)| count(counter) > 0) {
            answers.push((format!("{{path=\"{path}\",status=\"{status}\"}}"), count(counter)));
        }
    }
    family(&mut text, "truecopy_requests_total", "counter", "Requests answered.", &answers);
    let kind = |name: &str, counter| (format!("{{proof=\"{name}\"}}"), count(counter));
    let announces = [kind("signature", &metrics.signed), kind("token", &metrics.token)];
    family(&mut text, "truecopy_announces_total", "counter", "Announces taken.", &announces);
    let checks = ["answered", "silent", "postponed"].into_iter().zip(&metrics.checks);
    let checks: Vec<_> =
        checks.map(|(name, counter)| (format!("{{result=\"{name}\"}}"), count(counter))).collect();
    family(&mut text, "truecopy_plain_checks_total", "counter", "Plain peers checked.", &checks);
    let mut gauge = |name, help, value: usize| {
        family(&mut text, name, "gauge", help, &[(String::new(), value as u64)]);
    };
    let (peers, shares) = {
        let tracker = app.tracker();
        (tracker.peers(), tracker.shares())
    };
    gauge("truecopy_peers", "Peers of all shares.", peers);
    gauge("truecopy_shares", "Shares with peers.", shares);
    gauge("truecopy_plain_peers", "Plain peers known, answering or not.", app.registry().len());
    if let Some(writer) = app.writer() {
        gauge("truecopy_store_pending", "Changes not handed to the store yet.", writer.pending());
        let failures = [(String::new(), writer.failures())];
        family(&mut text, "truecopy_store_failures_total", "counter", "Batches that failed.", &failures);
    }
    text
}
