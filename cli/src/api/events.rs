//! Server-sent events: news with ids, by which a reader that was away goes on; and how far transfers are, without.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::{oneshot, watch};

use super::connection::App;
use super::reply::{self, Answer};
use super::ring::Start;

/// How often a silent stream says that it is there.
const ALIVE: Duration = Duration::from_secs(15);
/// Pieces that wait for a slow reader; then its stream waits, and the ring goes on.
const WAITING: usize = 16;

/// Answers with a stream.
pub(super) fn answer(app: &Arc<App>, last: Option<&str>, ended: watch::Receiver<()>) -> Answer {
    let Some(start) = app.caller.ring.start(last) else {
        let what = "Last-Event-ID is not an id of this API";
        return reply::refuse(StatusCode::BAD_REQUEST, "malformed", what, Some("leave it out"));
    };
    let Ok(room) = Arc::clone(&app.streams).try_acquire_owned() else {
        let what = "too many streams of events are open";
        return reply::refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", what, Some("close one"));
    };
    let (to, body) = Channel::new(WAITING);
    let (reading, gone) = oneshot::channel::<()>();
    let app = Arc::clone(app);
    tokio::spawn(async move {
        tokio::select! {
            // Either way nobody reads any more.
            _ = follow(&app, start, to, ended) => {}
            _ = gone => {}
        }
    });
    // They go with the body, which goes with its connection.
    let held = (room, reading);
    reply::stream(body.map_frame(move |frame| {
        let _ = &held;
        frame
    }))
}

type Sent = Result<(), http_body_util::channel::SendError>;

async fn follow(app: &App, start: Start, mut to: Sender<Bytes>, mut ended: watch::Receiver<()>) -> Sent {
    let (mut newest, mut progress) = (app.caller.ring.newest(), app.caller.progress.clone());
    let (mut at, mut is_ending) = (start.after, false);
    // Told at once, so that the reader knows that it is heard.
    send(&mut to, ": here\n\n".into()).await?;
    if start.is_other_run {
        send(&mut to, "event: gap\ndata: {\"restarted\":true}\n\n".into()).await?;
    }
    loop {
        newest.mark_unchanged();
        let batch = app.caller.ring.after(at);
        if batch.missed > 0 {
            at += batch.missed;
            send(&mut to, format!("event: gap\ndata: {{\"missed\":{}}}\n\n", batch.missed)).await?;
        }
        if batch.lines.is_empty() {
            if is_ending {
                return Ok(());
            }
            tokio::select! {
                _ = newest.changed() => {}
                // What was told last is sent before.
                _ = ended.changed() => is_ending = true,
                Ok(()) = progress.changed() => {
                    let text = Arc::clone(&progress.borrow_and_update());
                    send(&mut to, format!("event: progress\ndata: {text}\n\n")).await?;
                }
                () = tokio::time::sleep(ALIVE) => send(&mut to, ": alive\n\n".into()).await?,
            }
        }
        for (number, line) in batch.lines {
            at = number;
            send(&mut to, format!("id: {}\ndata: {line}\n\n", app.caller.ring.id(number))).await?;
        }
    }
}

async fn send(to: &mut Sender<Bytes>, text: String) -> Sent {
    to.send_data(Bytes::from(text)).await
}
