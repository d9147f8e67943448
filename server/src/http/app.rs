//! What all requests share.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use truecopy_protocol::{Now, UnixTime};
use truecopy_transport::channel::tls::TlsConfig;
use truecopy_transport::keys::KeyPair;

use super::metrics::Metrics;
use super::replicas::Replicas;
use super::{Config, StartError};
use crate::bootstrap::{Dials, Network, Registry, Wishes};
use crate::record::{Change, Edit, Key, Value};
use crate::store::{Claim, Store, Writer};
use crate::tracker::limit::{Limiter, Source};
use crate::tracker::{Gate, Mark, Tracker};

/// The state of a server. Locks are held for microseconds, never across a wait.
pub(super) struct App {
    pub(super) config: Config,
    pub(super) gate: Gate,
    pub(super) metrics: Metrics,
    /// Told when a plain peer came that wants to be checked.
    pub(super) unchecked: Notify,
    /// How nodes are dialled that named a second address.
    pub(super) tls: TlsConfig,
    tracker: Mutex<Tracker>,
    limiter: Mutex<Limiter>,
    registry: Mutex<Registry>,
    wishes: Mutex<Wishes>,
    dials: Mutex<Dials>,
    writer: Option<Writer>,
    replicas: Option<Replicas>,
    start: Instant,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "App({:?})", self.gate)
    }
}

impl App {
    pub(super) fn new(
        config: Config,
        origin: String,
        mut store: Option<Box<dyn Store>>,
    ) -> Result<Self, StartError> {
        let mut tracker = Tracker::new(config.tracker, random()?);
        let mut registry = Registry::new(config.reachable, config.plain_max, random()?);
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| StartError::NoRandomness)?;
        let (mut replicas, mut expired) = (None, Vec::new());
        if let Some(store) = &mut store {
            secret = store.agree(secret)?;
            // Before the records, so that nothing falls between.
            if let (Some(follower), Some(claimer)) = (store.shared()?, store.shared()?) {
                replicas = Some(Replicas::new(follower, claimer, secret));
            }
            let now = civil();
            store.load(&mut |key, value| match (key, value) {
                (Key::Plain(candidate), Value::Plain) => registry.restore(Now::ZERO, candidate),
                (key, value) => tracker.merge(now, &key, Edit::Put(value), &mut expired),
            })?;
        }
        let writer = store.map(Writer::start).transpose().map_err(StartError::Thread)?;
        if let Some(writer) = &writer {
            writer.put(expired);
        }
        let keys = KeyPair::generate().map_err(|_| StartError::NoRandomness)?;
        Ok(Self {
            gate: Gate::new(origin, secret, civil()),
            metrics: Metrics::default(),
            unchecked: Notify::new(),
            tls: TlsConfig::new(&keys).map_err(|_| StartError::NoRandomness)?,
            tracker: Mutex::new(tracker),
            limiter: Mutex::new(Limiter::new(config.rate, config.sources_max)),
            registry: Mutex::new(registry),
            wishes: Mutex::new(Wishes::new(config.reachable, config.seconds_max)),
            dials: Mutex::new(Dials::default()),
            writer,
            replicas,
            start: Instant::now(),
            config,
        })
    }

    pub(super) fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to other servers that share the store, if there may be any.
    pub(super) const fn replicas(&self) -> Option<&Replicas> {
        self.replicas.as_ref()
    }

    /// Whether the network of this address may be dialled now, by all servers that share the store together once a
    /// minute; if so that is taken as done.
    pub(super) async fn may_dial(&self, ip: IpAddr) -> bool {
        let is_free = self.dials.lock().unwrap_or_else(PoisonError::into_inner).take(self.now(), ip);
        match &self.replicas {
            Some(replicas) if is_free => {
                let claim = replicas.claim(network_mark(ip.into()), Dials::PAUSE).await;
                claim == Some(Claim::First)
            }
            _ => is_free,
        }
    }

    /// Takes from what the source may ask; else how long it must wait.
    pub(super) fn admit(&self, source: IpAddr, cost: u32) -> Result<(), Duration> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take(self.now(), Source::from(source), cost)
    }

    /// Hands changes to the store's thread, if there is one.
    pub(super) fn keep(&self, changes: Vec<Change>) {
        if let Some(writer) = &self.writer {
            writer.put(changes);
        }
    }

    pub(super) const fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    /// Writes what is pending. May take as long as the store does.
    pub(super) fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }

    /// Since the start.
    pub(super) fn now(&self) -> Now {
        Now::ZERO + self.start.elapsed()
    }
}

/// Civil time.
pub(super) fn civil() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// By what servers know that another has dialled a network.
fn network_mark(network: Network) -> Mark {
    let (family, bits) = match network {
        Network::V4(bits) => (4, u64::from(bits)),
        Network::V6(bits) => (6, bits),
    };
    let hash = Sha256::new().chain_update(b"truecopy/1 dial").chain_update([family]);
    let hash: [u8; 32] = hash.chain_update(bits.to_le_bytes()).finalize().into();
    let mut mark = [0; 16];
    mark.copy_from_slice(&hash[..16]);
    mark
}

fn random() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| StartError::NoRandomness)?;
    Ok(u64::from_le_bytes(bytes))
}
