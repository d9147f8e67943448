//! The storage of the node's host: does jobs, and looks at what the node says stands there.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::content::{Content, hash};
use crate::content::manifest::EntryKind;
use crate::content::selection::Selection;
use crate::content::tree::{OneByOne, subtree};
use crate::job::{
    Announce, AnnounceError, AnnounceReply, Claim, Done, Job, Land, Opened, Outcome, Read, Rehash, Signature,
    StorageError, TrackerPeer, Trust, Verdict,
};
use crate::{BlobId, ChunkIndex, EntryIndex, NodeId, ShareId};

/// What a tracker says: it names two peers, or is not to be had.
fn announced(job: Announce, luck: Option<StorageError>) -> Done {
    let peer =
        |number: u8| TrackerPeer { node: NodeId([number; 32]), address: ([10, 0, 0, number], 7_000).into() };
    let result = match luck {
        None => Ok(AnnounceReply {
            interval: Duration::from_secs(120),
            min_interval: Duration::from_secs(30),
            seeders: 1,
            leechers: job.left,
            peers: alloc::vec![peer(9), peer(11)],
            from: [10, 0, 0, 1].into(),
        }),
        Some(StorageError::NoSpace) => Err(AnnounceError::Busy { pause: Duration::from_secs(20) }),
        Some(StorageError::Denied) => Err(AnnounceError::Refused),
        Some(_) => Err(AnnounceError::Unreachable),
    };
    job.done(result)
}

/// How a job goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Luck {
    /// As it should.
    Good,
    /// The host fails.
    Fails(StorageError),
}

/// What an earlier run left of a share.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    pub(super) claims: Vec<Claim>,
    pub(super) trust: Trust,
    pub(super) settled: Vec<EntryIndex>,
}

impl Default for Earlier {
    fn default() -> Self {
        Self { claims: Vec::new(), trust: Trust::Recheck, settled: Vec::new() }
    }
}

/// The storage of all shares.
#[derive(Debug, Default)]
pub(super) struct Store {
    contents: BTreeMap<ShareId, &'static Content>,
    earlier: BTreeMap<ShareId, Earlier>,
    selections: BTreeMap<ShareId, Selection>,
    staged: BTreeMap<(ShareId, BlobId), Vec<u8>>,
}

impl Store {
    /// A share has this content.
    pub(super) fn add(&mut self, share: ShareId, content: &'static Content) {
        self.contents.insert(share, content);
    }

    /// Whether the share has a content.
    pub(super) fn knows(&self, share: ShareId) -> bool {
        self.contents.contains_key(&share)
    }

    /// The content of the share, if it has one.
    pub(super) fn find(&self, share: ShareId) -> Option<&'static Content> {
        self.contents.get(&share).copied()
    }

    pub(super) fn content(&self, share: ShareId) -> &'static Content {
        self.contents[&share]
    }

    /// An earlier run left this chunk, rotten or as it should be, and claimed it so.
    pub(super) fn leave(&mut self, share: ShareId, chunk: u32, is_rotten: bool) {
        let content = self.content(share);
        let Some((entry, within)) = content.manifest.locate(ChunkIndex(chunk)) else { return };
        let (Some(shape), Some(hash)) =
            (content.manifest.shape(entry), content.layers.chunk_hash(ChunkIndex(chunk)))
        else {
            return;
        };
        let (blob, range) = (BlobId::of(entry), shape.chunk_range(u64::from(within)));
        let (start, end) = (range.start as usize, range.end as usize);
        let mut bytes = content.blob(blob)[start..end].to_vec();
        bytes[0] ^= u8::from(is_rotten);
        self.stage(share, blob, range.start, &bytes);
        let earlier = self.earlier.entry(share).or_default();
        if earlier.claims.last().is_none_or(|last| last.chunk.0 < chunk) {
            earlier.claims.push(Claim { chunk: ChunkIndex(chunk), hash });
        }
    }

    /// An earlier run has settled this entry.
    pub(super) fn settle(&mut self, share: ShareId, entry: EntryIndex) {
        let earlier = self.earlier.entry(share).or_default();
        if earlier.settled.last().is_none_or(|last| *last < entry) {
            earlier.settled.push(entry);
        }
    }

    fn stage(&mut self, share: ShareId, blob: BlobId, offset: u64, bytes: &[u8]) {
        let file = self.staged.entry((share, blob)).or_default();
        let end = offset as usize + bytes.len();
        file.resize(file.len().max(end), 0);
        file[offset as usize..end].copy_from_slice(bytes);
    }

    /// Looks at what a job says, as soon as it is there.
    pub(super) fn look(&mut self, job: &Job) {
        match job {
            Job::Open(job) => {
                self.selections.insert(job.share, job.selection.clone());
            }
            Job::Checkpoint(job) => job.claims.iter().for_each(|claim| self.check_claim(job.share, claim)),
            Job::Commit(job) => self.check_whole(job.share),
            Job::Read(_) | Job::Land(_) | Job::Rehash(_) => {}
            Job::Sign(_) | Job::Verify(_) | Job::Announce(_) => {}
        }
    }

    /// A claim is of bytes that stand in the staging and have the hash that leads to the root.
    fn check_claim(&self, share: ShareId, claim: &Claim) {
        let content = self.content(share);
        assert_eq!(Some(claim.hash), content.layers.chunk_hash(claim.chunk), "a claim has the right hash");
        let Some((entry, within)) = content.manifest.locate(claim.chunk) else {
            panic!("a claim is of a chunk of the share")
        };
        let range = content.manifest.shape(entry).map(|shape| shape.chunk_range(u64::from(within)));
        let range = range.map_or(0..0, |range| range.start as usize..range.end as usize);
        let staged = self.staged.get(&(share, BlobId::of(entry))).and_then(|file| file.get(range.clone()));
        assert!(staged == content.blob(BlobId::of(entry)).get(range), "a claim is of bytes that are there");
    }

    /// What is to be placed is there in full.
    fn check_whole(&self, share: ShareId) {
        let content = self.content(share);
        let settled = self.earlier.get(&share).map(|earlier| &earlier.settled[..]).unwrap_or_default();
        let selection = self.selections.get(&share).unwrap_or(&Selection::All);
        for (index, entry) in content.manifest.entries() {
            let is_ours = selection.contains(index) && settled.binary_search(&index).is_err();
            if let (true, EntryKind::File(_)) = (is_ours, entry.kind) {
                let staged = self.staged.get(&(share, BlobId::of(index))).map_or(&[][..], Vec::as_slice);
                assert!(staged == content.blob(BlobId::of(index)), "{index:?} is placed whole");
            }
        }
    }

    /// Does a job, or fails at it.
    pub(super) fn work(&mut self, job: Job, luck: Luck) -> Done {
        let failed = match luck {
            Luck::Good => None,
            Luck::Fails(error) => Some(error),
        };
        match (job, failed) {
            (Job::Open(job), None) => {
                let Earlier { claims, trust, settled } =
                    self.earlier.get(&job.share).cloned().unwrap_or_default();
                job.done(Ok(Opened { claims, trust, settled }))
            }
            (Job::Read(job), None) => self.read(job),
            (Job::Land(job), None) => self.land(job),
            (Job::Rehash(job), None) => self.rehash(job),
            (Job::Checkpoint(job), None) => job.done(Ok(())),
            (Job::Commit(job), None) => job.done(Ok(Outcome { placed: 1, ..Outcome::default() })),
            (Job::Sign(job), _) => job.done(Signature([7; 64])),
            (Job::Verify(job), None) => job.done(Verdict::Genuine),
            (Job::Verify(job), Some(_)) => job.done(Verdict::Forged),
            (Job::Announce(job), luck) => announced(job, luck),
            (Job::Open(job), Some(error)) => job.done(Err(error)),
            (Job::Read(job), Some(error)) => job.done(Err(error)),
            (Job::Land(job), Some(error)) => job.done(Err(error)),
            (Job::Rehash(job), Some(error)) => job.done(Err(error)),
            (Job::Checkpoint(job), Some(error)) => job.done(Err(error)),
            (Job::Commit(job), Some(error)) => job.done(Err(error)),
        }
    }

    fn read(&self, mut job: Read) -> Done {
        let content = self.content(job.share);
        let mut at = 0;
        for extent in job.extents.clone() {
            let (start, len) = (extent.offset as usize, extent.len as usize);
            let bytes = &content.blob(extent.blob)[start..start + len];
            job.buf.space_mut()[at..at + len].copy_from_slice(bytes);
            at += len;
        }
        job.buf.set_filled(at);
        job.done(Ok(()))
    }

    fn land(&mut self, job: Land) -> Done {
        let (mut at, mut hashes) = (0, Vec::new());
        for land in &job.extents {
            let bytes = &job.buf.filled()[at..at + land.extent.len as usize];
            at += bytes.len();
            let hash = hash(bytes, land);
            hashes.push(hash);
            if land.expected.is_none_or(|expected| expected == hash) {
                self.stage(job.share, land.extent.blob, land.extent.offset, bytes);
            }
        }
        assert_eq!(at, job.buf.filled().len(), "the extents are the whole buffer");
        job.done(Ok(hashes))
    }

    fn rehash(&self, job: Rehash) -> Done {
        let (start, end) = (job.range.start as usize, job.range.end as usize);
        let file = match self.staged.get(&(job.share, job.blob)) {
            Some(staged) => staged,
            None => self.content(job.share).blob(job.blob),
        };
        match file.get(start..end) {
            Some(bytes) => {
                let hash = subtree(&OneByOne, bytes, job.height);
                job.done(Ok(hash))
            }
            None => job.done(Err(StorageError::Vanished)),
        }
    }

    /// Claims of the earlier run count as they are. Only what is not rotten may be trusted.
    pub(super) fn trust(&mut self, share: ShareId) {
        self.earlier.entry(share).or_default().trust = Trust::Trusted;
    }
}
