//! A host: one node, its sockets, its clock. One poll function does it all, so that nothing is left to a scheduler.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{LinkLoss, Path};
use truecopy_protocol::{Candidate, ConnId, NodeId};
use truecopy_sim::stream::Random;
use truecopy_transport::link::{After, Link};
use turmoil::net::{TcpListener, TcpStream};

use crate::chop::Chop;
use crate::door::{Door, Wish};
use crate::program::Program;
use crate::secure::Secure;
use crate::trace::Trace;
use crate::world::Directory;

/// Where every host listens.
pub(crate) const PORT: u16 = 4000;

/// Patience with a handshake.
const PATIENCE: Duration = Duration::from_secs(20);

/// A turn of the clock when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// What a host is made with.
pub(crate) struct Setup {
    pub(crate) name: String,
    pub(crate) seed: u64,
    /// Bytes of one call of a socket at most.
    pub(crate) call_max: usize,
    pub(crate) directory: Directory,
    pub(crate) trace: Trace,
}

struct Dial {
    key: Option<NodeId>,
    connecting: Boxed<io::Result<TcpStream>>,
}

pub(crate) struct Host<S: Secure, P> {
    setup: Setup,
    secure: S,
    program: P,
    door: Door,
    accepting: Boxed<(TcpListener, io::Result<(TcpStream, SocketAddr)>)>,
    accepted: u64,
    dials: BTreeMap<ConnId, Dial>,
    links: BTreeMap<ConnId, Link<Chop, S::Channel>>,
    sleep: Pin<Box<Sleep>>,
}

fn accept(listener: TcpListener) -> Boxed<(TcpListener, io::Result<(TcpStream, SocketAddr)>)> {
    Box::pin(async move {
        let accepted = listener.accept().await;
        (listener, accepted)
    })
}

impl<S: Secure, P: Program> Host<S, P> {
    /// Runs until it is dropped.
    pub(crate) async fn run(setup: Setup, secure: S, program: P, door: Door) -> turmoil::Result {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        let mut host = Self {
            setup,
            secure,
            program,
            door,
            accepting: accept(listener),
            accepted: 0,
            dials: BTreeMap::new(),
            links: BTreeMap::new(),
            sleep: Box::pin(tokio::time::sleep(IDLE)),
        };
        host.setup.trace.begin(&host.setup.name);
        host.program.begin(&mut host.door);
        poll_fn(|context| host.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<turmoil::Result> {
        loop {
            let inputs = self.door.inputs;
            self.door.look_at_clock();
            self.accept(context)?;
            self.dial(context);
            let after = self.turns(context);
            self.obey();
            if after == After::Rest && self.door.inputs == inputs && self.door.wishes.is_empty() {
                break;
            }
        }
        let deadlines = self.links.values().filter_map(Link::deadline);
        let wake = deadlines.chain(self.door.wake()).min();
        let wake = wake.unwrap_or_else(|| self.door.now() + IDLE);
        self.sleep.as_mut().reset(self.door.instant(wake));
        if self.sleep.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn accept(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while let Poll::Ready((listener, accepted)) = self.accepting.as_mut().poll(context) {
            self.accepting = accept(listener);
            let (stream, remote) = accepted?;
            self.accepted += 1;
            let channel = self.secure.accept();
            self.adopt(ConnId(self.accepted), Role::Responder, remote, stream, channel);
        }
        Ok(())
    }

    fn adopt(
        &mut self,
        conn: ConnId,
        role: Role,
        remote: SocketAddr,
        stream: TcpStream,
        channel: S::Channel,
    ) {
        let Setup { name, seed, call_max, trace, .. } = &self.setup;
        let random =
            Random::new(*seed, &format!("{name}/{}/{}", conn.0, turmoil::sim_elapsed().unwrap().as_millis()));
        let chop = Chop::new(stream, conn, random, *call_max, trace.clone());
        let deadline = self.door.now() + PATIENCE;
        self.links.insert(conn, Link::new(conn, role, Path::Tcp(remote), chop, channel, deadline));
    }

    fn dial(&mut self, context: &mut Context<'_>) {
        let polled =
            self.dials.iter_mut().filter_map(|(conn, dial)| match dial.connecting.as_mut().poll(context) {
                Poll::Ready(result) => Some((*conn, result)),
                Poll::Pending => None,
            });
        for (conn, result) in polled.collect::<Vec<_>>() {
            let key = self.dials.remove(&conn).and_then(|dial| dial.key);
            match result.and_then(|stream| Ok((stream.peer_addr()?, stream))) {
                Ok((remote, stream)) => {
                    let channel = self.secure.connect(key);
                    self.adopt(conn, Role::Initiator, remote, stream, channel);
                }
                Err(error) => {
                    self.setup.trace.note(("dial", conn.0, error.kind() as u64));
                    self.door.disconnected(conn, LinkLoss::Refused);
                }
            }
        }
    }

    /// Every connection gets a turn.
    fn turns(&mut self, context: &mut Context<'_>) -> After {
        let mut all = After::Rest;
        let door = &mut self.door;
        self.links.retain(|_, link| {
            if link.deadline().is_some_and(|at| at <= door.now()) {
                link.expire(door);
                return false;
            }
            link.stream_mut().polled_by(context);
            // Whoever is woken here is not told for what.
            link.readable();
            link.writable();
            let after = link.turn(door);
            if after == After::Again {
                all = After::Again;
            }
            after != After::Over
        });
        all
    }

    /// Carries out what the core wants, and tells the program what it says.
    fn obey(&mut self) {
        while let Some(wish) = self.door.wishes.pop_front() {
            match wish {
                Wish::Dial { conn, to, key } => self.begin_dial(conn, to, key),
                Wish::Hangup(conn) => {
                    if let Some(link) = self.links.get_mut(&conn) {
                        link.hang_up(self.door.now());
                    } else if self.dials.remove(&conn).is_some() {
                        self.door.disconnected(conn, LinkLoss::Closed);
                    }
                }
            }
        }
        while let Some(event) = self.door.events.pop_front() {
            self.setup.trace.event(&self.setup.name, &event);
            self.program.hear(&event, &mut self.door);
        }
    }

    fn begin_dial(&mut self, conn: ConnId, to: Candidate, key: Option<NodeId>) {
        let connecting: Boxed<_> = match to {
            Candidate::Tcp(address) => Box::pin(TcpStream::connect(address)),
            Candidate::Host { name, port } => {
                let host = self.setup.directory.borrow().get(name.as_str()).cloned();
                let Some(host) = host else { return self.door.disconnected(conn, LinkLoss::Unreachable) };
                Box::pin(TcpStream::connect((host, port)))
            }
        };
        self.dials.insert(conn, Dial { key, connecting });
    }
}
