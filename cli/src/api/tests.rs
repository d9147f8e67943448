use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::StatusCode;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use truecopy_transport::pace::Rates;

use super::bridge::{WAITING_MAX, bridge};
use super::connection::App;
use super::gate::Gate;
use super::metrics::Requests;
use super::reply::{self, Answer};
use super::ring::NEWS_MAX;
use super::route::ask;
use super::{Desk, events};
use crate::engine::news::News;
use crate::net::{Net, patience};
use crate::record::Run;

/// Streams that may be open at once here.
const STREAMS: usize = 2;

/// An API whose engine never comes back, and what keeps its waker alive.
struct World {
    app: Arc<App>,
    desk: Desk,
    _net: Net,
    ended: watch::Receiver<()>,
    _end: watch::Sender<()>,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let run = Run::unrecorded(patience(None)).unwrap();
        let listen = ["127.0.0.1:0".parse().unwrap()];
        let net = Net::listening((&listen, None), [7; 32], &run, Rates::default()).unwrap();
        let (desk, caller) = bridge(net.waker()).unwrap();
        let app = App {
            caller,
            gate: Gate::new([0; 32], Vec::new()),
            requests: Requests::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            started: Instant::now(),
        };
        // Its clock stands still while anything can be done, and goes on at once when all wait.
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (end, ended) = watch::channel(());
        Self { app: Arc::new(app), desk, _net: net, ended, _end: end, runtime }
    }

    fn stream(&self, last: Option<&str>) -> Answer {
        events::answer(&self.app, last, self.ended.clone())
    }
}

async fn asked(app: &App) -> Answer {
    ask(app, |_| (), |()| reply::text("ok".into())).await
}

/// The status and the word of an error.
async fn told(answer: Answer) -> (StatusCode, String) {
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let failure: serde_json::Value = serde_json::from_slice(&body).unwrap();
    (status, failure["error"].as_str().unwrap().to_owned())
}

/// The next piece of a stream.
async fn next(answer: &mut Answer) -> String {
    let frame = answer.body_mut().frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[test]
fn requests_that_the_engine_does_not_come_to_are_told_so() {
    let mut world = World::new();
    let app = Arc::clone(&world.app);
    let before = world.runtime.block_on(async {
        let before = tokio::time::Instant::now();
        let ask = || {
            let app = Arc::clone(&app);
            tokio::spawn(async move { told(asked(&app).await).await })
        };
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| ask()).collect();
        for _ in 0..WAITING_MAX {
            tokio::task::yield_now().await;
        }
        let one_more = told(asked(&app).await).await;
        assert_eq!(one_more, (StatusCode::SERVICE_UNAVAILABLE, "busy".into()));
        assert_eq!(before.elapsed(), Duration::ZERO, "at once");
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), (StatusCode::GATEWAY_TIMEOUT, "late".into()));
        }
        before
    });
    world.runtime.block_on(async {
        assert!(before.elapsed() >= Duration::from_secs(10));
        // They may still be done: there is no room for others yet.
        assert_eq!(told(asked(&app).await).await.1, "busy");
    });
    world.desk.close();
    let ending = world.runtime.block_on(async { told(asked(&app).await).await });
    assert_eq!(ending, (StatusCode::SERVICE_UNAVAILABLE, "ending".into()));
}

#[test]
fn a_request_that_waits_when_the_daemon_ends_is_told_so_at_once() {
    let mut world = World::new();
    let app = Arc::clone(&world.app);
    let waiting = world.runtime.spawn(async move { told(asked(&app).await).await });
    world.runtime.block_on(tokio::task::yield_now());
    world.desk.close();
    let (told, after) = world.runtime.block_on(async {
        let before = tokio::time::Instant::now();
        (waiting.await.unwrap(), before.elapsed())
    });
    assert_eq!((told.1.as_str(), after), ("ending", Duration::ZERO));
}

#[test]
fn a_reader_that_comes_too_late_is_told_how_much_it_has_missed() {
    let world = World::new();
    for number in 1..=NEWS_MAX + 10 {
        world.desk.tell(&News::Note(format!("news {number}")), Duration::ZERO);
    }
    let last = world.app.caller.ring.id(4);
    world.runtime.block_on(async {
        let mut stream = world.stream(Some(&last));
        assert_eq!(next(&mut stream).await, ": here\n\n");
        assert_eq!(next(&mut stream).await, "event: gap\ndata: {\"missed\":6}\n\n");
        let first = next(&mut stream).await;
        let id = world.app.caller.ring.id(11);
        assert!(first.starts_with(&format!("id: {id}\ndata: ")) && first.contains("news 11\""), "{first}");
        // Who reads slowly while news come misses some in the midst of it.
        (0..2 * NEWS_MAX).for_each(|_| world.desk.tell(&News::Note("more".into()), Duration::ZERO));
        let gap = loop {
            let piece = next(&mut stream).await;
            if !piece.starts_with("id: ") {
                break piece;
            }
        };
        assert!(gap.starts_with("event: gap\ndata: {\"missed\":"), "{gap}");
    });
}

#[test]
fn a_stream_that_is_closed_makes_room_for_another() {
    let world = World::new();
    world.runtime.block_on(async {
        let mut open: Vec<Answer> = (0..STREAMS).map(|_| world.stream(None)).collect();
        assert!(open.iter().all(|answer| answer.status() == StatusCode::OK));
        let refused = told(world.stream(None)).await;
        assert_eq!(refused, (StatusCode::SERVICE_UNAVAILABLE, "busy".into()));
        open.pop();
        assert_eq!(world.stream(None).status(), StatusCode::OK);
    });
}

#[test]
fn what_was_told_last_is_read_before_a_stream_ends() {
    let World { app, desk, ended, _net, _end, runtime, .. } = World::new();
    runtime.block_on(async {
        let mut stream = events::answer(&app, None, ended);
        assert_eq!(next(&mut stream).await, ": here\n\n");
        desk.tell(&News::Note("the last".into()), Duration::ZERO);
        _end.send_replace(());
        assert!(next(&mut stream).await.contains("the last"));
        assert!(stream.body_mut().frame().await.is_none(), "then it ends");
    });
}
