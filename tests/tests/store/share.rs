//! A share made of numbers, and a receiver that fetches it the plain way.

use std::collections::BTreeSet;
use std::sync::Arc;

use truecopy_protocol::content::geometry::Shape;
use truecopy_protocol::content::manifest::{
    EntryKind, FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind,
};
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::job::{Claim, Durability, Extent, LandExtent, Outcome, StorageError};
use truecopy_protocol::{BlobId, ChunkIndex, EntryIndex, Hash};
use truecopy_sim::disk::FaultyDisk;
use truecopy_transport::disk::{Disk, FileKind};
use truecopy_transport::store::{
    Conflict, Holder, OnConflict, OnImpossible, OpenError, Plan, Staging, StagingOptions, Survey, TrustDisk,
};

pub(crate) const MTIME: Mtime = Mtime { seconds: 1_600_000_000, nanos: 123_456_789 };

/// Bytes that tell where they are from.
pub(crate) fn content(file: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut at = 0_u64;
    while bytes.len() < len {
        let mut z = (file << 40 | at).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        at += 1;
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn path(text: &str) -> RelPathBuf {
    RelPathBuf::new(text.as_bytes().to_vec()).unwrap()
}

pub(crate) struct TestShare {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) bytes: Vec<Vec<u8>>,
}

pub(crate) fn file_entry(bytes: &[u8], mode: u16) -> FileEntry {
    let shape =
        Shape { size: bytes.len() as u64, chunk: truecopy_protocol::content::geometry::ChunkSize::MIN };
    let root = if bytes.is_empty() { Hash::ZERO } else { subtree(&OneByOne, bytes, shape.height()) };
    FileEntry { size: bytes.len() as u64, root, mode, mtime: MTIME }
}

impl TestShare {
    /// `a/b` with a size is a file, `a/` a folder, `a->b` a link.
    pub(crate) fn new(entries: &[(&str, usize)]) -> Self {
        let mut builder = ManifestBuilder::new("share");
        for (number, (text, size)) in entries.iter().enumerate() {
            if let Some((link, target)) = text.split_once("->") {
                builder.push(path(link), OwnedKind::Symlink { target: target.as_bytes().to_vec() });
            } else if let Some(folder) = text.strip_suffix('/') {
                builder.push(path(folder), OwnedKind::Directory);
            } else {
                let bytes = content(number as u64, *size);
                builder.push(path(text), OwnedKind::File(file_entry(&bytes, 0o644)));
            }
        }
        let chunk = builder.chunk_size();
        let manifest = builder.finish(chunk).unwrap();
        let mut bytes = vec![Vec::new(); manifest.len() as usize];
        for (number, (text, size)) in entries.iter().enumerate() {
            if let Some(EntryIndex(index)) = manifest.find(path(text.trim_end_matches('/')).as_path()) {
                bytes[index as usize] =
                    if text.ends_with('/') { Vec::new() } else { content(number as u64, *size) };
            }
        }
        Self { manifest: Arc::new(manifest), bytes }
    }

    pub(crate) fn index(&self, text: &str) -> EntryIndex {
        self.manifest.find(path(text).as_path()).unwrap()
    }

    pub(crate) fn of(&self, text: &str) -> &[u8] {
        &self.bytes[self.index(text).0 as usize]
    }

    fn chunk(&self, chunk: u32) -> (LandExtent, &[u8]) {
        let (index, within) = self.manifest.locate(ChunkIndex(chunk)).unwrap();
        let shape = self.manifest.shape(index).unwrap();
        let range = shape.chunk_range(u64::from(within));
        let bytes = &self.bytes[index.0 as usize][range.start as usize..range.end as usize];
        let extent = Extent { blob: BlobId::of(index), offset: range.start, len: bytes.len() as u32 };
        let expected = Some(subtree(&OneByOne, bytes, shape.chunk_height()));
        (LandExtent { extent, height: shape.chunk_height(), expected }, bytes)
    }
}

#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug when a test fails")]
pub(crate) enum Failed {
    Conflicts(Vec<Conflict>),
    Open(OpenError),
    Storage(StorageError),
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// What a receiver knows for sure, kept over its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) landed: BTreeSet<u32>,
    pub(crate) written: BTreeSet<u32>,
    pub(crate) synced: BTreeSet<u32>,
    pub(crate) committing: bool,
}

pub(crate) struct Receiver<'a> {
    pub(crate) share: &'a TestShare,
    pub(crate) selection: Selection,
    pub(crate) policy: OnConflict,
    /// Chunks in a job, and jobs between synced checkpoints.
    pub(crate) batch: usize,
    pub(crate) sync_every: usize,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(share: &'a TestShare) -> Self {
        Self { share, selection: Selection::All, policy: OnConflict::Fail, batch: 3, sync_every: 2 }
    }

    pub(crate) fn plan<D: Disk>(&self, disk: &D) -> Result<Plan, Failed> {
        let manifest = Arc::clone(&self.share.manifest);
        let mut survey = Survey::take(disk, manifest, self.selection.clone(), Vec::new())?;
        survey.check_all(disk, &OneByOne)?;
        survey.decide(disk, self.policy, OnImpossible::Fail)?.map_err(Failed::Conflicts)
    }

    pub(crate) fn open<D: Disk + Clone>(&self, disk: &D, trust: TrustDisk) -> Result<Staging<D>, Failed> {
        let plan = self.plan(disk)?;
        let options = StagingOptions {
            manifest: Arc::clone(&self.share.manifest),
            selection: self.selection.clone(),
            plan,
            trust,
            holder: Holder { pid: 7, host: "here".into(), since: truecopy_protocol::UnixTime(9) },
            hasher: Arc::new(OneByOne),
        };
        Ok(Staging::open(disk.clone(), options)?)
    }

    /// Fetches what is missing and commits.
    pub(crate) fn run<D: Disk + Clone>(&self, disk: &D, progress: &mut Progress) -> Result<Outcome, Failed> {
        let staging = self.open(disk, TrustDisk::No)?;
        self.fetch(&staging, progress)?;
        progress.committing = true;
        Ok(staging.commit()?)
    }

    pub(crate) fn fetch<D: Disk>(&self, staging: &Staging<D>, progress: &mut Progress) -> Result<(), Failed> {
        let good = self.recheck(staging)?;
        let settled = &staging.opened().settled;
        let missing: Vec<u32> = (0..self.share.manifest.chunk_count())
            .filter(|chunk| {
                let (index, _) = self.share.manifest.locate(ChunkIndex(*chunk)).unwrap();
                !good.contains(chunk)
                    && self.selection.contains(index)
                    && settled.binary_search(&index).is_err()
            })
            .collect();
        for (number, batch) in missing.chunks(self.batch).enumerate() {
            let (mut extents, mut bytes, mut claims) = (Vec::new(), Vec::new(), Vec::new());
            for &chunk in batch {
                let (extent, part) = self.share.chunk(chunk);
                extents.push(extent);
                bytes.extend_from_slice(part);
                claims.push(Claim { chunk: ChunkIndex(chunk), hash: extent.expected.unwrap() });
                progress.landed.insert(chunk);
            }
            let hashes = staging.land(&extents, &bytes)?;
            assert!(hashes.iter().zip(&claims).all(|(hash, claim)| *hash == claim.hash));
            let is_synced = number % self.sync_every == self.sync_every - 1;
            let durability = if is_synced { Durability::Synced } else { Durability::Written };
            staging.checkpoint(&claims, durability)?;
            progress.written.extend(batch);
            if is_synced {
                progress.synced.clone_from(&progress.written);
            }
        }
        Ok(())
    }

    /// Claims that hold.
    pub(crate) fn recheck<D: Disk>(&self, staging: &Staging<D>) -> Result<BTreeSet<u32>, Failed> {
        let mut good = BTreeSet::new();
        for claim in &staging.opened().claims {
            let (extent, _) = self.share.chunk(claim.chunk.0);
            assert_eq!(extent.expected, Some(claim.hash), "a claim of a chunk that was never proven");
            let range = extent.extent.offset..extent.extent.offset + u64::from(extent.extent.len);
            if staging.rehash(extent.extent.blob, range, extent.height)? == claim.hash {
                good.insert(claim.chunk.0);
            }
        }
        Ok(good)
    }
}

/// Every file outside of a staging is whole: the share's, or one of `others`.
pub(crate) fn check_names(disk: &FaultyDisk, share: &TestShare, others: &[(&str, &[u8])]) {
    for (found, kind) in disk.paths() {
        if found.as_path().as_bytes().starts_with(b".truecopy-") || kind != FileKind::File {
            continue;
        }
        let bytes = disk.content(found.as_path()).unwrap();
        let is_other = others.iter().any(|(text, other)| path(text) == found && *other == bytes);
        let is_ours =
            share.manifest.find(found.as_path()).is_some_and(|index| share.bytes[index.0 as usize] == bytes);
        assert!(is_other || is_ours, "{found:?} is wrong: {} bytes", bytes.len());
    }
}

/// The whole share stands, and no staging is left.
pub(crate) fn check_done(disk: &FaultyDisk, share: &TestShare) {
    for (index, entry) in share.manifest.entries() {
        check_entry(disk, entry.path, &entry.kind, &share.bytes[index.0 as usize]);
    }
    let left =
        disk.paths().into_iter().find(|(found, _)| found.as_path().as_bytes().starts_with(b".truecopy-"));
    assert_eq!(left, None);
}

fn check_entry(disk: &FaultyDisk, at: RelPath<'_>, kind: &EntryKind<'_>, bytes: &[u8]) {
    let found = disk.metadata(at).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    match kind {
        EntryKind::File(_) => {
            assert!(disk.content(at).unwrap() == bytes, "{at:?} differs");
            assert_eq!(found.mode, 0o644, "{at:?}");
            assert_eq!(found.identity.mtime, 1_600_000_000_123_456_789, "{at:?}");
        }
        EntryKind::Directory => assert_eq!(found.kind, FileKind::Directory),
        EntryKind::Symlink { target } => assert_eq!(disk.read_link(at).unwrap(), *target),
    }
}
