//! One announce: over every address family that tracker and node share.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use truecopy_protocol::content::identity::{AnnounceStatement, Nonce};
use truecopy_protocol::job::{AnnounceError, AnnounceEvent, AnnounceReply, REPLY_PEERS_MAX};
use truecopy_protocol::{DiscoveryKey, Reach, TrackerUrl, UnixTime};
use truecopy_transport::keys::{self, KeyPair};

use super::body::{self, Proof};
use super::http::{self, Answer, Failure};
use super::tokens::Tokens;
use crate::clock::civil;

/// Addresses of a tracker that are tried, in each family.
const ADDRESSES_MAX: usize = 3;

/// When a tracker is busy and does not say for how long.
const BUSY_PAUSE: Duration = Duration::from_secs(60);

/// What is to be said.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) tracker: &'a TrackerUrl,
    pub(super) discovery: DiscoveryKey,
    pub(super) left: u64,
    pub(super) event: AnnounceEvent,
}

pub(super) struct Client {
    pub(super) key: KeyPair,
    pub(super) ports: Ports,
    tokens: Tokens,
    pub(super) clock: fn() -> UnixTime,
}

/// Where the node listens, in each family; 0: nowhere.
#[derive(Debug, Default)]
pub(super) struct Ports {
    four: AtomicU16,
    six: AtomicU16,
}

impl Ports {
    /// The first of each family counts.
    pub(super) fn listening(&self, addresses: &[SocketAddr]) {
        for address in addresses {
            let port = if address.is_ipv4() { &self.four } else { &self.six };
            // If there is one already, that stays.
            let _ = port.compare_exchange(0, address.port(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The port for peers that come over this family; without one that of the other, so that we hear of others.
    pub(super) fn of(&self, ip: IpAddr) -> Option<u16> {
        let (four, six) = (self.four.load(Ordering::Relaxed), self.six.load(Ordering::Relaxed));
        let (own, other) = if ip.is_ipv4() { (four, six) } else { (six, four) };
        [own, other].into_iter().find(|port| *port != 0)
    }
}

impl Client {
    pub(super) fn new(key: KeyPair) -> Self {
        Self { key, ports: Ports::default(), tokens: Tokens::default(), clock: civil }
    }

    /// Says a word to a tracker. A tracker stores the address that it sees, so it is told once over each family; what
    /// came of the first counts, and the peers of both.
    pub(super) fn announce(&self, word: &Word<'_>) -> Result<AnnounceReply, AnnounceError> {
        let addresses = resolve(word.tracker)?;
        let first = addresses.first().ok_or(AnnounceError::Unreachable)?.is_ipv4();
        let (leading, trailing): (Vec<SocketAddr>, _) =
            addresses.into_iter().partition(|address| address.is_ipv4() == first);
        match (self.announce_over(&leading, word), self.announce_over(&trailing, word)) {
            (Ok(reply), Ok(other)) => Ok(merged(reply, other)),
            (Ok(reply), Err(_)) | (Err(_), Ok(reply)) => Ok(reply),
            (Err(AnnounceError::Unreachable), Err(why)) | (Err(why), Err(_)) => Err(why),
        }
    }

    /// The first of these addresses that answers counts.
    fn announce_over(
        &self,
        addresses: &[SocketAddr],
        word: &Word<'_>,
    ) -> Result<AnnounceReply, AnnounceError> {
        for address in addresses.iter().take(ADDRESSES_MAX) {
            match self.announce_at(*address, word) {
                Err(AnnounceError::Unreachable) => {}
                other => return other,
            }
        }
        Err(AnnounceError::Unreachable)
    }

    /// With the token of the last time; if it does not hold any more, or there is none, with a signature.
    fn announce_at(&self, at: SocketAddr, word: &Word<'_>) -> Result<AnnounceReply, AnnounceError> {
        let (tracker, discovery) = (word.tracker, word.discovery);
        let port = self.ports.of(at.ip()).ok_or(AnnounceError::Local)?;
        let mut known = self.tokens.take(tracker, discovery, at.ip());
        loop {
            let was_known = known.is_some();
            let proof = match known.take() {
                Some(token) => Proof::Token(token),
                None => self.sign(word, port)?,
            };
            let answer = self.post(at, word, port, &proof)?;
            match answer.status {
                200 => {
                    let (reply, token) = body::reply(&answer.body, at.ip()).ok_or(AnnounceError::BadReply)?;
                    if word.event != AnnounceEvent::Stopped {
                        self.tokens.keep(tracker, discovery, at.ip(), token);
                    }
                    return Ok(reply);
                }
                401 if was_known => {}
                _ => {
                    // It was not the token's fault.
                    if let Proof::Token(token) = proof {
                        self.tokens.keep(tracker, discovery, at.ip(), token);
                    }
                    tracing::info!(%tracker, status = answer.status, "a tracker does not take an announce");
                    return Err(refused(&answer));
                }
            }
        }
    }

    fn post(
        &self,
        at: SocketAddr,
        word: &Word<'_>,
        port: u16,
        proof: &Proof,
    ) -> Result<Answer, AnnounceError> {
        let body = body::request(word, self.key.node_id(), port, proof);
        http::post(&format!("{}/announce", word.tracker), at, &body).map_err(|failure| {
            tracing::info!(tracker = %word.tracker, %at, error = %failure.error(), "a tracker did not answer");
            match failure {
                Failure::NoAnswer(_) => AnnounceError::Unreachable,
                Failure::Broken(_) => AnnounceError::BadReply,
            }
        })
    }

    fn sign(&self, word: &Word<'_>, port: u16) -> Result<Proof, AnnounceError> {
        let (time, nonce) = ((self.clock)(), Nonce(keys::random().map_err(|_| AnnounceError::Local)?));
        let Word { tracker, discovery, left, event } = *word;
        let (origin, node) = (tracker.as_str(), self.key.node_id());
        let statement = AnnounceStatement { origin, discovery, node, event, port, left, time, nonce };
        Ok(Proof::Signed { time, nonce, signature: self.key.sign(&statement.bytes()) })
    }
}

fn refused(answer: &Answer) -> AnnounceError {
    match answer.status {
        403 if body::is_wrong_time(&answer.body) => AnnounceError::WrongTime,
        429 | 503 => AnnounceError::Busy { pause: answer.retry_after.unwrap_or(BUSY_PAUSE) },
        // Whatever stands before it is there, but it is not; or it has seen the statement, and a fresh one will do.
        408 | 409 | 500..=599 => AnnounceError::Unreachable,
        400 | 401 | 403 => AnnounceError::Refused,
        _ => AnnounceError::BadReply,
    }
}

/// The addresses of a tracker, in the system's order.
fn resolve(tracker: &TrackerUrl) -> Result<Vec<SocketAddr>, AnnounceError> {
    let (host, port) = tracker.host_and_port();
    // An IPv6 address stands in brackets in a URL alone.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = (host, port).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| {
        tracing::info!(%tracker, %error, "a tracker's name was not found");
        AnnounceError::Unreachable
    })
}

/// What was said first, with the peers of both. It may name only peers that both places can have seen.
fn merged(mut reply: AnnounceReply, other: AnnounceReply) -> AnnounceReply {
    if Reach::of(other.from) > Reach::of(reply.from) {
        reply.from = other.from;
    }
    for peer in other.peers {
        if reply.peers.len() < REPLY_PEERS_MAX && !reply.peers.contains(&peer) {
            reply.peers.push(peer);
        }
    }
    reply
}
