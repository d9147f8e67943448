//! From a request to its answer: who may ask, paths, bodies.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, StatusCode, Uri};
use tokio::sync::watch;

use super::connection::App;
use super::orders::Given;
use super::reply::{self, Answer};
use super::shapes::{Details, Done, Offer, Peer, Peers, Status, Transfer, Transfers};
use super::{events, metrics};
use crate::engine::Engine;
use crate::engine::order::Order;

/// Bytes of a request's body at most.
const BODY_MAX: usize = 64 * 1024;
/// Stretches of a map of chunks, unless others are asked for.
const CELLS: u32 = 64;
/// Stretches of a map of chunks at most.
const CELLS_MAX: u32 = 4096;
/// For a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Status,
    Transfers,
    Details,
    Peers,
    Orders,
    Events,
    Metrics,
    Health,
}

/// One path with the one method that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path, without a query; `{…}` stands for a number.
    pub path: &'static str,
    endpoint: Endpoint,
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        match self.path.split_once('{') {
            Some((before, _)) => {
                path.strip_prefix(before).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
            }
            None => self.path == path,
        }
    }
}

const fn route(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint }
}

/// All there is.
pub const ROUTES: [Route; 8] = [
    route("GET", "/v1/status", Endpoint::Status),
    route("GET", "/v1/transfers", Endpoint::Transfers),
    route("GET", "/v1/transfers/{transfer}", Endpoint::Details),
    route("GET", "/v1/peers", Endpoint::Peers),
    route("POST", "/v1/orders", Endpoint::Orders),
    route("GET", "/v1/events", Endpoint::Events),
    route("GET", "/metrics", Endpoint::Metrics),
    route("GET", "/healthz", Endpoint::Health),
];

/// Answers one request. A stream of events lasts until the API `ended`.
pub(super) async fn handle(app: &Arc<App>, request: Request<Incoming>, ended: watch::Receiver<()>) -> Answer {
    let path = request.uri().path();
    let found = ROUTES.iter().find(|route| route.fits(path));
    let answer = match (app.gate.admit(request.headers()), found) {
        (Err(refusal), _) => reply::not_admitted(refusal),
        (Ok(()), None) => {
            reply::refuse(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path", None)
        }
        (Ok(()), Some(route)) if route.method != request.method().as_str() => {
            reply::wrong_method(route.method)
        }
        (Ok(()), Some(route)) => dispatch(app, route.endpoint, request, ended).await,
    };
    app.requests.answered(answer.status());
    tracing::debug!(path = found.map_or("?", |route| route.path), status = answer.status().as_u16(), "api");
    answer
}

async fn dispatch(
    app: &Arc<App>,
    endpoint: Endpoint,
    request: Request<Incoming>,
    ended: watch::Receiver<()>,
) -> Answer {
    match endpoint {
        Endpoint::Status => {
            let uptime = app.started.elapsed().as_secs();
            ask(app, move |engine| status(engine, uptime), reply::json).await
        }
        Endpoint::Transfers => ask(app, transfers, reply::json).await,
        Endpoint::Details => details(app, request.uri()).await,
        Endpoint::Peers => ask(app, peers, reply::json).await,
        Endpoint::Health => ask(app, |_| (), |()| reply::text("ok\n".into())).await,
        Endpoint::Metrics => {
            let uptime = app.started.elapsed().as_secs();
            let counted = move |engine: &mut Engine| (status(engine, uptime), engine.shapes());
            ask(app, counted, |(status, shapes)| reply::text(metrics::render(&app.requests, status, shapes)))
                .await
        }
        Endpoint::Events => {
            let header = request.headers().get("last-event-id");
            let last = header.map(|last| last.to_str().unwrap_or_default());
            events::answer(app, last.or_else(|| asked(request.uri(), "after")), ended)
        }
        Endpoint::Orders => match body(request).await {
            Ok(body) => order(app, &body).await,
            Err(refusal) => refusal,
        },
    }
}

/// What stands under a name in the query, as it is.
fn asked<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

async fn details(app: &App, uri: &Uri) -> Answer {
    let cells = asked(uri, "cells").map_or(Ok(CELLS), str::parse);
    let Some(cells) = cells.ok().filter(|cells| (1..=CELLS_MAX).contains(cells)) else {
        let what = format!("cells is a number from 1 to {CELLS_MAX}");
        return reply::refuse(StatusCode::BAD_REQUEST, "malformed", &what, None);
    };
    // One that is no number is the name of no transfer.
    let number = uri.path().rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let look = move |engine: &mut Engine| engine.details(number, cells).map(Details::from);
    let unknown =
        || reply::refuse(StatusCode::NOT_FOUND, "not-found", "there is no transfer of this number", None);
    ask(app, look, |found| found.as_ref().map_or_else(unknown, reply::json)).await
}

/// What the engine says, told.
pub(super) async fn ask<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&mut Engine) -> T + Send + 'static,
    tell: impl FnOnce(&T) -> Answer,
) -> Answer {
    match app.caller.with(work).await {
        Ok(it) => tell(&it),
        Err(why) => reply::unanswered(why),
    }
}

async fn order(app: &App, body: &[u8]) -> Answer {
    let given: Given = match serde_json::from_slice(body) {
        Ok(given) => given,
        Err(error) => {
            let hint = "the description is cli/openapi.json";
            return reply::refuse(StatusCode::BAD_REQUEST, "malformed", &error.to_string(), Some(hint));
        }
    };
    match given.order() {
        Ok(Order::Quit) => {
            app.caller.end();
            reply::json(&Done { transfer: None })
        }
        Ok(order) => {
            let done = move |engine: &mut Engine| engine.order(order);
            ask(app, done, |done| match done {
                Ok(transfer) => reply::json(&Done { transfer: *transfer }),
                Err(error) => reply::failed(error),
            })
            .await
        }
        Err(error) => reply::failed(&error),
    }
}

fn status(engine: &Engine, uptime: u64) -> Status {
    let shapes = engine.shapes();
    let active = shapes.iter().filter(|shape| shape.state.is_live()).count() as u64;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: engine.me().to_hex(),
        room: engine.room().word().to_owned(),
        addresses: engine.reachable(),
        uptime,
        peers: engine.present().len() as u64,
        active,
        transfers: shapes.len() as u64,
        offers: engine.offered_here().len() as u64,
        down: shapes.iter().map(|shape| shape.down).sum(),
        up: shapes.iter().map(|shape| shape.up).sum(),
    }
}

fn transfers(engine: &mut Engine) -> Transfers {
    Transfers {
        transfers: engine.shapes().iter().map(Transfer::from).collect(),
        offers: engine.offered_here().iter().map(Offer::from).collect(),
    }
}

fn peers(engine: &mut Engine) -> Peers {
    let here = engine.present().into_iter();
    Peers { peers: here.map(|(who, at)| Peer { address: Some(at), ..Peer::from(&who) }).collect() }
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Answer> {
    let too_large =
        || reply::refuse(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body may have 64 KiB", None);
    let body = request.into_body();
    if body.size_hint().lower() > BODY_MAX as u64 {
        return Err(too_large());
    }
    let malformed = |status, what: &str| reply::refuse(status, "malformed", what, None);
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(malformed(StatusCode::BAD_REQUEST, "the body did not arrive whole")),
        Err(_) => Err(malformed(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}
