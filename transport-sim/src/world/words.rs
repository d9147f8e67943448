//! What hosts say to each other, judged: who may be met, what is claimed, what is asked of whom. Damage on the way makes
//! honest hosts say anything, so these oracles are silent where a plan damages bytes that the channel lets through.

use std::collections::{BTreeMap, BTreeSet};

use truecopy_protocol::content::geometry::{BLOCK, SPAN_BLOCKS};
use truecopy_protocol::job::{AnnounceEvent, Job, TrackerPeer};
use truecopy_protocol::output::{Fault as Wrong, Goodbye};
use truecopy_protocol::wire::{BlockRun, ChunkRange, Message, PeerAddress, Reason, RejectWhy};
use truecopy_protocol::{BlobId, ConnId, NodeId, TrackerUrl};

use super::World;
use super::agenda::Life;
use super::host::Part;
use super::net::{self, EndState};
use super::process::EndId;
use super::weather::MS;
use crate::content::Content;
use crate::oracle::{Checked, Finding, Oracle, Said};
use crate::plan::{Fault, Swarming};

/// Blocks of a file by blob and first block.
type Run = (u32, u32);

/// What the ends of a connection have said, each under its side.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// It takes part in the swarm.
    takes_part: [bool; 2],
    /// Chunks that it says it has, a bit each.
    claims: [Vec<u64>; 2],
    /// What it asked for and has no answer to; whether it asked another for the same since.
    asked: [BTreeMap<Run, Asked>; 2],
    /// It has sent blocks.
    gives: [bool; 2],
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Share,
    Room,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Once,
    /// Another was asked for the same meanwhile.
    Doubled,
}

/// What a process has said and heard since it began.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// Hosts that it was told of from outside.
    pub(super) hinted: BTreeSet<usize>,
    /// Hosts that said to it that they take part, and in what.
    met: BTreeSet<(Of, usize)>,
    /// A source that it dialled has said that peers may meet.
    may_meet: bool,
    /// Whoever it sent away for what is proven wrong.
    banned: BTreeSet<NodeId>,
    /// Of which connection each run was asked last.
    asked: BTreeMap<Run, usize>,
    /// What it took back.
    cancelled: BTreeSet<Run>,
    /// Calls to trackers, by name.
    calls: BTreeMap<TrackerUrl, Calls>,
}

/// What a process has told a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    UnderWay,
    /// The last call is answered then.
    Answered(u64),
    /// It was told that the process takes no part any more.
    Stopped,
}

/// No clock of a host is so fast that less than this passes before a tracker is asked again (L4).
const PAUSE_MIN: u64 = 5_000 * MS;

impl Words {
    fn claim(&mut self, side: usize, range: ChunkRange) {
        let claims = &mut self.claims[side];
        let end = range.first.saturating_add(range.count);
        claims.resize(claims.len().max(end.div_ceil(64) as usize), 0);
        (range.first..end).for_each(|chunk| claims[chunk as usize / 64] |= 1 << (chunk % 64));
    }

    fn claims(&self, side: usize, chunk: u32) -> bool {
        self.claims[side].get(chunk as usize / 64).is_some_and(|word| word & 1 << (chunk % 64) != 0)
    }
}

/// The chunk that a run lies in; none for the manifest.
fn chunk_of(content: &Content, run: BlockRun) -> Option<u32> {
    let entry = BlobId(run.blob).entry()?;
    let manifest = &content.manifest;
    Some(manifest.chunks_of(entry).start + run.block / SPAN_BLOCKS / manifest.chunk_size().spans())
}

/// Nothing is said of files in a room (PROTOCOL §7.1).
fn may_say_in_room(host: usize, message: &Message) -> Checked {
    if matches!(message, Message::Swarm(_) | Message::Peers(_)) {
        return Ok(());
    }
    let text = format!("host {host} says {message:?} in a room");
    Err(Finding::new(Oracle::Meeting, "a word of files in a room", text))
}

impl World<'_> {
    /// Judges what one end has just said.
    pub(super) fn judge_words(&mut self, life: Life, (index, side): EndId) {
        let said = std::mem::take(&mut self.conns[index].tap.said);
        if self.damages_bytes() {
            return;
        }
        let is_actor = self.process(life).is_none_or(|process| process.actor.is_some());
        for word in said {
            let checked = match word {
                Said::Message(message) => self.hear((index, side), &message, is_actor),
                Said::Blocks(head) => {
                    self.blocks_begin((index, side), (head.blob, head.block));
                    Ok(())
                }
            };
            self.check(life.0, checked);
        }
    }

    fn hear(&mut self, (index, side): EndId, message: &Message, is_actor: bool) -> Checked {
        let conn = &self.conns[index];
        let (here, there) = (conn.ends[side].life.0, conn.ends[1 - side].life.0);
        let of = if conn.is_of_room { Of::Room } else { Of::Share };
        if !is_actor {
            match of {
                Of::Share => self.may_say(here, message)?,
                Of::Room => may_say_in_room(here, message)?,
            }
        }
        match message {
            Message::Swarm(_) => {
                self.conns[index].words.takes_part[side] = true;
                let acts = &mut self.hosts[there].acts;
                acts.met.insert((of, here));
                acts.may_meet |= side == 1 && of == Of::Share;
                Ok(())
            }
            Message::Peers(peers) if !is_actor => self.judge_peers((index, side), peers),
            Message::Have(ranges) => self.judge_have((index, side), ranges, is_actor),
            Message::Request(run) => self.judge_request((index, side), *run),
            Message::Cancel(run) => {
                let run = (run.blob, run.block);
                self.conns[index].words.asked[side].remove(&run);
                self.hosts[here].acts.cancelled.insert(run);
                Ok(())
            }
            Message::Reject(reject) => {
                self.conns[index].words.asked[1 - side].remove(&(reject.run.blob, reject.run.block));
                match reject.why {
                    RejectWhy::Choked => self.coverage.branch("rejected for a choke"),
                    RejectWhy::Cancelled => self.coverage.branch("taken back in time"),
                    RejectWhy::Absent if self.hosts[here].part == Part::Sender && !is_actor => {
                        self.coverage.branch("told to wait for a lent chunk");
                    }
                    RejectWhy::Absent | RejectWhy::Changed | RejectWhy::Unreadable => {}
                }
                Ok(())
            }
            Message::Unchoke if !self.conns[index].words.gives[1 - side] => {
                self.coverage.branch("served without having given");
                Ok(())
            }
            Message::Choke if self.conns[index].words.gives[1 - side] => {
                self.coverage.branch("choked although it has given");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing is said of a swarm where peers may not meet (PROTOCOL §5.11).
    fn may_say(&self, host: usize, message: &Message) -> Checked {
        let is_of_swarms = matches!(
            message,
            Message::Swarm(_)
                | Message::Peers(_)
                | Message::Choke
                | Message::Unchoke
                | Message::Interested
                | Message::NotInterested
        );
        let may = match self.plan.scenario.swarm {
            Swarming::On => true,
            Swarming::AsTold => self.hosts[host].part == Part::Sender || self.hosts[host].acts.may_meet,
            Swarming::Off => false,
        };
        if may || !is_of_swarms {
            return Ok(());
        }
        let text = format!("host {host} says {message:?}, and nobody said that peers may meet");
        Err(Finding::new(Oracle::Meeting, "a swarm where none may be", text))
    }

    /// Peers are told of those that take part and are met, to those that take part.
    fn judge_peers(&self, (index, side): EndId, peers: &[PeerAddress]) -> Checked {
        let conn = &self.conns[index];
        let (here, there) = (conn.ends[side].life.0, conn.ends[1 - side].life.0);
        let of = if conn.is_of_room { Of::Room } else { Of::Share };
        let wrong = |class, text| Err(Finding::new(Oracle::Meeting, class, text));
        if !conn.words.takes_part[1 - side] {
            let text = format!("host {here} tells host {there} of peers, which takes no part");
            return wrong("peers for one that takes no part", text);
        }
        for peer in peers {
            let at = net::host_at(peer.address).map(|(host, _)| host);
            let found = at.filter(|host| {
                self.hosts.get(*host).is_some_and(|known| known.identity.node_id() == peer.key)
            });
            let Some(told) = found else {
                let text = format!("host {here} tells of a peer at {}, which is not there", peer.address);
                return wrong("a peer that is not there", text);
            };
            if told == there {
                return wrong(
                    "a peer is told of itself",
                    format!("host {here} tells host {there} of itself"),
                );
            }
            if !self.hosts[here].acts.met.contains(&(of, told)) {
                let text = format!("host {here} tells of host {told}, which it has not met");
                return wrong("a peer that was not met", text);
            }
        }
        Ok(())
    }

    /// A receiver tells only of what it has proven (S2).
    fn judge_have(&mut self, (index, side): EndId, ranges: &[ChunkRange], is_actor: bool) -> Checked {
        let here = self.conns[index].ends[side].life.0;
        for range in ranges {
            let words = &mut self.conns[index].words;
            if range.count == 1 && words.claims(side, range.first) {
                self.coverage.branch("a lent chunk is free again");
            }
            words.claim(side, *range);
        }
        let host = &self.hosts[here];
        let Some(blocks) = host.blocks.as_ref().filter(|_| host.person.outcome.is_none() && !is_actor) else {
            return Ok(());
        };
        let mut told = ranges.iter().flat_map(|range| range.first..range.first.saturating_add(range.count));
        match told.find(|chunk| !blocks.has(*chunk, &self.content)) {
            None => Ok(()),
            Some(chunk) => {
                let text = format!("host {here} tells of chunk {chunk}, whose right bytes never came to it");
                Err(Finding::new(Oracle::Claim, "told of a chunk that is not there", text))
            }
        }
    }

    /// Nobody is asked for what it did not say it has (PROTOCOL §5.4); and what is asked of two is noted.
    fn judge_request(&mut self, (index, side): EndId, run: BlockRun) -> Checked {
        let Some(chunk) = chunk_of(&self.content, run) else { return Ok(()) };
        let life = self.conns[index].ends[side].life;
        if !self.conns[index].words.claims(1 - side, chunk) {
            let text = format!("host {} asks for chunk {chunk} of one that did not say it has it", life.0);
            return Err(Finding::new(Oracle::Waste, "asked for what was not claimed", text));
        }
        let key = (run.blob, run.block);
        self.conns[index].words.asked[side].insert(key, Asked::Once);
        let acts = &mut self.hosts[life.0].acts;
        if acts.cancelled.remove(&key) {
            self.coverage.branch("taken over");
        }
        let before = acts.asked.insert(key, index).filter(|before| *before != index);
        if let Some(before) = before.map(|before| &mut self.conns[before])
            && let Some(theirs) = before.ends.iter().position(|end| end.life == life)
            && let Some(asked) = before.words.asked[theirs].get_mut(&key)
            && matches!(before.ends[theirs].state, EndState::Live(_))
        {
            *asked = Asked::Doubled;
        }
        Ok(())
    }

    /// Blocks begin to be sent: an answer, wanted or not.
    fn blocks_begin(&mut self, (index, side): EndId, run: Run) {
        let words = &mut self.conns[index].words;
        words.gives[side] = true;
        if words.asked[1 - side].remove(&run) == Some(Asked::Doubled) {
            let host = self.conns[index].ends[1 - side].life.0;
            self.hosts[host].person.doubled += u64::from(SPAN_BLOCKS) * BLOCK;
        }
    }

    /// A host hangs up: what it asked there is no longer asked; whoever gave what is proven wrong must not be met again.
    pub(super) fn hears_no_more(&mut self, life: Life, conn: ConnId, why: Goodbye) {
        let Some((index, side)) = self.process(life).and_then(|process| process.ends.get(&conn).copied())
        else {
            return;
        };
        self.conns[index].words.asked[side].clear();
        let other = self.conns[index].ends[1 - side].life.0;
        let is_met = self.conns[index].tap.met.contains(&net::way_of(side));
        if why == Goodbye::Said(Reason::Replaced) && side == 0 && is_met {
            self.judge_refusal(life, index, other);
        }
        let branch = match why {
            Goodbye::Misbehaved(Wrong::BadBytes) => "sent away for bytes",
            Goodbye::Misbehaved(Wrong::BadProof) => "sent away for proofs",
            Goodbye::Misbehaved(Wrong::BadManifest) => "sent away for a manifest",
            Goodbye::Said(Reason::Busy) => return self.coverage.branch("told that there is no room"),
            _ => return,
        };
        self.coverage.branch(branch);
        if self.plan.scenario.swarm == Swarming::On {
            let key = self.hosts[other].identity.node_id();
            self.hosts[life.0].acts.banned.insert(key);
        }
    }

    /// A host that has dialled another hangs up for a better connection: then it has one, or the other is not to be met
    /// (S11).
    fn judge_refusal(&mut self, life: Life, index: usize, other: usize) {
        let host = &self.hosts[life.0];
        let key = self.hosts[other].identity.node_id();
        let is_excused = other == life.0 || host.acts.banned.contains(&key) || host.stopped_for.is_some();
        let is_of_room = self.conns[index].is_of_room;
        let has_all = !is_of_room && (host.person.outcome.is_some() || host.part == Part::Sender);
        let ends = host.process.iter().flat_map(|process| process.ends.values());
        let is_twin = |(at, side): &EndId| {
            let conn = &self.conns[*at];
            *at != index && conn.is_of_room == is_of_room && conn.ends[1 - *side].life.0 == other
        };
        if is_excused || has_all || ends.copied().any(|end| is_twin(&end)) {
            return;
        }
        // The better one may have been lost in the very turn in which this one was given up for it.
        let is_just_over = |at: usize| {
            let is_over = |side: &usize| {
                let end = &self.conns[at].ends[*side];
                end.life == life && end.over_at == Some(self.now)
            };
            [0, 1].iter().find(|side| is_over(side)).is_some_and(|side| is_twin(&(at, *side)))
        };
        if (0..self.conns.len()).any(is_just_over) {
            return;
        }
        let text = format!("host {} has no connection with host {other}, and turns it away", life.0);
        self.fail(Some(life.0), Finding::new(Oracle::Blame, "an honest peer is turned away", text));
    }

    /// A session is open: not with whoever is banned, and not with oneself.
    pub(super) fn judge_meeting(&mut self, host: usize, peer: NodeId) {
        let state = &self.hosts[host];
        let class = if state.acts.banned.contains(&peer) {
            "met again after a ban"
        } else if state.identity.node_id() == peer {
            "a host meets itself"
        } else {
            return;
        };
        let text = format!("host {host} opens a session with {peer:?}");
        self.fail(Some(host), Finding::new(Oracle::Meeting, class, text));
    }

    /// A core calls a tracker: one call at a time, a pause between two, and nothing after the end (L4).
    pub(super) fn judge_call(&mut self, host: usize, job: &Job) {
        let Job::Announce(job) = job else { return };
        let now = self.now;
        let is_due = matches!(job.event, AnnounceEvent::Completed | AnnounceEvent::Stopped);
        let next = if job.event == AnnounceEvent::Stopped { Calls::Stopped } else { Calls::UnderWay };
        let class = match self.hosts[host].acts.calls.insert(job.tracker.clone(), next) {
            Some(Calls::Stopped) => "a tracker is called after the end",
            Some(Calls::UnderWay) => "a tracker is called twice at once",
            Some(Calls::Answered(at)) if !is_due && now < at + PAUSE_MIN => {
                "a tracker is called again at once"
            }
            Some(Calls::Answered(_)) | None => return,
        };
        let text = format!("host {host} calls {} with {:?}", job.tracker.as_str(), job.event);
        self.fail(Some(host), Finding::new(Oracle::Storm, class, text));
    }

    /// The answer of a tracker, or word that there is none, is there at this time.
    pub(super) fn call_ends(&mut self, host: usize, tracker: &TrackerUrl, named: &[TrackerPeer], at: u64) {
        let acts = &mut self.hosts[host].acts;
        if let Some(calls @ Calls::UnderWay) = acts.calls.get_mut(tracker) {
            *calls = Calls::Answered(at);
        }
        acts.hinted.extend(named.iter().filter_map(|peer| net::host_at(peer.address)).map(|(host, _)| host));
    }

    /// Bytes that came of one although they were asked of another meanwhile are few: the first is told (L5).
    pub(super) fn judge_doubled(&mut self) {
        let is_smooth = |fault: &Fault| fault.leaves_links() || matches!(fault, Fault::Slow { .. });
        if !self.plan.faults.iter().all(is_smooth) {
            return;
        }
        let most = self.content.manifest.total_size() / 100 + u64::from(SPAN_BLOCKS) * BLOCK;
        for host in 0..self.hosts.len() {
            let doubled = self.hosts[host].person.doubled;
            if doubled > most {
                let text = format!("{doubled} bytes were asked of two and came of both; {most} may");
                let finding = Finding::new(Oracle::Waste, "asked of two, and both gave", text);
                return self.fail(Some(host), finding);
            }
        }
    }
}
