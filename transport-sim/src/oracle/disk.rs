//! What stands on a disk, compared with the truth.

use truecopy_protocol::content::manifest::{Entry, EntryKind};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::job::{Claim, Outcome};
use truecopy_transport::disk::FileKind;

use super::{Checked, Finding, Oracle, first_difference};
use crate::content::Content;
use crate::disk::FaultyDisk;

/// Which of the two states of a disk is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As programs see it.
    Seen,
    /// As it would be after a loss of power at worst.
    Durable,
}

const STAGING: &[u8] = b".truecopy-";

fn is_staging(path: RelPath<'_>) -> bool {
    path.as_bytes().starts_with(STAGING)
}

/// Reads `len` bytes of a file without a fault; none if it is not there. What the disk has spoiled behind everybody's back
/// is given as it should be.
fn content_of(
    disk: &FaultyDisk,
    path: RelPath<'_>,
    offset: u64,
    len: usize,
    truth: &[u8],
    standing: Standing,
) -> Option<Vec<u8>> {
    let mut buf = vec![0; len];
    let read = match standing {
        Standing::Seen => disk.read_seen(path, offset, &mut buf)?,
        Standing::Durable => disk.read_durable(path, offset, &mut buf)?,
    };
    buf.truncate(read);
    disk.excuse(path, offset, &mut buf, truth);
    Some(buf)
}

/// Whether a disk has told so much untruth that nothing can be held against whoever relied on it.
fn is_no_witness(disk: &FaultyDisk, standing: Standing) -> bool {
    match standing {
        Standing::Seen => disk.has_lost_synced(),
        Standing::Durable => disk.has_lied(),
    }
}

/// Every name outside of a staging is one of the share, and its file is whole (S1, S3, S4).
pub(crate) fn destination(disk: &FaultyDisk, content: &Content, standing: Standing) -> Checked {
    if is_no_witness(disk, standing) {
        return Ok(());
    }
    let paths = match standing {
        Standing::Seen => disk.paths(),
        Standing::Durable => disk.durable_paths(),
    };
    for (path, kind) in paths {
        let path = path.as_path();
        if is_staging(path) {
            continue;
        }
        let entry =
            content.manifest.find(path).and_then(|index| Some((index, content.manifest.entry(index)?)));
        match (kind, entry) {
            (FileKind::Directory, None) if is_folder_of(content, path) => {}
            (FileKind::Directory, Some((_, Entry { kind: EntryKind::Directory, .. }))) => {}
            (FileKind::File, Some((index, Entry { kind: EntryKind::File(_), .. }))) => {
                let truth = content.truth(index).unwrap_or_default();
                // One byte more, to see a file that is too long.
                let found = content_of(disk, path, 0, truth.len() + 1, truth, standing).unwrap_or_default();
                let number = content.number(index).unwrap_or(u16::MAX);
                if let Some(place) = first_difference(number, 0, &found, truth) {
                    let text = format!("{} stands under its final name", path.as_bytes().escape_ascii());
                    let oracle =
                        if standing == Standing::Seen { Oracle::FinalBytes } else { Oracle::FinalName };
                    let mut finding = Finding::new(oracle, "wrong bytes under a final name", text);
                    finding.place = Some(place);
                    return Err(finding);
                }
            }
            _ => {
                let text = format!("{} ({kind:?}) is not of the share", path.as_bytes().escape_ascii());
                return Err(Finding::new(Oracle::Outside, "a foreign name", text));
            }
        }
    }
    Ok(())
}

fn is_folder_of(content: &Content, path: RelPath<'_>) -> bool {
    content.manifest.entries().any(|(_, entry)| entry.path.lies_under(path))
}

/// Everything of the share stands (S1), and it is told rightly (S6).
pub(crate) fn complete(
    disk: &FaultyDisk,
    content: &Content,
    outcome: &Outcome,
    standing: Standing,
) -> Checked {
    if is_no_witness(disk, standing) {
        return Ok(());
    }
    for (index, entry) in content.manifest.entries() {
        let EntryKind::File(file) = entry.kind else { continue };
        let number = content.number(index).unwrap_or(u16::MAX);
        let truth = content.truth(index).unwrap_or_default();
        let found = content_of(disk, entry.path, 0, file.size as usize + 1, truth, standing);
        let is_missing = found.is_none();
        let origin = crate::content::Origin::Unknown;
        let missing = super::Place { file: number, range: 0..file.size, origin };
        let wrong = first_difference(number, 0, &found.unwrap_or_default(), truth);
        if let Some(place) = wrong.or_else(|| Some(missing).filter(|_| is_missing)) {
            let text =
                format!("completion is told; {} is not as it was sent", entry.path.as_bytes().escape_ascii());
            let mut finding = Finding::new(Oracle::FinalBytes, "completion without the bytes", text);
            finding.place = Some(place);
            return Err(finding);
        }
    }
    let files = u64::from(content.manifest.file_count());
    if outcome.placed + outcome.already != files || outcome.bytes != content.manifest.total_size() {
        let text = format!("{outcome:?} is told of {files} files");
        return Err(Finding::new(Oracle::Progress, "a wrong outcome", text));
    }
    destination(disk, content, standing)
}

fn staged(content: &Content, path: RelPath<'_>) -> Option<RelPathBuf> {
    let id = content.manifest.content_id().to_hex();
    RelPathBuf::local([STAGING, &id.as_bytes()[..16], b"/tree/", path.as_bytes()].concat()).ok()
}

/// The bytes of a claimed chunk are on the disk of the claimant, staged or in place (S2).
pub(crate) fn staged_claim(
    disk: &FaultyDisk,
    content: &Content,
    claim: &Claim,
    standing: Standing,
) -> Checked {
    if is_no_witness(disk, standing) {
        return Ok(());
    }
    let Some((index, offset, truth)) = content.chunk(claim.chunk) else { return Ok(()) };
    let Some(entry) = content.manifest.entry(index) else { return Ok(()) };
    let staged = staged(content, entry.path);
    let read = |path| content_of(disk, path, offset, truth.len(), truth, standing);
    let found = staged.as_ref().and_then(|path| read(path.as_path())).or_else(|| read(entry.path));
    let number = content.number(index).unwrap_or(u16::MAX);
    let Some(place) = first_difference(number, offset, &found.unwrap_or_default(), truth) else {
        return Ok(());
    };
    let class = match standing {
        Standing::Seen => "a claim without the bytes",
        Standing::Durable => "a synced claim without durable bytes",
    };
    let mut finding = Finding::new(Oracle::Claim, class, format!("chunk {} is claimed", claim.chunk.0));
    finding.place = Some(place);
    Err(finding)
}
