//! Answers: whole ones, and streams of events.

use std::convert::Infallible;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::bridge::Unanswered;
use super::gate::Refusal;
use super::shapes::{self, Failure};
use crate::exit::{Error, Exit};

/// An answer to one request.
pub(super) type Answer = Response<Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>>;

fn answer(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, kind);
    answer
}

fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}

pub(super) fn json(body: &impl Serialize) -> Answer {
    answer(StatusCode::OK, "application/json", shapes::text(body))
}

/// Prometheus text, or a word.
pub(super) fn text(body: String) -> Answer {
    answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body)
}

pub(super) fn stream(body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static) -> Answer {
    let mut answer = Response::new(Either::Right(body.boxed_unsync()));
    set(&mut answer, CONTENT_TYPE, "text/event-stream");
    set(&mut answer, CACHE_CONTROL, "no-store");
    answer
}

/// An error of the API itself: a word for programs, and what it is.
pub(super) fn refuse(status: StatusCode, error: &str, what: &str, hint: Option<&str>) -> Answer {
    let failure = Failure { error: error.into(), what: what.into(), hint: hint.map(Into::into) };
    answer(status, "application/json", shapes::text(&failure))
}

/// What the engine says of an order.
pub(super) fn failed(error: &Error) -> Answer {
    let status = match error.exit {
        Exit::Unexpected | Exit::LocalIo => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    answer(status, "application/json", shapes::text(&Failure::from(error)))
}

pub(super) fn unanswered(why: Unanswered) -> Answer {
    match why {
        Unanswered::Busy => {
            let what = "too many requests wait; nothing was done";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", what, Some("ask again"))
        }
        Unanswered::Ending => {
            let what = "the daemon ends; nothing was done";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "ending", what, Some("ask again when it runs"))
        }
        Unanswered::Late => {
            refuse(StatusCode::GATEWAY_TIMEOUT, "late", "no answer in time; it may still be done", None)
        }
    }
}

pub(super) fn not_admitted(why: Refusal) -> Answer {
    match why {
        Refusal::Host => {
            let what = "this is not a name of this API";
            refuse(StatusCode::FORBIDDEN, "wrong-host", what, Some("ask at the address of api.address"))
        }
        Refusal::Origin => refuse(StatusCode::FORBIDDEN, "wrong-origin", "a foreign page may not ask", None),
        Refusal::Token => {
            let hint = "Authorization: Bearer, and what api.token holds";
            let what = "the token is missing or wrong";
            let mut answer = refuse(StatusCode::UNAUTHORIZED, "wrong-token", what, Some(hint));
            set(&mut answer, WWW_AUTHENTICATE, "Bearer");
            answer
        }
    }
}

pub(super) fn wrong_method(allowed: &'static str) -> Answer {
    let what = "the path takes another method";
    let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", what, None);
    set(&mut answer, ALLOW, allowed);
    answer
}
