//! Rooms: nodes that meet to say things to each other, whatever shares they have. PROTOCOL §7.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::Node;
use super::exchange::{Conn, Purpose};
use super::jobs::Pending;
use crate::input::{LinkLoss, Say, Swarming};
use crate::job::Verdict;
use crate::output::{Event, Fault, Heard as Told, Output, PeerGone, Refusal, Waiting};
#[cfg(planted)]
use crate::planted::{Bug, is};
use crate::session::ShareKey;
use crate::swarm::circle::Circle;
use crate::swarm::targets::{Next, Targets};
use crate::talk::calls::{CallId, Calls, statement};
use crate::talk::line::{Hearing, Outgoing};
use crate::talk::owing::Owing;
use crate::timers::Timer;
use crate::wire::{BODY_MAX, Call, Heard, Line, Message, Reason, Text, Word};
use crate::{AccessSecret, ConnId, NodeId, Now, ShareId};

/// Bytes of words that are encoded ahead of what a peer reads.
const AHEAD: usize = BODY_MAX;
/// Calls of one node that are being checked at once.
const CHECKING_MAX: u32 = 1024;

/// A room that this node is in.
#[derive(Debug)]
pub(super) struct Room {
    key: ShareKey,
    local: NodeId,
    targets: Targets,
    /// This run of the program: our numbers begin anew with each.
    life: u64,
    lines: BTreeMap<NodeId, Talk>,
    /// The number of our last word, to whomever: a node that was forgotten meanwhile hears no number again.
    said: u64,
    calls: Calls,
    /// The last of our calls.
    called: u64,
    /// Our calls that are being signed.
    signing: u32,
    /// It is left as soon as they are said.
    leaving: Option<Reason>,
}

/// What is said to one node and heard of it.
#[derive(Debug, Default)]
struct Talk {
    conn: Option<ConnId>,
    out: Outgoing,
    hearing: Hearing,
    owing: Owing,
    checking: u32,
    /// When its connection was lost.
    gone: Now,
}

impl Room {
    pub(super) const fn key(&self) -> ShareKey {
        self.key
    }

    pub(super) const fn targets(&mut self) -> &mut Targets {
        &mut self.targets
    }

    /// Bytes of memory for words that wait.
    pub(super) fn memory(&self) -> usize {
        self.lines.values().map(|talk| talk.out.memory()).sum()
    }

    /// The talk with a node. Of more nodes than `max` one that is gone, and that nothing waits for, is forgotten: of
    /// several the one that is gone for longest, for it may say again what was heard of it, if it comes back soon.
    fn talk(&mut self, with: NodeId, max: usize) -> Option<&mut Talk> {
        if self.lines.len() >= max && !self.lines.contains_key(&with) {
            let idle = |(_, talk): &(&NodeId, &Talk)| talk.conn.is_none() && talk.out.is_empty();
            let forgotten = self.lines.iter().filter(idle).min_by_key(|(_, talk)| talk.gone);
            let forgotten = forgotten.map(|(node, _)| *node)?;
            self.lines.remove(&forgotten);
        }
        Some(self.lines.entry(with).or_default())
    }
}

impl Node {
    pub(super) fn open_room(
        &mut self,
        room: ShareId,
        secret: AccessSecret,
        local: NodeId,
        port: Option<u16>,
    ) {
        let key = ShareKey::room(secret);
        if self.is_taken(room) || self.discoveries.contains_key(&key.discovery()) {
            return self.refuse(room, Refusal::Duplicate);
        }
        let mut life = [0; 8];
        life.copy_from_slice(&self.nonces.bytes32()[..8]);
        #[cfg(planted)]
        if is(Bug::SameLife) {
            life = [1; 8];
        }
        self.discoveries.insert(key.discovery(), room);
        self.circles.insert(room, Circle::new(Swarming::On, port));
        self.rooms.insert(
            room,
            Room {
                key,
                local,
                targets: Targets::default(),
                life: u64::from_le_bytes(life),
                lines: BTreeMap::new(),
                said: 0,
                calls: Calls::default(),
                called: 0,
                signing: 0,
                leaving: None,
            },
        );
        self.arm_swarm(room);
    }

    /// What an initiator shall prove that it knows.
    pub(super) fn wanted_key(&self, share: ShareId) -> Option<ShareKey> {
        let fetched = self.fetches.get(&share).map(|fetch| fetch.key);
        let served = || self.serving.get(&share).map(|serving| serving.key);
        fetched.or_else(served).or_else(|| self.rooms.get(&share).map(Room::key))
    }

    pub(super) fn say(&mut self, room: ShareId, to: NodeId, tag: u64, say: Say) {
        if !self.rooms.contains_key(&room) {
            return self.refuse(room, Refusal::UnknownShare);
        }
        let word = match say {
            Say::Text(text) => Word::Text(Text { time: self.unix_time(), text }),
            Say::Offer(offer) => Word::Offer(offer),
            Say::Answer(answered) => Word::Answer(answered),
        };
        if !word.is_sound() {
            return self.refuse(room, Refusal::TooMuch);
        }
        if !self.put(room, to, word, Some(tag)) {
            self.event(Event::Undelivered { room, to, tag });
        }
    }

    /// Puts a word on the line to a node. Whether there was room for it.
    fn put(&mut self, room: ShareId, to: NodeId, word: Word, tag: Option<u64>) -> bool {
        let (now, max) = (self.now, 2 * self.config.conns_max as usize);
        let Some(state) = self.rooms.get_mut(&room) else { return false };
        state.said += 1;
        let number = state.said;
        if state.talk(to, max).is_none_or(|talk| talk.out.say(number, word, tag, now).is_err()) {
            return false;
        }
        // No word that waits already is given up later than this one.
        self.timers.arm(Timer::Words(room), now + self.config.words_wait);
        self.speak_soon(room, to);
        true
    }

    pub(super) fn call(&mut self, room: ShareId, text: String) {
        let time = self.unix_time();
        let Some(state) = self.rooms.get_mut(&room).filter(|state| state.leaving.is_none()) else {
            return self.refuse(room, Refusal::UnknownShare);
        };
        let (origin, life, number) = (state.local, state.life, state.called + 1);
        let text = Text { time, text };
        let call = Call { origin, life, number, text, signature: [[0; 32]; 2] };
        if !Word::Call(call.clone()).is_sound() {
            return self.refuse(room, Refusal::TooMuch);
        }
        state.called = number;
        state.signing += 1;
        // It may come back by others.
        state.calls.hear(CallId::of(&call));
        let statement = statement(&state.key.discovery(), &call);
        let job = self.jobs.sign(origin, statement, Pending::Call { room, call });
        self.outputs.push_back(Output::Job(job));
    }

    pub(super) fn call_signed(&mut self, room: ShareId, call: Call) {
        self.pass_on(room, &call, None);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        state.signing = state.signing.saturating_sub(1);
        if state.signing == 0
            && let Some(reason) = state.leaving.take()
        {
            self.leave_room(room, reason);
        }
    }

    /// Says a call to everybody but whom it came from.
    fn pass_on(&mut self, room: ShareId, call: &Call, from: Option<NodeId>) {
        let Some(state) = self.rooms.get(&room) else { return };
        let others = state.lines.keys().copied().filter(|node| Some(*node) != from && *node != call.origin);
        for node in others.collect::<Vec<_>>() {
            // Of a node for which so much waits others have perhaps heard.
            let _is_there_room = self.put(room, node, Word::Call(call.clone()), None);
        }
    }

    pub(super) fn call_checked(&mut self, room: ShareId, from: NodeId, call: Call, verdict: Verdict) {
        let Some(state) = self.rooms.get_mut(&room) else { return };
        if let Some(talk) = state.lines.get_mut(&from) {
            // It may have been forgotten and met again since.
            talk.checking = talk.checking.saturating_sub(1);
        }
        if verdict != Verdict::Genuine {
            let conn = state.lines.get(&from).and_then(|talk| talk.conn);
            return conn.into_iter().for_each(|id| self.misbehaved(id, Fault::BadWord));
        }
        if !state.calls.hear(CallId::of(&call)) {
            return;
        }
        self.pass_on(room, &call, Some(from));
        self.event(Event::Heard { room, from: call.origin, heard: Told::Call(call.text) });
    }

    /// A node of a room is there.
    pub(super) fn node_up(&mut self, room: ShareId, id: ConnId) {
        let open = self.conns.get(&id).filter(|conn| matches!(conn.purpose, Purpose::Open(..)));
        let (Some(peer), max) = (open.map(|conn| conn.session.peer), 2 * self.config.conns_max as usize)
        else {
            return;
        };
        let Some(state) = self.rooms.get_mut(&room) else { return };
        state.targets.proved(id);
        let Some(talk) = state.talk(peer, max) else { return self.dismiss(id, Reason::Busy) };
        talk.conn = Some(id);
        talk.out.reconnected();
        self.speak(room, peer);
    }

    /// A node, or a dial of one, is gone: it is dialled again, unless it does not want to be.
    pub(super) fn node_gone(&mut self, room: ShareId, id: ConnId, gone: PeerGone) {
        let (now, config) = (self.now, &self.config);
        let is_replaced =
            matches!(gone, PeerGone::Dismissed(Reason::Replaced) | PeerGone::Said(Reason::Replaced));
        let heir = if is_replaced { self.twin(room, id) } else { None };
        let Some(state) = self.rooms.get_mut(&room) else { return };
        for talk in state.lines.values_mut().filter(|talk| talk.conn == Some(id)) {
            (talk.conn, talk.gone) = (None, now);
        }
        if let Some((heir, _)) = heir {
            return state.targets.replaced(id, heir);
        }
        let loss = match gone {
            PeerGone::Lost(why) => why,
            PeerGone::Dismissed(Reason::TooSlow) => LinkLoss::TimedOut,
            PeerGone::Said(Reason::NoSuchShare | Reason::Version) | PeerGone::Misbehaved(_) => {
                state.targets.bury(id);
                self.set_dial_timer(room);
                return self.event(Event::Unmet { room, why: gone });
            }
            PeerGone::Said(_) | PeerGone::Dismissed(_) => LinkLoss::Closed,
        };
        let next = state.targets.lost(id, loss, now, &mut self.jitter, config);
        if let Next::Waiting { until, why, attempts } = next {
            let retry_ms = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
            self.event(Event::Waiting { share: room, why: Waiting::Backoff { why, retry_ms, attempts } });
        }
        self.set_dial_timer(room);
    }

    /// Says what waits for a node: now, or together with what follows.
    fn speak_soon(&mut self, room: ShareId, to: NodeId) {
        let now = self.now;
        let talk = self.rooms.get(&room).and_then(|state| state.lines.get(&to));
        match talk.filter(|talk| talk.conn.is_some()).and_then(|talk| talk.out.due(now)) {
            Some(at) if at > now => self.timers.arm(Timer::Speak(room), at),
            Some(_) => self.speak(room, to),
            None => {}
        }
    }

    /// Says to everybody what waits, as far as they read it.
    pub(super) fn speak_to_all(&mut self, room: ShareId) {
        let Some(state) = self.rooms.get(&room) else { return };
        let waiting = state.lines.iter().filter(|(_, talk)| talk.out.due(self.now).is_some());
        for to in waiting.map(|(to, _)| *to).collect::<Vec<_>>() {
            self.speak(room, to);
        }
    }

    /// Says as much to a node as it reads.
    fn speak(&mut self, room: ShareId, to: NodeId) {
        let now = self.now;
        loop {
            let Some(state) = self.rooms.get_mut(&room) else { return };
            let life = state.life;
            let Some((id, talk)) = state.lines.get_mut(&to).and_then(|talk| Some((talk.conn?, talk))) else {
                return;
            };
            let waiting =
                self.conns.get(&id).map_or(usize::MAX, |conn| conn.session.outbox.control_waiting());
            if waiting >= AHEAD {
                return;
            }
            let Some((number, word)) = talk.out.next(now) else { return };
            let line = Message::Line(Line { life, number, word: word.clone() });
            self.with_session(id, |session| session.send(&line));
            #[cfg(planted)]
            self.believe_sent(room, id, life, number);
        }
    }

    /// A node has read something: there may be more to say.
    pub(super) fn speak_on(&mut self, id: ConnId) {
        let of = |conn: &Conn| Some((conn.purpose.share()?, conn.session.peer));
        if let Some((room, peer)) = self.conns.get(&id).and_then(of)
            && self.rooms.contains_key(&room)
        {
            self.speak_soon(room, peer);
        }
    }

    pub(super) fn line_came(&mut self, room: ShareId, id: ConnId, line: Line) -> Result<(), Fault> {
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        let from = conn.session.peer;
        if conn.exchange_mut().is_some_and(|(_, exchange)| exchange.acquaintance.speaks()) {
            return Err(Fault::Flood);
        }
        let Some(state) = self.rooms.get_mut(&room) else { return Err(Fault::OutOfTurn) };
        let Line { life, number, word } = line;
        if !word.is_sound() {
            return Err(Fault::BadWord);
        }
        let Some(talk) = state.lines.get_mut(&from) else { return Ok(()) };
        let is_news = talk.hearing.hear(life, number);
        talk.owing.owe(id, Heard { life, number }, word.bytes());
        if is_news {
            self.heard(room, from, life, word)?;
        }
        self.acknowledge(room, from);
        Ok(())
    }

    /// Tells a node what was heard of it: now, or together with what follows.
    fn acknowledge(&mut self, room: ShareId, to: NodeId) {
        let now = self.now;
        let talk = self.rooms.get(&room).and_then(|state| state.lines.get(&to));
        match talk.and_then(|talk| talk.owing.due(now)) {
            #[cfg(planted)]
            Some(at) if at > now && is(Bug::HeardForgotten) => {}
            Some(at) if at > now => self.timers.arm(Timer::Heard(room), at),
            Some(_) => self.acknowledge_now(room, to),
            None => {}
        }
    }

    /// The connection on which it was heard may be gone, and another one there.
    fn acknowledge_now(&mut self, room: ShareId, to: NodeId) {
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let Some(talk) = state.lines.get_mut(&to) else { return };
        let Some((from, heard)) = talk.owing.take(self.now) else { return };
        let conns = [Some(from), talk.conn];
        let is_open = |id: &ConnId| {
            self.conns
                .get(id)
                .is_some_and(|conn| matches!(conn.purpose, Purpose::Open(share, _) if share == room))
        };
        if let Some(id) = conns.into_iter().flatten().find(is_open) {
            self.with_session(id, |session| session.send(&Message::Heard(heard)));
        }
    }

    /// Tells everybody what was heard and is not acknowledged yet.
    pub(super) fn acknowledge_all(&mut self, room: ShareId) {
        let Some(state) = self.rooms.get(&room) else { return };
        let owing = state.lines.iter().filter(|(_, talk)| talk.owing.due(self.now).is_some());
        for to in owing.map(|(to, _)| *to).collect::<Vec<_>>() {
            self.acknowledge_now(room, to);
        }
    }

    fn heard(&mut self, room: ShareId, from: NodeId, life: u64, word: Word) -> Result<(), Fault> {
        let heard = match word {
            Word::Text(text) => Told::Text(text),
            Word::Offer(offer) => Told::Offer { life, offer },
            Word::Answer(answered) => Told::Answer(answered),
            Word::Call(call) => return self.check_call(room, from, call),
        };
        self.event(Event::Heard { room, from, heard });
        Ok(())
    }

    fn check_call(&mut self, room: ShareId, from: NodeId, call: Call) -> Result<(), Fault> {
        let Some(state) = self.rooms.get_mut(&room) else { return Ok(()) };
        if state.calls.knows(&CallId::of(&call)) {
            return Ok(());
        }
        let Some(talk) = state.lines.get_mut(&from) else { return Ok(()) };
        talk.checking += 1;
        if talk.checking > CHECKING_MAX {
            return Err(Fault::Flood);
        }
        let statement = statement(&state.key.discovery(), &call);
        let (origin, signature) = (call.origin, call.signature);
        let job = self.jobs.verify(origin, statement, signature, Pending::Heard { room, from, call });
        self.outputs.push_back(Output::Job(job));
        Ok(())
    }

    /// A node has given words of ours to its user.
    pub(super) fn was_heard(&mut self, room: ShareId, id: ConnId, heard: Heard) -> Result<(), Fault> {
        let Some(to) = self.conns.get(&id).map(|conn| conn.session.peer) else { return Ok(()) };
        let Some(state) = self.rooms.get_mut(&room) else { return Err(Fault::OutOfTurn) };
        if heard.life == state.life
            && let Some(talk) = state.lines.get_mut(&to)
        {
            for tag in talk.out.heard(heard.number) {
                self.event(Event::Delivered { room, to, tag });
            }
        }
        Ok(())
    }

    /// Gives up what has waited for too long. What was acknowledged meanwhile left its date: then there is nothing to do.
    pub(super) fn words_expired(&mut self, room: ShareId) {
        let (now, wait) = (self.now, self.config.words_wait);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let expired = state.lines.iter_mut().map(|(to, talk)| (*to, talk.out.expire(now, wait)));
        for (to, tags) in expired.collect::<Vec<_>>() {
            #[cfg(planted)]
            if is(Bug::LossUntold) {
                continue;
            }
            for tag in tags {
                self.event(Event::Undelivered { room, to, tag });
            }
        }
        let first = |room: &Room| room.lines.values().filter_map(|talk| talk.out.expires(wait)).min();
        if let Some(at) = self.rooms.get(&room).and_then(first) {
            self.timers.set(Timer::Words(room), at);
        }
    }

    /// Leaves a room; what was called out before is said first.
    pub(super) fn leave_room(&mut self, room: ShareId, reason: Reason) {
        if let Some(state) = self.rooms.get_mut(&room).filter(|state| state.signing > 0) {
            state.leaving.get_or_insert(reason);
            return;
        }
        self.speak_to_all(room);
        self.acknowledge_all(room);
        let Some(mut state) = self.rooms.remove(&room) else { return };
        for (to, talk) in &mut state.lines {
            for tag in talk.out.expire(self.now, core::time::Duration::ZERO) {
                self.event(Event::Undelivered { room, to: *to, tag });
            }
        }
        self.drop_dials(state.targets.dials());
        self.discoveries.remove(&state.key.discovery());
        self.unserved.insert(room, (state.key, reason));
        self.leave_swarm(room);
        self.timers.cancel(Timer::Words(room));
        self.timers.cancel(Timer::Heard(room));
        self.timers.cancel(Timer::Speak(room));
        self.timers.cancel(Timer::Dial(room));
        for id in self.conns_of(room) {
            self.dismiss(id, reason);
        }
        self.maybe_ended(room);
    }
}
