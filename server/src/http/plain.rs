//! `POST /api/register` and `GET /api/get_peers`: peers without keys.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use truecopy_protocol::Candidate;

use super::app::App;
use super::reply::{self, Answer};
use crate::bootstrap::Refused;

/// Plain peers in one answer at most.
const PEERS_MAX: usize = 50;
/// When the registry is full.
const FULL_PAUSE: std::time::Duration = std::time::Duration::from_secs(600);

#[derive(Deserialize)]
struct Body<'a> {
    address: &'a str,
}

#[derive(Serialize)]
struct Registered {
    address: String,
    status: &'static str,
}

#[derive(Serialize)]
struct Peers {
    peers: Vec<PlainPeer>,
}

#[derive(Serialize)]
struct PlainPeer {
    address: String,
    /// Always false: nobody knows who answers there.
    proven: bool,
}

/// Takes an address, to be handed out once something answered there.
pub(super) fn register(app: &App, body: &[u8]) -> Answer {
    let candidate = match parse(body) {
        Ok(candidate) => candidate,
        Err(message) => return reply::malformed(&message),
    };
    let address = candidate.to_string();
    let taken = app.registry().register(app.now(), candidate);
    match taken {
        Ok(()) => {
            app.unchecked.notify_one();
            reply::json(StatusCode::ACCEPTED, &Registered { address, status: "accepted" })
        }
        Err(refused @ Refused::Forbidden) => {
            reply::error(StatusCode::FORBIDDEN, "forbidden_address", &refused.to_string())
        }
        Err(refused @ Refused::Full) => {
            reply::later(StatusCode::SERVICE_UNAVAILABLE, "full", &refused.to_string(), FULL_PAUSE)
        }
    }
}

/// The address in a body.
pub(super) fn parse(body: &[u8]) -> Result<Candidate, String> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    body.address.parse().map_err(|error| format!("address: {error}"))
}

/// Hands out random addresses at which something answers.
pub(super) fn peers(app: &App) -> Answer {
    let chosen = app.registry().choose(PEERS_MAX);
    let plain = |candidate: Candidate| PlainPeer { address: candidate.to_string(), proven: false };
    reply::json(StatusCode::OK, &Peers { peers: chosen.into_iter().map(plain).collect() })
}
