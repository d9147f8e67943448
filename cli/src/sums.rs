//! The standard digests of what was placed, as `sha256sum` prints them.

use std::path::Path;

use sha2::{Digest, Sha256};
use truecopy_mio::disk::RealDisk;
use truecopy_mio::prepare::Monitor;
use truecopy_protocol::content::geometry::SPAN;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::{EntryIndex, hex};
use truecopy_transport::disk::{Disk, OpenMode};
use truecopy_transport::store::Plan;

use crate::commands::verify;
use crate::escape::Shown;
use crate::exit::{Error, Result};
use crate::output::{DigestOf, Event, Reporter};
use crate::standing;

/// Prints the digest of every file that stands in `place` now, read from there.
///
/// # Errors
/// A file that cannot be read.
pub fn print_placed(
    reporter: &Reporter,
    place: &Path,
    manifest: &Manifest,
    selection: &Selection,
    plan: &Plan,
) -> Result<()> {
    let standing = standing(manifest, selection, plan);
    if plan.renamed().next().is_none() {
        return verify::print_digests(reporter, place, manifest, &Selection::Some(standing), &Monitor::new())
            .map(drop);
    }
    let disk = RealDisk::open_root(place).map_err(|error| Error::local("open the folder", place, &error))?;
    for index in standing {
        let Some(entry) = manifest.entry(index) else { continue };
        let path = final_path(plan, manifest, entry.path);
        let digest = digest(&disk, path.as_path()).map_err(|error| {
            Error::local("read", &place.join(Shown::name(path.as_path().as_bytes()).to_string()), &error)
        })?;
        reporter.tell(&Event::Digest(DigestOf { path: path.as_path().as_bytes(), sha256: &digest }));
    }
    Ok(())
}

/// The files that stand there: all that were wanted and not left out.
fn standing(manifest: &Manifest, selection: &Selection, plan: &Plan) -> Vec<EntryIndex> {
    let is_file = |kind| matches!(kind, EntryKind::File(_));
    manifest
        .entries()
        .filter(|(index, entry)| {
            is_file(entry.kind) && selection.contains(*index) && !plan.left_out().contains(index)
        })
        .map(|(index, _)| index)
        .collect()
}

fn final_path(plan: &Plan, manifest: &Manifest, path: RelPath<'_>) -> RelPathBuf {
    let top = |path: RelPath<'_>| path.prefixes().next().map(RelPath::to_owned);
    let renamed = plan
        .renamed()
        .find(|(first, _)| manifest.entry(*first).and_then(|entry| top(entry.path)) == top(path));
    let Some((_, name)) = renamed else { return path.to_owned() };
    standing::renamed(name.as_path(), path)
}

fn digest(disk: &RealDisk, path: RelPath<'_>) -> std::io::Result<String> {
    let file = disk.open(path, OpenMode::Read)?;
    let (mut sha, mut span, mut offset) = (Sha256::new(), vec![0; SPAN as usize], 0);
    loop {
        match disk.read_at(&file, &mut span, offset) {
            Ok(0) => return Ok(hex(&sha.finalize())),
            Ok(len) => {
                sha.update(&span[..len]);
                offset += len as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
