//! `truecopy get`: from a ticket, a link or a metadata file to verified files under their final names.

mod choosing;
pub(crate) mod offer;
mod seeding;
mod stream;
pub(crate) mod wanted;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use truecopy_mio::Listen;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Afterwards, Command, Fetch, Swarming};
use truecopy_protocol::job::Outcome;
use truecopy_protocol::output::{Event as NodeEvent, Progress, Refusal, Waiting as NodeWaiting};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{AccessSecret, ContentId, Detail, ShareId, Trackers};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::pace::Rates;
use truecopy_transport::store::{Losses, Plan};

use crate::args::GetArgs;
use crate::control::{Control, Controls};
use crate::crowd::Crowd;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::limits::Limits;
use crate::net::{Net, Setup, configured};
use crate::output::{self, Event, Moved, Placed, Reporter};
use crate::record::{self, Run};
use crate::run::Context;
use crate::seeds::Seeds;
use crate::trackers::Heard;
use crate::{sums, words};

use choosing::Question;
use offer::{Accepted, Answer, Before, Patterns};
use seeding::Until;
use stream::{Stream, Temporary};
use wanted::Wanted;

/// The one share of this process.
const SHARE: ShareId = ShareId(0);
/// How long a peer is looked for through trackers: they are asked once a minute.
const FINDING: Duration = Duration::from_secs(300);
/// How long goodbyes and the last checkpoint may take.
const ENDING: Duration = Duration::from_secs(10);
/// The same when the user wants to leave: a peer that does not answer is waited for no longer. A checkpoint that has
/// begun is finished all the same.
const LEAVING: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn run(args: &GetArgs, context: &Context) -> Result<Exit> {
    record::check(args.record.as_deref())?;
    let wanted = Wanted::read(args)?;
    let temporary = if args.is_stream() {
        stream::check(args)?;
        Some(Temporary::new()?)
    } else {
        None
    };
    let place = match &temporary {
        Some(temporary) => temporary.path().to_owned(),
        None => offer::destination(&args.dir)?,
    };
    let controls = Controls::new()?;
    let swarming = wanted.swarming(args);
    let mut config = args.limits.applied(configured(args.timeout, &args.output));
    if swarming != Swarming::Off {
        // Who still needs something decides how long we stay.
        config.detail = Detail::Peers;
    }
    if args.timeout.is_none() && !wanted.trackers().is_empty() {
        config.find_timeout = FINDING;
    }
    let run = Run::begin(config, args.record.as_deref(), &context.reporter)?;
    let limits = Limits::new(&args.limits);
    let net = connect(args, &run, swarming, wanted.trackers(), limits.rates())?;
    let port = net.handle.addresses().first().map(SocketAddr::port);
    let mut getting = Getting {
        args,
        reporter: &context.reporter,
        controls,
        net,
        limits,
        run,
        place,
        content: wanted.content,
        manifest: None,
        accepted: None,
        patterns: Patterns::new(args),
        asked: None,
        chosen: None,
        addresses: wanted.addresses(),
        secret: wanted.secret,
        trackers: wanted.trackers().clone(),
        seeds: Seeds::new(context.home()?),
        crowd: Crowd::default(),
        port,
        is_swarmed: swarming == Swarming::On,
        is_placed: false,
        stays: swarming != Swarming::Off || args.swarm.seed.is_some(),
        stream: None,
        told: None,
        last: None,
        will: Will::Go,
        heard: Heard::default(),
    };
    getting.begin(wanted, swarming)?;
    let exit = getting.go_on();
    getting.reporter.unhold();
    exit
}

/// A tracker tells others where we are: there somebody must be.
pub fn listening(trackers: &Trackers) -> Vec<Listen> {
    if trackers.is_empty() { Vec::new() } else { vec![Listen::Everywhere { port: 0 }] }
}

/// A node that other receivers can find, unless there is no swarm.
fn connect(args: &GetArgs, run: &Run, swarming: Swarming, trackers: &Trackers, rates: Rates) -> Result<Net> {
    let start = |listen| {
        let key = KeyPair::generate()
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        Ok(Net::start(Setup { key, run: run.clone(), listen, rates }))
    };
    let failed = |error: std::io::Error| {
        Error::new(Exit::Unexpected, format!("the network cannot be used: {}", Shown::io(&error)))
    };
    if swarming == Swarming::Off {
        return start(listening(trackers))?.map_err(failed);
    }
    match (start(vec![Listen::Everywhere { port: args.swarm.port.unwrap_or(0) }])?, args.swarm.port) {
        (Ok(net), _) => Ok(net),
        (Err(error), Some(port)) => {
            let what = format!("cannot listen on port {port}: {}", Shown::io(&error));
            Err(Error::new(Exit::LocalIo, what).hint("choose another with --port, or leave it out"))
        }
        // Others cannot find us; all else works.
        (Err(_), None) => start(Vec::new())?.map_err(failed),
    }
}

/// A program is told of the peers one by one no more often than this.
const PEERS_EVERY: Duration = Duration::from_secs(1);
/// Stretches that a map of chunks has at most.
const MAP_MAX: u32 = 512;

/// Whether the user paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Will {
    Go,
    Paused,
}

/// A running fetch, as the user sees it.
struct Getting<'a> {
    args: &'a GetArgs,
    reporter: &'a Arc<Reporter>,
    controls: Controls,
    net: Net,
    limits: Limits,
    run: Run,
    place: PathBuf,
    content: ContentId,
    manifest: Option<Arc<Manifest>>,
    accepted: Option<Accepted>,
    /// Which files are wanted.
    patterns: Patterns,
    /// What the user is being asked.
    asked: Option<Question>,
    /// Which files shall be wanted instead.
    chosen: Option<Patterns>,
    /// Where the peers should be, in words.
    addresses: String,
    secret: AccessSecret,
    trackers: Trackers,
    seeds: Seeds,
    crowd: Crowd,
    /// Where other receivers find us.
    port: Option<u16>,
    is_swarmed: bool,
    is_placed: bool,
    /// Whether connections are kept when all is placed.
    stays: bool,
    /// The file that goes to standard output.
    stream: Option<Stream>,
    /// When a program was last told of the peers one by one.
    told: Option<Duration>,
    last: Option<Progress>,
    will: Will,
    heard: Heard,
}

impl Getting<'_> {
    fn command(&self, command: Command) -> Result<()> {
        self.net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
    }

    /// Tells what is to be known of this node, and begins to look for peers.
    fn begin(&self, wanted: Wanted, swarming: Swarming) -> Result<()> {
        self.limits.tell(self.reporter);
        self.tell_listening();
        if swarming == Swarming::On {
            self.tell_swarm();
        }
        let afterwards = if self.stays { Afterwards::Seed } else { Afterwards::Leave };
        let fetch = wanted.fetch(SHARE, &self.place)?;
        let order = self.args.order();
        self.command(Command::Fetch(Fetch { swarm: swarming, port: self.port, order, afterwards, ..fetch }))?;
        if self.trackers.is_empty() {
            return Ok(());
        }
        self.command(Command::AddTrackers { share: SHARE, trackers: self.trackers.clone() })
    }

    fn go_on(&mut self) -> Result<Exit> {
        loop {
            while let Some(wish) = self.controls.next() {
                if let Some(exit) = self.obey(wish)? {
                    return Ok(exit);
                }
            }
            self.limits.look(&self.net, self.reporter)?;
            if let Some(event) = self.net.next()?
                && let Some(exit) = self.happened(event)?
            {
                return Ok(exit);
            }
            if let Some(exit) = self.look_at_stream()? {
                return Ok(exit);
            }
        }
    }

    fn obey(&mut self, wish: Control) -> Result<Option<Exit>> {
        let share = SHARE;
        if let Some(exit) = wish.exit() {
            let reason = if wish == Control::Quit { Reason::Cancelled } else { Reason::Leaving };
            self.command(Command::End { share, reason })?;
            return self.leave(exit).map(Some);
        }
        match wish {
            Control::Faster | Control::Slower => {
                self.limits.obey(wish, &self.net, self.reporter)?;
                return Ok(None);
            }
            Control::Only => return self.ask(Question::Only).map(|()| None),
            Control::First => return self.ask(Question::First).map(|()| None),
            Control::Line => return self.answered().map(|()| None),
            _ => {}
        }
        let pause = match wish {
            Control::Pause => true,
            Control::Toggle => self.will == Will::Go,
            _ => false,
        };
        if pause {
            self.will = Will::Paused;
            self.command(Command::Pause { share })?;
        } else {
            if self.will == Will::Paused {
                self.will = Will::Go;
                self.command(Command::Resume { share })?;
                self.reporter.tell(&Event::Note { text: "going on" });
            }
            self.command(Command::Retry { share })?;
        }
        Ok(None)
    }

    /// The user ends it: what is verified is written down, the other side is told.
    fn leave(&mut self, exit: Exit) -> Result<Exit> {
        let mut completed = None;
        self.net.wind_down(LEAVING, |event| {
            if let NodeEvent::Completed { outcome, .. } = event {
                completed = Some(outcome);
            }
        });
        if let Some(outcome) = completed {
            return self.placed(outcome);
        }
        let kept = self.last.map_or(0, |progress| progress.verified);
        let what = if self.accepted.is_some() {
            format!("stopped; {} are verified and kept", output::amount(kept))
        } else {
            "stopped before anything was fetched".to_owned()
        };
        Err(Error::new(exit, what)
            .hint("run the same command again to go on, or `truecopy clean` to remove what is half done"))
    }

    fn happened(&mut self, event: NodeEvent) -> Result<Option<Exit>> {
        match event {
            NodeEvent::Offer { manifest, .. } => return self.offered(manifest),
            NodeEvent::Waiting { why, .. } => self.waiting(why),
            NodeEvent::Progress { progress, .. } => self.progress(progress),
            NodeEvent::Completed { outcome, .. } => return self.completed(outcome).map(Some),
            NodeEvent::Swarmed { .. } => {
                self.is_swarmed = true;
                self.tell_swarm();
            }
            NodeEvent::Failed { why, .. } => {
                self.net.wind_down(ENDING, |_| {});
                return Err(words::failure(&why, self.manifest.as_deref(), &self.place));
            }
            // A key that was pressed when everything was over already.
            NodeEvent::Refused { why: Refusal::NotNow, .. } => {}
            NodeEvent::Refused { why, .. } => {
                return Err(Error::new(Exit::Unexpected, format!("the core refused a command: {why}")));
            }
            NodeEvent::Tracker { tracker, said, .. } => self.heard.tell(self.reporter, tracker, said),
            other => self.peers(other),
        }
        Ok(None)
    }

    /// What peers do, while it is fetched or served.
    fn peers(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::PeerUp { conn, peer, path, .. } => {
                self.crowd.came(conn, peer, path);
                if let Some(link) = self.crowd.link(conn) {
                    self.reporter.tell(&Event::Connected(link));
                }
            }
            NodeEvent::PeerDown { conn, why, .. } => {
                let mut text = String::new();
                let why = words::gone(why, &mut text);
                if let Some(link) = self.crowd.link(conn) {
                    self.reporter.tell(&Event::Disconnected { link, why });
                }
                self.crowd.left(conn);
            }
            NodeEvent::Uploaded { conn, bytes, .. } => {
                self.crowd.sent(conn, bytes);
                let all = self.crowd.given();
                // While it is fetched, people look at that.
                let is_told = self.reporter.is_json() || self.is_placed;
                if let (Some(link), Some(manifest), true) = (self.crowd.link(conn), &self.manifest, is_told) {
                    self.reporter.tell(&Event::Given { name: manifest.name(), bytes, link, all });
                }
            }
            NodeEvent::Peers { peers, .. } => {
                let now = self.reporter.elapsed();
                self.crowd.look(now, &peers);
                let rows = self.crowd.rows();
                let is_due = self.told.is_none_or(|told| now.saturating_sub(told) >= PEERS_EVERY);
                if self.args.output.verbose > 0 && (is_due || !self.reporter.is_json()) {
                    self.told = Some(now);
                    self.reporter.tell(&Event::Peers(&rows));
                }
            }
            _ => {}
        }
    }

    /// Where other receivers find us: of use to a program, or to who asks for more.
    fn tell_listening(&self) {
        if self.reporter.is_json() || self.args.output.verbose > 0 {
            for address in self.net.handle.addresses() {
                self.reporter.tell(&Event::Listening { address: &address.to_string() });
            }
        }
    }

    fn tell_swarm(&self) {
        let text = "peers of this share see each other's addresses (--no-swarm: take no part)";
        self.reporter.tell(&Event::Note { text });
    }

    fn offered(&mut self, manifest: Arc<Manifest>) -> Result<Option<Exit>> {
        self.manifest = Some(Arc::clone(&manifest));
        let answer = match self.accepted.take() {
            None => self.answer(&manifest, Before::Nothing),
            Some(accepted) => self.choose_again(&manifest, accepted),
        };
        let (answer, reason) = match answer {
            Ok(Answer::Accept(accepted)) => {
                let (selection, first) = (accepted.selection.clone(), accepted.first.clone());
                if self.args.is_stream() {
                    let entry = stream::only_file(&manifest, &selection)?;
                    let (witness, to) = (Arc::clone(&accepted.storage), Arc::clone(self.reporter));
                    self.stream = Some(Stream::start(witness, Arc::clone(&manifest), entry, to)?);
                }
                self.net.handle.register(SHARE, accepted.storage.clone());
                self.accepted = Some(accepted);
                self.offer_keys();
                self.command(Command::Accept { share: SHARE, selection, first })?;
                return Ok(None);
            }
            Ok(Answer::Here(plan, selection)) => (Ok((plan, selection)), Reason::Done),
            Err(error) if error.exit == Exit::Declined => (Err(error), Reason::Declined),
            Err(error) if error.exit == Exit::UnsafeOffer => (Err(error), Reason::Refused),
            Err(error) => (Err(error), Reason::Leaving),
        };
        self.command(Command::Decline { share: SHARE, reason })?;
        self.net.wind_down(ENDING, |_| {});
        let (plan, selection) = answer?;
        let exit = self.already_here(&manifest, &plan, &selection)?;
        match self.args.swarm.seed {
            // Not the whole share is wanted, or not the whole is here.
            Some(until) if manifest.entries().all(|(index, _)| selection.contains(index)) => {
                self.seed(Until::User(until), &plan, exit).map(Some)
            }
            _ => Ok(Some(exit)),
        }
    }

    fn waiting(&self, why: NodeWaiting) {
        self.reporter.tell(&Event::Waiting(words::waiting(why, &self.addresses)));
    }

    fn progress(&mut self, progress: Progress) {
        let first = self.last.replace(progress).is_none();
        if first && progress.verified + progress.to_recheck > 0 {
            let verified = progress.verified + progress.to_recheck;
            self.reporter.tell(&Event::Resumed { verified, total: progress.wanted });
        }
        let Some(manifest) = &self.manifest else { return };
        if let Some(accepted) = self.accepted.as_ref().filter(|_| self.args.swarm.map) {
            let columns = u32::try_from(output::columns()).unwrap_or(u32::MAX).min(MAP_MAX);
            let cells = accepted.storage.map(manifest.chunk_count(), columns);
            self.reporter.tell(&Event::Map { cells: &cells });
        }
        self.reporter.tell(&Event::Moving(Moved {
            name: manifest.name(),
            verified: progress.verified,
            received: progress.received,
            total: progress.wanted,
            link: self.crowd.only(),
            peers: self.crowd.len(),
        }));
    }

    /// Everything is in place; what comes after that, by the user's flags.
    fn completed(&mut self, outcome: Outcome) -> Result<Exit> {
        self.is_placed = true;
        if let Some(stream) = self.stream.take() {
            return self.write_out(stream, outcome);
        }
        if !self.stays {
            self.net.wind_down(ENDING, |_| {});
            return self.placed(outcome);
        }
        let exit = self.placed(outcome)?;
        let until = match self.args.swarm.seed {
            Some(until) => Until::User(until),
            None if self.is_swarmed && self.crowd.is_needed() => Until::Unneeded,
            None => return self.unseed(exit),
        };
        match self.accepted.as_ref().map(|accepted| accepted.plan.clone()) {
            Some(plan) => self.seed(until, &plan, exit),
            None => self.unseed(exit),
        }
    }

    /// Whoever reads standard output may be slower than the network.
    fn write_out(&self, stream: Stream, outcome: Outcome) -> Result<Exit> {
        while !stream.is_over() {
            if let Some(exit) = self.controls.end() {
                return Err(Error::new(exit, "stopped before all was written"));
            }
            // Nothing happens any more: this only lets a moment pass.
            let _ = self.net.next()?;
        }
        if stream.result()?.is_some() {
            self.done(outcome);
        }
        self.unseed(Exit::Success)
    }

    /// Nobody reads standard output any more, or it cannot be written.
    fn look_at_stream(&mut self) -> Result<Option<Exit>> {
        let Some(stream) = self.stream.take_if(|stream| stream.is_over()) else { return Ok(None) };
        let result = stream.result();
        if let Ok(Some(())) = result {
            return Ok(None);
        }
        self.command(Command::End { share: SHARE, reason: Reason::Cancelled })?;
        self.net.wind_down(LEAVING, |_| {});
        result.map(|_| Some(Exit::Success))
    }

    /// Everything is in place: what was lost on the way, the figures, the digests.
    fn placed(&mut self, outcome: Outcome) -> Result<Exit> {
        if let Some(accepted) = &self.accepted {
            let losses = accepted.losses();
            if let Some(manifest) = &self.manifest {
                tell_losses(self.reporter, &losses, manifest);
                offer::tell_plan(self.reporter, &accepted.plan, manifest);
            }
            self.done(outcome);
            self.digests(&accepted.selection, &accepted.plan)?;
        } else {
            self.done(outcome);
        }
        Ok(if outcome.skipped > 0 { Exit::Skipped } else { Exit::Success })
    }

    /// Nothing had to move.
    fn already_here(&self, manifest: &Manifest, plan: &Plan, selection: &Selection) -> Result<Exit> {
        offer::tell_plan(self.reporter, plan, manifest);
        let file_of = |entry: &&truecopy_protocol::EntryIndex| manifest.file(**entry);
        let already = plan.already().iter().filter_map(|entry| file_of(&entry));
        let (files, bytes) = already.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.size));
        let skipped = plan.left_out().len() as u64;
        self.done(Outcome { placed: 0, already: files, skipped, bytes });
        self.digests(selection, plan)?;
        Ok(if skipped > 0 { Exit::Skipped } else { Exit::Success })
    }

    fn done(&self, outcome: Outcome) {
        let Outcome { placed: files, already, skipped, bytes } = outcome;
        let placed = Placed { files, already, skipped, bytes };
        let content = self.content.to_hex();
        let path = if self.args.is_stream() { Path::new("-") } else { &self.place };
        self.reporter.tell(&Event::Done { placed, content: &content, path });
    }

    fn digests(&self, selection: &Selection, plan: &Plan) -> Result<()> {
        match &self.manifest {
            Some(manifest) if self.args.sha256sums => {
                sums::print_placed(self.reporter, &self.place, manifest, selection, plan)
            }
            _ => Ok(()),
        }
    }
}

fn tell_losses(reporter: &Reporter, losses: &Losses, manifest: &Manifest) {
    if losses.modes_changed > 0 {
        let text = format!(
            "{}: permission bits differ from the source's, by this system's umask",
            losses.modes_changed
        );
        reporter.tell(&Event::Warning { text: &text });
    }
    if losses.attributes_refused > 0 {
        let text =
            format!("{}: this file system did not take the mode or the time", losses.attributes_refused);
        reporter.tell(&Event::Warning { text: &text });
    }
    for entry in losses.links.iter().filter_map(|index| manifest.entry(*index)) {
        reporter.tell(&Event::Skipped { path: entry.path.as_bytes(), why: "links cannot be made here" });
    }
}
