//! The bodies of requests and answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::job::{AnnounceEvent, AnnounceReply, REPLY_PEERS_MAX, Signature, TrackerPeer};
use truecopy_protocol::{NodeId, UnixTime, hex, unhex};

use super::client::Word;
use super::tokens::TOKEN_MAX;

/// Why a tracker should believe it.
pub(super) enum Proof {
    Token(String),
    Signed { time: UnixTime, nonce: Nonce, signature: Signature },
}

/// The body of `POST /announce`.
pub(super) fn request(word: &Word<'_>, node: NodeId, port: u16, proof: &Proof) -> String {
    let event = match word.event {
        AnnounceEvent::None => "none",
        AnnounceEvent::Started => "started",
        AnnounceEvent::Completed => "completed",
        AnnounceEvent::Stopped => "stopped",
    };
    let mut body = json!({
        "discovery": word.discovery.to_hex(),
        "node": node.to_hex(),
        "port": port,
        "left": word.left,
        "event": event,
    });
    match proof {
        Proof::Token(token) => body["token"] = Value::from(token.as_str()),
        Proof::Signed { time, nonce, signature } => {
            body["time"] = Value::from(time.0);
            body["nonce"] = Value::from(hex(&nonce.0));
            body["signature"] = Value::from(hex(&signature.0));
        }
    }
    body.to_string()
}

#[derive(Deserialize)]
struct Announced {
    interval: u32,
    min_interval: u32,
    seeders: u64,
    leechers: u64,
    token: String,
    peers: Vec<Peer>,
}

#[derive(Deserialize)]
struct Peer {
    node: String,
    address: SocketAddr,
}

/// What a tracker at `from` says, and its token; none if that is no answer to an announce.
pub(super) fn reply(body: &[u8], from: IpAddr) -> Option<(AnnounceReply, String)> {
    let said: Announced = serde_json::from_slice(body).ok()?;
    if said.token.len() > TOKEN_MAX || !said.token.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let peer = |peer: Peer| Some(TrackerPeer { node: NodeId(unhex(&peer.node)?), address: peer.address });
    let reply = AnnounceReply {
        interval: Duration::from_secs(said.interval.into()),
        min_interval: Duration::from_secs(said.min_interval.into()),
        seeders: said.seeders,
        leechers: said.leechers,
        peers: said.peers.into_iter().take(REPLY_PEERS_MAX).map(peer).collect::<Option<_>>()?,
        from,
    };
    Some((reply, said.token))
}

#[derive(Deserialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// Whether a refusal is about the time of the statement.
pub(super) fn is_wrong_time(body: &[u8]) -> bool {
    serde_json::from_slice::<Refusal<'_>>(body).is_ok_and(|refusal| refusal.error == "wrong_time")
}
