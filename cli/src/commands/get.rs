//! `truecopy get`: from a ticket, a link or a metadata file to verified files under their final names.

mod offer;
mod wanted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use truecopy_mio::Listen;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Command, Path as LinkPath};
use truecopy_protocol::job::Outcome;
use truecopy_protocol::output::{Event as NodeEvent, Progress, Refusal, Waiting as NodeWaiting};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{ConnId, ContentId, NodeId, ShareId, Trackers};
use truecopy_transport::keys::KeyPair;
use truecopy_transport::store::{Losses, Plan};

use crate::args::GetArgs;
use crate::control::{Control, Controls};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::limits::Limits;
use crate::net::{Net, Setup, patience};
use crate::output::{Event, Link, Moved, Placed, Reporter};
use crate::record::{self, Run};
use crate::run::Context;
use crate::trackers::Heard;
use crate::{sums, words};

use offer::{Accepted, Answer};
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
    let place = offer::destination(&args.dir)?;
    let key = KeyPair::generate()
        .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
    let controls = Controls::new()?;
    let mut config = patience(args.timeout);
    if args.timeout.is_none() && !wanted.trackers().is_empty() {
        config.find_timeout = FINDING;
    }
    let run = Run::begin(config, args.record.as_deref(), &context.reporter)?;
    let limits = Limits::new(&args.limits);
    let listen = listening(wanted.trackers());
    let setup = Setup { key, run: run.clone(), listen, rates: limits.rates() };
    let net = Net::start(setup).map_err(|error| {
        Error::new(Exit::Unexpected, format!("the network cannot be used: {}", Shown::io(&error)))
    })?;
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
        addresses: wanted.addresses(),
        link: None,
        last: None,
        will: Will::Go,
        heard: Heard::default(),
    };
    let trackers = wanted.trackers().clone();
    getting.limits.tell(getting.reporter);
    let fetch = wanted.fetch(SHARE, &getting.place)?;
    getting.command(Command::Fetch(fetch))?;
    if !trackers.is_empty() {
        getting.command(Command::AddTrackers { share: SHARE, trackers })?;
    }
    getting.go_on()
}

/// A tracker tells others where we are: there somebody must be.
pub fn listening(trackers: &Trackers) -> Vec<Listen> {
    if trackers.is_empty() { Vec::new() } else { vec![Listen::Everywhere { port: 0 }] }
}

/// Whether the user paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Will {
    Go,
    Paused,
}

/// A running fetch, as the user sees it.
struct Getting<'a> {
    args: &'a GetArgs,
    reporter: &'a Reporter,
    controls: Controls,
    net: Net,
    limits: Limits,
    run: Run,
    place: PathBuf,
    content: ContentId,
    manifest: Option<Arc<Manifest>>,
    accepted: Option<Accepted>,
    /// Where the peers should be, in words.
    addresses: String,
    link: Option<(ConnId, NodeId, LinkPath)>,
    last: Option<Progress>,
    will: Will,
    heard: Heard,
}

impl Getting<'_> {
    fn command(&self, command: Command) -> Result<()> {
        self.net.handle.command(command).map_err(|stopped| Error::new(Exit::Unexpected, stopped))
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
        }
    }

    fn obey(&mut self, wish: Control) -> Result<Option<Exit>> {
        let share = SHARE;
        if let Some(exit) = wish.exit() {
            let reason = if wish == Control::Quit { Reason::Cancelled } else { Reason::Leaving };
            self.command(Command::End { share, reason })?;
            return self.leave(exit).map(Some);
        }
        if let Control::Faster | Control::Slower = wish {
            self.limits.obey(wish, &self.net, self.reporter)?;
            return Ok(None);
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
            format!("stopped; {} are verified and kept", crate::output::amount(kept))
        } else {
            "stopped before anything was fetched".to_owned()
        };
        Err(Error::new(exit, what)
            .hint("run the same command again to go on, or `truecopy clean` to remove what is half done"))
    }

    fn happened(&mut self, event: NodeEvent) -> Result<Option<Exit>> {
        match event {
            NodeEvent::Offer { manifest, .. } => return self.offered(manifest),
            NodeEvent::PeerUp { conn, peer, path, .. } => {
                self.link = Some((conn, peer, path));
                self.with_link(|link| self.reporter.tell(&Event::Connected(link)));
            }
            NodeEvent::PeerDown { conn, why, .. } => {
                let mut text = String::new();
                let gone = words::gone(why, &mut text);
                self.with_link(|link| self.reporter.tell(&Event::Disconnected { link, why: gone }));
                self.link.take_if(|link| link.0 == conn);
            }
            NodeEvent::Waiting { why, .. } => self.waiting(why),
            NodeEvent::Progress { progress, .. } => self.progress(progress),
            NodeEvent::Completed { outcome, .. } => {
                self.net.wind_down(ENDING, |_| {});
                return self.placed(outcome).map(Some);
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
            NodeEvent::Fetching { .. }
            | NodeEvent::Uploaded { .. }
            | NodeEvent::PeerPaused { .. }
            | NodeEvent::Receipt { .. }
            | NodeEvent::SourceBroken { .. }
            | NodeEvent::Ended { .. } => {}
        }
        Ok(None)
    }

    fn offered(&mut self, manifest: Arc<Manifest>) -> Result<Option<Exit>> {
        self.manifest = Some(Arc::clone(&manifest));
        let controls = &self.controls;
        let asking = offer::Asking { reporter: self.reporter, stop: &|| controls.end() };
        let answer = offer::answer(self.args, &asking, &self.run, &self.place, &manifest);
        let (answer, reason) = match answer {
            Ok(Answer::Accept(accepted)) => {
                let selection = accepted.selection.clone();
                self.net.handle.register(SHARE, accepted.storage.clone());
                self.accepted = Some(accepted);
                self.controls.read_keys();
                if self.controls.has_keys() {
                    let text = "keys: p pause, r resume or retry, + and - faster and slower, q stop and keep";
                    self.reporter.tell(&Event::Note { text });
                }
                self.command(Command::Accept { share: SHARE, selection })?;
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
        self.already_here(&manifest, &plan, &selection).map(Some)
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
        let link = self.link;
        let address = link.map(|(_, peer, path)| (peer.to_hex(), words::path(path)));
        self.reporter.tell(&Event::Moving(Moved {
            name: manifest.name(),
            verified: progress.verified,
            received: progress.received,
            total: progress.wanted,
            link: address.as_ref().map(|(node, (path, address))| Link { node, path, address }),
            peers: u32::from(link.is_some()),
        }));
    }

    fn with_link(&self, tell: impl FnOnce(Link<'_>)) {
        if let Some((_, peer, path)) = self.link {
            let (node, (path, address)) = (peer.to_hex(), words::path(path));
            tell(Link { node: &node, path, address: &address });
        }
    }

    /// Everything is in place: what was lost on the way, the figures, the digests.
    fn placed(&mut self, outcome: Outcome) -> Result<Exit> {
        if let Some(accepted) = self.accepted.take() {
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
        self.reporter.tell(&Event::Done { placed, content: &content, path: &self.place });
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
