//! A running node: the reactor on a thread of its own, and the end of it that a command holds.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use truecopy_mio::{Events, Handle, Limits, Listen, Reactor, ReactorConfig, Waker};
use truecopy_protocol::output::Event;
use truecopy_protocol::{Config, Detail};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;
use zeroize::Zeroizing;

use crate::args::{self, OutputArgs, Pause};
use crate::descriptors;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::record::Run;

/// How long a command waits for an event before it looks at the user's wishes.
const TICK: Duration = Duration::from_millis(100);

/// Files that are open at once beside sockets: those that are read and written, folders on the way to them, pipes.
const OTHER_FILES: u64 = 512;

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

/// The same, and what is shown on request is told.
pub fn configured(timeout: Option<Pause>, output: &OutputArgs) -> Config {
    let detail = if output.verbose > 0 { Detail::Peers } else { Detail::Shares };
    Config { detail, ..patience(timeout) }
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
        let limits = Limits::for_conns(config.conns_max);
        descriptors::allow(limits.sockets_max as u64 + OTHER_FILES);
        let mut config = ReactorConfig {
            config,
            limits,
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

    /// Starts a node that listens where the user said; else everywhere, on the port of the last time if it is free.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub fn listening(
        (listen, port): (&[args::Listen], Option<u16>),
        key_seed: [u8; 32],
        run: &Run,
        rates: Rates,
    ) -> Result<Self> {
        let start = |listen: Vec<Listen>| {
            let key = KeyPair::from_seed(Zeroizing::new(key_seed));
            Self::start(Setup { key, run: run.clone(), listen, rates })
        };
        let failed = |error: std::io::Error| {
            Error::new(Exit::LocalIo, format!("cannot listen: {}", Shown::io(&error)))
                .hint("choose another address or port: --listen ADDR:PORT")
        };
        if !listen.is_empty() {
            return start(listen.iter().map(|listen| listen_at(*listen)).collect()).map_err(failed);
        }
        if let Some(port) = port
            && let Ok(net) = start(vec![Listen::Everywhere { port }])
        {
            return Ok(net);
        }
        start(vec![Listen::Everywhere { port: 0 }]).map_err(failed)
    }

    /// What ends the wait for an event early.
    pub fn waker(&self) -> Waker {
        self.events.waker()
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

const fn listen_at(listen: args::Listen) -> Listen {
    match listen {
        args::Listen::Address(address) => Listen::At(address),
        args::Listen::Everywhere { port } => Listen::Everywhere { port },
    }
}
