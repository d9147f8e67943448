//! The server around the pure half: listens, answers over HTTP/1.1, dials, keeps time, hears of other replicas.

mod announce;
mod app;
mod background;
mod connect;
mod connection;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod histogram;
mod metrics;
mod plain;
mod replicas;
mod reply;
mod route;
mod scrape;
mod source;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::app::App;
use self::replicas::Replicas;
pub use self::route::{ROUTES, Route};
pub use self::source::{BadCidr, Cidr};
use crate::bootstrap::Reachable;
use crate::store::{Store, StoreError};
use crate::tracker;
use crate::tracker::limit::Rate;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; port 0 for any. `[::]` takes IPv4 too, unless an IPv4 address is listed as well.
    pub listen: Vec<SocketAddr>,
    /// Its name in statements, `scheme://host[:port]`; none for `http://` and the first address it listens at.
    pub origin: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted: Vec<Cidr>,
    /// What one source may ask; no limit if `per_second` is zero. A signed announce costs five.
    pub rate: Rate,
    /// Sources that have a limit of their own.
    pub sources_max: usize,
    /// Connections at once; further ones wait in the system's queue.
    pub conns_max: usize,
    /// For the head, and again for the body, of a request.
    pub request_timeout: Duration,
    /// For connections to end when the server does.
    pub drain_timeout: Duration,
    /// Which plain peers are dialled.
    pub reachable: Reachable,
    /// Plain peers that are known at once.
    pub plain_max: usize,
    /// Second addresses of nodes that wait to be dialled at once.
    pub seconds_max: usize,
    /// How peers of shares are kept.
    pub tracker: tracker::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            origin: None,
            trusted: Vec::new(),
            rate: Rate { per_second: 10, burst: 100 },
            sources_max: 100_000,
            conns_max: 4096,
            request_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            reachable: Reachable::Public,
            plain_max: 10_000,
            seconds_max: 10_000,
            tracker: tracker::Config::default(),
        }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing to listen at.
    #[error("no address to listen at")]
    NoAddress,
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// What an earlier run kept cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no thread.
    #[error("cannot start the store's thread: {0}")]
    Thread(io::Error),
    /// The system gave no randomness.
    #[error("the system's random source failed")]
    NoRandomness,
}

/// A server that listens, and answers once it [runs](Self::run).
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    app: Arc<App>,
}

impl Server {
    /// Listens, and takes back what an earlier run left in the store. Without a store nothing survives. To be called
    /// inside of a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn bind(config: Config, store: Option<Box<dyn Store>>) -> Result<Self, StartError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for &address in &config.listen {
            let failed = |error| StartError::Listen { address, error };
            let listener = listen(address, &config.listen).map_err(failed)?;
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        let first = addresses.first().ok_or(StartError::NoAddress)?;
        let origin = config.origin.clone().unwrap_or_else(|| format!("http://{first}"));
        let app = Arc::new(App::new(config, origin, store)?);
        Ok(Self { listeners, addresses, app })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Its name in statements.
    pub fn origin(&self) -> &str {
        self.app.gate.origin()
    }

    /// Answers until `shutdown` is ready; then takes no connections, lets requests end, and writes what is pending.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listeners, app, .. } = self;
        let (end, ended) = watch::channel(());
        let conns_max = app.config.conns_max;
        let room = Arc::new(Semaphore::new(conns_max));
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(connection::accept(listener, Arc::clone(&app), Arc::clone(&room), ended.clone()));
        }
        tasks.spawn(background::sweep(Arc::clone(&app)));
        tasks.spawn(background::check(Arc::clone(&app)));
        tasks.spawn(background::connect_back(Arc::clone(&app)));
        let shared = Replicas::start(&app);
        drop(ended);
        shutdown.await;
        tasks.shutdown().await;
        // Those who still have a receiver are connections.
        end.send_replace(());
        if tokio::time::timeout(app.config.drain_timeout, end.closed()).await.is_err() {
            let open = conns_max - room.available_permits();
            tracing::warn!(open, "connections were still open at the end");
        }
        // Until here requests could need them.
        if let Some(replicas) = app.replicas() {
            replicas.end();
        }
        for thread in shared {
            if thread.await.is_err() {
                tracing::error!("what follows other replicas panicked");
            }
        }
        let closing = tokio::task::spawn_blocking(move || app.close());
        if closing.await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }
}

/// Connections that the system keeps until they are taken.
const BACKLOG: i32 = 1024;

fn listen(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(all.iter().any(SocketAddr::is_ipv4))?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
