//! Faults as they begin and end, and the healing.

use truecopy_protocol::input::Command;
use truecopy_protocol::wire::Reason;
use truecopy_transport::disk::FileKind;
use truecopy_transport::pace::{Rate, Rates};

use super::agenda::Happening;
use super::host::{Part, Power};
use super::net::{EndState, Severed};
use super::watch::{Level, Mark};
use super::weather::{MS, Window};
use super::{Phase, ROOM, SHARE, World, shapes};
use crate::oracle::{Finding, Oracle, Standing, destination};
use crate::plan::{End, Fault, SleepClock};

impl World<'_> {
    /// Puts a fault where it works: on the agenda, in a window of a host, or nowhere if the network or the streams
    /// have it already.
    pub(super) fn plan_fault(&mut self, number: usize) {
        let fault = self.plan.faults[number].clone();
        let window = |from_ms, to_ms| self.weather.window(from_ms, to_ms);
        match fault {
            Fault::Refuse { host, from_ms, to_ms } => {
                let window = window(from_ms, to_ms);
                self.hosts[usize::from(host)].refused.push(window);
            }
            Fault::Ignore { host, from_ms, to_ms } => {
                let window = window(from_ms, to_ms);
                self.hosts[usize::from(host)].ignored.push(window);
            }
            Fault::SlowAccept { host, from_ms, to_ms, add_ms } => {
                let window = window(from_ms, to_ms);
                self.hosts[usize::from(host)].slow_accepts.push((window, add_ms * MS));
            }
            Fault::SlowDisk { host, from_ms, to_ms, add_ms } => {
                let window = window(from_ms, to_ms);
                self.hosts[usize::from(host)].slow_disk.push((window, add_ms * MS));
            }
            Fault::Hang { host, from_ms, to_ms } => {
                let window = window(from_ms, to_ms);
                self.hosts[usize::from(host)].hung.push(window);
                self.at_begin_and_end(number, window);
            }
            Fault::Sleep { host, from_ms, to_ms, clock } => {
                let window = window(from_ms, to_ms);
                let host = &mut self.hosts[usize::from(host)];
                // Two naps at a time are one.
                let is_free =
                    host.asleep.iter().all(|other| window.to <= other.from || other.to <= window.from);
                if clock == SleepClock::Stops && is_free && window.from < window.to {
                    host.clock.stand_still(window);
                }
                host.asleep.push(window);
                self.at_begin_and_end(number, window);
            }
            Fault::Pause { from_ms, to_ms, .. } | Fault::Limit { from_ms, to_ms, .. } => {
                let window = window(from_ms, to_ms);
                self.at_begin_and_end(number, window);
            }
            Fault::Crash { at_ms, .. }
            | Fault::ResetAt { at_ms, .. }
            | Fault::ClockJump { at_ms, .. }
            | Fault::Reconsider { at_ms, .. }
            | Fault::Stop { at_ms, .. } => self.agenda.add(at_ms * MS, Happening::Fault(number)),
            Fault::Move { at_ms, lost_ms, .. } => {
                self.agenda.add(at_ms * MS, Happening::Fault(number));
                self.agenda.add((at_ms + lost_ms) * MS, Happening::FaultEnds(number));
            }
            Fault::Disk { host, fault } => self.hosts[usize::from(host)].disk.schedule(fault),
            Fault::CrashAtCall { host, call, .. } => self.hosts[usize::from(host)].disk.stop_at(call.max(1)),
            // Streams, the network, trackers and the hosts' making know of these.
            Fault::LostEdge { .. }
            | Fault::Delay { .. }
            | Fault::Slow { .. }
            | Fault::Loss { .. }
            | Fault::Partition { .. }
            | Fault::Swizzle { .. }
            | Fault::Reset { .. }
            | Fault::EarlyFin { .. }
            | Fault::Flip { .. }
            | Fault::DropBytes { .. }
            | Fault::DuplicateBytes { .. }
            | Fault::SwapBytes { .. }
            | Fault::Ghost { .. }
            | Fault::Hostile { .. }
            | Fault::ClockRate { .. }
            | Fault::Think { .. }
            | Fault::Tracker { .. }
            | Fault::NewerPeer { .. } => {}
        }
    }

    fn at_begin_and_end(&mut self, number: usize, window: Window) {
        if window.from < window.to {
            self.agenda.add(window.from, Happening::Fault(number));
            self.agenda.add(window.to, Happening::FaultEnds(number));
        }
    }

    pub(super) fn fault_begins(&mut self, number: usize) {
        if self.phase == Phase::Healed {
            return;
        }
        let fault = &self.plan.faults[number];
        self.trace.add(self.now, None, super::trace::said(format_args!("fault {}", fault.name())));
        match *fault {
            Fault::Crash { host, down_ms, end, .. } if self.hosts[usize::from(host)].process.is_some() => {
                self.coverage.fault(match end {
                    End::Kill => "crash-kill",
                    End::Power => "crash-power",
                });
                self.crash(usize::from(host), end, down_ms);
            }
            Fault::ResetAt { receiver, sender, eats_unread, .. } => {
                self.reset_all(usize::from(receiver), usize::from(sender), shapes::eats(eats_unread));
            }
            Fault::ClockJump { host, seconds, .. } => {
                self.coverage.fault("clock-jump");
                let host = usize::from(host);
                self.hosts[host].clock.jump(seconds);
                let life = self.hosts[host].life(host);
                self.tell_time(life);
            }
            Fault::Stop { host, down_ms, .. } => {
                let host = usize::from(host);
                if self.hosts[host].process.is_some() && self.hosts[host].stopped_for.is_none() {
                    self.coverage.fault("stop");
                    self.hosts[host].stopped_for = Some(down_ms * MS);
                    let life = self.hosts[host].life(host);
                    let share = if self.plan.scenario.talk.is_some() { ROOM } else { SHARE };
                    self.command(life, Command::End { share, reason: Reason::Leaving });
                }
            }
            Fault::Pause { receiver, .. } => {
                self.coverage.fault("pause");
                self.paused(usize::from(receiver), Command::Pause { share: SHARE });
            }
            Fault::Reconsider { receiver, .. } => {
                self.coverage.fault("reconsider");
                let host = usize::from(receiver);
                // What was on its way is asked for again.
                self.hosts[host].person.interruptions += 1;
                self.paused(host, Command::Reconsider { share: SHARE });
            }
            Fault::Limit { host, .. } => {
                self.coverage.fault("limit");
                self.limit(usize::from(host));
            }
            Fault::Move { host, .. } => self.moves(usize::from(host)),
            Fault::Hang { .. } => self.coverage.fault("hang"),
            Fault::Sleep { .. } => self.coverage.fault("sleep"),
            _ => {}
        }
    }

    pub(super) fn fault_ends(&mut self, number: usize) {
        match self.plan.faults[number] {
            Fault::Pause { receiver, .. } => {
                self.paused(usize::from(receiver), Command::Resume { share: SHARE });
            }
            Fault::Limit { host, .. } => self.limit(usize::from(host)),
            Fault::Move { host, .. } => self.found_again(usize::from(host)),
            _ => {}
        }
    }

    /// The limits of rates of a host are what the plan says for now; whoever waits for them asks again.
    fn limit(&mut self, host: usize) {
        let now = self.now;
        let mut limits = self.plan.faults.iter().filter_map(|fault| match *fault {
            Fault::Limit { host: of, from_ms, to_ms, up, down }
                if usize::from(of) == host && self.weather.window(from_ms, to_ms).holds(now) =>
            {
                Some(Rates { up: Rate::new(up), down: Rate::new(down) })
            }
            _ => None,
        });
        let rates = limits.next_back().unwrap_or_else(|| self.plan.tuning.rates());
        let machine = &mut self.hosts[host];
        machine.rates = rates;
        let host_now = machine.now(now);
        if let Some(process) = &mut machine.process {
            process.pacer.set(host_now, rates);
            for end in process.ends.values().copied().collect::<Vec<_>>() {
                self.turn_soon(end);
            }
        }
    }

    fn paused(&mut self, host: usize, command: Command) {
        let life = self.hosts[host].life(host);
        if self.process(life).is_some() {
            self.command(life, command);
        }
    }

    /// The process or the machine ends, and comes back after a while.
    pub(super) fn crash(&mut self, host: usize, end: End, down_ms: u64) {
        self.trace.add(self.now, Some(host), super::trace::said(format_args!("ends by {end:?}")));
        let back = self.now + down_ms * MS;
        let back = if self.phase == Phase::Hostile { back.min(self.plan.heal.at_ms * MS) } else { back };
        self.hosts[host].stopped_for = None;
        if let Some(watched) = &mut self.watched {
            watched.mark(self.now, host, Mark::Crashed);
        }
        match end {
            End::Kill => {
                self.drop_process(host);
                self.hosts[host].disk = self.hosts[host].disk.restart();
                if let Some(blocks) = &mut self.hosts[host].blocks {
                    blocks.killed();
                }
            }
            End::Power => {
                self.vanish(host);
                self.drop_process(host);
                self.hosts[host].disk = self.hosts[host].disk.power_cycle();
                self.hosts[host].power = Power::Off;
                if self.has_edit(host) {
                    // The new bytes may have reached the platter and the new times not: who looks sees no change, as with
                    // rot. The receivers must see it.
                    self.hosts[host].lies = true;
                    self.coverage.branch("an edit that a loss of power hides");
                }
                if let Some(blocks) = &mut self.hosts[host].blocks {
                    blocks.power_lost();
                }
                self.look_after_power_loss(host);
            }
        }
        let person = &mut self.hosts[host].person;
        person.interruptions += 1;
        let (before, last) = person.received;
        person.received = (before + last, 0);
        self.agenda.add(back.max(self.now), Happening::Start(host));
    }

    /// S2 and S4 on what a loss of power has left.
    fn look_after_power_loss(&mut self, host: usize) {
        if self.hosts[host].part != Part::Receiver {
            return;
        }
        let content = std::rc::Rc::clone(&self.content);
        let disk = self.hosts[host].disk.clone();
        let checked = destination(&disk, &content, Standing::Seen).map_err(|mut finding| {
            finding.oracle = Oracle::FinalName;
            finding
        });
        self.check(host, checked);
        // What was told as placed is durable: the person has seen it.
        if let Some(outcome) = self.hosts[host].person.outcome {
            let checked = crate::oracle::complete(&disk, &content, &outcome, Standing::Seen);
            self.check(host, checked);
            return;
        }
        if disk.paths().iter().all(|(_, kind)| *kind == FileKind::Directory) {
            return;
        }
        let synced = self.synced_claims(host);
        for claim in &synced {
            let checked = crate::oracle::staged_claim(&disk, &content, claim, Standing::Seen);
            self.check(host, checked);
        }
    }

    /// The process is gone; the kernel closes its sockets.
    pub(super) fn drop_process(&mut self, host: usize) {
        let life = self.hosts[host].life(host);
        self.hosts[host].process = None;
        self.may_be_over = true;
        if let Some(watched) = &mut self.watched {
            watched.stands(self.now, host, Level::Down);
        }
        for index in 0..self.conns.len() {
            for side in [0, 1] {
                let end = &mut self.conns[index].ends[side];
                if end.life == life && matches!(end.state, EndState::Live(_) | EndState::Coming(_)) {
                    end.state = EndState::Gone;
                    self.tell_ending((index, side));
                }
            }
        }
    }

    /// The machine is gone: nobody closes anything.
    fn vanish(&mut self, host: usize) {
        for conn in &mut self.conns {
            for end in &mut conn.ends {
                if end.life.0 == host {
                    end.vanish();
                    if let Some(process) = &mut self.hosts[host].process {
                        process.pacer.forget(end.conn);
                    }
                }
            }
        }
    }

    fn reset_all(&mut self, receiver: usize, sender: usize, eats: crate::stream::Eats) {
        for index in 0..self.conns.len() {
            let conn = &mut self.conns[index];
            if conn.receiver == receiver && conn.sender == sender && conn.reset(eats) {
                self.coverage.fault("reset-at");
                self.tell_ending((index, 0));
                self.tell_ending((index, 1));
            }
        }
    }

    /// A host gets another address: its connections die without a word.
    fn moves(&mut self, host: usize) {
        self.coverage.fault("move");
        self.hosts[host].moved += 1;
        for conn in &mut self.conns {
            if conn.receiver == host || conn.sender == host {
                conn.severed = Severed::Silently;
            }
        }
    }

    /// Receivers hear of a sender's new address.
    fn found_again(&mut self, sender: usize) {
        self.found_again_in_room(sender);
        if self.hosts[sender].part != Part::Sender {
            return;
        }
        for receiver in usize::from(self.plan.scenario.senders)..self.hosts.len() {
            let life = self.hosts[receiver].life(receiver);
            if self.process(life).is_some() {
                let peer = self.hint(sender);
                self.command(life, Command::AddPeer { share: SHARE, peer });
            }
        }
    }

    /// Everything heals that a user would expect to heal.
    pub(super) fn heal(&mut self) {
        self.phase = Phase::Healed;
        self.trace.add(self.now, None, super::trace::said(format_args!("everything heals")));
        for host in 0..self.hosts.len() {
            self.hosts[host].disk.heal();
            self.hosts[host].person.settled = None;
            if self.plan.scenario.trackers > 0 {
                // Trackers take nothing from those whose clocks are wrong.
                self.hosts[host].clock.set_right(self.now);
                let life = self.hosts[host].life(host);
                self.tell_time(life);
            }
            self.agenda.add(self.now, Happening::Start(host));
            if self.hosts[host].moved > 0 {
                self.found_again(host);
            }
        }
        self.talk_after_healing();
    }

    /// The time for completion is over (L1).
    pub(super) fn budget_is_over(&mut self) {
        let waiting: Vec<String> = (0..self.hosts.len())
            .filter(|host| !self.is_settled(*host))
            .map(|host| {
                let person = &self.hosts[host].person;
                format!("receiver {host} after {} runs, errors {:?}", person.runs, person.failures)
            })
            .collect();
        let untold = self.untold();
        if waiting.is_empty() && !untold.is_empty() {
            let text = format!("said, and not told what became of it: {untold}");
            return self.fail(None, Finding::new(Oracle::Talk, "not told in time", text));
        }
        let text = format!("not complete in time: {}", waiting.join("; "));
        self.fail(None, Finding::new(Oracle::Completion, "not complete in time", text));
    }
}
