//! `truecopy verify`: whether what lies here is what a metadata file says.

use std::path::Path;

use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{self, Extras, Finding, Monitor, Report, What};
use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::selection::Selection;

use super::{reading, source};
use crate::args::VerifyArgs;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::output::{Difference, DigestOf, Event, Reporter, difference};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<Exit> {
    let reporter = &context.reporter;
    let metadata = source::read_metadata(&args.against)?;
    let manifest = &metadata.manifest;
    let extras = if args.allow_extra { Extras::Ignore } else { Extras::Find };
    let monitor = Monitor::new();
    let report = reading::watched(reporter, &monitor, || {
        prepare::check(&args.path, manifest, &metadata.layers, extras, &AtOnce, &monitor)
    });
    let report = report.map_err(|error| reading::explain(&error))?;
    // Digests are to be fed to `sha256sum -c`, so nothing else may stand between them.
    let findings_to = if args.sha256sums && !reporter.is_json() { Stream::People } else { Stream::Product };
    for finding in &report.findings {
        tell_finding(reporter, finding, findings_to);
    }
    if args.sha256sums {
        print_digests(reporter, &args.path, manifest, &whole(manifest, &report), &monitor)?;
    }
    reporter.tell(&Event::Verified {
        files: report.files_whole,
        bytes: report.bytes_read,
        differences: report.findings.len() as u64,
        content: &manifest.content_id().to_hex(),
    });
    conclude(&report, args)
}

/// Prints the digests of files as `sha256sum` does.
pub fn print_digests(
    reporter: &Reporter,
    path: &Path,
    manifest: &Manifest,
    selection: &Selection,
    monitor: &Monitor,
) -> Result<Exit> {
    let digests = prepare::digests(path, manifest, selection, monitor);
    let mut unread = None;
    for digest in digests.map_err(|error| reading::explain(&error))? {
        let Some(entry) = manifest.entry(digest.entry) else { continue };
        match digest.digest {
            Ok(hash) => {
                reporter
                    .tell(&Event::Digest(DigestOf { path: entry.path.as_bytes(), sha256: &hash.to_hex() }));
            }
            Err(error) => {
                let what =
                    format!("cannot read {}: {}", Shown::name(entry.path.as_bytes()), Shown::io(&error));
                unread.get_or_insert_with(|| Error::new(Exit::LocalIo, what));
            }
        }
    }
    unread.map_or(Ok(Exit::Success), Err)
}

/// The files that are as they should be.
fn whole(manifest: &Manifest, report: &Report) -> Selection {
    let bad: std::collections::BTreeSet<u32> = report
        .findings
        .iter()
        .filter_map(|finding| manifest.find(RelPath::new(&finding.path).ok()?))
        .map(|index| index.0)
        .collect();
    let is_file = |index: u32| {
        manifest.entry(EntryIndex(index)).is_some_and(|entry| matches!(entry.kind, EntryKind::File(_)))
    };
    Selection::Some((0..manifest.len()).filter(|i| is_file(*i) && !bad.contains(i)).map(EntryIndex).collect())
}

#[derive(Clone, Copy)]
enum Stream {
    Product,
    People,
}

fn tell_finding(reporter: &Reporter, finding: &Finding, to: Stream) {
    let why;
    let how = match &finding.what {
        What::Missing => Difference::Missing,
        What::Extra => Difference::Extra,
        What::OtherKind => Difference::OtherKind,
        What::OtherTarget => Difference::OtherTarget,
        What::Content { expected, found, ranges } => {
            Difference::Content { expected: *expected, found: *found, ranges }
        }
        What::Unreadable(error) => {
            why = Shown::io(error);
            Difference::Unreadable { why: why.as_str() }
        }
    };
    match to {
        Stream::Product => reporter.tell(&Event::Differs { path: &finding.path, how }),
        Stream::People => {
            let text = format!("{}: {}", Shown::name(&finding.path), difference(&how));
            reporter.tell(&Event::Warning { text: &text });
        }
    }
}

fn conclude(report: &Report, args: &VerifyArgs) -> Result<Exit> {
    let unread = report.findings.iter().filter(|finding| matches!(finding.what, What::Unreadable(_))).count();
    match report.findings.len() {
        0 => Ok(Exit::Success),
        all if all == unread => {
            let what = format!("{} of the files in {} cannot be read", unread, Shown::path(&args.path));
            Err(Error::new(Exit::LocalIo, what).hint("check who may read them"))
        }
        all => {
            let what = format!(
                "{} is not what {} says: {all} found to differ",
                Shown::path(&args.path),
                Shown::path(&args.against)
            );
            Err(Error::new(Exit::Integrity, what)
                .hint("get it again from someone who has it, or make the metadata file anew"))
        }
    }
}
