//! What the daemon says, as it comes: one thread asks, another listens, and neither holds up who draws.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::api::Place;
use crate::api::client::Client;
use crate::api::orders::Given;
use crate::api::shapes::{Details, Peers, Status, Transfers};
use crate::exit::{Error, Exit, Result};

use super::model::{Chosen, Seen, Update};
use super::told;

/// How often it is asked how things are.
const EVERY: Duration = Duration::from_millis(500);
/// How long a daemon that is gone is left alone.
const AWAY: Duration = Duration::from_secs(1);
/// What waits to be drawn at most; then whoever brings it waits.
const UPDATES_MAX: usize = 256;
/// Orders that wait at most; further ones are those of a key held down.
const ASKED_MAX: usize = 16;

enum Asked {
    Order(Box<Given>),
    /// How things are, at once.
    Now,
}

/// What is looked at closely, and in how many stretches.
type Looked = (Option<Chosen>, u32);

/// The daemon, as it is watched.
pub(super) struct Feed {
    updates: Receiver<Update>,
    asked: SyncSender<Asked>,
    looked: Arc<Mutex<Looked>>,
}

impl Feed {
    /// Watches from now on.
    ///
    /// # Errors
    /// If no daemon answers now; later that is only told.
    pub(super) fn start(place: &Place) -> Result<Self> {
        let looked = (None, 1);
        let seen = see(&Client::find(place)?, looked)?;
        let (to, updates) = sync_channel(UPDATES_MAX);
        let (asked, orders) = sync_channel(ASKED_MAX);
        // There is room: nothing was sent before.
        let _ = to.try_send(Update::Seen(Box::new(seen)));
        let (events, there) = (to.clone(), place.clone());
        spawn("top-events", move || follow(&there, &events))?;
        let looked = Arc::new(Mutex::new(looked));
        let (shared, there) = (Arc::clone(&looked), place.clone());
        spawn("top-asks", move || ask(&there, &orders, &shared, &to))?;
        Ok(Self { updates, asked, looked })
    }

    /// What has come.
    pub(super) const fn updates(&self) -> &Receiver<Update> {
        &self.updates
    }

    /// Gives an order; what comes of it is an update. Whether it was taken: else too many wait.
    pub(super) fn order(&self, order: Box<Given>) -> bool {
        self.asked.try_send(Asked::Order(order)).is_ok()
    }

    /// From now on this one is looked at closely, in so many stretches.
    pub(super) fn look(&self, at: Option<Chosen>, cells: u32) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if *looked != (at, cells) {
            *looked = (at, cells);
            // If too many wait, it comes with the next.
            let _ = self.asked.try_send(Asked::Now);
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Error::new(Exit::Unexpected, error))
}

/// Asks how things are, again and again, and gives orders; until nobody draws any more.
fn ask(place: &Place, orders: &Receiver<Asked>, looked: &Mutex<Looked>, to: &SyncSender<Update>) {
    let mut last = Instant::now();
    loop {
        match orders.recv_timeout(EVERY.saturating_sub(last.elapsed())) {
            Ok(Asked::Order(order)) => {
                let done = Client::find(place).and_then(|client| client.give(&order));
                if to.send(Update::Done(done.map(drop))).is_err() {
                    return;
                }
            }
            Ok(Asked::Now) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        last = Instant::now();
        let looked = *looked.lock().unwrap_or_else(PoisonError::into_inner);
        let update = match Client::find(place).and_then(|client| see(&client, looked)) {
            Ok(seen) => Update::Seen(Box::new(seen)),
            Err(error) => Update::Away(error),
        };
        if to.send(update).is_err() {
            return;
        }
    }
}

/// How things are now.
fn see(client: &Client, (chosen, cells): Looked) -> Result<Seen> {
    let status: Status = client.get("/v1/status")?;
    let transfers: Transfers = client.get("/v1/transfers")?;
    let Peers { peers } = client.get("/v1/peers")?;
    let details = match chosen {
        // It may be forgotten by now.
        Some(Chosen::Transfer(number)) if transfers.transfers.iter().any(|it| it.transfer == number) => {
            client.get::<Details>(&format!("/v1/transfers/{number}?cells={cells}")).ok()
        }
        _ => None,
    };
    Ok(Seen { status, transfers, peers, details })
}

/// Follows the events, beginning with the oldest that the daemon holds; until nobody draws any more.
fn follow(place: &Place, to: &SyncSender<Update>) {
    let mut last = "oldest".to_owned();
    loop {
        // What is wrong is told by who asks.
        if let Ok(stream) = Client::find(place).and_then(|client| client.events(&last)) {
            for line in stream.lines() {
                let Ok(line) = line else { break };
                if let Some(id) = line.strip_prefix("id: ") {
                    id.clone_into(&mut last);
                }
                let message = line.strip_prefix("data: ").and_then(told::read);
                if let Some(message) = message
                    && to.send(Update::Told(message)).is_err()
                {
                    return;
                }
            }
        }
        thread::sleep(AWAY);
    }
}
