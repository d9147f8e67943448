//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::app::App;
use super::route;

/// Bytes that the head of a request may have.
const HEAD_MAX: usize = 16 * 1024;
/// After the system refused a connection, often for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections for ever, as long as there is room.
pub(super) async fn accept(
    listener: TcpListener,
    app: Arc<App>,
    room: Arc<Semaphore>,
    ended: watch::Receiver<()>,
) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (app, ended) = (Arc::clone(&app), ended.clone());
                tokio::spawn(async move {
                    serve(&app, stream, peer.ip(), ended).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, until it closes or the server ends.
async fn serve(app: &App, stream: TcpStream, peer: IpAddr, mut ended: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection went at once");
        return;
    }
    let service =
        service_fn(|request| async { Ok::<_, Infallible>(route::handle(app, peer, request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.request_timeout)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        // An error would say that the server is gone: the same.
        _ = ended.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}
