//! `truecopy seed`: serves any number of shares, and remembers them.

mod serving;

use std::net::SocketAddr;
use std::path::Path;

use truecopy_mio::prepare::Monitor;
use truecopy_protocol::content::metadata::Metadata;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::Swarming;
use truecopy_protocol::{AccessSecret, Trackers};
use truecopy_transport::pace::Rates;

use super::{reading, source};
use crate::args::SeedArgs;
use crate::control::Controls;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::glob::Glob;
use crate::limits::Limits;
use crate::net::{Net, configured};
use crate::output::Event;
use crate::record::Run;
use crate::run::Context;
use crate::seeds::{Record, Seeds};
use crate::shares::Shares;
use crate::standing::{self, Known, Nothing, Standing, Top, Wanted};

use serving::Serving;

/// How a metadata file is called.
const METADATA: &str = "truecopy";

/// Runs the command.
pub fn run(args: &SeedArgs, context: &Context) -> Result<Exit> {
    let seeds = Seeds::new(context.home()?);
    let warn = |text: &str| context.reporter.tell(&Event::Warning { text });
    if args.list {
        return Ok(list(&seeds, context, &warn));
    }
    if !args.forget.is_empty() {
        return forget(args, &seeds, context, &warn);
    }
    let controls = Controls::new()?;
    let run = Run::unrecorded(args.limits.applied(configured(None, &args.output)))?;
    let mut looking = Looking { args, context, controls, run, seeds };
    let (records, left_out) = looking.records(&warn)?;
    let mut node = looking.seeds.node()?;
    let limits = Limits::new(&args.limits);
    let place = (&args.listen[..], node.port);
    let net = Net::listening(place, node.key_seed, &looking.run, limits.rates())?;
    limits.tell(&context.reporter);
    node.port = net.handle.addresses().first().map(SocketAddr::port).or(node.port);
    looking.seeds.keep_node(&node, &warn);
    let Looking { controls, run, .. } = looking;
    let each = Rates { up: args.limit_up_each.and_then(|limit| limit.0), down: None };
    Serving::begin(context, controls, (limits, each), net, (&run, &node), records)?.go_on(left_out)
}

fn list(seeds: &Seeds, context: &Context, warn: &dyn Fn(&str)) -> Exit {
    let all = seeds.all(warn);
    for record in &all {
        let content = record.standing.manifest.content_id().to_hex();
        context.reporter.tell(&Event::Kept(record.shown(&content)));
    }
    if all.is_empty() {
        warn("nothing is remembered");
    }
    Exit::Success
}

fn forget(args: &SeedArgs, seeds: &Seeds, context: &Context, warn: &dyn Fn(&str)) -> Result<Exit> {
    let all = seeds.all(warn);
    for text in &args.forget {
        let glob = Glob::new(text)?;
        let mut found = false;
        for record in &all {
            let (name, content) = (record.standing.manifest.name(), record.standing.manifest.content_id());
            let content = content.to_hex();
            let is_named = name == text.as_bytes() || (text.len() >= 8 && content.starts_with(text.as_str()));
            if is_named || glob.matches_name(name) {
                seeds.forget(record)?;
                context.reporter.tell(&Event::Forgotten(record.shown(&content)));
                found = true;
            }
        }
        if !found {
            return Err(Error::usage(format!(
                "no share of the name {} is remembered",
                Shown::name(text.as_bytes())
            ))
            .hint("see what is with `truecopy seed --list`"));
        }
    }
    Ok(Exit::Success)
}

/// Before anything is served, files are compared with what they were.
struct Looking<'a> {
    args: &'a SeedArgs,
    context: &'a Context,
    controls: Controls,
    run: Run,
    seeds: Seeds,
}

impl Looking<'_> {
    /// What is served, and how many of the remembered shares are not.
    fn records(&mut self, warn: &dyn Fn(&str)) -> Result<(Vec<Record>, usize)> {
        if !self.args.paths.is_empty() {
            let mut records = Vec::new();
            for path in &self.args.paths.clone() {
                let record = self.named(path, warn)?;
                self.seeds.keep(&record, warn);
                records.push(record);
            }
            return Ok((records, 0));
        }
        let all = self.seeds.all(warn);
        if all.is_empty() {
            return Err(Error::usage("nothing is remembered that could be served")
                .hint("name files or folders: truecopy seed PATH"));
        }
        let (mut records, mut last) = (Vec::new(), None);
        let known = all.len();
        for record in all {
            match self.again(&record) {
                Ok(record) => {
                    self.seeds.keep(&record, warn);
                    records.push(record);
                }
                Err(error) if error.exit == Exit::Interrupted || error.exit == Exit::Terminated => {
                    return Err(error);
                }
                Err(error) => {
                    let name = Shown::name(record.standing.manifest.name());
                    warn(&format!("{name} is not served: {}", error.what));
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if records.is_empty() => Err(error),
            _ => {
                let left_out = known - records.len();
                Ok((records, left_out))
            }
        }
    }

    /// A share that is remembered.
    fn again(&self, record: &Record) -> Result<Record> {
        let tops = record.standing.tops.clone();
        let held = &record.standing.held;
        let wanted = if self.args.partial { Wanted::Any } else { Wanted::All(held) };
        let standing = self.find(&record.standing.manifest, tops, (wanted, record))?;
        Ok(Record::new(standing, record.secret, self.swarm(record.swarm), self.trackers(&record.trackers)))
    }

    /// A share that the user named.
    fn named(&mut self, path: &Path, warn: &dyn Fn(&str)) -> Result<Record> {
        if path.extension().is_some_and(|extension| extension == METADATA) && path.is_file() {
            let metadata = source::read_metadata(path)?;
            return self.described(path, &metadata);
        }
        if self.args.partial {
            // It would be taken for a share of its own, whatever is missing of it.
            let what =
                format!("--partial is for shares that are known: {} would be a new one", Shown::path(path));
            return Err(Error::usage(what)
                .hint("name the metadata file (X.truecopy) of the share, or leave --partial out"));
        }
        let paths = [path.to_owned()];
        let shares = Shares::new(self.context.home()?);
        let (remembered, known) = shares.find(&paths, self.args.links, warn)?;
        let mut ended = None;
        let controls = &mut self.controls;
        let tick = |monitor: &Monitor| {
            if let Some(exit) = controls.end() {
                ended = Some(exit);
                monitor.cancel();
            }
        };
        let prepared = reading::prepare(&self.context.reporter, &paths, self.args.links, known, tick);
        if let Some(exit) = ended {
            return Err(stopped(exit));
        }
        let prepared = prepared?;
        shares.keep(&remembered, &prepared, warn);
        let swarm = self.swarm(Swarming::On);
        let trackers = self.trackers(&Trackers::default());
        Ok(Record::new(Standing::prepared(prepared), remembered.secret, swarm, trackers))
    }

    /// What a metadata file names, beside it or where the user said.
    fn described(&self, path: &Path, metadata: &Metadata) -> Result<Record> {
        let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = self.args.data.as_deref().or(beside).unwrap_or_else(|| Path::new("."));
        let folder =
            folder.canonicalize().map_err(|error| Error::local("open the folder", folder, &error))?;
        let manifest = &metadata.manifest;
        let tops = standing::tops(manifest).into_iter();
        let tops: Vec<Top> = tops.map(|(_, name)| Top { folder: folder.clone(), name }).collect();
        let known = self.seeds.all(&|_| {}).into_iter().find(|record| {
            record.standing.tops == tops && record.standing.manifest.content_id() == manifest.content_id()
        });
        let known: &dyn Known = known.as_ref().map_or(&Nothing, |record| record);
        let wanted = if self.args.partial { Wanted::Any } else { Wanted::All(&Selection::All) };
        let standing = self.find(manifest, tops, (wanted, known))?;
        let named: Trackers = metadata.trackers.iter().cloned().collect();
        let swarm = self.swarm(Swarming::On);
        Ok(Record::new(standing, AccessSecret::PUBLIC, swarm, self.trackers(&named)))
    }

    fn find(
        &self,
        manifest: &std::sync::Arc<truecopy_protocol::content::manifest::Manifest>,
        tops: Vec<Top>,
        known: (Wanted<'_>, &dyn Known),
    ) -> Result<Standing> {
        let monitor = Monitor::new();
        monitor.found(u64::from(manifest.len()), manifest.total_size());
        let ended = std::sync::Mutex::new(None);
        let tick = |monitor: &Monitor| {
            if let Some(exit) = self.controls.end() {
                *ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(exit);
                monitor.cancel();
            }
        };
        let look = || Standing::find(manifest, tops, known, &self.run, &monitor);
        let found = reading::watched_by(&self.context.reporter, &monitor, tick, look);
        match ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(exit) => Err(stopped(exit)),
            None => found,
        }
    }

    fn trackers(&self, known: &Trackers) -> Trackers {
        self.args.tracker.iter().chain(known.iter()).cloned().collect()
    }

    fn swarm(&self, wanted: Swarming) -> Swarming {
        if self.args.no_swarm { Swarming::Off } else { wanted }
    }
}

fn stopped(exit: Exit) -> Error {
    Error::new(exit, "stopped while files were looked at; nothing was served")
}
