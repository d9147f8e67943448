//! What is told over the API, as JSON: written by the daemon, read by the commands that talk to it.

use serde::{Deserialize, Serialize};
use truecopy_protocol::hex;

use crate::engine::nodes::parse_key;
use crate::engine::{flow, news};
use crate::exit;
use crate::output::PeerRow;

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The key of this node.
    pub node: String,
    /// `lobby` or `private`: in which room it is.
    pub room: String,
    /// Where others can reach it.
    pub addresses: Vec<String>,
    /// Seconds since its start.
    pub uptime: u64,
    /// Nodes that are here.
    pub peers: u64,
    /// Transfers that are not over.
    pub active: u64,
    /// All of them.
    pub transfers: u64,
    /// Offers that nobody has answered.
    pub offers: u64,
    /// Bytes a second that come, lately, of all transfers.
    pub down: u64,
    /// Bytes a second that go, lately, of all transfers.
    pub up: u64,
}

/// What moves and what is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// What moves, has moved or will.
    pub transfers: Vec<Transfer>,
    /// What is offered and not answered.
    pub offers: Vec<Offer>,
}

/// How far those are that move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// They alone.
    pub transfers: Vec<Transfer>,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its number.
    pub transfer: u32,
    /// `in` or `out`.
    pub way: String,
    /// What it is called; not UTF-8: as near as can be, and its bytes follow.
    pub title: String,
    /// The bytes of a title that is not UTF-8, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_hex: Option<String>,
    /// How it stands, in one word.
    pub state: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Bytes verified, or handed to receivers.
    pub moved: u64,
    /// Bytes in all.
    pub size: u64,
    /// Bytes a second that come, lately.
    pub down: u64,
    /// Bytes a second that go, lately.
    pub up: u64,
    /// To or from whom, if that is one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Peer>,
    /// What opens it, if it is served to everybody: a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// A transfer, closely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// How it stands.
    pub transfer: Transfer,
    /// Its peers.
    pub peers: Vec<Link>,
    /// How many chunks of each of so many equal stretches are verified, and how many there are; empty if nothing comes
    /// here now.
    pub map: Vec<[u32; 2]>,
}

/// A peer of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its key.
    pub node: String,
    /// What carries it: `tcp` and the like.
    pub path: String,
    /// Where it is seen.
    pub address: String,
    /// Who connected: `out` if this node did.
    pub way: String,
    /// Payload bytes that came from it.
    pub received: u64,
    /// Payload bytes that went to it.
    pub sent: u64,
    /// Bytes a second that come from it, lately.
    pub down: u64,
    /// Bytes a second that go to it, lately.
    pub up: u64,
    /// Chunks that it says it has.
    pub has: u32,
    /// Chunks there are; 0 if it does not say.
    pub of: u32,
    /// Who serves whom, in words.
    pub state: String,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its key.
    pub node: String,
    /// Its name, or the beginning of its key.
    pub name: String,
    /// Where it is seen, if it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Who is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// Each with its address.
    pub peers: Vec<Peer>,
}

/// An offer that nobody has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// By this number it is accepted or declined.
    pub offer: u32,
    /// By whom.
    pub from: Peer,
    /// What it is called: their word.
    pub title: String,
    /// Bytes: their word.
    pub size: u64,
    /// Files: their word.
    pub files: u32,
}

/// An order was carried out, or begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The transfer that it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<u32>,
}

/// Why it was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A word for programs.
    pub error: String,
    /// What happened, for people.
    pub what: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The text of one of these.
pub fn text(shape: &impl Serialize) -> String {
    // Their keys are strings and nothing in them refuses: this does not fail.
    serde_json::to_string(shape).unwrap_or_default()
}

impl From<&news::Who> for Peer {
    fn from(who: &news::Who) -> Self {
        Self { node: who.node.to_hex(), name: who.name.clone(), address: None }
    }
}

impl From<&news::Shape> for Transfer {
    fn from(shape: &news::Shape) -> Self {
        let title_hex = std::str::from_utf8(&shape.name).is_err().then(|| hex(&shape.name));
        Self {
            transfer: shape.number,
            way: if shape.comes { "in" } else { "out" }.to_owned(),
            title: String::from_utf8_lossy(&shape.name).into_owned(),
            title_hex,
            state: shape.state.word().to_owned(),
            why: match &shape.state {
                news::State::Failed(why) => Some(why.clone()),
                _ => None,
            },
            moved: shape.moved,
            size: shape.size,
            down: shape.down,
            up: shape.up,
            with: shape.with.as_ref().map(Peer::from),
            ticket: shape.ticket.clone(),
        }
    }
}

impl Transfer {
    /// To be told as the daemon itself tells it. None: another version of it says what this one does not know.
    pub fn shape(&self) -> Option<news::Shape> {
        Some(news::Shape {
            number: self.transfer,
            comes: self.way == "in",
            name: self.title.clone().into_bytes(),
            with: match &self.with {
                Some(peer) => Some(peer.who()?),
                None => None,
            },
            state: news::State::read(&self.state, self.why.as_deref())?,
            moved: self.moved,
            size: self.size,
            down: self.down,
            up: self.up,
            ticket: self.ticket.clone(),
        })
    }
}

impl From<&PeerRow<'_>> for Link {
    fn from(row: &PeerRow<'_>) -> Self {
        Self {
            node: row.link.node.to_owned(),
            path: row.link.path.to_owned(),
            address: row.link.address.to_owned(),
            way: if row.is_dialled { "out" } else { "in" }.to_owned(),
            received: row.received,
            sent: row.sent,
            down: row.down,
            up: row.up,
            has: row.has,
            of: row.of,
            state: row.state().to_owned(),
        }
    }
}

impl From<flow::Details<'_>> for Details {
    fn from(it: flow::Details<'_>) -> Self {
        Self {
            transfer: Transfer::from(&it.shape),
            peers: it.peers.iter().map(Link::from).collect(),
            map: it.map.into_iter().map(<[u32; 2]>::from).collect(),
        }
    }
}

impl Peer {
    /// The node itself.
    pub fn who(&self) -> Option<news::Who> {
        Some(news::Who { node: parse_key(&self.node)?, name: self.name.clone() })
    }
}

impl From<&news::Offering> for Offer {
    fn from(it: &news::Offering) -> Self {
        let from = Peer::from(&it.from);
        Self { offer: it.number, from, title: it.name.clone(), size: it.size, files: it.files }
    }
}

impl Offer {
    /// To be told as the daemon itself tells it.
    pub fn offering(&self) -> Option<news::Offering> {
        let (number, name) = (self.offer, self.title.clone());
        Some(news::Offering { number, from: self.from.who()?, name, size: self.size, files: self.files })
    }
}

impl From<&exit::Error> for Failure {
    fn from(error: &exit::Error) -> Self {
        Self {
            error: error.exit.word().to_owned(),
            what: error.what.to_string(),
            hint: error.hint.as_ref().map(ToString::to_string),
        }
    }
}
