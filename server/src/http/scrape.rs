//! `GET /scrape` and `GET /healthz`.

use hyper::StatusCode;
use serde::Serialize;
use truecopy_protocol::{DiscoveryKey, unhex};

use super::app::App;
use super::reply::{self, Answer};
use crate::tracker::Scrape;

/// Counts of a share.
#[derive(Serialize)]
pub(super) struct Counts {
    seeders: u64,
    leechers: u64,
    completed: u64,
}

impl From<Scrape> for Counts {
    fn from(scrape: Scrape) -> Self {
        let Scrape { seeders, leechers, completed } = scrape;
        Self { seeders, leechers, completed }
    }
}

/// Answers `?discovery=` with the counts of that share.
pub(super) fn answer(app: &App, query: &str) -> Answer {
    match wanted(query) {
        Some(discovery) => {
            let counts: Counts = app.tracker().scrape(&DiscoveryKey(discovery)).into();
            reply::json(StatusCode::OK, &counts)
        }
        None => reply::malformed("discovery is not 64 hexadecimal digits"),
    }
}

/// The share that a query asks for.
pub(super) fn wanted(query: &str) -> Option<[u8; 32]> {
    query.split('&').find_map(|pair| pair.strip_prefix("discovery=")).and_then(unhex)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Says that requests are answered.
pub(super) fn health() -> Answer {
    reply::json(StatusCode::OK, &Health { status: "ok" })
}
