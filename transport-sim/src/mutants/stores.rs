//! Bugs of the store that need what no run has: a file beyond 4 GiB, and the remains of another version of the share.

use std::rc::Rc;
use std::sync::Arc;

use truecopy_protocol::content::geometry::{BLOCK, ChunkSize, SPAN, SPAN_HEIGHT, Shape};
use truecopy_protocol::content::manifest::{EntryKind, FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, subtree};
use truecopy_protocol::job::{Claim, Durability, Extent, LandExtent, StorageError};
use truecopy_protocol::{BlobId, EntryIndex, UnixTime};
use truecopy_transport::store::{
    Holder, OnConflict, OnImpossible, Staging, StagingOptions, Survey, TrustDisk,
};

use super::probe::Caught;
use crate::content::{Content, FileSpec, bytes};
use crate::disk::{Faults, FaultyDisk};
use crate::oracle::Oracle;

const BROKEN: Caught = Caught { oracle: Oracle::Error, class: "the store fails without a fault" };

fn open(disk: &FaultyDisk, manifest: &Arc<Manifest>) -> Result<Staging<FaultyDisk>, StorageError> {
    let survey = Survey::take(disk, Arc::clone(manifest), Selection::All, Vec::new())?;
    let plan = survey.decide(disk, OnConflict::Fail, OnImpossible::Fail)?.map_err(|_| StorageError::Conflict)?;
    let options = StagingOptions {
        manifest: Arc::clone(manifest),
        selection: Selection::All,
        plan,
        trust: TrustDisk::No,
        holder: Holder { pid: 1, host: "simulated".into(), since: UnixTime(1) },
        hasher: Arc::new(OneByOne),
    };
    Ok(Staging::open(disk.clone(), options)?)
}

/// A file of 5 GiB, all zeros but for one span beyond 4 GiB, of which only that span comes.
pub(super) fn huge(seed: u64) -> Option<Caught> {
    let size = 5 << 30;
    let shape = Shape { size, chunk: ChunkSize::for_share(size) };
    let (spans, above) = (size / SPAN, (4 << 30) / SPAN);
    let at = above + seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (spans - above);
    let payload = bytes(0, 0, at * SPAN, SPAN as usize);
    let zeros = subtree(&OneByOne, &vec![0; SPAN as usize], SPAN_HEIGHT);
    let hash = subtree(&OneByOne, &payload, SPAN_HEIGHT);
    let mut root = RootBuilder::new(shape);
    (0..spans).for_each(|span| root.push(if span == at { hash } else { zeros }));
    let file = FileEntry { size, root: root.root(), mode: 0o644, mtime: Mtime { seconds: 1, nanos: 0 } };
    let mut builder = ManifestBuilder::new("huge");
    builder.push(RelPathBuf::new(b"huge".to_vec()).ok()?, OwnedKind::File(file));
    let manifest = Arc::new(builder.finish(shape.chunk).ok()?);

    let land = || {
        let disk = FaultyDisk::new(seed, Faults::default());
        let staging = open(&disk, &manifest)?;
        let blob = BlobId::of(EntryIndex(0));
        let extent = Extent { blob, offset: at * SPAN, len: SPAN as u32 };
        staging.land(&[LandExtent { extent, height: SPAN_HEIGHT, expected: None }], &payload)?;
        staging.rehash(blob, at * SPAN..(at + 1) * SPAN, SPAN_HEIGHT)
    };
    match land() {
        Ok(found) if found == hash => None,
        Ok(_) => Some(Caught { oracle: Oracle::Claim, class: "landed bytes are not where they belong" }),
        Err(_) => Some(BROKEN),
    }
}

/// A share is half fetched; then another version of it is fetched into the same folder.
pub(super) fn other_version(seed: u64) -> Option<Caught> {
    let size = [1 << 20, 700_000, 300_000][(seed % 3) as usize];
    let file = |path: &str, size| FileSpec { path: path.into(), size };
    let before = Content::of(&[file("share/f", size)]).ok()?;
    // As the second file it has other bytes.
    let after = Content::of(&[file("share/a", 1), file("share/f", size)]).ok()?;
    let fetch = || {
        let disk = FaultyDisk::new(seed, Faults::default());
        half_fetch(&disk, &before)?;
        let staging = open(&disk.restart(), &after.manifest)?;
        Ok::<_, StorageError>(staging.opened().claims.clone())
    };
    match fetch() {
        Ok(claims) if claims.iter().all(|claim| is_true(&after, claim)) => None,
        Ok(_) => Some(Caught { oracle: Oracle::Claim, class: "a claim of another version" }),
        Err(_) => Some(BROKEN),
    }
}

fn half_fetch(disk: &FaultyDisk, content: &Rc<Content>) -> Result<(), StorageError> {
    let staging = open(disk, &content.manifest)?;
    let mut claims = Vec::new();
    for (index, entry) in content.manifest.entries() {
        let (EntryKind::File(_), Some(truth)) = (entry.kind, content.truth(index)) else { continue };
        let (chunks, blob) = (content.manifest.chunks_of(index), BlobId::of(index));
        for chunk in chunks.take(2).map(truecopy_protocol::ChunkIndex) {
            let Some((_, offset, bytes)) = content.chunk(chunk) else { continue };
            let height = (bytes.len() as u64).div_ceil(BLOCK).next_power_of_two().trailing_zeros() as u8;
            let extent = Extent { blob, offset, len: bytes.len() as u32 };
            let hashes = staging.land(&[LandExtent { extent, height, expected: None }], bytes)?;
            claims.extend(hashes.first().map(|hash| Claim { chunk, hash: *hash }));
        }
        debug_assert!(!truth.is_empty());
    }
    staging.checkpoint(&claims, Durability::Synced)
}

/// Whether the true chunk has this hash.
fn is_true(content: &Content, claim: &Claim) -> bool {
    content.chunk(claim.chunk).is_some_and(|(entry, _, bytes)| {
        let height = content.manifest.shape(entry).map_or(0, |shape| shape.chunk_height());
        subtree(&OneByOne, bytes, height) == claim.hash
    })
}
