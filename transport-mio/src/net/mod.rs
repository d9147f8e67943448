//! All sockets: who is ready, who has a turn, whose time is over.

mod accept;
mod dial;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::{Interest, Registry, Token};
use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{LinkLoss, Path};
use truecopy_protocol::{ConnId, NodeId, Now};
use truecopy_transport::channel::tls::{Tls, TlsConfig};
use truecopy_transport::link::{After, Link, Phase};
use truecopy_transport::stream::Stream;

use self::dial::Dial;
use crate::config::{Limits, Nudge, Wrap};
use crate::deadlines::Deadlines;
use crate::door::{Door, Wish};
use crate::listen::{self, Listen, Listener};
use crate::resolve::{Resolved, Resolver};
use crate::tcp::TcpLink;

/// What the sockets are made with.
pub(crate) struct Setup {
    pub(crate) registry: Registry,
    /// Tokens below belong to others.
    pub(crate) first_token: usize,
    pub(crate) tls: TlsConfig,
    pub(crate) limits: Limits,
    pub(crate) wrap: Option<Box<dyn Wrap>>,
    pub(crate) nudge: Box<dyn Fn(Token) -> Nudge + Send>,
    pub(crate) resolver: Resolver,
}

/// A connected socket.
struct Socket {
    link: Link<Box<dyn Stream + Send>, Tls>,
    remote: SocketAddr,
    queued: Queued,
}

/// Whether a socket stands in the queue of those that have a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queued {
    No,
    Yes,
}

pub(crate) struct Net {
    setup: Setup,
    next_token: usize,
    next_conn: u64,
    listeners: Vec<Listener>,
    reception: Reception,
    sockets: BTreeMap<Token, Socket>,
    dials: BTreeMap<Token, Dial>,
    /// The socket of each connection.
    tokens: BTreeMap<ConnId, Token>,
    /// Dials whose name is being looked up, and the key that must be proven.
    resolving: BTreeMap<ConnId, Option<NodeId>>,
    /// Accepted connections in order of age; those that are proven or gone are dropped now and then.
    strangers: VecDeque<Token>,
    queue: VecDeque<Token>,
    deadlines: Deadlines,
    /// When those have a turn again that a limit of the rate holds up.
    paces: Deadlines,
}

impl Net {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            next_token: setup.first_token,
            setup,
            next_conn: 0,
            listeners: Vec::new(),
            reception: Reception::Closed,
            sockets: BTreeMap::new(),
            dials: BTreeMap::new(),
            tokens: BTreeMap::new(),
            resolving: BTreeMap::new(),
            strangers: VecDeque::new(),
            queue: VecDeque::new(),
            deadlines: Deadlines::default(),
            paces: Deadlines::default(),
        }
    }

    /// A token that no event of an earlier socket can carry.
    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Opens listening sockets and says where they listen.
    pub(crate) fn listen(&mut self, listen: Listen) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        for mut socket in listen::open(listen)? {
            let token = self.token();
            self.setup.registry.register(&mut socket, token, Interest::READABLE)?;
            addresses.push(socket.local_addr()?);
            self.listeners.push(Listener { token, socket, state: listen::Door::Quiet });
        }
        tracing::info!(?addresses, "listening");
        Ok(addresses)
    }

    /// The core has its first command: it knows what to tell strangers.
    pub(crate) fn receive_strangers(&mut self) {
        self.reception = Reception::Open;
    }

    /// The poll says that something happened with a socket.
    pub(crate) fn happened(&mut self, event: &Event, door: &mut Door) {
        let token = event.token();
        if let Some(Socket { link, .. }) = self.sockets.get_mut(&token) {
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                link.readable();
            }
            if event.is_writable() || event.is_write_closed() || event.is_error() {
                link.writable();
            }
            self.enqueue(token);
        } else if self.dials.contains_key(&token) {
            self.dial_progress(token, door);
        } else if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.token == token)
            && listener.state == listen::Door::Quiet
        {
            listener.state = listen::Door::Knocking;
        }
    }

    /// A wrapped stream says that it may be asked again, although the poll says nothing.
    pub(crate) fn nudged(&mut self, token: Token) {
        if let Some(Socket { link, .. }) = self.sockets.get_mut(&token) {
            link.readable();
            link.writable();
            self.enqueue(token);
        }
    }

    fn enqueue(&mut self, token: Token) {
        if let Some(socket) = self.sockets.get_mut(&token)
            && socket.queued == Queued::No
        {
            socket.queued = Queued::Yes;
            self.queue.push_back(token);
        }
    }

    /// Carries out what the core wants.
    pub(crate) fn grant(&mut self, door: &mut Door) {
        while let Some(wish) = door.wish() {
            match wish {
                Wish::Dial { conn, to, key } => self.dial(conn, to, key, door),
                Wish::Hangup { conn, why } => {
                    tracing::debug!(conn = conn.0, ?why, "hanging up");
                    self.hang_up(conn, door);
                }
                Wish::Flush { conn } | Wish::Resume { conn } => {
                    if let Some(token) = self.tokens.get(&conn) {
                        self.enqueue(*token);
                    }
                }
            }
        }
    }

    fn hang_up(&mut self, conn: ConnId, door: &mut Door) {
        let Some(token) = self.tokens.get(&conn).copied() else {
            if self.resolving.remove(&conn).is_some() {
                self.setup.resolver.forget(conn);
                door.disconnected(conn, LinkLoss::Closed);
            }
            return;
        };
        if let Some(Socket { link, .. }) = self.sockets.get_mut(&token) {
            link.hang_up(door.clock.now());
            self.sync_deadline(token);
            self.enqueue(token);
        } else {
            self.drop_dial(token, LinkLoss::Closed, door);
        }
    }

    /// Everybody who is ready gets one turn.
    pub(crate) fn turns(&mut self, door: &mut Door) {
        self.accept_all(door);
        for _ in 0..self.queue.len() {
            let Some(token) = self.queue.pop_front() else { break };
            self.turn(token, door);
            self.grant(door);
        }
    }

    fn turn(&mut self, token: Token, door: &mut Door) {
        let Some(socket) = self.sockets.get_mut(&token) else { return };
        socket.queued = Queued::No;
        let after = socket.link.turn(door);
        self.sync_deadline(token);
        match after {
            After::Again => self.enqueue(token),
            After::Rest => {}
            After::Later(at) => self.paces.set(token, at),
            After::Over => self.remove(token),
        }
    }

    /// Whoever a limit of the rate held up until now has a turn.
    pub(crate) fn look_at_paces(&mut self, now: Now) {
        while let Some(token) = self.paces.expire(now) {
            self.enqueue(token);
        }
    }

    /// Other limits of rates hold: everybody asks again.
    pub(crate) fn paces_changed(&mut self) {
        self.look_at_paces(Now::LATEST);
    }

    /// Whether somebody waits for a turn.
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.is_knocked_at()
    }

    /// How long until somebody's time is over.
    pub(crate) fn patience(&self, now: Now) -> Option<Duration> {
        let next = [self.deadlines.next(), self.paces.next()].into_iter().flatten().min();
        next.map(|at| at.since(now))
    }

    /// Ends what has taken too long.
    pub(crate) fn look_at_deadlines(&mut self, door: &mut Door) {
        while let Some(token) = self.deadlines.expire(door.clock.now()) {
            if let Some(Socket { link, .. }) = self.sockets.get_mut(&token) {
                link.expire(door);
                self.remove(token);
            } else if self.dials.contains_key(&token) {
                self.next_address(token, LinkLoss::TimedOut, door);
            } else if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.token == token)
            {
                listener.state = listen::Door::Knocking;
            }
        }
    }

    /// A name was looked up.
    pub(crate) fn resolved(&mut self, resolved: Resolved, door: &mut Door) {
        if let Some(failed) = self.setup.resolver.answered()
            && self.resolving.remove(&failed).is_some()
        {
            door.disconnected(failed, LinkLoss::Local);
        }
        if let Some(key) = self.resolving.remove(&resolved.conn) {
            self.dial_addresses(resolved.conn, key, resolved.addresses.into(), door);
        }
    }

    /// A connected socket becomes a connection.
    fn adopt(&mut self, adopted: Adopted, door: &mut Door) {
        let Adopted { token, conn, role, remote, stream, channel } = adopted;
        let mut stream: Box<dyn Stream + Send> = Box::new(TcpLink::new(stream));
        if let Some(wrap) = &mut self.setup.wrap {
            stream = wrap.wrap(conn, stream, (self.setup.nudge)(token));
        }
        let deadline = door.clock.now() + self.setup.limits.handshake_timeout;
        let link = Link::new(conn, role, Path::Tcp(remote), stream, channel, deadline);
        self.sockets.insert(token, Socket { link, remote, queued: Queued::No });
        self.tokens.insert(conn, token);
        self.sync_deadline(token);
        self.enqueue(token);
    }

    fn sync_deadline(&mut self, token: Token) {
        match self.sockets.get(&token).and_then(|socket| socket.link.deadline()) {
            Some(at) => self.deadlines.set(token, at),
            None => self.deadlines.clear(token),
        }
    }

    /// Dropping the socket ends its registration.
    fn remove(&mut self, token: Token) {
        self.deadlines.clear(token);
        self.paces.clear(token);
        if let Some(socket) = self.sockets.remove(&token) {
            self.tokens.remove(&socket.link.conn());
        }
        self.reopen();
    }

    /// Whether the connection is accepted and not proven.
    fn is_stranger(&self, token: Token) -> bool {
        self.sockets.get(&token).is_some_and(|Socket { link, .. }| {
            link.role() == Role::Responder && link.phase() == Phase::Handshaking
        })
    }
}

/// Whether strangers are let in. Until the first command they wait in the kernel's queue: a receiver that comes back to
/// a sender that has just been started again must not hear that its share is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reception {
    Closed,
    Open,
}

/// What a connection is made of.
struct Adopted {
    token: Token,
    conn: ConnId,
    role: Role,
    remote: SocketAddr,
    stream: mio::net::TcpStream,
    channel: Tls,
}
