//! Answers: a status and a small body, always whole.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// An answer to one request.
pub(super) type Answer = Response<Full<Bytes>>;

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: &'a str,
}

fn answer(status: StatusCode, kind: HeaderValue, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => answer(status, JSON, body),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            answer(StatusCode::INTERNAL_SERVER_ERROR, JSON, Vec::new())
        }
    }
}

/// Prometheus text.
pub(super) fn text(body: String) -> Answer {
    answer(StatusCode::OK, TEXT, body.into_bytes())
}

/// An error: `code` for programs, `message` for people.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    json(status, &ErrorBody { error: code, message })
}

/// The request, or its path or its body, is not what the endpoint takes.
pub(super) fn malformed(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "malformed", message)
}

/// An error that is over after a while.
pub(super) fn later(status: StatusCode, code: &str, message: &str, after: Duration) -> Answer {
    let mut answer = error(status, code, message);
    // Rounded up: a client that waits exactly so long must not come too early.
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    answer
}

pub(super) fn wrong_method(allowed: &'static str) -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "the path takes another method");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
