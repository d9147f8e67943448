//! What happens without a request: silent peers are forgotten, plain ones and second addresses dialled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use truecopy_protocol::Candidate;

use super::app::{App, civil};
use super::connect;
use crate::bootstrap::{Check, Wish};

/// Between two steps.
const TICK: Duration = Duration::from_secs(1);
/// A sweep over all peers takes this many steps.
const SWEEP_STEPS: usize = 60;
/// Peers looked at in a step at least.
const SWEEP_MIN: usize = 1000;
/// Checks at once.
const CHECKS_MAX: usize = 16;
/// Second addresses that are dialled at once.
const CONNECTS_MAX: usize = 64;
/// For a name to resolve, and again for a connection to come about.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Forgets silent peers, in steps that are too short to be noticed.
pub(super) async fn sweep(app: Arc<App>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut changes = Vec::new();
        {
            let mut tracker = app.tracker();
            let budget = SWEEP_MIN.max(tracker.peers() / SWEEP_STEPS);
            tracker.sweep(civil(), budget, &mut changes);
        }
        app.keep(changes);
    }
}

/// Checks plain peers: new ones at once, known ones from time to time.
pub(super) async fn check(app: Arc<App>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let room = Arc::new(Semaphore::new(CHECKS_MAX));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.unchecked.notified() => {}
        }
        let due = app.registry().due(app.now(), room.available_permits());
        for candidate in due {
            let (app, room) = (Arc::clone(&app), Arc::clone(&room));
            // As many as there are permits, and nobody else takes them; the semaphore is never closed.
            let Ok(permit) = room.acquire_owned().await else { return };
            tokio::spawn(async move {
                let check = dial(&app, &candidate).await;
                let mut changes = Vec::new();
                app.registry().checked(app.now(), &candidate, check, &mut changes);
                app.keep(changes);
                app.metrics.checked(check);
                drop(permit);
            });
        }
    }
}

/// Dials the first address of the candidate that may be dialled.
async fn dial(app: &App, candidate: &Candidate) -> Check {
    let reachable = app.config.reachable;
    let addresses: Vec<SocketAddr> = resolve(candidate).await;
    let mut check = Check::Silent;
    for address in addresses.into_iter().filter(|address| reachable.may(address.ip())) {
        if app.may_dial(address.ip()).await {
            return match timeout(CHECK_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(_)) => Check::Answered,
                Ok(Err(_)) | Err(_) => Check::Silent,
            };
        }
        check = Check::Postponed;
    }
    check
}

/// Dials nodes at the second addresses that they named, and keeps those at which they proved their key.
pub(super) async fn connect_back(app: Arc<App>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let room = Arc::new(Semaphore::new(CONNECTS_MAX));
    loop {
        ticks.tick().await;
        let due = app.wishes().due(app.now(), room.available_permits());
        for wish in due {
            let (app, room) = (Arc::clone(&app), Arc::clone(&room));
            // As many as there are permits, and nobody else takes them; the semaphore is never closed.
            let Ok(permit) = room.acquire_owned().await else { return };
            tokio::spawn(async move {
                fulfil(&app, wish).await;
                drop(permit);
            });
        }
    }
}

async fn fulfil(app: &App, wish: Wish) {
    if !app.may_dial(wish.address.ip()).await {
        app.wishes().postpone(app.now(), wish);
        app.metrics.connected_back(Check::Postponed);
        return;
    }
    match connect::prove(&app.tls, wish.address, wish.node).await {
        Ok(()) => {
            let mut changes = Vec::new();
            app.tracker().second(civil(), wish.discovery, wish.node, wish.address, &mut changes);
            app.keep(changes);
            app.metrics.connected_back(Check::Answered);
        }
        Err(error) => {
            tracing::debug!(address = %wish.address, %error, "a second address was not proven");
            app.metrics.connected_back(Check::Silent);
        }
    }
}

async fn resolve(candidate: &Candidate) -> Vec<SocketAddr> {
    match candidate {
        Candidate::Tcp(address) => vec![*address],
        Candidate::Host { name, port } => {
            let lookup = tokio::net::lookup_host((name.as_str(), *port));
            match timeout(CHECK_TIMEOUT, lookup).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(_)) | Err(_) => Vec::new(),
            }
        }
    }
}
