//! What hosts say to each other in a room, and whether it is heard: once, in order, or its loss is told (S13).

use std::collections::BTreeMap;

use truecopy_protocol::input::{Command, Say};
use truecopy_protocol::output::{Event, Heard};
use truecopy_protocol::wire::{Answer, Answered, Offer, Reason};
use truecopy_protocol::{AccessSecret, NodeId};

use super::agenda::{Happening, Life};
use super::host::{Host, Part};
use super::weather::MS;
use super::{Phase, ROOM, SHARE, World, net};
use crate::oracle::{Finding, Oracle};
use crate::plan::{KnownFrom, Plan, Talk};
use crate::stream::Random;

const ROOM_SECRET: AccessSecret = AccessSecret([0x70; 32]);
const OTHER_SECRET: AccessSecret = AccessSecret([0x71; 32]);
/// After the healing everybody says something to everybody, in so small worlds; else to the next one.
const ALL_TO_ALL: usize = 8;
/// Whoever should say something and is not there is waited for, after the healing.
const AGAIN: u64 = 1_000 * MS;

/// Bytes of words that may wait for a node: what is said beyond is told to be undelivered at once (PROTOCOL §7.2). An eighth
/// less: words have more than their text, and calls are on the line too.
const LINE_FULL: usize = (256 << 10) / 8 * 7;

/// Nobody calls before: where nothing goes wrong all have met by then, and hear every call.
const MET: u64 = 3_000 * MS;

/// A call that was made in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Who made it.
    pub host: u16,
    /// How long after that it was heard, in nanoseconds, by each program that heard it, in order.
    pub heard: Vec<u64>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug)]
enum Planned {
    Word { from: usize, to: usize, kind: Kind, len: usize },
    Call { from: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Offer,
    /// Of an offer that was made by a run of another's program.
    Answer(u64),
}

/// What its sender was told of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Delivered,
    Undelivered,
    /// It was not taken.
    Refused,
}

/// A word that was said.
#[derive(Debug)]
struct Word {
    from: Life,
    to: usize,
    kind: Kind,
    len: usize,
    fate: Fate,
    /// Nothing excuses its loss.
    is_pledged: bool,
    heard: Vec<Life>,
}

/// A call that was made.
#[derive(Debug)]
struct Call {
    from: Life,
    made: u64,
    heard: BTreeMap<Life, u64>,
}

/// All that is said in a run.
#[derive(Debug)]
pub(super) struct Talks {
    /// Hosts that know the secret: the first ones.
    inside: usize,
    known: usize,
    known_from: KnownFrom,
    keeps_pledges: bool,
    planned: Vec<Planned>,
    /// Of these are still to come.
    left: usize,
    words: Vec<Word>,
    calls: Vec<Call>,
    /// The word that is being said: if it is refused, it is that one.
    saying: Option<usize>,
    /// The last word that a life has heard of another.
    last: BTreeMap<(Life, Life), usize>,
}

impl Talks {
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        let talk = plan.scenario.talk.as_ref()?;
        Some(Self {
            inside: plan.scenario.hosts() - usize::from(talk.outsiders),
            known: usize::from(talk.known),
            known_from: talk.known_from,
            keeps_pledges: talk.patience_ms.is_none(),
            planned: Vec::new(),
            left: 0,
            words: Vec::new(),
            calls: Vec::new(),
            saying: None,
            last: BTreeMap::new(),
        })
    }

    /// Whom of so many hosts one is told of.
    fn known(&self, host: usize, hosts: usize) -> Vec<usize> {
        let known = if self.known == 0 { hosts - 1 } else { self.known.min(hosts - 1) };
        match self.known_from {
            KnownFrom::Next => (1..=known).map(|n| (host + n) % hosts).collect(),
            KnownFrom::First => (0..known).filter(|other| *other != host).collect(),
            KnownFrom::Doubling => {
                let steps = (0..known as u32).map_while(|n| 1_usize.checked_shl(n));
                steps.take_while(|step| *step < hosts).map(|step| (host + step) % hosts).collect()
            }
        }
    }

    fn plan(&mut self, planned: Planned) -> usize {
        self.left += 1;
        self.planned.push(planned);
        self.planned.len() - 1
    }

    /// What a word says: it tells which one it is, and how long it is.
    fn body(number: usize, kind: Kind, len: usize) -> String {
        let len = if kind == Kind::Offer { len.min(200) } else { len };
        format!("{number:<len$}·")
    }

    /// Who hears whom say what, wrongly: the class and the words of a finding. And the word.
    fn hear(
        &mut self,
        life: Life,
        from: NodeId,
        heard: &Heard,
        id: impl Fn(usize) -> NodeId,
    ) -> Result<usize, (&'static str, String)> {
        let said = match heard {
            Heard::Text(text) => &text.text,
            Heard::Offer { offer, .. } => &offer.name,
            Heard::Answer(answered) => &answered.number.to_string(),
            Heard::Call(_) => "",
        };
        let digits = said.find(|char: char| !char.is_ascii_digit()).unwrap_or(said.len());
        let number: usize = said[..digits].parse().unwrap_or(usize::MAX);
        let text = format!("host {} hears word {number} of {from:?}", life.0);
        let is_said = |word: &&mut Word| {
            let is_alike = match (word.kind, heard) {
                (Kind::Text, Heard::Text(_)) | (Kind::Offer, Heard::Offer { .. }) => {
                    *said == Self::body(number, word.kind, word.len)
                }
                (Kind::Answer(of), Heard::Answer(answered)) => answered.life == of,
                _ => false,
            };
            is_alike && word.to == life.0 && id(word.from.0) == from
        };
        let Some(word) = self.words.get_mut(number).filter(is_said) else {
            return Err(("heard what nobody said", text));
        };
        if (word.from.0 < self.inside) != (life.0 < self.inside) {
            return Err(("heard by one outside", text));
        }
        if word.heard.contains(&life) {
            return Err(("a word comes twice", text));
        }
        word.heard.push(life);
        let last = self.last.insert((word.from, life), number);
        match last {
            Some(last) if last > number => Err(("words out of order", format!("{text}, after word {last}"))),
            _ => Ok(number),
        }
    }

    fn hear_call(
        &mut self,
        life: Life,
        at: u64,
        is_from: impl Fn(usize) -> bool,
        said: &str,
    ) -> Result<(), (&'static str, String)> {
        let number: usize =
            said.strip_prefix("call ").and_then(|said| said.parse().ok()).unwrap_or(usize::MAX);
        let text = format!("host {} hears call {number}", life.0);
        let Some(call) = self.calls.get_mut(number).filter(|call| is_from(call.from.0)) else {
            return Err(("heard a call that nobody made", text));
        };
        if call.from.0 == life.0 {
            return Err(("a call comes back", text));
        }
        if (call.from.0 < self.inside) != (life.0 < self.inside) {
            return Err(("heard by one outside", text));
        }
        match call.heard.insert(life, at) {
            Some(_) => Err(("a call comes twice", text)),
            None => Ok(()),
        }
    }

    /// The sender of a word is told what became of it.
    fn tell(
        &mut self,
        life: Life,
        is_to: impl Fn(usize) -> bool,
        tag: u64,
        fate: Fate,
    ) -> Result<(), (&'static str, String)> {
        let text = format!("host {} is told {fate:?} of word {tag}", life.0);
        let word = usize::try_from(tag).ok().and_then(|number| self.words.get_mut(number));
        let Some(word) = word.filter(|word| word.from == life && is_to(word.to)) else {
            return Err(("told of what it did not say", text));
        };
        if word.fate != Fate::Open {
            return Err(("told twice", format!("{text}, and was told {:?} before", word.fate)));
        }
        word.fate = fate;
        if fate == Fate::Delivered && word.heard.is_empty() {
            return Err(("delivered, and never heard", text));
        }
        let (is_pledged, to, len) = (word.is_pledged, word.to, word.len);
        // What found no room is told to be lost while it is being said, and never later.
        let found_no_room =
            || self.saying.map(|word| word as u64) == Some(tag) && self.waiting(life, to) + len >= LINE_FULL;
        if fate == Fate::Undelivered && is_pledged && !found_no_room() {
            return Err(("undelivered after the healing", text));
        }
        Ok(())
    }

    /// Bytes of what one said to another that nobody has acknowledged.
    fn waiting(&self, life: Life, to: usize) -> usize {
        let waits = |word: &&Word| word.from == life && word.to == to && word.fate == Fate::Open;
        self.words.iter().filter(waits).map(|word| word.len).sum()
    }
}

/// Whether an event is one of the room.
pub(super) const fn is_of_room(event: &Event) -> bool {
    match event {
        Event::PeerUp { share, .. }
        | Event::PeerDown { share, .. }
        | Event::Waiting { share, .. }
        | Event::Ended { share }
        | Event::Refused { share, .. } => share.0 == ROOM.0,
        Event::Unmet { .. }
        | Event::Reachable { .. }
        | Event::Heard { .. }
        | Event::Delivered { .. }
        | Event::Undelivered { .. } => true,
        _ => false,
    }
}

impl World<'_> {
    /// What will be said when, by whom to whom. Drawn apart, so that it shifts nothing else.
    pub(super) fn plan_talk(&mut self) {
        let (Some(talks), Some(talk)) = (&mut self.talks, &self.plan.scenario.talk) else { return };
        let Talk { texts, calls, until_ms, ref made, .. } = *talk;
        let mut draws = Random::new(self.plan.seed, "talk");
        let hosts = self.hosts.len();
        let moment = |draws: &mut Random| draws.draw() % (until_ms * MS).max(1);
        for _ in 0..texts {
            let at = moment(&mut draws);
            let from = draws.below(hosts);
            let to = (from + 1 + draws.below(hosts - 1)) % hosts;
            let kind = if draws.below(8) == 0 { Kind::Offer } else { Kind::Text };
            let len = [0, 20, 200, 4_000, 16_000][draws.below(5)];
            // Some say much at once.
            let times = if draws.below(6) == 0 { 1 + draws.below(12) } else { 1 };
            for _ in 0..times {
                let number = talks.plan(Planned::Word { from, to, kind, len });
                self.agenda.add(at, Happening::Say(number));
            }
        }
        let mut draws = Random::new(self.plan.seed, "calls");
        for _ in 0..calls {
            let at = moment(&mut draws).max(MET);
            let number = talks.plan(Planned::Call { from: draws.below(hosts) });
            self.agenda.add(at, Happening::Say(number));
        }
        for call in made {
            let number = talks.plan(Planned::Call { from: usize::from(call.host) });
            self.agenda.add(call.at_ms * MS, Happening::Say(number));
        }
    }

    /// What is said then must arrive.
    pub(super) fn talk_after_healing(&mut self) {
        let Some(talks) = &mut self.talks else { return };
        let inside = talks.inside;
        let is_small = inside <= ALL_TO_ALL;
        let to = |from: usize| match talks.known_from {
            _ if is_small => (1..inside).map(|n| (from + n) % inside).collect(),
            KnownFrom::Next | KnownFrom::Doubling => vec![(from + 1) % inside],
            KnownFrom::First => talks.known(from, inside).into_iter().take(1).collect(),
        };
        let pairs: Vec<_> =
            (0..inside).flat_map(|from| to(from).into_iter().map(move |to| (from, to))).collect();
        for (from, to) in pairs {
            let number = talks.plan(Planned::Word { from, to, kind: Kind::Text, len: 20 });
            self.agenda.add(self.now + AGAIN + number as u64 % 50 * 20 * MS, Happening::Say(number));
        }
        self.may_be_over = true;
    }

    /// A program opens the room, and is told of others.
    pub(super) fn enter_room(&mut self, life: Life) {
        let Some(talks) = &self.talks else { return };
        let (host, hosts) = (life.0, self.hosts.len());
        let secret = if host < talks.inside { ROOM_SECRET } else { OTHER_SECRET };
        let known = talks.known(host, hosts);
        if self.process(life).is_none() {
            return;
        }
        let local = self.hosts[host].identity.node_id();
        let port = Some(net::address(host, self.hosts[host].moved).port());
        self.command(life, Command::Room { room: ROOM, secret, local, port });
        for other in known {
            let peer = self.hint(other);
            self.command(life, Command::AddPeer { share: ROOM, peer });
        }
    }

    /// Everybody in the room hears of a host's new address.
    pub(super) fn found_again_in_room(&mut self, moved: usize) {
        if self.talks.is_none() {
            return;
        }
        for host in (0..self.hosts.len()).filter(|host| *host != moved) {
            let life = self.hosts[host].life(host);
            if self.process(life).is_some() {
                let peer = self.hint(moved);
                self.command(life, Command::AddPeer { share: ROOM, peer });
            }
        }
    }

    /// Whether a program goes on when it has no share any more, or was to stop and comes back after so long. A fetch that
    /// failed is begun anew, in another run.
    pub(super) fn stays_in_room(&mut self, life: Life, back: Option<u64>) -> bool {
        let Host { part, person, .. } = &self.hosts[life.0];
        let fetches = *part == Part::Receiver && person.outcome.is_none() && person.settled.is_none();
        if self.talks.is_none() || fetches {
            return false;
        }
        if let Some(process) = self.process(life) {
            process.moves_share = false;
        }
        if let Some(nanos) = back {
            self.exit(life.0);
            self.agenda.add(self.now + nanos, Happening::Start(life.0));
        }
        true
    }

    /// Something that was planned is said, if somebody is there to say it.
    pub(super) fn say_planned(&mut self, number: usize) {
        let Some(planned) = self.talks.as_ref().map(|talks| talks.planned[number]) else { return };
        let (Planned::Word { from, .. } | Planned::Call { from }) = planned;
        let life = self.hosts[from].life(from);
        let later = self.hosts[from].deferred(self.now);
        if self.phase == Phase::Healed && (self.hosts[from].process.is_none() || later.is_some()) {
            return self.agenda.add(self.now + AGAIN, Happening::Say(number));
        }
        if let Some(talks) = &mut self.talks {
            talks.left -= 1;
        }
        self.may_be_over = true;
        if self.hosts[from].process.is_none() || later.is_some() || self.hosts[from].stopped_for.is_some() {
            return self.coverage.branch("nobody is there to say it");
        }
        match planned {
            Planned::Word { to, kind, len, .. } => self.say(life, to, kind, len),
            Planned::Call { .. } => {
                let Some(talks) = &mut self.talks else { return };
                let text = format!("call {}", talks.calls.len());
                talks.calls.push(Call { from: life, made: self.now, heard: BTreeMap::new() });
                self.command(life, Command::Call { room: ROOM, text });
            }
        }
    }

    fn say(&mut self, life: Life, to: usize, kind: Kind, len: usize) {
        let id = self.hosts[to].identity.node_id();
        let is_healed = self.phase == Phase::Healed;
        let Some(talks) = &mut self.talks else { return };
        let number = talks.words.len();
        let is_pledged = is_healed && talks.keeps_pledges && life.0.max(to) < talks.inside;
        let heard = Vec::new();
        talks.words.push(Word { from: life, to, kind, len, fate: Fate::Open, is_pledged, heard });
        talks.saying = Some(number);
        let tag = number as u64;
        let body = Talks::body(number, kind, len);
        let say = match kind {
            Kind::Text => Say::Text(body),
            Kind::Offer => Say::Offer(Offer {
                number: tag,
                content: self.content.manifest.content_id(),
                secret: ROOM_SECRET,
                name: body,
                size: self.content.manifest.total_size(),
                files: 1,
            }),
            Kind::Answer(of) => Say::Answer(Answered { life: of, number: tag, answer: Answer::Accepted }),
        };
        self.command(life, Command::Say { room: ROOM, to: id, tag, say });
        if let Some(talks) = &mut self.talks {
            talks.saying = None;
        }
    }

    /// A core says something of the room.
    pub(super) fn room_told(&mut self, life: Life, event: &Event) {
        match event {
            Event::PeerDown { why, .. } => self.judge_gone(life, *why),
            Event::Ended { .. } => self.left_room(life),
            Event::Refused { .. } => {
                if let Some(talks) = &mut self.talks
                    && let Some(number) = talks.saying
                {
                    talks.words[number].fate = Fate::Refused;
                    self.coverage.branch("too much is said");
                }
            }
            Event::Heard { from, heard, .. } => self.heard(life, *from, heard),
            Event::Delivered { to, tag, .. } => self.fate(life, *to, *tag, Fate::Delivered),
            Event::Undelivered { to, tag, .. } => self.fate(life, *to, *tag, Fate::Undelivered),
            _ => {}
        }
    }

    fn fate(&mut self, life: Life, to: NodeId, tag: u64, fate: Fate) {
        self.may_be_over = true;
        let Some(talks) = &mut self.talks else { return };
        let hosts = &self.hosts;
        let told = talks.tell(life, |host| hosts[host].identity.node_id() == to, tag, fate);
        self.judge_told(life, told);
    }

    fn judge_told(&mut self, life: Life, told: Result<(), (&'static str, String)>) {
        if let Err((class, text)) = told {
            self.fail(Some(life.0), Finding::new(Oracle::Talk, class, text));
        }
    }

    fn heard(&mut self, life: Life, from: NodeId, heard: &Heard) {
        let Some(talks) = &mut self.talks else { return };
        let (hosts, at) = (&self.hosts, self.now);
        let id = |host: usize| hosts[host].identity.node_id();
        if let Heard::Call(text) = heard {
            let told = talks.hear_call(life, at, |host| id(host) == from, &text.text);
            return self.judge_told(life, told);
        }
        let number = match talks.hear(life, from, heard, id) {
            Ok(number) => number,
            Err(wrong) => return self.judge_told(life, Err(wrong)),
        };
        if let Heard::Offer { life: of, .. } = heard
            && self.hosts[life.0].stopped_for.is_none()
        {
            self.coverage.branch("offer answered");
            let to = talks.words[number].from.0;
            // Not before all that was heard with it, so that it is known which word is refused.
            let answer = Planned::Word { from: life.0, to, kind: Kind::Answer(*of), len: 0 };
            let number = talks.plan(answer);
            self.agenda.add(self.now, Happening::Say(number));
        }
    }

    /// A program has left the room: it was told to stop.
    fn left_room(&mut self, life: Life) {
        let host = life.0;
        if self.process(life).is_some_and(|process| process.moves_share) {
            return self.command(life, Command::End { share: SHARE, reason: Reason::Leaving });
        }
        let back = self.hosts[host].stopped_for.take();
        self.exit(host);
        self.agenda.add(self.now + back.unwrap_or(0), Happening::Start(host));
    }

    /// Words whose sender still runs and was not told of them.
    fn open(&self) -> impl Iterator<Item = (usize, &Word)> {
        let words = self.talks.iter().flat_map(|talks| talks.words.iter().enumerate());
        words.filter(|(_, word)| {
            let host = &self.hosts[word.from.0];
            word.fate == Fate::Open && host.process.is_some() && host.life(word.from.0) == word.from
        })
    }

    /// Whether everything that was to be said was said, and everybody was told what became of it.
    pub(super) fn has_talked(&self) -> bool {
        let Some(talks) = &self.talks else { return true };
        self.phase == Phase::Healed && talks.left == 0 && self.open().next().is_none()
    }

    /// The same in words; nothing if nothing is left.
    pub(super) fn untold(&self) -> String {
        let left = self.talks.as_ref().map_or(0, |talks| talks.left);
        let mut open: Vec<String> = self
            .open()
            .take(8)
            .map(|(number, word)| format!("word {number} of host {} to host {}", word.from.0, word.to))
            .collect();
        if left > 0 {
            open.push(format!("{left} that were not said"));
        }
        open.join(", ")
    }

    /// Who made which calls, and how long each took.
    pub(super) fn called(&self) -> Vec<Called> {
        let calls = self.talks.iter().flat_map(|talks| &talks.calls);
        let called = |call: &Call| {
            let mut heard: Vec<u64> = call.heard.values().map(|at| at - call.made).collect();
            heard.sort_unstable();
            Called { host: call.from.0 as u16, heard }
        };
        calls.map(called).collect()
    }

    /// What can only be judged at the end: where nothing goes wrong, everybody hears every call.
    pub(super) fn judge_talk(&mut self) {
        let has_room = self.plan.tuning.conns_max.is_none_or(|max| max as usize >= 2 * self.hosts.len());
        let is_calm = self.plan.faults.is_empty() && has_room;
        let Some(talks) = self.talks.as_ref().filter(|_| is_calm) else { return };
        for (number, call) in talks.calls.iter().enumerate() {
            let hears = |host: usize| call.from.0 == host || call.heard.keys().any(|life| life.0 == host);
            if call.from.0 < talks.inside
                && let Some(host) = (0..talks.inside).find(|host| !hears(*host))
            {
                let text = format!("host {host} never hears call {number} of host {}", call.from.0);
                return self.fail(Some(host), Finding::new(Oracle::Talk, "a call is not heard", text));
            }
        }
    }
}
