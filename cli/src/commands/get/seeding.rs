//! `--seed`: what was fetched is served from where it was placed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truecopy_mio::prepare::Monitor;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Command, Share as Offered, Swarming};
use truecopy_protocol::output::{Event as NodeEvent, Refusal};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{EntryIndex, Hash};
use truecopy_transport::disk::FileIdentity;
use truecopy_transport::store::Plan;

use super::{ENDING, Getting, SHARE};
use crate::args::SeedUntil;
use crate::commands::reading;
use crate::exit::{Error, Exit, Result};
use crate::output::{Event, amount};
use crate::seeds::Record;
use crate::standing::{self, Known, Standing, Top, Wanted};
use crate::witness::Witness;

/// What was just placed: its files have the time that the placing gave them, or somebody changed them.
struct Fetched<'a> {
    manifest: &'a Manifest,
    witness: Option<&'a Witness>,
}

impl Known for Fetched<'_> {
    fn is_same(&self, entry: EntryIndex, now: &FileIdentity) -> bool {
        self.manifest.file(entry).is_some_and(|file| {
            i128::from(file.mtime.seconds) * 1_000_000_000 + i128::from(file.mtime.nanos) == now.mtime
        })
    }

    fn layer(&self, entry: EntryIndex) -> Option<Vec<Hash>> {
        self.witness?.layer(self.manifest, entry)
    }
}

/// How long it is served.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// As the user said.
    User(SeedUntil),
    /// While receivers that are here can have it of nobody else, and take it.
    Unneeded,
}

/// Receivers that take nothing for so long are not waited for.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// How serving goes on.
enum Going {
    On,
    Over,
}

impl Getting<'_> {
    /// Serves until the user, the ratio or the time ends it.
    pub(super) fn seed(&mut self, until: Until, plan: &Plan, exit: Exit) -> Result<Exit> {
        let Some(manifest) = self.manifest.clone() else { return Ok(exit) };
        let standing = match self.stand(&manifest, plan) {
            Ok(standing) => standing,
            Err(error) => {
                if let Until::User(_) = until {
                    let text = format!("it is not served: {}", error.what);
                    self.reporter.tell(&Event::Warning { text: &text });
                }
                return self.unseed(exit);
            }
        };
        let record = Record::new(standing, self.secret, self.swarming(), self.trackers.clone());
        if let Until::User(_) = until {
            self.seeds.keep(&record, &|text| self.reporter.tell(&Event::Warning { text }));
        }
        self.net.handle.register(SHARE, record.standing.serving(&self.run)?);
        let offer = Offered {
            swarm: self.swarming(),
            port: self.port,
            held: record.standing.held.clone(),
            ..Offered::new(SHARE, self.secret, Arc::clone(&manifest), Arc::clone(&record.standing.layers))
        };
        self.command(Command::Share(offer))?;
        let size = record.standing.size();
        self.tell_seeding(until, size);
        let began = Instant::now();
        let (mut given, mut moved) = (0, began);
        loop {
            if given < self.crowd.given() {
                (given, moved) = (self.crowd.given(), Instant::now());
            }
            self.limits.look(&self.net, self.reporter)?;
            if self.controls.end().is_some() || self.is_enough(until, size, began, moved) {
                return self.unseed(exit);
            }
            let Some(event) = self.net.next()? else { continue };
            if let Going::Over = self.seeding(event)? {
                return Ok(exit);
            }
        }
    }

    fn stand(&self, manifest: &Arc<Manifest>, plan: &Plan) -> Result<Standing> {
        let left_out: BTreeSet<EntryIndex> = plan.left_out().iter().copied().collect();
        let is_here = |index: &EntryIndex| {
            let is_wanted = self.accepted.as_ref().is_none_or(|it| it.selection.contains(*index));
            is_wanted && !left_out.contains(index)
        };
        let held = Selection::Some(manifest.entries().map(|(index, _)| index).filter(is_here).collect());
        let tops = standing::tops(manifest).into_iter().map(|(first, name)| {
            let renamed = plan.renamed().find(|(of, _)| *of == first);
            Top { folder: self.place.clone(), name: renamed.map_or(name, |(_, name)| name.clone()) }
        });
        let witness = self.accepted.as_ref().map(|accepted| &*accepted.storage);
        let known = Fetched { manifest, witness };
        let monitor = Monitor::new();
        monitor.found(u64::from(manifest.len()), manifest.total_size());
        let look =
            || Standing::find(manifest, tops.collect(), (Wanted::All(&held), &known), &self.run, &monitor);
        let tick = |monitor: &Monitor| {
            if self.controls.end().is_some() {
                monitor.cancel();
            }
        };
        reading::watched_by(self.reporter, &monitor, tick, look)
    }

    fn swarming(&self) -> Swarming {
        if self.is_swarmed { Swarming::On } else { Swarming::Off }
    }

    fn tell_seeding(&self, until: Until, size: u64) {
        let end = match until {
            Until::Unneeded => {
                let text = "staying a moment: others still need what only this one has";
                return self.reporter.tell(&Event::Note { text });
            }
            Until::User(SeedUntil::Stopped) => "until it is stopped".to_owned(),
            Until::User(SeedUntil::Ratio(ratio)) => {
                format!("until {} were given", amount((size as f64 * ratio) as u64))
            }
            Until::User(SeedUntil::Time(time)) => format!("for {} seconds", time.as_secs()),
        };
        let text = format!("serving what was fetched, {end}; `truecopy seed` goes on with it later");
        self.reporter.tell(&Event::Note { text: &text });
    }

    fn is_enough(&self, until: Until, size: u64, began: Instant, moved: Instant) -> bool {
        match until {
            Until::Unneeded => !self.crowd.is_needed() || moved.elapsed() >= IDLE_MAX,
            Until::User(SeedUntil::Stopped) => false,
            Until::User(SeedUntil::Ratio(ratio)) => self.crowd.given() as f64 >= size as f64 * ratio,
            Until::User(SeedUntil::Time(time)) => began.elapsed() >= time,
        }
    }

    fn seeding(&mut self, event: NodeEvent) -> Result<Going> {
        match event {
            // A key that was pressed when everything was placed already.
            NodeEvent::Refused { why: Refusal::NotNow, .. } => {}
            NodeEvent::Refused { why, .. } => {
                return Err(Error::new(Exit::Unexpected, format!("the core refused a command: {why}")));
            }
            NodeEvent::SourceBroken { .. } => {
                self.command(Command::End { share: SHARE, reason: Reason::SourceChanged })?;
                self.net.wind_down(ENDING, |_| {});
                return Err(Error::new(Exit::SourceChanged, "a file was changed while it was served")
                    .hint("what was fetched was whole; fetch it again to serve it"));
            }
            NodeEvent::Ended { .. } => return Ok(Going::Over),
            NodeEvent::Tracker { tracker, said, .. } => self.heard.tell(self.reporter, tracker, said),
            other => self.peers(other),
        }
        Ok(Going::On)
    }

    /// Ends serving: peers are told.
    pub(super) fn unseed(&self, exit: Exit) -> Result<Exit> {
        self.command(Command::End { share: SHARE, reason: Reason::Done })?;
        self.net.wind_down(ENDING, |_| {});
        Ok(exit)
    }
}
