//! One connection from the proven channel to the goodbye: greeting, share proof, liveness, and what waits to be sent.
//!
//! Knows nothing of chunks, storage or other connections. PROTOCOL §5.

mod key;
mod outbox;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::time::Duration;

pub(crate) use key::ShareKey;
pub(crate) use outbox::{Outbox, Payload, Piece};

use crate::config::Config;
use crate::content::identity::{Nonce, ProofContext, Role, ShareProof};
use crate::input::Path;
use crate::output::Fault;
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::wire::{
    BlocksHead, Decoder, Features, Hello, Item, Message, PROTOCOL_MIN, PROTOCOL_VERSION, Prove, Proven,
    Reason,
};
use crate::{NodeId, Now};

/// What the peer's bytes mean to the node.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    /// The initiator names a share: `admit` or say goodbye.
    Asked(Prove),
    /// Our proof was answered: the session is open.
    Opened,
    /// A message of an open session.
    Message(Message),
    /// A frame of blocks begins.
    Blocks(BlocksHead),
    /// Its bytes.
    Payload(&'a [u8]),
    /// The peer ends the session.
    Farewell(Reason),
}

/// The way of a session. Greeting and proof have no place once it is open; nothing has after the goodbye.
#[derive(Debug)]
enum State {
    /// The peer's hello is awaited; an initiator will name this share then.
    Greeting(Option<ShareKey>),
    /// Greeted: the initiator's proof is awaited.
    AwaitProve,
    /// Greeted: the answer to our proof is awaited.
    AwaitProven(ShareKey),
    Open,
    /// Goodbye is said or heard; what still comes is ignored.
    Closing,
}

/// What a look at the clock says of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// Look again then.
    Fine(Now),
    /// It must be asked for a sign of life; look again then.
    Ping(Now),
    /// It must be given a sign of life; look again then.
    Pong(Now),
    /// Silent for too long.
    Dead,
    /// It takes nothing of what we send.
    Unread,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) role: Role,
    pub(crate) local: NodeId,
    pub(crate) peer: NodeId,
    pub(crate) path: Path,
    pub(crate) outbox: Outbox,
    state: State,
    #[cfg(planted)]
    pub(crate) decoder: Decoder,
    #[cfg(not(planted))]
    decoder: Decoder,
    our_nonce: Nonce,
    peer_nonce: Nonce,
    heard: Now,
    /// When the channel last took something of ours.
    said: Now,
    pinged: Option<Now>,
    /// Since when the peer has taken nothing although something waits.
    unread_since: Option<Now>,
    /// Pings of the peer answered within the current look at the clock.
    pongs: u32,
    /// Its pauses and resumptions within it.
    pauses: u32,
}

/// Pings answered between two looks at the clock at most.
const PONGS_MAX: u32 = 64;
/// Pauses and resumptions between two looks at the clock at most: more than a key that is held down makes.
const PAUSES_MAX: u32 = 512;

/// Both ends of a proven channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) role: Role,
    pub(crate) local: NodeId,
    pub(crate) peer: NodeId,
    pub(crate) path: Path,
}

impl Session {
    /// A session on a proven channel; an initiator brings the key of the share it wants.
    pub(crate) fn new(ends: Ends, wanted: Option<ShareKey>, nonce: Nonce, now: Now) -> Self {
        let mut session = Self {
            role: ends.role,
            local: ends.local,
            peer: ends.peer,
            path: ends.path,
            outbox: Outbox::default(),
            state: State::Greeting(wanted),
            decoder: Decoder::default(),
            our_nonce: nonce,
            peer_nonce: Nonce([0; 32]),
            heard: now,
            said: now,
            pinged: None,
            unread_since: None,
            pongs: 0,
            pauses: 0,
        };
        session.send(&Message::Hello(Hello {
            version: PROTOCOL_VERSION,
            version_min: PROTOCOL_MIN,
            features: Features::default(),
            nonce,
        }));
        session
    }

    /// Who is at both ends.
    pub(crate) const fn ends(&self) -> Ends {
        Ends { role: self.role, local: self.local, peer: self.peer, path: self.path }
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(crate) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }

    /// The nonce that the peer brought: receipts for it carry it.
    pub(crate) const fn peer_nonce(&self) -> Nonce {
        self.peer_nonce
    }

    pub(crate) const fn our_nonce(&self) -> Nonce {
        self.our_nonce
    }

    pub(crate) fn send(&mut self, message: &Message) {
        if !self.is_closing() {
            self.outbox.push(message);
        }
    }

    /// Takes the next thing from the peer's bytes; `None` when all of them are consumed.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Now,
        bytes: &mut &'a [u8],
    ) -> Result<Option<Incoming<'a>>, Fault> {
        self.heard = now;
        self.pinged = None;
        loop {
            if self.is_closing() {
                *bytes = &[];
                return Ok(None);
            }
            let Some(item) = self.decoder.next(bytes)? else { return Ok(None) };
            let incoming = match item {
                Item::Message(message) => self.message(message)?,
                Item::Blocks(_) | Item::Payload(_) if !self.is_open() => return Err(Fault::OutOfTurn),
                Item::Blocks(head) => Some(Incoming::Blocks(head)),
                Item::Payload(run) => Some(Incoming::Payload(run)),
            };
            if incoming.is_some() {
                return Ok(incoming);
            }
        }
    }

    fn message(&mut self, message: Message) -> Result<Option<Incoming<'static>>, Fault> {
        match message {
            Message::Goodbye(reason) => {
                self.state = State::Closing;
                Ok(Some(Incoming::Farewell(reason)))
            }
            Message::Hello(hello) => self.greeted(hello),
            Message::Prove(prove) if matches!(self.state, State::AwaitProve) => {
                Ok(Some(Incoming::Asked(prove)))
            }
            Message::Proven(proven) => self.proven(proven),
            Message::Ping(word) if self.is_open() => {
                self.pongs += 1;
                if self.pongs > PONGS_MAX {
                    return Err(Fault::Flood);
                }
                self.send(&Message::Pong(word));
                Ok(None)
            }
            Message::Pong(_) if self.is_open() => Ok(None),
            Message::Paused | Message::Resumed if self.is_open() && self.pauses >= PAUSES_MAX => {
                Err(Fault::Flood)
            }
            other if self.is_open() => {
                self.pauses += u32::from(matches!(other, Message::Paused | Message::Resumed));
                Ok(Some(Incoming::Message(other)))
            }
            _ => Err(Fault::OutOfTurn),
        }
    }

    fn greeted(&mut self, hello: Hello) -> Result<Option<Incoming<'static>>, Fault> {
        let State::Greeting(wanted) = &self.state else { return Err(Fault::OutOfTurn) };
        self.peer_nonce = hello.nonce;
        if hello.version < PROTOCOL_MIN || hello.version_min > PROTOCOL_VERSION {
            self.farewell(Reason::Version);
            return Ok(Some(Incoming::Farewell(Reason::Version)));
        }
        match *wanted {
            None => self.state = State::AwaitProve,
            Some(key) => {
                let proof = self.proof(&key, Role::Initiator);
                self.send(&Message::Prove(Prove { discovery: key.discovery(), proof }));
                self.state = State::AwaitProven(key);
            }
        }
        Ok(None)
    }

    fn proven(&mut self, proven: Proven) -> Result<Option<Incoming<'static>>, Fault> {
        let State::AwaitProven(key) = self.state else { return Err(Fault::OutOfTurn) };
        if self.proof(&key, Role::Responder) != proven.proof {
            return Err(Fault::BadMac);
        }
        self.state = State::Open;
        Ok(Some(Incoming::Opened))
    }

    /// Whether the initiator's proof shows that it knows this share.
    pub(crate) fn proves(&self, prove: &Prove, key: &ShareKey) -> bool {
        self.proof(key, Role::Initiator) == prove.proof
    }

    /// Answers the initiator's proof with ours: the session is open.
    pub(crate) fn admit(&mut self, key: &ShareKey) {
        let proof = self.proof(key, Role::Responder);
        self.send(&Message::Proven(Proven { proof }));
        self.state = State::Open;
    }

    /// Says goodbye; nothing follows it.
    pub(crate) fn farewell(&mut self, reason: Reason) {
        self.send(&Message::Goodbye(reason));
        self.state = State::Closing;
    }

    /// The channel took `len` bytes. Returns buffers that are sent whole.
    pub(crate) fn sent(&mut self, now: Now, len: usize) -> Vec<crate::job::SpanBuf> {
        let free = self.outbox.sent(len);
        self.said = now;
        self.unread_since = (!self.outbox.is_empty()).then_some(now);
        free
    }

    /// Looks at the clock.
    pub(crate) fn look(&mut self, now: Now, config: &Config) -> Liveness {
        (self.pongs, self.pauses) = (0, 0);
        if self.outbox.is_empty() {
            self.unread_since = None;
        } else if now.since(*self.unread_since.get_or_insert(now)) >= config.unread_max {
            return Liveness::Unread;
        }
        let (silent, quiet) = (now.since(self.heard), now.since(self.said));
        let ping_after = config.ping_after;
        #[cfg(planted)]
        let ping_after = if is(Bug::KeepAliveLate) { config.silence_max } else { ping_after };
        let step = |wait: Duration| now + wait.max(Duration::from_millis(1));
        if silent >= config.silence_max {
            Liveness::Dead
        } else if silent >= ping_after && self.pinged.is_none() {
            self.pinged = Some(now);
            Liveness::Ping(step(config.silence_max - silent))
        } else if quiet >= ping_after && self.outbox.is_empty() {
            // The answer to its ping may have to wait behind what it sends us: on a slow line, for too long.
            self.said = now;
            Liveness::Pong(step(ping_after.min(config.silence_max - silent)))
        } else if self.pinged.is_some() {
            Liveness::Fine(step(config.silence_max - silent))
        } else {
            Liveness::Fine(step(ping_after - silent))
        }
    }

    /// The silence of a connection that we do not read does not count.
    pub(crate) fn unpaused(&mut self, now: Now) {
        self.heard = now;
    }

    /// Bytes of memory for the peer's unfinished message and our unsent ones.
    pub(crate) fn memory(&self) -> usize {
        self.decoder.memory() + self.outbox.control_waiting()
    }

    fn proof(&self, key: &ShareKey, role: Role) -> ShareProof {
        let (initiator, responder, initiator_nonce, responder_nonce) = match self.role {
            Role::Initiator => (self.local, self.peer, self.our_nonce, self.peer_nonce),
            Role::Responder => (self.peer, self.local, self.peer_nonce, self.our_nonce),
        };
        key.prove(role, &ProofContext { initiator, responder, initiator_nonce, responder_nonce })
    }
}
