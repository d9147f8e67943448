//! Events of the daemon that are worth a line among the messages.

use serde::Deserialize;
use truecopy_protocol::UnixTime;

use super::model::{Message, Tone};
use crate::api::shapes::{Peer, Transfer};
use crate::engine::news::{News, Offering};

/// Events by their name, as `--json` tells them.
#[derive(Deserialize)]
#[serde(tag = "ev", rename_all = "kebab-case")]
enum Told {
    Said {
        #[serde(flatten)]
        from: Peer,
        time: u64,
        text: String,
        to_all: bool,
    },
    Met {
        #[serde(flatten)]
        who: Peer,
        new: bool,
    },
    Left {
        #[serde(flatten)]
        who: Peer,
        why: String,
    },
    Delivered {
        #[serde(flatten)]
        to: Peer,
    },
    Undelivered {
        to: String,
        what: String,
        why: String,
    },
    Offered {
        #[serde(flatten)]
        from: Peer,
        offer: u32,
        title: String,
        size: u64,
        files: u32,
    },
    Transfer(Box<Moved>),
    Trouble {
        text: String,
    },
    #[serde(other)]
    Other,
}

/// A transfer as an event tells it.
#[derive(Deserialize)]
struct Moved {
    transfer: u32,
    way: String,
    title: String,
    state: String,
    why: Option<String>,
    moved: u64,
    size: u64,
    node: Option<String>,
    name: Option<String>,
}

/// A line among the messages; none: it is seen elsewhere, or another version of the daemon tells it.
pub(super) fn read(line: &str) -> Option<Message> {
    let (tone, news) = news(serde_json::from_str(line).ok()?)?;
    Some(Message { tone, text: news.line() })
}

fn news(told: Told) -> Option<(Tone, News)> {
    Some(match told {
        Told::Said { from, time, text, to_all } => {
            (Tone::Said, News::Said { from: from.who()?, time: UnixTime(time), text, to_all })
        }
        Told::Met { who, new } => {
            let address = who.address.clone().unwrap_or_default();
            (Tone::Plain, News::Met { who: who.who()?, address, is_new: new })
        }
        Told::Left { who, why } => (Tone::Plain, News::Left { who: who.who()?, why }),
        Told::Delivered { to } => (Tone::Good, News::Delivered { to: to.who()?, tag: 0 }),
        Told::Undelivered { to, what, why } => (Tone::Bad, News::Undelivered { to, what, why, tag: 0 }),
        Told::Offered { from, offer, title, size, files } => (
            Tone::Said,
            News::Offered(Offering { number: offer, from: from.who()?, name: title, size, files }),
        ),
        Told::Transfer(it) => moved(*it)?,
        Told::Trouble { text } => (Tone::Bad, News::Trouble(text)),
        Told::Other => return None,
    })
}

/// Those that are over; the others are seen in their list.
fn moved(it: Moved) -> Option<(Tone, News)> {
    let tone = match it.state.as_str() {
        "done" => Tone::Good,
        "failed" | "declined" => Tone::Bad,
        _ => return None,
    };
    let with = it.node.zip(it.name).map(|(node, name)| Peer { node, name, address: None });
    let transfer = Transfer {
        transfer: it.transfer,
        way: it.way,
        title: it.title,
        title_hex: None,
        state: it.state,
        why: it.why,
        moved: it.moved,
        size: it.size,
        down: 0,
        up: 0,
        with,
        ticket: None,
    };
    Some((tone, News::Transfer(transfer.shape()?)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use truecopy_protocol::NodeId;

    use super::*;
    use crate::engine::news::{Shape, State, Who};

    fn who() -> Who {
        Who { node: NodeId([7; 32]), name: "b\u{1b}ob".into() }
    }

    #[test]
    fn what_the_daemon_tells_reads_as_the_daemon_itself_would_write_it() {
        let shape = Shape {
            number: 3,
            comes: true,
            name: b"film".to_vec(),
            with: Some(who()),
            state: State::Failed("why".into()),
            moved: 1,
            size: 9,
            down: 0,
            up: 0,
            ticket: None,
        };
        let all = [
            News::Said { from: who(), time: UnixTime(86_399), text: "h\u{1b}[31mi".into(), to_all: true },
            News::Met { who: who(), address: "192.0.2.1:7000".into(), is_new: true },
            News::Left { who: who(), why: "gone".into() },
            News::Delivered { to: who(), tag: 7 },
            News::Undelivered { to: "bob".into(), what: "hi".into(), why: "late".into(), tag: 8 },
            News::Offered(Offering { number: 4, from: who(), name: "n".into(), size: 5, files: 6 }),
            News::Transfer(shape),
            News::Trouble("no".into()),
        ];
        for news in all {
            let line = news.json(Duration::ZERO);
            assert_eq!(read(&line).map(|message| message.text), Some(news.line()), "{line}");
        }
    }

    #[test]
    fn what_is_seen_elsewhere_or_not_understood_is_no_message() {
        assert_eq!(read(&News::Note("x".into()).json(Duration::ZERO)), None);
        assert_eq!(read("{\"ev\":\"said\"}"), None);
        assert_eq!(read("{\"transfers\":[]}"), None);
    }
}
