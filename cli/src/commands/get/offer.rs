//! The offer: what is wanted of it, what stands in the way, whether there is room, and the user's word.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use truecopy_mio::disk::RealDisk;
use truecopy_mio::hash::AtOnce;
use truecopy_protocol::content::judge::{self, NameRules};
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::{ContentId, EntryIndex, UnixTime};
use truecopy_transport::store::{
    self, Conflict, Holder, Losses, OnImpossible, OpenError, Plan, Receiving, Share, Staging, StagingOptions,
    Survey, TrustDisk,
};

use crate::args::{GetArgs, OnConflict};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::glob;
use crate::output::{self, Asked, Event, Reporter, Stage, Waiting, amount, count};
use crate::record::{Disk, Run};
use crate::witness::{Proven, Witness};
use crate::words;

/// Conflicts that are named one by one; of more, their number.
const NAMED_MAX: usize = 10;

/// An accepted offer.
pub(crate) struct Accepted {
    pub(crate) selection: Selection,
    /// What of that comes before all else.
    pub(crate) first: Selection,
    pub(crate) plan: Plan,
    pub(crate) storage: Arc<Witness>,
}

impl Accepted {
    /// What was dropped on the way into the destination.
    pub(crate) fn losses(&self) -> Losses {
        match &**self.storage.share() {
            Share::Receiving(receiving) => receiving.staging().map(Staging::losses).unwrap_or_default(),
            Share::Serving(_) => Losses::default(),
        }
    }
}

/// The answer to an offer.
pub(crate) enum Answer {
    Accept(Accepted),
    /// All that is wanted stands there already.
    Here(Plan, Selection),
}

/// Which files are wanted, by patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patterns {
    pub(crate) only: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) first: Vec<String>,
}

impl Patterns {
    pub(crate) fn new(args: &GetArgs) -> Self {
        Self { only: args.only.clone(), exclude: args.exclude.clone(), first: args.first.clone() }
    }

    /// What they mean: what is wanted, and what comes first.
    pub(crate) fn choose(&self, manifest: &Manifest) -> Result<(Selection, Selection)> {
        Ok((glob::select(manifest, &self.only, &self.exclude)?, glob::first(manifest, &self.first)?))
    }
}

/// Whether the offer is new to the user.
#[derive(Clone, Copy)]
pub(crate) enum Before<'a> {
    Nothing,
    /// It was accepted, runs, and shall go on with another choice: nobody is asked anything.
    Running(&'a Proven),
}

/// Where a question goes, and what ends it without an answer.
pub(crate) struct Asking<'a> {
    pub(crate) reporter: &'a Reporter,
    /// How the program shall end, if the user wants it to.
    pub(crate) stop: &'a dyn Fn() -> Option<Exit>,
    pub(crate) before: Before<'a>,
}

impl Asking<'_> {
    /// None if nobody can be asked.
    fn ask(&self, question: &str) -> Result<Option<String>> {
        if let Before::Running(_) = self.before {
            return Ok(None);
        }
        let mut exit = Exit::Interrupted;
        let stop = &mut || match (self.stop)() {
            None => false,
            Some(wish) => {
                exit = wish;
                true
            }
        };
        match self.reporter.ask(question, stop) {
            Asked::Nobody => Ok(None),
            Asked::Said(answer) => Ok(Some(answer)),
            Asked::Stopped => Err(Error::new(exit, "stopped before anything was fetched")),
        }
    }
}

/// The folder to put things in; made if it is not there.
pub(crate) fn destination(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).map_err(|error| Error::local("make the folder", dir, &error))?;
    dir.canonicalize().map_err(|error| Error::local("open the folder", dir, &error))
}

/// The manifest that an earlier run of this share left here.
pub(crate) fn staged_manifest(place: &Path, content: ContentId) -> Option<Arc<Manifest>> {
    store::staged_manifest(&RealDisk::open_root(place).ok()?, content).map(Arc::new)
}

/// Shows the offer, looks at the destination, and asks.
pub(crate) fn answer(
    (args, patterns): (&GetArgs, &Patterns),
    asking: &Asking<'_>,
    run: &Run,
    place: &Path,
    manifest: &Arc<Manifest>,
) -> Result<Answer> {
    let reporter = asking.reporter;
    if let Before::Nothing = asking.before {
        let content = manifest.content_id().to_hex();
        let contents = super::super::contents(manifest, &content);
        reporter.tell(&Event::Share { stage: Stage::Offered, contents });
    }
    let (mut selection, first) = patterns.choose(manifest)?;
    if args.is_stream() {
        selection = Selection::Some(vec![super::stream::only_file(manifest, &selection)?]);
    }
    let disk = run.open_folder(place).map_err(|error| Error::local("open the folder", place, &error))?;
    let survey = survey(reporter, &disk, place, manifest, &selection)?;
    let plan = resolve(args, asking, &disk, place, &survey)?;
    if is_settled(manifest, &selection, &plan) {
        return Ok(Answer::Here(plan, selection));
    }
    if let Some(free) = survey.free_space().filter(|free| *free < plan.needed()) {
        let (needed, free) = (amount(plan.needed()), amount(free));
        let what = format!("{} has {free} free, and {needed} are needed", Shown::path(place));
        return Err(Error::new(Exit::LocalIo, what).hint("make space, or choose another folder with -o"));
    }
    consent(args, asking, place, &plan)?;
    let staging = stage(args, place, disk, manifest, &selection, &plan)?;
    let share = Arc::new(Share::Receiving(Box::new(Receiving::opened(staging))));
    let storage = Arc::new(match asking.before {
        Before::Nothing => Witness::new(share),
        Before::Running(before) => Witness::after(share, before),
    });
    Ok(Answer::Accept(Accepted { selection, first, plan, storage }))
}

/// What this system's file systems refuse; names that differ only for the sender count too.
fn impossible(manifest: &Manifest, rules: &NameRules) -> Vec<EntryIndex> {
    let mut found: Vec<EntryIndex> = manifest
        .entries()
        .filter(|(_, entry)| entry.path.names().any(|name| judge::judge(name, rules).is_err()))
        .map(|(index, _)| index)
        .collect();
    found.extend(judge::collisions(manifest, rules).iter().map(|collision| collision.second));
    found.sort_unstable();
    found.dedup();
    found
}

const fn rules() -> NameRules {
    if cfg!(windows) {
        NameRules::WINDOWS
    } else if cfg!(target_os = "macos") {
        NameRules::MACOS
    } else {
        NameRules::LINUX
    }
}

fn survey(
    reporter: &Reporter,
    disk: &Disk,
    place: &Path,
    manifest: &Arc<Manifest>,
    selection: &Selection,
) -> Result<Survey> {
    let failed = |error| words::storage(error, place);
    let impossible = impossible(manifest, &rules());
    let mut survey =
        Survey::take(disk, Arc::clone(manifest), selection.clone(), impossible).map_err(failed)?;
    if !survey.candidates().is_empty() {
        reporter.tell(&Event::Waiting(Waiting::Comparing));
    }
    survey.check_all(disk, &AtOnce).map_err(failed)?;
    Ok(survey)
}

fn is_settled(manifest: &Manifest, selection: &Selection, plan: &Plan) -> bool {
    let settled = plan.settled();
    manifest.entries().all(|(index, _)| !selection.contains(index) || settled.binary_search(&index).is_ok())
        && plan.placed().is_empty()
}

/// Makes a plan by the policy; asks for one on a terminal if none was given.
fn resolve(args: &GetArgs, asking: &Asking<'_>, disk: &Disk, place: &Path, survey: &Survey) -> Result<Plan> {
    let reporter = asking.reporter;
    let decide = |policy, impossible| {
        survey.decide(disk, policy, impossible).map_err(|error| words::storage(error, place))
    };
    let policy = args.on_conflict.unwrap_or(OnConflict::Ask);
    let first = match store_policy(policy) {
        Some(policy @ store::OnConflict::Skip) => decide(policy, OnImpossible::Skip)?,
        Some(policy) => decide(policy, OnImpossible::Fail)?,
        None => decide(store::OnConflict::Fail, OnImpossible::Fail)?,
    };
    let conflicts = match first {
        Ok(plan) => return Ok(plan),
        Err(conflicts) => conflicts,
    };
    tell_conflicts(reporter, &conflicts);
    let asked = if policy == OnConflict::Ask { ask_policy(asking)? } else { None };
    let Some(policy) = asked else { return Err(conflict_error(&conflicts)) };
    match decide(policy, OnImpossible::Skip)? {
        Ok(plan) => Ok(plan),
        Err(left) => {
            tell_conflicts(reporter, &left);
            Err(conflict_error(&left))
        }
    }
}

const fn store_policy(policy: OnConflict) -> Option<store::OnConflict> {
    match policy {
        OnConflict::Ask => None,
        OnConflict::Fail => Some(store::OnConflict::Fail),
        OnConflict::Skip => Some(store::OnConflict::Skip),
        OnConflict::Rename => Some(store::OnConflict::Rename),
        OnConflict::Replace => Some(store::OnConflict::Replace),
    }
}

fn ask_policy(asking: &Asking<'_>) -> Result<Option<store::OnConflict>> {
    let question = "names are taken: [r]ename ours, [s]kip them, re[p]lace what is there, or [c]ancel?";
    loop {
        return Ok(match asking.ask(question)?.as_deref() {
            Some("r" | "rename") => Some(store::OnConflict::Rename),
            Some("s" | "skip") => Some(store::OnConflict::Skip),
            Some("p" | "replace") => Some(store::OnConflict::Replace),
            None | Some("c" | "cancel") => None,
            Some(_) => continue,
        });
    }
}

fn tell_conflicts(reporter: &Reporter, conflicts: &[Conflict]) {
    for conflict in conflicts.iter().take(NAMED_MAX) {
        let what = output::Conflict::Taken { why: words::conflict(conflict.reason) };
        reporter.tell(&Event::Conflict { path: conflict.path.as_path().as_bytes(), what });
    }
    if conflicts.len() > NAMED_MAX {
        let text = format!("and {} more", conflicts.len() - NAMED_MAX);
        reporter.tell(&Event::Warning { text: &text });
    }
}

fn conflict_error(conflicts: &[Conflict]) -> Error {
    let names = if conflicts.len() == 1 { "name is" } else { "names are" };
    Error::new(Exit::Conflict, format!("{} {names} taken; nothing was placed", conflicts.len()))
        .hint("run it again with --on-conflict skip, rename or replace, or with another folder: -o DIR")
}

/// On a terminal the user is asked. Elsewhere whoever gave the ticket to this command has said yes with it.
fn consent(args: &GetArgs, asking: &Asking<'_>, place: &Path, plan: &Plan) -> Result<()> {
    if args.yes || args.is_stream() {
        return Ok(());
    }
    let question = format!("fetch {} into {}? [Y/n]", amount(plan.needed()), Shown::path(place));
    match asking.ask(&question)?.as_deref() {
        None | Some("" | "y" | "yes") => Ok(()),
        Some(_) => Err(Error::new(Exit::Declined, "declined; nothing was fetched")),
    }
}

fn stage(
    args: &GetArgs,
    place: &Path,
    disk: Disk,
    manifest: &Arc<Manifest>,
    selection: &Selection,
    plan: &Plan,
) -> Result<Staging<Disk>> {
    let options = StagingOptions {
        manifest: Arc::clone(manifest),
        selection: selection.clone(),
        plan: plan.clone(),
        trust: if args.trust_disk { TrustDisk::Yes } else { TrustDisk::No },
        holder: holder(),
        hasher: Arc::new(AtOnce),
    };
    Staging::open(disk, options).map_err(|error| match error {
        OpenError::Held(holder) => held(place, holder.as_ref()),
        OpenError::Storage(error) => words::storage(error, place),
    })
}

fn holder() -> Holder {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Holder { pid: std::process::id(), host, since: UnixTime(since.map_or(0, |since| since.as_secs())) }
}

fn held(place: &Path, holder: Option<&Holder>) -> Error {
    let who = holder.map_or_else(
        || "another process".to_owned(),
        |holder| format!("process {} on {}", holder.pid, Shown::terminal(holder.host.as_bytes())),
    );
    Error::new(Exit::Conflict, format!("{who} fetches this share into {} already", Shown::path(place)))
        .hint("wait for it, end it, or choose another folder with -o")
}

/// Tells what the plan did about taken names.
pub(crate) fn tell_plan(reporter: &Reporter, plan: &Plan, manifest: &Manifest) {
    let path_of = |entry: EntryIndex| manifest.entry(entry).map(|entry| entry.path.as_bytes());
    let tell = |entries: &[EntryIndex], what: output::Conflict<'_>, thing: &str| {
        for path in entries.iter().take(NAMED_MAX).filter_map(|entry| path_of(*entry)) {
            reporter.tell(&Event::Conflict { path, what });
        }
        if entries.len() > NAMED_MAX {
            let text = format!("{thing}: {} in all", count(entries.len() as u64, "entry"));
            reporter.tell(&Event::Warning { text: &text });
        }
    };
    let files: Vec<EntryIndex> =
        plan.already().iter().copied().filter(|entry| is_file(manifest, *entry)).collect();
    tell(&files, output::Conflict::AlreadyHere, "already here");
    tell(plan.left_out(), output::Conflict::Skipped, "left out");
    tell(plan.replaced(), output::Conflict::Replaced, "replaced");
    for (first, name) in plan.renamed() {
        let top = path_of(first).and_then(|path| path.split(|byte| *byte == b'/').next()).unwrap_or_default();
        let what = output::Conflict::Renamed { to: name.as_path().as_bytes() };
        reporter.tell(&Event::Conflict { path: top, what });
    }
}

fn is_file(manifest: &Manifest, entry: EntryIndex) -> bool {
    manifest.entry(entry).is_some_and(|entry| matches!(entry.kind, EntryKind::File(_)))
}
