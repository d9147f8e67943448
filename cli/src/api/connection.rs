//! Listening, connections, and the one thread that all of it runs on.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot, watch};
use truecopy_protocol::hex;

use super::bridge::Caller;
use super::gate::Gate;
use super::metrics::Requests;
use super::place::Place;
use super::route;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::home;

/// Connections at once; further ones wait.
const CONNS_MAX: usize = 64;
/// Streams of events at once, so that they leave room for others.
const STREAMS_MAX: usize = 16;
/// For the head of a request, or between two of them.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that the head of a request may have.
const HEAD_MAX: usize = 16 * 1024;
/// After the system refused a connection, often for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For answers to end when the daemon does.
const DRAIN: Duration = Duration::from_secs(2);

/// Where the API listens.
#[derive(Clone, Debug)]
pub enum Listening {
    /// An address of loopback.
    Loopback(SocketAddr),
    /// A Unix socket.
    Socket(PathBuf),
}

/// What all requests share.
pub(super) struct App {
    pub(super) caller: Caller,
    pub(super) gate: Gate,
    pub(super) requests: Requests,
    pub(super) streams: Arc<Semaphore>,
    pub(super) started: Instant,
}

enum Listener {
    Loopback(TcpListener),
    #[cfg(unix)]
    Socket(tokio::net::UnixListener),
}

/// The API, while it is answered.
pub struct Api {
    address: String,
    place: Place,
    socket: Option<PathBuf>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    /// Listens, tells where, and answers from now on. `host`: a further name that it may be asked by.
    ///
    /// # Errors
    /// If it cannot listen there, or that cannot be written down.
    pub fn start(listening: &Listening, host: Option<&str>, place: Place, caller: Caller) -> Result<Self> {
        let unexpected = |error: io::Error| Error::new(Exit::Unexpected, Shown::io(&error));
        let mut token = [0; 32];
        aws_lc_rs::rand::fill(&mut token)
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(unexpected)?;
        let (listener, address, mut hosts) = listen(&runtime, listening)?;
        hosts.extend(host.map(str::to_owned));
        place.tell(&address, &token)?;
        let app = Arc::new(App {
            caller,
            gate: Gate::new(token, hosts),
            requests: Requests::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            started: Instant::now(),
        });
        let (end, ended) = oneshot::channel();
        let serving = move || runtime.block_on(serve(listener, app, ended));
        let thread = std::thread::Builder::new().name("api".into()).spawn(serving).map_err(unexpected)?;
        let socket = match listening {
            Listening::Socket(path) => Some(path.clone()),
            Listening::Loopback(_) => None,
        };
        Ok(Self { address, place, socket, end: Some(end), thread: Some(thread) })
    }

    /// Where it is asked.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.place.forget();
        if let Some(socket) = &self.socket {
            // The next one takes its place anyway.
            let _ = std::fs::remove_file(socket);
        }
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it was told by the hook.
            let _ = thread.join();
        }
    }
}

fn listen(runtime: &Runtime, listening: &Listening) -> Result<(Listener, String, Vec<String>)> {
    let _inside = runtime.enter();
    match listening {
        Listening::Loopback(at) => {
            let failed = |error: io::Error| {
                Error::new(Exit::LocalIo, format!("the API cannot listen at {at}: {}", Shown::io(&error)))
                    .hint("choose another port: --api 127.0.0.1:PORT")
            };
            let listener = std::net::TcpListener::bind(at).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            let at = listener.local_addr().map_err(failed)?;
            let listener = TcpListener::from_std(listener).map_err(failed)?;
            let names = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{}", at.port()));
            let hosts = names.into_iter().chain([at.to_string()]).collect();
            Ok((Listener::Loopback(listener), at.to_string(), hosts))
        }
        Listening::Socket(path) => {
            let listener = socket(path).map_err(|error| Error::local("listen at", path, &error))?;
            Ok((listener, format!("unix:{}", path.display()), vec!["localhost".to_owned()]))
        }
    }
}

/// Listens at a name that it is reached by only when nobody else can: it is made in a folder of its own.
#[cfg(unix)]
fn socket(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
    // One that nobody answers at was left by a daemon that was killed.
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let folder = above.unwrap_or_else(|| Path::new(".")).join(format!(".{}", hex(&random)));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inside = folder.join("s");
    let listener = bind(&inside, path);
    // If it has got its name there is nothing in it any more; else the first error is the one to tell.
    let _ = std::fs::remove_file(&inside);
    let _ = std::fs::remove_dir(&folder);
    listener.map(Listener::Socket)
}

/// Listens at a name that nobody else can reach, and moves it to a free one when nobody else may use it.
#[cfg(unix)]
fn bind(inside: &Path, path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let listener = tokio::net::UnixListener::bind(inside)?;
    std::fs::set_permissions(inside, std::fs::Permissions::from_mode(0o600))?;
    home::place_new(inside, path)?;
    Ok(listener)
}

#[cfg(not(unix))]
fn socket(_: &Path) -> io::Result<Listener> {
    Err(io::ErrorKind::Unsupported.into())
}

async fn serve(listener: Listener, app: Arc<App>, shutdown: oneshot::Receiver<()>) {
    let (end, ended) = watch::channel(());
    let room = Arc::new(Semaphore::new(CONNS_MAX));
    tokio::select! {
        () = accept(&listener, &app, &room, &ended) => {}
        // It comes by being dropped.
        _ = shutdown => {}
    }
    drop(ended);
    end.send_replace(());
    // Those who still have a receiver are connections; what they do not finish in time is cut off.
    let _ = tokio::time::timeout(DRAIN, end.closed()).await;
}

async fn accept(listener: &Listener, app: &Arc<App>, room: &Arc<Semaphore>, ended: &watch::Receiver<()>) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(room).acquire_owned().await else { return };
        let (app, ended) = (Arc::clone(app), ended.clone());
        let taken = match listener {
            Listener::Loopback(listener) => listener.accept().await.map(|(stream, _)| {
                // Answers are small, and go at once; one that is gone fails below.
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    talk(&app, stream, ended).await;
                    drop(permit);
                });
            }),
            #[cfg(unix)]
            Listener::Socket(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(async move {
                    talk(&app, stream, ended).await;
                    drop(permit);
                });
            }),
        };
        if let Err(error) = taken {
            tracing::warn!(%error, "a connection to the API could not be taken");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Answers the requests of one connection, until it closes or the daemon ends.
async fn talk(app: &Arc<App>, stream: impl AsyncRead + AsyncWrite + Unpin, mut ended: watch::Receiver<()>) {
    let until = ended.clone();
    let service = service_fn(|request| {
        let until = until.clone();
        async { Ok::<_, Infallible>(route::handle(app, request, until).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        // An error would say that the API is gone: the same.
        _ = ended.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection to the API failed");
    }
}
