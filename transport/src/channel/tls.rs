//! TLS 1.3 with raw public keys on both sides (RFC 8446, RFC 7250): the channel that sockets run.
//!
//! It drives the unbuffered API of rustls, so both byte buffers are ours: one read takes as much as the kernel has,
//! and records are encrypted straight into what the stream will take.
//!
//! What that API asks of its caller, and where it bites:
//! * what was looked at must stay in place, relative to the front, until it is discarded, for half a handshake
//!   message is remembered by its position. [`Intake`] moves everything or nothing;
//! * the handle that encrypts comes from the call that decrypts. To get it without decrypting, [`Tls::seal`] shows
//!   exactly the bytes that the last call found too short (`seen`), never none: with half a message remembered, an
//!   empty slice is a panic that a peer could cause;
//! * after an error or our closing word nothing of the peer may be fed to it again.

mod config;
mod identity;
mod outcome;
mod session;

pub use config::{TlsConfig, TlsError, provider};

use truecopy_protocol::NodeId;

use self::outcome::blame;
use self::session::{Hands, Session, Step, Write, encrypt};
use super::buffers::{BUFFER, Intake, Outbox, Pool};
use super::{Channel, ChannelError, ChannelEvent};

/// The application protocol that both sides must name.
pub const ALPN: &[u8] = b"truecopy/1";

/// Bytes that a peer may send before it has proven its key.
pub const HANDSHAKE_MAX: usize = 64 * 1024;

/// Bytes that may lie undecided: one record, or one handshake message of 64 KiB in several records.
const UNDECIDED_MAX: usize = 128 * 1024;

/// Plaintext of one record.
const RECORD: usize = 16 * 1024;

/// Runs shorter than this are gathered into one record.
const GATHERED_MAX: usize = 8 * 1024;

/// Header, content type and tag of a record.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;

/// What rustls holds for one connection between calls, in bytes: its structures, keys and the peer's key.
const SESSION_MEMORY: usize = 8 * 1024;

/// One end of a TLS channel. Made by [`TlsConfig::connect`] or [`TlsConfig::accept`].
pub struct Tls {
    session: Session,
    local: NodeId,
    phase: Phase,
    stream: StreamEnd,
    intake: Intake,
    /// How many pending bytes the session has looked at and found too short.
    seen: usize,
    /// Bytes received before the peer was proven.
    handshake_len: usize,
    /// What came together with the end of the handshake and waits until the proof is told.
    early: Option<Early>,
    /// Small runs of plaintext that wait to become one record.
    gathered: Vec<u8>,
    outbox: Outbox,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    /// The peer has said its closing word.
    PeerClosed,
    /// We have said ours.
    Closed,
    Dead(ChannelError),
}

enum Early {
    Record(Vec<u8>),
    /// The session says this once only.
    PeerClosed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamEnd {
    Ahead,
    Reached,
}

impl Tls {
    fn new(session: Session, local: NodeId, pool: Pool) -> Self {
        let mut tls = Self {
            session,
            local,
            phase: Phase::Handshake,
            stream: StreamEnd::Ahead,
            intake: Intake::new(pool.clone()),
            seen: 0,
            handshake_len: 0,
            early: None,
            gathered: Vec::new(),
            outbox: Outbox::new(pool),
        };
        // The side that connects speaks first: its first words are ready at once.
        let _ = tls.next_event(&mut |_| {});
        tls
    }

    /// Shows the pending bytes to the session once.
    fn step(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> Result<Step, rustls::Error> {
        let (early, unproven) = (&mut self.early, self.phase == Phase::Handshake);
        let mut take = |record: &[u8]| match unproven {
            true => *early = Some(Early::Record(record.to_vec())),
            false => plaintext(record),
        };
        let hands = Hands { outbox: &mut self.outbox, plaintext: &mut take };
        let (discard, step) = self.session.step(self.intake.pending(), hands);
        self.intake.consume(discard);
        self.seen = if matches!(step, Ok(Step::Starved | Step::Ready)) { self.intake.len() } else { 0 };
        step
    }

    fn starved(&mut self) -> Result<ChannelEvent, ChannelError> {
        let unproven = self.phase == Phase::Handshake && self.handshake_len > HANDSHAKE_MAX;
        if unproven || self.intake.len() > UNDECIDED_MAX {
            return Err(self.die(ChannelError::Damaged));
        }
        match self.stream {
            StreamEnd::Ahead => Ok(ChannelEvent::Starved),
            StreamEnd::Reached => Err(self.die(ChannelError::Cut)),
        }
    }

    /// The handshake is over: both keys are proven, or it was not the handshake that we want.
    fn prove(&mut self) -> Result<ChannelEvent, ChannelError> {
        let common = self.session.common();
        let peer = match common.peer_certificates() {
            Some([key]) if common.alpn_protocol() == Some(ALPN) => crate::keys::from_spki(key),
            _ => None,
        };
        match peer {
            Some(peer) => {
                self.phase = Phase::Open;
                Ok(ChannelEvent::Proven { peer, local: self.local })
            }
            None => Err(self.die(ChannelError::Refused)),
        }
    }

    /// Whether plaintext may be sent.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::PeerClosed)
    }

    fn peer_closed(&mut self) {
        self.phase = Phase::PeerClosed;
        self.ignore_pending();
    }

    fn ignore_pending(&mut self) {
        self.intake.consume(self.intake.len());
        self.seen = 0;
    }

    /// Remembers the error and lets the session say its last word.
    fn die(&mut self, error: ChannelError) -> ChannelError {
        self.phase = Phase::Dead(error);
        self.early = None;
        self.gathered = Vec::new();
        self.session.last_words(&mut self.outbox);
        error
    }

    /// Runs `write` with the session's encrypting handle.
    fn write(&mut self, write: &mut Write<'_>) {
        let shown = &mut self.intake.pending()[..self.seen];
        if self.session.write(shown, &mut self.outbox, write).is_err() {
            // The keys are used up and could not be renewed. Nothing may be sent, nor pass for sent.
            self.die(ChannelError::Damaged);
        }
    }

    fn seal_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let mut gathered = std::mem::take(&mut self.gathered);
            self.write(&mut |traffic, outbox| encrypt(traffic, outbox, &gathered));
            gathered.clear();
            self.gathered = gathered;
        }
    }
}

impl Channel for Tls {
    fn space(&mut self) -> &mut [u8] {
        if matches!(self.phase, Phase::PeerClosed | Phase::Closed | Phase::Dead(_)) {
            // Nobody will look at what waits, and it may fill the whole buffer.
            self.intake.consume(self.intake.len());
        }
        self.intake.space()
    }

    fn filled(&mut self, len: usize) {
        match self.phase {
            Phase::Handshake => self.handshake_len += len,
            Phase::Open => {}
            // Nobody will look at these bytes.
            Phase::PeerClosed | Phase::Closed | Phase::Dead(_) => return,
        }
        self.intake.filled(len);
    }

    fn ended(&mut self) {
        self.stream = StreamEnd::Reached;
    }

    fn next_event(&mut self, plaintext: &mut dyn FnMut(&[u8])) -> Result<ChannelEvent, ChannelError> {
        loop {
            match self.phase {
                Phase::Dead(error) => return Err(error),
                Phase::PeerClosed => return Ok(ChannelEvent::Closed),
                Phase::Closed => return Ok(ChannelEvent::Starved),
                Phase::Open => match self.early.take() {
                    Some(Early::Record(record)) => {
                        plaintext(&record);
                        return Ok(ChannelEvent::Plaintext);
                    }
                    Some(Early::PeerClosed) => {
                        self.peer_closed();
                        continue;
                    }
                    None => {}
                },
                Phase::Handshake => {}
            }
            let step = match self.step(plaintext) {
                Ok(step) => step,
                Err(error) => return Err(self.die(blame(&error, self.phase == Phase::Handshake))),
            };
            if self.phase == Phase::Handshake
                && !self.session.common().is_handshaking()
                && !matches!(step, Step::Again)
            {
                if matches!(step, Step::PeerClosed) {
                    self.early = Some(Early::PeerClosed);
                }
                return self.prove();
            }
            match step {
                Step::Again => {}
                Step::Starved | Step::Ready => return self.starved(),
                Step::Plaintext => return Ok(ChannelEvent::Plaintext),
                Step::PeerClosed => self.peer_closed(),
            }
        }
    }

    fn room(&self) -> usize {
        if self.is_open() { self.outbox.room().saturating_sub(self.gathered.len()) } else { 0 }
    }

    fn seal(&mut self, plaintext: &[u8]) {
        if matches!(self.phase, Phase::Dead(_)) {
            // The connection ends; that is told with the next event.
            return;
        }
        let sealed = self.outbox.filled_len() + self.gathered.len();
        assert!(
            self.is_open() && sealed + plaintext.len() <= BUFFER,
            "the channel was given more than its room"
        );
        if plaintext.len() < GATHERED_MAX {
            if self.gathered.len() + plaintext.len() > RECORD {
                self.seal_gathered();
            }
            self.gathered.reserve_exact(if self.gathered.capacity() == 0 { RECORD } else { 0 });
            self.gathered.extend_from_slice(plaintext);
        } else {
            self.seal_gathered();
            self.write(&mut |traffic, outbox| encrypt(traffic, outbox, plaintext));
        }
    }

    fn flush(&mut self) {
        self.seal_gathered();
    }

    fn close(&mut self) {
        self.seal_gathered();
        match self.phase {
            Phase::Open | Phase::PeerClosed => {
                self.write(&mut session::close);
                if !matches!(self.phase, Phase::Dead(_)) {
                    self.phase = Phase::Closed;
                }
            }
            Phase::Handshake => self.phase = Phase::Closed,
            Phase::Closed | Phase::Dead(_) => {}
        }
        self.early = None;
        self.ignore_pending();
    }

    fn outgoing(&self) -> &[u8] {
        self.outbox.outgoing()
    }

    fn taken(&mut self, len: usize) {
        self.outbox.taken(len);
    }

    fn rest(&mut self) {
        self.intake.rest();
        if self.gathered.is_empty() {
            self.gathered = Vec::new();
        }
    }

    fn memory(&self) -> usize {
        let early = match &self.early {
            Some(Early::Record(record)) => record.capacity(),
            Some(Early::PeerClosed) | None => 0,
        };
        SESSION_MEMORY + self.intake.memory() + self.outbox.memory() + self.gathered.capacity() + early
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("local", &self.local).finish_non_exhaustive()
    }
}
