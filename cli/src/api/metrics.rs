//! What is counted, as Prometheus text.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

use super::shapes::Status;
use crate::engine::news::{Shape, State};

/// Answers by the first digit of their status.
#[derive(Debug, Default)]
pub(super) struct Requests([AtomicU64; 6]);

impl Requests {
    pub(super) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).min(self.0.len() - 1);
        self.0[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// The words of all states; one that failed has its reason elsewhere.
const STATES: [State; 8] = [
    State::Preparing,
    State::Offered,
    State::Running,
    State::Paused,
    State::Done,
    State::Declined,
    State::Cancelled,
    State::Failed(String::new()),
];

/// One family: its comment, its type, its samples.
fn family<L: Display>(
    text: &mut String,
    (name, kind, help): (&str, &str, &str),
    samples: impl IntoIterator<Item = (L, u64)>,
) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// All of them.
pub(super) fn render(requests: &Requests, status: &Status, shapes: &[Shape]) -> String {
    let mut text = String::new();
    let single = |text: &mut String, about, value| family(text, about, [("", value)]);
    single(&mut text, ("truecopy_uptime_seconds", "gauge", "Since the daemon's start."), status.uptime);
    single(&mut text, ("truecopy_peers", "gauge", "Nodes that are here."), status.peers);
    single(&mut text, ("truecopy_offers", "gauge", "Offers that nobody has answered."), status.offers);
    let all = STATES;
    let states = all.iter().map(|state| {
        let count = shapes.iter().filter(|shape| shape.state.word() == state.word()).count() as u64;
        (format!("{{state=\"{}\"}}", state.word()), count)
    });
    family(&mut text, ("truecopy_transfers", "gauge", "Transfers by how they stand."), states);
    let moved = [(true, "in"), (false, "out")].map(|(comes, way)| {
        let moved = shapes.iter().filter(|shape| shape.comes == comes).map(|shape| shape.moved).sum();
        (format!("{{way=\"{way}\"}}"), moved)
    });
    let help = "Bytes verified, or handed to receivers, of the transfers that are listed.";
    family(&mut text, ("truecopy_moved_bytes", "gauge", help), moved);
    let classes = (1_u8..).zip(&requests.0[1..]);
    let answers =
        classes.map(|(class, count)| (format!("{{status=\"{class}xx\"}}"), count.load(Ordering::Relaxed)));
    family(&mut text, ("truecopy_api_requests_total", "counter", "Requests answered."), answers);
    text
}
