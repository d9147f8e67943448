//! The discrete-event simulator: the core, the pump, the channel, the link and the store as every driver runs them, on
//! virtual streams, disks and clocks, in one thread. Equal plans give equal runs, bit for bit.

mod actor;
mod agenda;
mod channel;
mod clock;
mod faults;
mod host;
mod jobs;
mod net;
mod panics;
mod person;
mod process;
mod reread;
mod shapes;
mod talk;
mod trace;
mod tracker;
mod verdict;
mod watch;
mod weather;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use truecopy_protocol::input::Input;
use truecopy_protocol::output::{Event, Output};
use truecopy_protocol::{AccessSecret, ShareId};

pub use talk::Called;
pub use trace::{Answer, Keep, Record, Trace, What};
pub use verdict::{Run, Stats, Verdict};
pub use watch::{Bin, Level, Mark, Watch, Watched};

use crate::content::{BadContent, Content};
use crate::coverage::Coverage;
use crate::disk::{Faults, FaultyDisk};
use crate::oracle::{Blocks, Finding, Oracle, Violation};
use crate::plan::{Fault, Plan};
use crate::stream::Random;
use agenda::{Agenda, Happening, Life};
use host::{Host, Identity, Part};
use net::Conn;
use process::{EndId, HostDoor, Process, Tapped};
use talk::Talks;
use tracker::Houses;
use weather::{MS, StreamCounts, Weather};

/// The share of every run.
const SHARE: ShareId = ShareId(1);
/// The room, in runs that have one.
const ROOM: ShareId = ShareId(2);
const SECRET: AccessSecret = AccessSecret([0x5e; 32]);
/// What is looked at after everything is done: receipts that are on their way.
const AFTERMATH: u64 = 1_000 * MS;
/// Happenings without time going on (L2).
const STILL_MAX: u64 = 400_000;
/// The civil time is told so often.
const CLOCK_EVERY: u64 = 60_000 * MS;

/// How a run is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How much of what happens is kept.
    pub keep: Keep,
    /// The run ends at this time, in nanoseconds; none: when it is over.
    pub until: Option<u64>,
    /// Happenings after which a run is given up; none: a hundred million.
    pub events_max: Option<u64>,
    /// What is recorded for pictures.
    pub watch: Watch,
}

/// Runs a plan.
///
/// # Errors
/// If its files make no share.
pub fn run(plan: &Plan, options: &Options) -> Result<Run, BadContent> {
    panics::watch();
    let content = Content::of(&plan.scenario.files)?;
    let mut world = World::new(plan, content, options);
    let ran = catch_unwind(AssertUnwindSafe(|| world.go(options)));
    if let Err(panic) = ran {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("something that is no text");
        world.fail(None, Finding::new(Oracle::Panic, "panic", what));
    }
    Ok(world.into_run())
}

/// Whether the run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Faults happen.
    Hostile,
    /// Everything has healed that can.
    Healed,
}

pub(crate) struct World<'a> {
    plan: &'a Plan,
    content: Rc<Content>,
    now: u64,
    agenda: Agenda,
    hosts: Vec<Host>,
    conns: Vec<Conn>,
    weather: Weather,
    streams: StreamCounts,
    /// Draws that belong to no host and no connection.
    draws: Random,
    job_draws: Vec<Random>,
    trace: Trace,
    watched: Option<Watched>,
    trackers: Houses,
    coverage: Coverage,
    talks: Option<Talks>,
    phase: Phase,
    violation: Option<Violation>,
    events: u64,
    still: u64,
    receipts: u64,
    /// Something has happened that may have been the last.
    may_be_over: bool,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, content: Rc<Content>, options: &Options) -> Self {
        let scenario = &plan.scenario;
        let mut hosts = Vec::with_capacity(scenario.hosts());
        let mut job_draws = Vec::with_capacity(scenario.hosts());
        for host in 0..scenario.hosts() {
            let part = if host < usize::from(scenario.senders) { Part::Sender } else { Part::Receiver };
            let disk = FaultyDisk::new(plan.seed ^ (host as u64 + 1) << 48, Faults::default());
            let identity = Identity::new(plan, host);
            let rate = |fault: &Fault| match *fault {
                Fault::ClockRate { host: of, ppm } if usize::from(of) == host => Some(ppm),
                _ => None,
            };
            let ppm = plan.faults.iter().find_map(rate).unwrap_or(0).clamp(-900_000, 900_000);
            let mut machine = Host::new(part, identity, disk, ppm);
            machine.lies = plan.faults.iter().any(|fault| fault.lies() && fault.hosts().any(|of| of == host));
            machine.rates = plan.tuning.rates();
            if part == Part::Receiver {
                machine.blocks = Some(Blocks::new(&content));
            }
            hosts.push(machine);
            job_draws.push(Random::new(plan.seed ^ (host as u64) << 32, "jobs"));
        }
        let weather = Weather::new(plan);
        let mut world = Self {
            plan,
            content,
            now: 0,
            agenda: Agenda::new(plan.seed),
            hosts,
            conns: Vec::new(),
            trackers: Houses::new(plan, &weather),
            weather,
            streams: StreamCounts::default(),
            draws: Random::new(plan.seed, "world"),
            job_draws,
            trace: Trace::new(options.keep),
            watched: (options.watch == Watch::Swarm)
                .then(|| Watched::new(scenario.hosts(), usize::from(scenario.senders))),
            coverage: Coverage::default(),
            talks: Talks::new(plan),
            phase: Phase::Hostile,
            violation: None,
            events: 0,
            still: 0,
            receipts: 0,
            may_be_over: false,
        };
        world.prepare();
        world
    }

    /// Files stand where they are, and everything that the plan says is on the agenda.
    fn prepare(&mut self) {
        for host in 0..self.hosts.len() {
            self.place_files(host);
            self.agenda.add(0, Happening::Start(host));
        }
        for number in 0..self.plan.faults.len() {
            self.plan_fault(number);
        }
        self.plan_talk();
        let heal = self.plan.heal.at_ms * MS;
        self.agenda.add(heal, Happening::Heal);
        self.agenda.add(heal + self.plan.heal.budget_ms * MS, Happening::Budget);
    }

    fn go(&mut self, options: &Options) {
        let events_max = options.events_max.unwrap_or(100_000_000);
        let mut over = None;
        while self.violation.is_none() {
            if over.is_none() && std::mem::take(&mut self.may_be_over) && self.is_over() {
                over = Some(self.now + AFTERMATH);
            }
            let Some((at, what)) = self.agenda.next().filter(|(at, _)| over.is_none_or(|over| *at <= over))
            else {
                if over.is_some() {
                    break;
                }
                let text = "nothing is planned any more, and not everything is done";
                return self.fail(None, Finding::new(Oracle::Idle, "nothing left to happen", text));
            };
            if options.until.is_some_and(|until| at > until) || self.events >= events_max {
                return;
            }
            self.still = if at > self.now { 0 } else { self.still + 1 };
            self.now = at;
            self.events += 1;
            if self.still > STILL_MAX {
                let text = format!("{STILL_MAX} things happened at one moment; the last is {what:?}");
                return self.fail(None, Finding::new(Oracle::Spin, "time stands still", text));
            }
            self.happen(what);
        }
        if self.violation.is_none() {
            self.look_back();
            self.judge_talk();
            self.judge_doubled();
            self.reread();
        }
    }

    fn happen(&mut self, what: Happening) {
        if let Some(later) = self.deferred(&what) {
            return self.agenda.add(later, what);
        }
        match what {
            Happening::Start(host) => self.start(host),
            Happening::Wake(life) => self.wake(life),
            Happening::Turn(end) => self.turn(end),
            Happening::Arrive(end, len) => self.arrive(end, len),
            Happening::Ready(end) => self.ready(end),
            Happening::Deadline(end) => self.deadline(end),
            Happening::Dial { from, conn, to, key } => self.dial_arrives(from, conn, to, key),
            Happening::DialFails { from, conn, why } => self.dial_failed(from, conn, why),
            Happening::Accept(conn) => self.accept(conn),
            Happening::Work(life, job) => self.work(life, job),
            Happening::Answer(life, job) => self.answer(life, job),
            Happening::Letter(number) => self.letter_arrives(number),
            Happening::Decide(life) => self.decide(life),
            Happening::CallOn(life) => self.call_on(life),
            Happening::Clock(life) => self.tell_time(life),
            Happening::Say(number) => self.say_planned(number),
            Happening::Fault(number) => self.fault_begins(number),
            Happening::FaultEnds(number) => self.fault_ends(number),
            Happening::Heal => self.heal(),
            Happening::Budget => self.budget_is_over(),
        }
    }

    /// When it can happen, if the process or the machine that it needs does nothing now.
    fn deferred(&self, what: &Happening) -> Option<u64> {
        match what {
            Happening::Wake((host, _))
            | Happening::Work((host, _), _)
            | Happening::Answer((host, _), _)
            | Happening::Decide((host, _))
            | Happening::CallOn((host, _))
            | Happening::Clock((host, _))
            | Happening::DialFails { from: (host, _), .. } => self.hosts[*host].deferred(self.now),
            Happening::Turn((conn, side)) | Happening::Deadline((conn, side)) => {
                self.hosts[self.conns[*conn].ends[*side].life.0].deferred(self.now)
            }
            Happening::Accept(conn) => self.hosts[self.conns[*conn].sender].deferred(self.now),
            Happening::Arrive((conn, side), _) | Happening::Ready((conn, side)) => {
                self.hosts[self.conns[*conn].ends[*side].life.0].machine_deferred(self.now)
            }
            Happening::Dial { .. }
            | Happening::Letter(_)
            | Happening::Start(_)
            | Happening::Say(_)
            | Happening::Fault(_)
            | Happening::FaultEnds(_)
            | Happening::Heal
            | Happening::Budget => None,
        }
    }

    /// The process of a life, if it is still that one.
    fn process(&mut self, life: Life) -> Option<&mut Process> {
        let host = &mut self.hosts[life.0];
        if host.incarnation == life.1 { host.process.as_mut() } else { None }
    }

    /// Does something at the door of a core. Findings are kept. None if the process is gone.
    fn through_door<T>(
        &mut self,
        life: Life,
        end: Option<EndId>,
        act: impl FnOnce(&mut HostDoor<'_>) -> T,
    ) -> Option<T> {
        let (now, content) = (self.now, Rc::clone(&self.content));
        let is_edited = self.has_edit(life.0);
        let host = &mut self.hosts[life.0];
        if host.incarnation != life.1 {
            return None;
        }
        let host_now = host.clock.now(now);
        // What a rotten disk gives an honest sender is sent: the receiver must see it.
        let is_honest = !host.lies && (host.part == Part::Sender || !is_edited);
        let process = host.process.as_mut()?;
        let truth = (is_honest && process.actor.is_none()).then_some(&*content);
        let tapped =
            end.map(|(conn, side)| Tapped { tap: &mut self.conns[conn].tap, out: net::way_of(side), truth });
        let trace = &mut self.trace;
        let mut door = HostDoor { host: life.0, at: now, now: host_now, process, trace, tapped, found: None };
        let result = act(&mut door);
        if let Some(found) = door.found.take() {
            self.fail(Some(life.0), found);
        }
        if let Some(end) = end.filter(|(index, _)| !self.conns[*index].tap.said.is_empty()) {
            self.judge_words(life, end);
        }
        if let (Some(watched), Some((conn, side))) = (&mut self.watched, end) {
            let conn = &mut self.conns[conn];
            let bytes = conn.tap.take_given(net::way_of(side));
            if bytes > 0 {
                watched.came(now, life.0, conn.ends[1 - side].life.0, bytes);
            }
        }
        Some(result)
    }

    /// Gives an input, and carries out what follows.
    fn feed(&mut self, life: Life, input: Input<'_>) {
        use truecopy_transport::link::Door as _;
        self.through_door(life, None, |door| door.feed(input));
        self.settle(life);
    }

    /// Carries out what the core wants, and minds its timers.
    fn settle(&mut self, life: Life) {
        while let Some(output) = self.process(life).and_then(|process| process.outbox.pop_front()) {
            match output {
                Output::Job(job) => self.give_job(life, job),
                Output::Event(event) => self.told(life, event),
                Output::Dial { conn, share, to, key } => {
                    if share == ROOM
                        && let Some(process) = self.process(life)
                    {
                        process.room_dials.insert(conn);
                    }
                    self.dial(life, conn, &to, key);
                }
                Output::Hangup { conn, why } => {
                    self.judge_hangup(life, conn, why);
                    self.hears_no_more(life, conn, why);
                    self.hang_up(life, conn);
                }
                Output::Flush { conn } | Output::Resume { conn } => {
                    let end = self.process(life).and_then(|process| process.ends.get(&conn).copied());
                    if let Some(end) = end {
                        self.turn_soon(end);
                    }
                }
                // Carried out at the door already.
                Output::Pause { .. } => {}
            }
        }
        self.mind_timers(life);
    }

    fn mind_timers(&mut self, life: Life) {
        let Some((at, _)) = self.process(life).and_then(|process| process.node.wake()) else { return };
        let at = self.hosts[life.0].clock.world(at).max(self.now);
        let Some(process) = self.process(life) else { return };
        if process.wake.is_none_or(|wake| at < wake) {
            process.wake = Some(at);
            self.agenda.add(at, Happening::Wake(life));
        }
    }

    fn wake(&mut self, life: Life) {
        let host_now = self.hosts[life.0].now(self.now);
        let now = self.now;
        let Some(process) = self.process(life) else { return };
        if process.wake.is_some_and(|wake| wake <= now) {
            process.wake = None;
        }
        if process.node.wake().is_some_and(|(at, _)| at <= host_now) {
            self.feed(life, Input::Timeout);
        } else {
            self.mind_timers(life);
        }
    }

    fn tell_time(&mut self, life: Life) {
        if self.process(life).is_some() {
            let civil = self.hosts[life.0].clock.civil(self.now);
            self.feed(life, Input::Clock(civil));
            self.agenda.add(self.now + CLOCK_EVERY, Happening::Clock(life));
        }
    }

    fn told(&mut self, life: Life, event: Event) {
        self.count_event(&event);
        if let Event::PeerUp { peer, .. } = &event {
            self.judge_meeting(life.0, *peer);
        }
        if talk::is_of_room(&event) {
            return self.room_told(life, &event);
        }
        match self.hosts[life.0].part {
            Part::Sender => self.sender_told(life, &event),
            Part::Receiver => self.receiver_told(life, event),
        }
    }

    /// Keeps the first finding: what follows from it is noise.
    #[expect(clippy::boxed_local, reason = "findings travel in boxes, for results are small then")]
    fn fail(&mut self, host: Option<usize>, finding: Box<Finding>) {
        if self.violation.is_none() {
            let Finding { oracle, class, claim, place } = *finding;
            let host = host.map(|host| host as u16);
            self.trace.add(self.now, host.map(usize::from), trace::said(format_args!("VIOLATION {oracle}")));
            self.violation = Some(Violation { oracle, at: self.now, host, class, claim, place });
        }
    }

    fn check(&mut self, host: usize, checked: crate::oracle::Checked) {
        if let Err(finding) = checked {
            self.fail(Some(host), finding);
        }
    }

    fn check_channel_memory(&mut self, host: usize, memory: usize) {
        if memory as u64 > Host::CHANNEL_MEMORY {
            let text = format!("a channel holds {memory} bytes");
            self.fail(Some(host), Finding::new(Oracle::Memory, "a channel above its limit", text));
        }
    }
}
