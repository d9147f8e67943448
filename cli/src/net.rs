//! A running node: the reactor on a thread of its own, and the end of it that a command holds.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use truecopy_mio::{Events, Handle, Listen, Reactor, ReactorConfig};
use truecopy_protocol::Config;
use truecopy_protocol::output::Event;
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;

use crate::args::Pause;
use crate::exit::{Error, Exit, Result};
use crate::record::Run;

/// How long a command waits for an event before it looks at the user's wishes.
const TICK: Duration = Duration::from_millis(100);

/// The default limits and durations, with the user's patience: how long a peer may be looked for, waited for and silent.
pub fn patience(timeout: Option<Pause>) -> Config {
    let mut config = Config::default();
    if let Some(Pause(timeout)) = timeout {
        config.find_timeout = timeout;
        config.lost_timeout = timeout;
        for limit in [&mut config.silence_max, &mut config.stall_max, &mut config.unread_max] {
            *limit = timeout.min(*limit);
        }
        // One that hangs must leave time for another.
        let dial = (timeout / 3).max(Duration::from_secs(1));
        for limit in [&mut config.dial_timeout, &mut config.handshake_timeout] {
            *limit = dial.min(*limit);
        }
        config.ping_after = config.ping_after.min(config.silence_max / 3);
    }
    config
}

/// A running node.
pub struct Net {
    /// Tells it what to do.
    pub handle: Handle,
    events: Events,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// How a node is made.
pub struct Setup {
    /// Its key.
    pub key: KeyPair,
    /// With what it begins, and what its run is written to.
    pub run: Run,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// How fast bytes may go.
    pub rates: Rates,
}

impl Net {
    /// Starts a node.
    ///
    /// # Errors
    /// If it cannot listen where it should, or the system has no threads or randomness left.
    pub fn start(setup: Setup) -> std::io::Result<Self> {
        let Run { config, seed, recording } = setup.run;
        let mut config = ReactorConfig {
            config,
            listen: setup.listen,
            rates: setup.rates,
            ..ReactorConfig::new(setup.key, seed)
        };
        if let Some(recording) = &recording {
            config.record(recording);
        }
        let (reactor, handle, events) = Reactor::new(config)?;
        let thread = Some(reactor.spawn()?);
        Ok(Self { handle, events, thread })
    }

    /// The next event; none if nothing happened for a moment.
    ///
    /// # Errors
    /// If the node has ended by itself, which it should not.
    pub fn next(&self) -> Result<Option<Event>> {
        self.next_within(TICK)
    }

    fn next_within(&self, patience: Duration) -> Result<Option<Event>> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.events.recv_timeout(patience) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::new(Exit::Unexpected, "the network part of the program has ended"))
            }
        }
    }

    /// Lets every share end: hands what still happens to `see`, until `Ended` or until patience is over.
    pub fn wind_down(&self, patience: Duration, mut see: impl FnMut(Event)) {
        let until = Instant::now() + patience;
        while let Some(left) = until.checked_duration_since(Instant::now())
            && let Ok(event) = self.next_within(left.min(TICK))
        {
            match event {
                Some(Event::Ended { .. }) => return,
                Some(event) => see(event),
                None => {}
            }
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic in it was told by the hook.
            let _ = thread.join();
        }
    }
}
