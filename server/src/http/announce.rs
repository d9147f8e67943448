//! `POST /announce`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::job::Signature;
use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime, hex, unhex};

use super::app::{App, civil};
use super::reply::{self, Answer};
use super::route::charge;
use super::scrape::Counts;
use crate::store::Claim;
use crate::tracker::gate::WINDOW;
use crate::tracker::{Announce, Denied, Event, Proof, Proven, Reply, Token};

/// What checking a signature costs a source on top: the time of some plain requests.
const SIGNATURE_COST: u32 = 4;
/// What a second address costs it on top: a handshake.
const SECOND_COST: u32 = 4;
/// When whether a statement is new cannot be found out.
const UNSURE_PAUSE: Duration = Duration::from_secs(5);
/// When a source holds as many keys as it may: some may be gone then.
const CROWDED_PAUSE: Duration = Duration::from_secs(300);
/// For which a statement is remembered by all replicas: as long as its time may be good, and the clocks of replicas
/// may differ by.
const CLAIM_TTL: Duration = Duration::from_secs(2 * WINDOW + 60);
/// When the tracker is full.
const FULL_PAUSE: Duration = Duration::from_secs(300);

/// The body. Binary fields are in hexadecimal.
#[derive(Deserialize)]
struct Body<'a> {
    discovery: &'a str,
    node: &'a str,
    port: NonZeroU16,
    left: u64,
    #[serde(default)]
    event: EventName,
    time: Option<u64>,
    nonce: Option<&'a str>,
    signature: Option<&'a str>,
    token: Option<&'a str>,
    second: Option<SocketAddr>,
}

/// An announce, and where the node says that it listens in its other family.
pub(super) struct Request {
    pub(super) announce: Announce,
    pub(super) second: Option<SocketAddr>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EventName {
    #[default]
    None,
    Started,
    Stopped,
    Completed,
}

#[derive(Serialize)]
struct ReplyBody {
    interval: u32,
    min_interval: u32,
    #[serde(flatten)]
    counts: Counts,
    token: String,
    peers: Vec<PeerBody>,
}

#[derive(Serialize)]
struct PeerBody {
    node: String,
    address: SocketAddr,
}

/// Answers an announce from `source`.
pub(super) async fn answer(app: &App, source: IpAddr, body: &[u8]) -> Answer {
    let Request { announce, second } = match parse(body) {
        Ok(request) => request,
        Err(message) => return reply::malformed(&message),
    };
    let mut cost = second.map_or(0, |_| SECOND_COST);
    if matches!(announce.proof, Proof::Signed { .. }) {
        cost += SIGNATURE_COST;
    }
    if cost > 0
        && let Err(refusal) = charge(app, source, cost)
    {
        return refusal;
    }
    match take(app, source, &announce, second).await {
        Ok((proven, reply)) => {
            app.metrics.announced(&announce.proof);
            let config = app.config.tracker;
            let tell =
                |told: crate::tracker::Told| PeerBody { node: hex(&told.node.0), address: told.address };
            let body = ReplyBody {
                interval: config.interval,
                min_interval: config.min_interval,
                counts: reply.scrape.into(),
                token: hex(&proven.token().0),
                peers: reply.peers.into_iter().map(tell).collect(),
            };
            reply::json(StatusCode::OK, &body)
        }
        Err(denied) => refuse(denied),
    }
}

async fn take(
    app: &App,
    source: IpAddr,
    announce: &Announce,
    second: Option<SocketAddr>,
) -> Result<(Proven, Reply), Denied> {
    let now = civil();
    let proven = app.gate.check(now, source, announce)?;
    if let (Some(replicas), Some(mark)) = (app.replicas(), proven.mark()) {
        app.tracker().expects(now, &proven)?;
        match replicas.claim(mark, CLAIM_TTL).await {
            Some(Claim::First) => {}
            Some(Claim::Taken) => return Err(Denied::Replayed),
            None => return Err(Denied::Unsure),
        }
    }
    let mut changes = Vec::new();
    let reply = app.tracker().announce(now, source, announce, &proven, &mut changes)?;
    app.keep(changes);
    if let Some(address) = second.filter(|_| announce.event != Event::Stopped) {
        app.wishes().add(app.now(), source, announce.discovery, announce.node, address);
    }
    Ok((proven, reply))
}

fn refuse(denied: Denied) -> Answer {
    let message = denied.to_string();
    match denied {
        Denied::Forged => reply::error(StatusCode::FORBIDDEN, "forged", &message),
        Denied::WrongTime => reply::error(StatusCode::FORBIDDEN, "wrong_time", &message),
        Denied::BadToken => reply::error(StatusCode::UNAUTHORIZED, "bad_token", &message),
        Denied::Replayed => reply::error(StatusCode::CONFLICT, "replayed", &message),
        Denied::Full => reply::later(StatusCode::SERVICE_UNAVAILABLE, "full", &message, FULL_PAUSE),
        Denied::Unsure => reply::later(StatusCode::SERVICE_UNAVAILABLE, "unsure", &message, UNSURE_PAUSE),
        Denied::Crowded => {
            reply::later(StatusCode::TOO_MANY_REQUESTS, "too_many_keys", &message, CROWDED_PAUSE)
        }
        Denied::Early { wait } => {
            let wait = Duration::from_secs(wait.into());
            reply::later(StatusCode::TOO_MANY_REQUESTS, "too_early", &message, wait)
        }
    }
}

/// What a body says.
pub(super) fn parse(body: &[u8]) -> Result<Request, String> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let event = match body.event {
        EventName::None => Event::None,
        EventName::Started => Event::Started,
        EventName::Stopped => Event::Stopped,
        EventName::Completed if body.left > 0 => return Err("completed, but something is left".to_owned()),
        EventName::Completed => Event::Completed,
    };
    let proof = match (body.token, body.time, body.nonce, body.signature) {
        (Some(token), None, None, None) => Proof::Token(Token(bytes("token", token)?)),
        (None, Some(time), Some(nonce), Some(signature)) => Proof::Signed {
            time: UnixTime(time),
            nonce: Nonce(bytes("nonce", nonce)?),
            signature: Signature(bytes("signature", signature)?),
        },
        _ => return Err("either token, or time, nonce and signature are wanted".to_owned()),
    };
    if body.second.is_some_and(|address| address.port() == 0) {
        return Err("second has no port".to_owned());
    }
    let announce = Announce {
        discovery: DiscoveryKey(bytes("discovery", body.discovery)?),
        node: NodeId(bytes("node", body.node)?),
        port: body.port,
        left: body.left,
        event,
        proof,
    };
    Ok(Request { announce, second: body.second })
}

/// The bytes of a field in hexadecimal.
fn bytes<const N: usize>(field: &str, text: &str) -> Result<[u8; N], String> {
    unhex(text).ok_or_else(|| format!("{field} is not {} hexadecimal digits", 2 * N))
}
