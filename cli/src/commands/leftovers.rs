//! `truecopy ls` and `truecopy clean`: what is half done in a folder, and for `ls` what the daemon does.

use std::path::Path;

use truecopy_mio::disk::RealDisk;
use truecopy_protocol::content::name::RelPath;
use truecopy_transport::store::{Held, Leftover, OpenError, list_leftovers, remove_leftover};

use super::remote;
use crate::args::{CleanArgs, LsArgs};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::glob::Glob;
use crate::output::{Asked, Event, HalfDone, Holding, amount, count};
use crate::run::Context;

/// Lists; the transfers of the daemon before, if no folder is named.
pub fn list(args: &LsArgs, context: &Context) -> Result<Exit> {
    if args.dir.is_none() {
        remote::transfers(context)?;
    }
    let dir = args.dir.as_deref().unwrap_or_else(|| Path::new("."));
    let (_, found) = find(dir)?;
    for leftover in &found {
        tell(context, leftover, Event::HalfDone);
    }
    if found.is_empty() {
        let text = format!("nothing is half done in {}", Shown::path(dir));
        context.reporter.tell(&Event::Warning { text: &text });
    }
    Ok(Exit::Success)
}

/// Removes, after asking.
pub fn clean(args: &CleanArgs, context: &Context) -> Result<Exit> {
    let globs = args.only.iter().map(|text| Glob::new(text)).collect::<Result<Vec<_>>>()?;
    let (disk, mut found) = find(&args.dir)?;
    found.retain(|leftover| leftover.held == Held::Free && is_wanted(&globs, leftover));
    if found.is_empty() {
        let text = format!("nothing to remove in {}", Shown::path(&args.dir));
        context.reporter.tell(&Event::Warning { text: &text });
        return Ok(Exit::Success);
    }
    if !args.yes {
        confirm(args, context, &found)?;
    }
    for leftover in &found {
        match remove_leftover(&disk, leftover) {
            Ok(()) => tell(context, leftover, Event::Removed),
            Err(OpenError::Held(_)) => {
                let text =
                    format!("{} is in use now and stays", Shown::name(leftover.folder.as_path().as_bytes()));
                context.reporter.tell(&Event::Warning { text: &text });
            }
            Err(OpenError::Storage(error)) => {
                let name = Shown::name(leftover.folder.as_path().as_bytes());
                return Err(Error::new(Exit::LocalIo, format!("cannot remove {name}: {error}")));
            }
        }
    }
    Ok(Exit::Success)
}

fn find(dir: &Path) -> Result<(RealDisk, Vec<Leftover>)> {
    let disk = RealDisk::open_root(dir).map_err(|error| Error::local("read", dir, &error))?;
    let failed = |error| Error::new(Exit::LocalIo, format!("cannot read {}: {error}", Shown::path(dir)));
    let found = list_leftovers(&disk).map_err(failed)?;
    Ok((disk, found))
}

fn is_wanted(globs: &[Glob], leftover: &Leftover) -> bool {
    let name = leftover.name.as_deref().and_then(|name| RelPath::new(name).ok());
    globs.is_empty() || name.is_some_and(|name| globs.iter().any(|glob| glob.matches(name)))
}

fn confirm(args: &CleanArgs, context: &Context, found: &[Leftover]) -> Result<()> {
    let bytes = found.iter().map(|leftover| leftover.verified).sum();
    let all = count(found.len() as u64, "half-done share");
    let question =
        format!("remove {all} ({} verified) from {}? [y/N]", amount(bytes), Shown::path(&args.dir));
    match context.reporter.ask(&question, &mut || false) {
        Asked::Said(answer) if matches!(answer.as_str(), "y" | "yes") => Ok(()),
        Asked::Said(_) | Asked::Stopped => Err(Error::new(Exit::Declined, "nothing was removed")),
        Asked::Nobody => {
            Err(Error::new(Exit::Declined, "nothing was removed: there is nobody to ask").hint("add --yes"))
        }
    }
}

fn tell<'a>(context: &Context, leftover: &'a Leftover, event: impl Fn(HalfDone<'a>) -> Event<'a>) {
    context.reporter.tell(&event(HalfDone {
        folder: leftover.folder.as_path().as_bytes(),
        name: leftover.name.as_deref(),
        verified: leftover.verified,
        total: leftover.total,
        held: match &leftover.held {
            Held::Free => Holding::Free,
            Held::By(holder) => Holding::Held { process: holder.as_ref().map(|holder| holder.pid) },
        },
    }));
}
