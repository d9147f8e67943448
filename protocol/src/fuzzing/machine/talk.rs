//! What is said in a room, and what its user may be told of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};

use super::link::US;
use crate::output::{Event, Heard};
use crate::wire::{Call, Message, Text, Word};
use crate::{ConnId, NodeId, UnixTime};

/// What the user was told of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Told,
    Refused,
}

/// All that was said in one room.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// What the user has said, by tag: to whom, and what it was told.
    words: BTreeMap<u64, (NodeId, Fate)>,
    /// The run of the node, as its words say.
    life: Option<u64>,
    /// The last number that the node said on each connection.
    numbers: BTreeMap<ConnId, u64>,
    /// Who acknowledged something of that run.
    acknowledged: BTreeSet<NodeId>,
    /// Numbers that peers have said, with their runs.
    spoken: BTreeSet<(NodeId, u64, u64)>,
    /// Calls that peers have said, and those that the user has heard.
    called: BTreeSet<(NodeId, u64, u64)>,
    calls: BTreeSet<(NodeId, u64, u64)>,
    /// The last run and number of each peer that the user has heard, and how often it had changed its run.
    heard: BTreeMap<NodeId, (u64, u64, u32)>,
    /// The run of which each peer has said something last, and how often it has changed: each begins anew with its numbers.
    runs: BTreeMap<NodeId, (u64, u32)>,
}

/// A text that tells whence it is: by these numbers the user's news are known.
pub(super) fn text(numbers: &[u64]) -> Text {
    let texts: alloc::vec::Vec<String> = numbers.iter().map(u64::to_string).collect();
    Text { time: UnixTime(5), text: texts.join(" ") }
}

/// The numbers of such a text; none if it is another one.
fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let mut parts = text.split(' ').map(str::parse);
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = parts.next()?.ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

const fn id(call: &Call) -> (NodeId, u64, u64) {
    (call.origin, call.life, call.number)
}

impl Talk {
    /// The user is about to say something. Its tag.
    pub(super) fn say(&mut self, to: NodeId) -> u64 {
        let tag = self.words.len() as u64;
        self.words.insert(tag, (to, Fate::Open));
        tag
    }

    /// Words of which the user was not told yet.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.words.values().filter(|word| word.1 == Fate::Open).count()
    }

    /// Nodes whose texts were heard.
    #[cfg(test)]
    pub(super) fn heard(&self) -> usize {
        self.heard.len()
    }

    /// It was not taken.
    pub(super) fn refused(&mut self, tag: u64) {
        self.told(tag, None, Fate::Refused);
    }

    fn told(&mut self, tag: u64, to: Option<NodeId>, fate: Fate) {
        let Some(word) = self.words.get_mut(&tag) else { panic!("the user never said word {tag}") };
        assert!(to.is_none_or(|to| to == word.0), "word {tag} was said to another");
        assert_eq!(word.1, Fate::Open, "the user is told once of word {tag}");
        word.1 = fate;
    }

    /// A peer says something to the node.
    pub(super) fn peer_says(&mut self, peer: NodeId, message: &Message) {
        match message {
            Message::Line(line) => {
                self.spoken.insert((peer, line.life, line.number));
                let run = self.runs.entry(peer).or_insert((line.life, 0));
                if run.0 != line.life {
                    *run = (line.life, run.1 + 1);
                }
                if let Word::Call(call) = &line.word {
                    self.called.insert(id(call));
                }
            }
            Message::Heard(heard) if Some(heard.life) == self.life => drop(self.acknowledged.insert(peer)),
            _ => {}
        }
    }

    /// The node says something to a peer.
    pub(super) fn node_says(&mut self, conn: ConnId, peer: NodeId, message: &Message) {
        match message {
            Message::Line(line) => {
                assert_eq!(*self.life.get_or_insert(line.life), line.life, "a room has one run");
                let before = self.numbers.insert(conn, line.number);
                assert!(before < Some(line.number), "numbers of a connection only grow");
                match &line.word {
                    Word::Text(text) => {
                        let is_its =
                            |[tag]: [u64; 1]| self.words.get(&tag).is_some_and(|word| word.0 == peer);
                        assert!(numbers(&text.text).is_some_and(is_its), "what is said is for that peer");
                    }
                    Word::Call(call) => {
                        assert!(call.origin != peer, "a call does not go back to whom it is of");
                        assert!(
                            call.origin == US || self.called.contains(&id(call)),
                            "nobody made that call"
                        );
                    }
                    Word::Offer(_) | Word::Answer(_) => {}
                }
            }
            Message::Heard(heard) => {
                let is_said = self.spoken.contains(&(peer, heard.life, heard.number));
                assert!(is_said, "only what was said is acknowledged");
            }
            _ => {}
        }
    }

    /// The user is told something.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Delivered { to, tag, .. } => {
                assert!(self.acknowledged.contains(to), "nothing is delivered that nobody acknowledged");
                self.told(*tag, Some(*to), Fate::Told);
            }
            Event::Undelivered { to, tag, .. } => self.told(*tag, Some(*to), Fate::Told),
            Event::Heard { from, heard: Heard::Call(text), .. } => {
                let Some([origin, life, number]) = numbers(&text.text) else { return };
                assert_eq!(*from, NodeId([origin as u8; 32]), "a call is of whom it says");
                assert!(self.calls.insert((*from, life, number)), "a call is heard once");
            }
            Event::Heard { from, heard: Heard::Text(text), .. } => {
                let Some([life, number]) = numbers(&text.text) else { return };
                assert!(self.spoken.contains(&(*from, life, number)), "what is heard was said");
                let changes = self.runs.get(from).map_or(0, |run| run.1);
                if let Some((before, last, then)) = self.heard.insert(*from, (life, number, changes)) {
                    let is_news = (before, then) != (life, changes) || last < number;
                    assert!(is_news, "a number of a run is heard once, in order");
                }
            }
            Event::Ended { .. } => {
                let is_open = |word: &&(NodeId, Fate)| word.1 == Fate::Open;
                assert_eq!(self.words.values().find(is_open), None, "the user is told of every word");
            }
            _ => {}
        }
    }
}
