//! The people of a node: meeting them, and what is said.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::{Command, LinkLoss, Path, PeerHint, Say};
use truecopy_protocol::output::{Heard, PeerGone, Waiting};
use truecopy_protocol::wire::{Answer, Answered, Reason, Text};
use truecopy_protocol::{Candidate, ConnId, NodeId};

use super::news::{News, Offering, Who};
use super::transfers::Offered;
use super::unheard::{Keeping, Left, Word};
use super::{Accepting, Dialled, Engine, Errand, FINDING, ROOM, Then};
use crate::args::PeerSpec;
use crate::commands::source;
use crate::exit::{Error, Exit, Result};
use crate::rooms::Kind;
use crate::words;

/// Bytes of a text at most.
const TEXT_MAX: usize = truecopy_protocol::wire::TEXT_MAX;
/// Offers that wait for an answer at most; further ones are declined.
const OFFERS_MAX: usize = 1000;
/// Addresses that are dialled and not met yet at most.
const DIALS_MAX: usize = 256;
/// What waits for them at most.
const ERRANDS_MAX: usize = 1024;

impl Engine {
    /// Does something with a node that the user names, meeting it first if need be.
    pub(super) fn with(&mut self, to: &str, then: Then) -> Result<()> {
        if let Then::Say(text) = &then
            && text.len() > TEXT_MAX
        {
            return Err(Error::usage(format!("a text has at most {TEXT_MAX} bytes")));
        }
        if let Then::Offer(paths) = &then {
            are_there(paths)?;
        }
        let present = self.present.keys().copied();
        match &self.nodes.meant(to, present)[..] {
            [node] => {
                let node = *node;
                if !self.present.contains_key(&node)
                    && let Some(address) = self.nodes.address(node).map(str::to_owned)
                {
                    self.connect(&address, None)?;
                }
                self.then(node, then)
            }
            [] => self.connect(to, Some(then)),
            more => Err(ambiguous(to, more.len())),
        }
    }

    /// The one node that the user means.
    pub(super) fn meant(&self, text: &str) -> Result<NodeId> {
        match &self.nodes.meant(text, self.present.keys().copied())[..] {
            [node] => Ok(*node),
            [] => Err(Error::usage(format!("no node is known as {text}")).hint("`peers` lists who is here")),
            more => Err(ambiguous(text, more.len())),
        }
    }

    pub(super) fn then(&mut self, node: NodeId, then: Then) -> Result<()> {
        match then {
            Then::Say(text) => {
                let word = Word { to: self.nodes.shown(node), what: text.clone() };
                let tag = self.unheard.said(Some(node), word, Keeping::Word);
                self.say(node, tag, Say::Text(text))
            }
            Then::Call(text) => self.command(Command::Call { room: ROOM, text }),
            Then::Offer(paths) => self.offer_to(Some(node), paths),
        }
    }

    /// The node that something was to be done with is here.
    fn run_errand(&mut self, node: NodeId, Errand { tag, then }: Errand) -> Result<()> {
        if let Then::Say(text) = then {
            self.unheard.met(tag, node);
            return self.say(node, tag, Say::Text(text));
        }
        match self.then(node, then) {
            Ok(()) => self.unheard.done(tag),
            Err(error) if error.exit == Exit::Unexpected => return Err(error),
            // What was right when it was ordered need not be so any more.
            Err(error) => self.undelivered(tag, error.what.as_str()),
        }
        Ok(())
    }

    /// What waits until whoever answers at an address is met.
    fn errand(&mut self, to: &str, then: Then) -> Result<Errand> {
        let waiting: usize = self.dialled.iter().map(|dialled| dialled.then.len()).sum();
        if waiting >= ERRANDS_MAX {
            return Err(Error::new(Exit::Limit, "too much waits for nodes that are not met yet")
                .hint("wait until they are, or are given up"));
        }
        let what = match &then {
            Then::Say(text) | Then::Call(text) => text.clone(),
            Then::Offer(_) => "an offer".to_owned(),
        };
        let tag = self.unheard.said(None, Word { to: to.to_owned(), what }, Keeping::Word);
        Ok(Errand { tag, then })
    }

    /// Says something that has a tag.
    fn say(&mut self, to: NodeId, tag: u64, say: Say) -> Result<()> {
        self.command(Command::Say { room: ROOM, to, tag, say })
    }

    /// Says something that a later run needs not know of; `what` names it if it does not come.
    pub(super) fn say_now(&mut self, to: NodeId, say: Say, what: String) -> Result<()> {
        let word = Word { to: self.nodes.shown(to), what };
        let tag = self.unheard.said(Some(to), word, Keeping::Nothing);
        self.say(to, tag, say)
    }

    /// What was said has come.
    pub(super) fn delivered(&mut self, to: NodeId, tag: u64) {
        if self.unheard.answered(tag).is_some_and(|word| !word.what.is_empty()) {
            let to = self.who(to);
            self.tell(News::Delivered { to, tag });
        }
    }

    /// What was said is not known to have come.
    pub(super) fn undelivered(&mut self, tag: u64, why: &str) {
        let Some(Word { to, what }) = self.unheard.answered(tag) else { return };
        let what = if what.is_empty() { "an answer to an offer".to_owned() } else { what };
        self.tell(News::Undelivered { to, what, why: why.to_owned(), tag });
    }

    /// Tells what an earlier run said and did not hear of again.
    pub(super) fn tell_left(&mut self, left: Left) {
        for (tag, Word { to, what }) in left.words {
            let why = "the program ended before it was acknowledged; it may have come or not".to_owned();
            self.tell(News::Undelivered { to, what, why, tag });
        }
        if left.is_cut {
            let text = "what an earlier run has said is not known to its end: the machine ended, or its disk is full";
            self.tell(News::Trouble(text.into()));
        }
    }

    /// Says something to everybody; while nobody is here yet, as soon as somebody is.
    pub(super) fn broadcast(&mut self, text: String) -> Result<()> {
        if text.len() > TEXT_MAX {
            return Err(Error::usage(format!("a text has at most {TEXT_MAX} bytes")));
        }
        if !self.present.is_empty() {
            return self.command(Command::Call { room: ROOM, text });
        }
        let Some(to) = self.dialled.last().map(|dialled| dialled.text.clone()) else {
            return Err(Error::usage("nobody is here to hear it").hint("`connect` first"));
        };
        let errand = self.errand(&to, Then::Call(text))?;
        if let Some(dialled) = self.dialled.last_mut() {
            dialled.then.push(errand);
        }
        Ok(())
    }

    /// Meets the node at an address, of a ticket or of a name.
    pub(super) fn connect(&mut self, to: &str, then: Option<Then>) -> Result<()> {
        if let [node] = self.nodes.meant(to, std::iter::empty())[..]
            && let Some(address) =
                self.nodes.address(node).filter(|address| *address != to).map(str::to_owned)
        {
            return self.connect(&address, then);
        }
        let spec: PeerSpec = to.parse().map_err(|_| {
            Error::usage(format!("no node is known as {to}")).hint("name its address, as 192.0.2.1:7000")
        })?;
        let (key, addresses) = match spec {
            PeerSpec::Host { host, port } => {
                let text =
                    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
                let candidate: Candidate =
                    text.parse().map_err(|error| Error::usage(format!("{text} is no address: {error}")))?;
                (self.nodes.key_at(to), vec![candidate])
            }
            PeerSpec::Ticket(text) => {
                let ticket = source::read_ticket(&text)?;
                (Some(ticket.node), ticket.addresses)
            }
        };
        if let Some(here) = key.filter(|key| then.is_none() && self.present.contains_key(key)) {
            self.tell(News::Note(format!("{} is here already", self.who(here).name)));
            return Ok(());
        }
        let address = to.parse::<SocketAddr>().ok();
        let port = to.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        let known = self.dialled.iter().position(|dialled| dialled.text == to);
        if known.is_none() && self.dialled.len() >= DIALS_MAX {
            return Err(Error::new(Exit::Limit, format!("{DIALS_MAX} addresses are being dialled"))
                .hint("wait until somebody is met there, or they are given up"));
        }
        let then = then.map(|then| self.errand(to, then)).transpose()?;
        match known.and_then(|place| self.dialled.get_mut(place)) {
            Some(dialled) => dialled.then.extend(then),
            None => {
                let then = then.into_iter().collect();
                let since = Instant::now();
                self.dialled.push(Dialled { text: to.to_owned(), address, port, since, then });
            }
        }
        self.command(Command::AddPeer { share: ROOM, peer: PeerHint { key, addresses } })?;
        self.command(Command::Retry { share: ROOM })
    }

    /// A node has come, or was reached.
    pub(super) fn came(&mut self, conn: ConnId, peer: NodeId, role: Role, path: Path) -> Result<()> {
        let (_, seen) = words::path(path);
        let mut is_new = false;
        let mut todo = Vec::new();
        if let (Role::Initiator, Path::Tcp(at)) = (role, path) {
            let here = |dialled: &Dialled| match dialled.address {
                Some(address) => address == at,
                None => dialled.port == at.port(),
            };
            if let Some(dialled) =
                self.dialled.iter().position(here).map(|place| self.dialled.swap_remove(place))
            {
                match self.nodes.seen(peer, &dialled.text) {
                    Ok(new) => is_new = new,
                    Err(error) => {
                        self.tell(News::Trouble(format!("its key is not remembered: {}", error.what)))
                    }
                }
                todo = dialled.then;
            }
        }
        let present = self.present.entry(peer).or_default();
        let is_first = present.conns.is_empty();
        present.conns.insert(conn);
        present.seen.clone_from(&seen);
        if is_first {
            let who = self.who(peer);
            self.tell(News::Met { who, address: seen, is_new });
            self.call_on(peer)?;
        }
        todo.into_iter().try_for_each(|errand| self.run_errand(peer, errand))
    }

    pub(super) fn went(&mut self, conn: ConnId, peer: NodeId, why: PeerGone) {
        let Some(present) = self.present.get_mut(&peer) else { return };
        present.conns.remove(&conn);
        if !present.conns.is_empty() {
            return;
        }
        self.present.remove(&peer);
        let mut text = String::new();
        words::gone(why, &mut text);
        let who = self.who(peer);
        let why = if text.is_empty() { "it said goodbye".to_owned() } else { text };
        self.tell(News::Left { who, why });
    }

    /// A dial has failed; it is tried again.
    pub(super) fn waits(&mut self, why: Waiting) {
        let Waiting::Backoff { why, attempts, .. } = why else { return };
        if why == LinkLoss::WrongKey {
            let text = "another key than the last time answers there; it is refused, and nothing is said to it. \
                        If that is right, remove the old one from nodes.toml";
            self.give_up_dials();
            return self.tell(News::Trouble(text.into()));
        }
        // Once, and now and then: it goes on by itself.
        if attempts == 1 || attempts % 8 == 0 {
            self.tell(News::Note(format!("not reached: {}; trying again", words::loss(why))));
        }
    }

    pub(super) fn unmet(&mut self, why: PeerGone) {
        if self.dialled.is_empty() {
            // One that was only heard of, or was here before.
            return;
        }
        let mut text = String::new();
        words::gone(why, &mut text);
        let what = match why {
            PeerGone::Said(Reason::NoSuchShare) => {
                let ours = match self.room {
                    Kind::Lobby => "this node is in the lobby",
                    Kind::Private => "this node is in a private room, and both need its code",
                };
                format!("who answers there is in another room, or does not talk ({ours})")
            }
            _ => format!("who answers there is not met: {text}"),
        };
        self.give_up_dials();
        self.tell(News::Trouble(what));
    }

    /// What was to be done with nodes that were dialled is not done. Which of them it was is not known.
    fn give_up_dials(&mut self) {
        let dialled = std::mem::take(&mut self.dialled);
        dialled.into_iter().for_each(|dialled| self.give_up(dialled));
    }

    /// Nodes that were looked for too long; they may still come, but nothing waits for them.
    pub(super) fn give_up_old_dials(&mut self) {
        let is_old = |dialled: &mut Dialled| dialled.since.elapsed() >= FINDING;
        let old: Vec<Dialled> = self.dialled.extract_if(.., is_old).collect();
        old.into_iter().for_each(|dialled| self.give_up(dialled));
    }

    fn give_up(&mut self, dialled: Dialled) {
        for errand in dialled.then {
            self.undelivered(errand.tag, "nobody was met there");
        }
    }

    pub(super) fn heard(&mut self, from: NodeId, heard: Heard) -> Result<()> {
        let who = self.who(from);
        match heard {
            Heard::Text(text) => self.said(who, text, false),
            Heard::Call(text) => self.said(who, text, true),
            Heard::Offer { life, offer } => {
                if let Some(answered) = self.offered_again(from, life, &offer) {
                    return answered;
                }
                if self.offers.len() >= OFFERS_MAX {
                    return self.answer(from, life, offer.number, Answer::Declined);
                }
                self.number += 1;
                let number = self.number;
                let (name, size, files) = (offer.name.clone(), offer.size, offer.files);
                let at = self.present.get(&from).and_then(|present| present.reachable);
                self.offers.insert(number, Offered { from, life, offer, at });
                self.is_changed = true;
                self.tell(News::Offered(Offering { number, from: who, name, size, files }));
                if self.accepting == Accepting::All || self.nodes.is_trusted(from) {
                    return self.accept(number, None, Vec::new());
                }
            }
            Heard::Answer(Answered { number, answer, .. }) => return self.was_answered(from, number, answer),
        }
        Ok(())
    }

    fn said(&mut self, from: Who, Text { time, text }: Text, to_all: bool) {
        self.tell(News::Said { from, time, text, to_all });
    }

    pub(super) fn answer(&mut self, to: NodeId, life: u64, number: u64, answer: Answer) -> Result<()> {
        self.say_now(to, Say::Answer(Answered { life, number, answer }), String::new())
    }

    pub(super) fn list_peers(&mut self) {
        let here = self.present().into_iter();
        let rows: Vec<News> = here.map(|(who, address)| News::Here { who, address }).collect();
        if rows.is_empty() {
            self.tell(News::Note("nobody is here".into()));
        }
        self.news.extend(rows);
    }
}

/// All that is to be offered is there.
pub(super) fn are_there(paths: &[PathBuf]) -> Result<()> {
    match paths.iter().find(|path| !path.exists()) {
        Some(missing) => Err(Error::usage(format!("{} is not there", missing.display()))),
        None => Ok(()),
    }
}

fn ambiguous(text: &str, count: usize) -> Error {
    Error::new(Exit::Usage, format!("{count} nodes are meant by {text}")).hint("type more of the key")
}
