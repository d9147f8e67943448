//! What all requests share.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use tokio::sync::Notify;
use truecopy_protocol::{Now, UnixTime};

use super::metrics::Metrics;
use super::{Config, StartError};
use crate::bootstrap::Registry;
use crate::record::{Change, Key, Value};
use crate::store::{Store, Writer};
use crate::tracker::limit::{Limiter, Source};
use crate::tracker::{Gate, Tracker};

/// The state of a server. Locks are held for microseconds, never across a wait.
pub(super) struct App {
    pub(super) config: Config,
    pub(super) gate: Gate,
    pub(super) metrics: Metrics,
    /// Told when a plain peer came that wants to be checked.
    pub(super) unchecked: Notify,
    tracker: Mutex<Tracker>,
    limiter: Mutex<Limiter>,
    registry: Mutex<Registry>,
    writer: Option<Writer>,
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
        let mut kept = None;
        if let Some(store) = &mut store {
            let now = civil();
            store.load(&mut |key, value| match (key, value) {
                (Key::Secret, Value::Secret(secret)) => kept = Some(secret),
                (Key::Plain(candidate), Value::Plain) => registry.restore(Now::ZERO, candidate),
                (key, value) => tracker.restore(now, &key, value),
            })?;
        }
        let secret = match kept {
            Some(secret) => secret,
            None => {
                let mut secret = [0; 32];
                rand::fill(&mut secret).map_err(|_| StartError::NoRandomness)?;
                secret
            }
        };
        let writer = store.map(Writer::start).transpose().map_err(StartError::Thread)?;
        if let Some(writer) = writer.as_ref().filter(|_| kept.is_none()) {
            writer.put(vec![Change::put(Key::Secret, Value::Secret(secret))]);
        }
        Ok(Self {
            gate: Gate::new(origin, secret, civil()),
            metrics: Metrics::default(),
            unchecked: Notify::new(),
            tracker: Mutex::new(tracker),
            limiter: Mutex::new(Limiter::new(config.rate, config.sources_max)),
            registry: Mutex::new(registry),
            writer,
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

fn random() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| StartError::NoRandomness)?;
    Ok(u64::from_le_bytes(bytes))
}
