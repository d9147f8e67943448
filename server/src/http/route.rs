//! From a request to its endpoint: paths, limits, bodies.

use std::net::IpAddr;
use std::time::Instant;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, StatusCode};

use super::app::App;
use super::reply::{self, Answer};
use super::{announce, metrics, plain, scrape, source};

/// Bytes of a request's body at most.
const BODY_MAX: usize = 8 * 1024;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Announce,
    Scrape,
    Register,
    Peers,
    Health,
    Metrics,
}

/// One path with the one method that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path, without a query.
    pub path: &'static str,
    pub(super) endpoint: Endpoint,
    /// What it takes from what a source may ask. Who asks for nothing is not looked at.
    cost: u32,
}

const fn route(method: &'static str, path: &'static str, endpoint: Endpoint, cost: u32) -> Route {
    Route { method, path, endpoint, cost }
}

/// All there is.
pub const ROUTES: [Route; 6] = [
    route("POST", "/announce", Endpoint::Announce, 1),
    route("GET", "/scrape", Endpoint::Scrape, 1),
    route("POST", "/api/register", Endpoint::Register, 5),
    route("GET", "/api/get_peers", Endpoint::Peers, 1),
    route("GET", "/healthz", Endpoint::Health, 0),
    route("GET", "/metrics", Endpoint::Metrics, 0),
];

/// Answers one request that came from `peer`.
pub(super) async fn handle(app: &App, peer: IpAddr, request: Request<Incoming>) -> Answer {
    let start = Instant::now();
    let path = request.uri().path();
    let found = ROUTES.iter().find(|route| route.path == path);
    let answer = match found {
        None => reply::error(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"),
        Some(route) if route.method != request.method().as_str() => reply::wrong_method(route.method),
        Some(route) => match admit(app, peer, &request, route.cost) {
            Ok(source) => dispatch(app, source, route.endpoint, request).await,
            Err(refusal) => refusal,
        },
    };
    app.metrics.answered(found.map(|route| route.endpoint), answer.status(), start.elapsed());
    tracing::debug!(%peer, path = found.map_or("?", |route| route.path), status = answer.status().as_u16());
    answer
}

/// The source of a request that may be answered.
#[expect(clippy::result_large_err, reason = "an answer is made once a request, whichever way")]
fn admit(app: &App, peer: IpAddr, request: &Request<Incoming>, cost: u32) -> Result<IpAddr, Answer> {
    if cost == 0 {
        return Ok(peer);
    }
    let source = source::observe(peer, request.headers(), &app.config.trusted)
        .map_err(|_| reply::malformed("X-Forwarded-For is not a list of addresses"))?;
    charge(app, source, cost)?;
    Ok(source)
}

/// Takes from what the source may ask.
#[expect(clippy::result_large_err, reason = "an answer is made once a request, whichever way")]
pub(super) fn charge(app: &App, source: IpAddr, cost: u32) -> Result<(), Answer> {
    app.admit(source, cost).map_err(|wait| {
        reply::later(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "this source asks too much", wait)
    })
}

async fn dispatch(app: &App, source: IpAddr, endpoint: Endpoint, request: Request<Incoming>) -> Answer {
    match endpoint {
        Endpoint::Announce => match body(app, request).await {
            Ok(body) => announce::answer(app, source, &body).await,
            Err(refusal) => refusal,
        },
        Endpoint::Register => match body(app, request).await {
            Ok(body) => plain::register(app, &body),
            Err(refusal) => refusal,
        },
        Endpoint::Scrape => scrape::answer(app, request.uri().query().unwrap_or_default()),
        Endpoint::Peers => plain::peers(app),
        Endpoint::Health => scrape::health(),
        Endpoint::Metrics => reply::text(metrics::render(app)),
    }
}

async fn body(app: &App, request: Request<Incoming>) -> Result<Bytes, Answer> {
    let too_large = || {
        let message = "the body may have 8 KiB";
        reply::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    };
    let body = request.into_body();
    if body.size_hint().lower() > BODY_MAX as u64 {
        return Err(too_large());
    }
    let collected = Limited::new(body, BODY_MAX).collect();
    match tokio::time::timeout(app.config.request_timeout, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(reply::malformed("the body did not arrive whole")),
        Err(_) => {
            Err(reply::error(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"))
        }
    }
}
