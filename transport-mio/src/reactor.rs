//! The loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Events as Happenings, Poll, Token};
use truecopy_protocol::input::Input;
use truecopy_protocol::{Node, Now};
use truecopy_transport::channel::tls::TlsConfig;
use truecopy_transport::store::Registry;

use crate::clock::{Clock, civil};
use crate::config::{Nudge, ReactorConfig};
use crate::door::Door;
use crate::events::{self, Events};
use crate::handle::{Handle, Letter};
use crate::mailbox::{Mailbox, Sleep};
use crate::net::{Net, Setup};
use crate::resolve::Resolver;
use crate::workers::Workers;

/// The mailbox's bell.
const BELL: Token = Token(0);

/// Happenings taken from the kernel at once.
const HAPPENINGS: usize = 256;

/// The core is told the civil time this often.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);

/// A node with its sockets, its workers and its clock. One thread runs it: [`run`](Self::run) or
/// [`spawn`](Self::spawn).
pub struct Reactor {
    poll: Poll,
    happenings: Happenings,
    mailbox: Arc<Mailbox<Letter>>,
    door: Door,
    net: Net,
    /// When the core is told the civil time again.
    clock_due: Now,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    Stop,
}

impl Reactor {
    /// The time at which the node of every reactor begins.
    pub const START: Now = Now::ZERO;

    /// A reactor that listens already, and the program's ends of it.
    ///
    /// # Errors
    /// If an address cannot be listened on (`AddrInUse`, …), there is no key, or the machine has no descriptors,
    /// threads or randomness left.
    pub fn new(setup: ReactorConfig) -> io::Result<(Self, Handle, Events)> {
        let ReactorConfig { config, seed, keys, listen, workers, limits, rates, tap, wrap } = setup;
        let key = keys.first().ok_or(io::ErrorKind::InvalidInput)?;
        let tls = TlsConfig::new(key).map_err(io::Error::other)?;
        let poll = Poll::new()?;
        let mailbox = Arc::new(Mailbox::new(poll.registry(), BELL)?);
        let clock = Clock::start();
        let node = Node::new(config, seed, Self::START);
        let stores = Registry::default();
        let (sender, events) = events::queue();
        let desk = Arc::clone(&mailbox);
        let deliver = Arc::new(move |done| desk.post(Letter::Done(done)));
        let workers = Workers::start(workers, stores.clone(), keys, deliver)?;
        let desk = Arc::clone(&mailbox);
        let resolver = Resolver::new(Arc::new(move |resolved| desk.post(Letter::Resolved(resolved))));
        let desk = Arc::clone(&mailbox);
        let nudge = Box::new(move |token| {
            let desk = Arc::clone(&desk);
            Nudge::new(move || desk.post(Letter::Nudge(token)))
        });
        let registry = poll.registry().try_clone()?;
        let mut net = Net::new(Setup { registry, first_token: BELL.0, tls, limits, wrap, nudge, resolver });
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for listen in listen {
            addresses.extend(net.listen(listen)?);
        }
        workers.listening(&addresses);
        let handle = Handle::new(Arc::clone(&mailbox), stores, addresses);
        let mut door = Door::new(node, clock, tap, workers, sender);
        door.pacer.set(Now::ZERO, rates);
        let happenings = Happenings::with_capacity(HAPPENINGS);
        Ok((Self { poll, happenings, mailbox, door, net, clock_due: Now::ZERO }, handle, events))
    }

    /// Runs the loop on a thread of its own, until [`Handle::stop`].
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn spawn(self) -> io::Result<JoinHandle<io::Result<()>>> {
        thread::Builder::new().name("reactor".to_owned()).spawn(|| self.run())
    }

    /// Runs the loop on this thread, until [`Handle::stop`]. Connections are cut and jobs that have begun are
    /// finished, then it returns: whoever wants goodbyes said ends the shares first, and waits for `Event::Ended`.
    ///
    /// # Errors
    /// If the operating system's poll fails.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            self.look_at_clocks();
            self.net.turns(&mut self.door);
            self.net.grant(&mut self.door);
            self.sleep()?;
            for happening in &self.happenings {
                self.net.happened(happening, &mut self.door);
            }
            if self.read_mail() == Going::Stop {
                self.door.shut();
                return Ok(());
            }
            self.net.grant(&mut self.door);
        }
    }

    /// Asks the kernel what happened; waits only if there is nothing else to do.
    fn sleep(&mut self) -> io::Result<()> {
        let patience = match self.net.is_busy() {
            true => Some(Duration::ZERO),
            false if self.mailbox.fall_asleep() == Sleep::Not => Some(Duration::ZERO),
            false => self.patience(),
        };
        let polled = self.poll.poll(&mut self.happenings, patience);
        self.mailbox.awake();
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.happenings.clear();
                Ok(())
            }
            polled => polled,
        }
    }

    fn patience(&self) -> Option<Duration> {
        let now = self.door.clock.now();
        let clock = Some(self.clock_due.since(now));
        [clock, self.door.patience(), self.net.patience(now)].into_iter().flatten().min()
    }

    fn look_at_clocks(&mut self) {
        let now = self.door.clock.now();
        if now >= self.clock_due {
            self.clock_due = now + CLOCK_INTERVAL;
            self.door.feed(Input::Clock(civil()));
        }
        self.door.look_at_timers();
        self.net.look_at_deadlines(&mut self.door);
        self.net.look_at_paces(now);
    }

    fn read_mail(&mut self) -> Going {
        for letter in self.mailbox.take() {
            match letter {
                Letter::Done(done) => self.door.feed(Input::Done(done)),
                Letter::Command(command) => {
                    self.door.feed(Input::Command(*command));
                    self.net.receive_strangers();
                }
                Letter::Resolved(resolved) => self.net.resolved(resolved, &mut self.door),
                Letter::Nudge(token) => self.net.nudged(token),
                Letter::Listen(listen, answer) => {
                    let listening = self.net.listen(listen);
                    if let Ok(addresses) = &listening {
                        self.door.workers.listening(addresses);
                    }
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(listening);
                }
                Letter::Rates(share, rates) => {
                    let now = self.door.clock.now();
                    match share {
                        Some(share) => self.door.pacer.set_share(now, share, rates),
                        None => self.door.pacer.set(now, rates),
                    }
                    self.net.paces_changed();
                }
                Letter::Stop => return Going::Stop,
            }
        }
        Going::On
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}
