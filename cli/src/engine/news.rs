//! What a node tells its user: a line for people, an object for programs.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use truecopy_protocol::{NodeId, UnixTime};

use super::nodes::fingerprint;
use crate::clock;
use crate::escape::Shown;
use crate::output::{Object, amount, count};
use crate::rooms::Kind;

/// A node, by its key and by what the user calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its key.
    pub node: NodeId,
    /// Its name, or the beginning of its key.
    pub name: String,
}

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its files are hashed.
    Preparing,
    /// The other side has not answered.
    Offered,
    /// It is served, or looked for, or on its way.
    Running,
    /// The user paused it.
    Paused,
    /// All is verified and placed; of what is served: somebody has signed for it.
    Done,
    /// The other side said no.
    Declined,
    /// The user ended it; what is verified is kept.
    Cancelled,
    /// It ended, for this reason; what is verified is kept.
    Failed(String),
}

impl State {
    /// The state of a word.
    pub fn read(word: &str, why: Option<&str>) -> Option<Self> {
        let plain = [
            Self::Preparing,
            Self::Offered,
            Self::Running,
            Self::Paused,
            Self::Done,
            Self::Declined,
            Self::Cancelled,
        ];
        match why {
            Some(why) if word == "failed" => Some(Self::Failed(why.to_owned())),
            _ => plain.into_iter().find(|state| state.word() == word),
        }
    }

    /// Whether it goes on by itself.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Preparing | Self::Offered | Self::Running)
    }

    /// A word for programs and people.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Offered => "offered",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }
}

/// A transfer as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its number.
    pub number: u32,
    /// Whether it comes here.
    pub comes: bool,
    /// What it is called.
    pub name: Vec<u8>,
    /// To or from whom, if that is one node.
    pub with: Option<Who>,
    /// How it stands.
    pub state: State,
    /// Bytes verified, or handed to receivers.
    pub moved: u64,
    /// Bytes in all.
    pub size: u64,
    /// Bytes a second that come, lately.
    pub down: u64,
    /// Bytes a second that go, lately.
    pub up: u64,
    /// What opens it for everybody, while it is served to everybody. A secret; events tell it once, on its own.
    pub ticket: Option<String>,
}

/// Files that somebody offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// By this number it is accepted or declined.
    pub number: u32,
    /// By whom.
    pub from: Who,
    /// What it is called: their word.
    pub name: String,
    /// Bytes: their word.
    pub size: u64,
    /// Files: their word.
    pub files: u32,
}

/// What a node tells its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Others can reach it at this address.
    Listening(String),
    /// The local API is asked at this address.
    Answering(String),
    /// Its own key.
    Myself(NodeId),
    /// In which room it is.
    Room(Kind),
    /// What opens the room that was just made: a secret, told once.
    Code(String),
    /// A node is here.
    Met {
        /// Which.
        who: Who,
        /// Where it is seen.
        address: String,
        /// Whether its key was not known at this address.
        is_new: bool,
    },
    /// A node is gone.
    Left {
        /// Which.
        who: Who,
        /// Why, in words.
        why: String,
    },
    /// Somebody says something.
    Said {
        /// Who.
        from: Who,
        /// When, by its clock.
        time: UnixTime,
        /// What.
        text: String,
        /// Whether everybody in the room was meant.
        to_all: bool,
    },
    /// What was said has come.
    Delivered {
        /// To whom.
        to: Who,
        /// By which the engine knows it.
        tag: u64,
    },
    /// What was said is not known to have come.
    Undelivered {
        /// To whom: a node, or an address.
        to: String,
        /// The text, or what it was.
        what: String,
        /// Why that is not known.
        why: String,
        /// By which the engine knows it.
        tag: u64,
    },
    /// Files are offered.
    Offered(Offering),
    /// A transfer has changed, or is listed.
    Transfer(Shape),
    /// A transfer is forgotten.
    Forgotten {
        /// Which.
        number: u32,
    },
    /// What opens a share.
    Ticket {
        /// The transfer that serves it.
        number: u32,
        /// A secret.
        ticket: String,
    },
    /// A node in a list.
    Here {
        /// Which.
        who: Who,
        /// Where it is seen.
        address: String,
    },
    /// Words of this program.
    Note(String),
    /// Something is wrong, or what was typed cannot be done; the node goes on.
    Trouble(String),
}

impl News {
    /// A line for people: safe for a terminal.
    pub fn line(&self) -> String {
        let shown = |text: &str| Shown::terminal(text.as_bytes()).to_string();
        match self {
            Self::Listening(address) => format!("listening on {}", shown(address)),
            Self::Answering(address) => format!("the local API is at {}", shown(address)),
            Self::Myself(node) => format!("this node is {}", fingerprint(*node)),
            Self::Room(Kind::Lobby) => "in the lobby: everybody who comes here is met".to_owned(),
            Self::Room(Kind::Private) => {
                "in a private room: whoever has its code is met, and nobody else".to_owned()
            }
            Self::Code(code) => code.clone(),
            Self::Met { who, address, is_new } => {
                let key = fingerprint(who.node);
                let new = if *is_new { "; its key is new here, and remembered" } else { "" };
                format!("+ {} is here ({key}, {}){new}", shown(&who.name), shown(address))
            }
            Self::Left { who, why } => format!("- {} is gone: {}", shown(&who.name), shown(why)),
            Self::Said { from, time, text, to_all } => {
                let time = clock::shown(*time);
                let all = if *to_all { " to all" } else { "" };
                format!("{time} <{}{all}> {}", shown(&from.name), shown(text))
            }
            Self::Delivered { to, .. } => format!("✓ {} has it", shown(&to.name)),
            Self::Undelivered { to, what, why, .. } => {
                format!("! not known to have come to {}: {} ({})", shown(to), shown(what), shown(why))
            }
            Self::Offered(Offering { number, from, name, size, files }) => format!(
                "? {} offers {}: {}, {} (accept {number}, decline {number})",
                shown(&from.name),
                Shown::name(name.as_bytes()),
                amount(*size),
                count(u64::from(*files), "file")
            ),
            Self::Transfer(shape) => shape.line(),
            Self::Forgotten { number } => format!("[{number}] is forgotten"),
            Self::Ticket { ticket, .. } => ticket.clone(),
            Self::Here { who, address } => {
                format!("  {:<20} {}  {}", shown(&who.name), fingerprint(who.node), shown(address))
            }
            Self::Note(text) => shown(text),
            Self::Trouble(text) => format!("! {}", shown(text)),
        }
    }

    /// An object for programs.
    pub fn json(&self, now: Duration) -> String {
        let event = |name| Object::event(now, name);
        let with =
            |object: Object, who: &Who| object.text("node", &who.node.to_hex()).text("name", &who.name);
        match self {
            Self::Listening(address) => event("listening").text("address", address),
            Self::Answering(address) => event("answering").text("address", address),
            Self::Myself(node) => event("myself").text("node", &node.to_hex()),
            Self::Room(kind) => event("room").text("room", kind.word()),
            Self::Code(code) => event("room-code").text("code", code),
            Self::Met { who, address, is_new } => {
                with(event("met"), who).text("address", address).truth("new", *is_new)
            }
            Self::Left { who, why } => with(event("left"), who).text("why", why),
            Self::Said { from, time, text, to_all } => {
                with(event("said"), from).number("time", time.0).text("text", text).truth("to_all", *to_all)
            }
            Self::Delivered { to, .. } => with(event("delivered"), to),
            Self::Undelivered { to, what, why, .. } => {
                event("undelivered").text("to", to).text("what", what).text("why", why)
            }
            Self::Offered(Offering { number, from, name, size, files }) => with(event("offered"), from)
                .number("offer", u64::from(*number))
                .text("title", name)
                .number("size", *size)
                .number("files", u64::from(*files)),
            Self::Transfer(shape) => shape.json(event("transfer")),
            Self::Forgotten { number } => event("transfer-forgotten").number("transfer", u64::from(*number)),
            Self::Ticket { number, ticket } => {
                event("ticket").number("transfer", u64::from(*number)).text("ticket", ticket)
            }
            Self::Here { who, address } => with(event("here"), who).text("address", address),
            Self::Note(text) => event("note").text("text", text),
            Self::Trouble(text) => event("trouble").text("text", text),
        }
        .line()
    }
}

impl Shape {
    fn line(&self) -> String {
        let arrow = if self.comes { "←" } else { "→" };
        let with = self.with.as_ref().map(|who| format!(" {}", Shown::terminal(who.name.as_bytes())));
        let percent = self.moved.saturating_mul(100).checked_div(self.size).unwrap_or(100).min(100);
        let what = match &self.state {
            State::Running if self.comes => format!("{percent} % of {}", amount(self.size)),
            State::Running => format!("{} of {} given", amount(self.moved), amount(self.size)),
            State::Failed(why) => format!("failed: {}", Shown::terminal(why.as_bytes())),
            other => format!("{}, {}", other.word(), amount(self.size)),
        };
        format!("[{}] {arrow}{} {}: {what}", self.number, with.unwrap_or_default(), Shown::name(&self.name))
    }

    fn json(&self, object: Object) -> Object {
        let way = if self.comes { "in" } else { "out" };
        let object = object
            .number("transfer", u64::from(self.number))
            .text("way", way)
            .name("title", &self.name)
            .text("state", self.state.word())
            .number("moved", self.moved)
            .number("size", self.size);
        let object = match &self.with {
            Some(who) => object.text("node", &who.node.to_hex()).text("name", &who.name),
            None => object,
        };
        match &self.state {
            State::Failed(why) => object.text("why", why),
            _ => object,
        }
    }
}
