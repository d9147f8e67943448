//! Storage, keys and CPU of one host, in memory. Outlives its node: a crash loses the node alone.

use std::collections::{BTreeMap, BTreeSet};

use truecopy_protocol::content::manifest::EntryKind;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::job::{
    AnnounceError, Claim, Done, Job, Land, Opened, Outcome, Read, Rehash, Signature, StorageError, Trust,
    Verdict,
};
use truecopy_protocol::{BlobId, EntryIndex, Hash, NodeId};

use crate::content::{self, Content};

/// What a source does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Sound,
    /// So many reads of this blob give a wrong byte; the disk is right.
    FlipReads(BlobId, u32),
    /// Reads of this blob fail so.
    FailReads(BlobId, StorageError),
    /// Reads and looks at this blob give other bytes than were hashed.
    Changed(BlobId),
}

/// Which kind of job fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Open,
    Land,
    Checkpoint,
    Commit,
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) content: Content,
    pub(crate) source: Source,
    pub(crate) broken: Option<(Broken, StorageError)>,
    pub(crate) trust: Trust,
    pub(crate) settled: Vec<EntryIndex>,
    pub(crate) staged: BTreeMap<BlobId, Vec<u8>>,
    pub(crate) claims: BTreeMap<u32, Hash>,
    pub(crate) placed: Option<Outcome>,
    selection: Selection,
    /// Bytes landed, again and again.
    pub(crate) landed: u64,
    pub(crate) statements: BTreeSet<Vec<u8>>,
    /// Jobs answered.
    pub(crate) answered: u64,
}

/// The signature that a key gives: no secret is needed among friends.
pub(crate) fn sign(signer: NodeId, statement: &[u8]) -> Signature {
    let mut signature = [0; 64];
    let mut hash = signer.0.to_vec();
    hash.extend_from_slice(statement);
    let leaf = truecopy_protocol::content::tree::leaf(&hash);
    signature[..32].copy_from_slice(&leaf.0);
    signature[32..].copy_from_slice(&signer.0);
    Signature(signature)
}

impl Store {
    pub(crate) fn new(content: &Content) -> Self {
        Self {
            content: content.clone(),
            source: Source::Sound,
            broken: None,
            trust: Trust::Recheck,
            settled: Vec::new(),
            staged: BTreeMap::new(),
            claims: BTreeMap::new(),
            placed: None,
            selection: Selection::All,
            landed: 0,
            statements: BTreeSet::new(),
            answered: 0,
        }
    }

    fn fails(&self, kind: Broken) -> Result<(), StorageError> {
        match self.broken {
            Some((broken, error)) if broken == kind => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn work(&mut self, job: Job) -> Done {
        self.answered += 1;
        match job {
            Job::Open(job) => {
                self.selection = job.selection.clone();
                let claims =
                    self.claims.iter().map(|(chunk, hash)| Claim { chunk: chunk_index(*chunk), hash: *hash });
                let opened =
                    Opened { claims: claims.collect(), trust: self.trust, settled: self.settled.clone() };
                let result = self.fails(Broken::Open).map(|()| opened);
                job.done(result)
            }
            Job::Read(job) => self.read(job),
            Job::Land(job) => self.land(job),
            Job::Rehash(job) => self.rehash(job),
            Job::Checkpoint(job) => {
                let result = self.fails(Broken::Checkpoint);
                if result.is_ok() {
                    for claim in &job.claims {
                        self.check_claim(claim);
                        self.claims.insert(claim.chunk.0, claim.hash);
                    }
                }
                job.done(result)
            }
            Job::Commit(job) => {
                let result = self.fails(Broken::Commit).map(|()| self.commit());
                job.done(result)
            }
            Job::Sign(job) => {
                self.statements.insert(job.statement.clone());
                let signature = sign(job.signer, &job.statement);
                job.done(signature)
            }
            Job::Verify(job) => {
                self.statements.insert(job.statement.clone());
                let genuine = sign(job.signer, &job.statement) == job.signature;
                job.done(if genuine { Verdict::Genuine } else { Verdict::Forged })
            }
            Job::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
        }
    }

    fn read(&mut self, mut job: Read) -> Done {
        let mut at = 0;
        for extent in job.extents.clone() {
            let out = &mut job.buf.space_mut()[at..at + extent.len as usize];
            content::fill(extent.blob, extent.offset, out);
            match &mut self.source {
                Source::FlipReads(blob, left) if *blob == extent.blob && *left > 0 => {
                    *left -= 1;
                    out[0] ^= 1;
                }
                Source::FailReads(blob, error) if *blob == extent.blob => {
                    let error = *error;
                    return job.done(Err(error));
                }
                Source::Changed(blob) if *blob == extent.blob => out[0] ^= 1,
                _ => {}
            }
            at += extent.len as usize;
        }
        job.buf.set_filled(at);
        job.done(Ok(()))
    }

    fn land(&mut self, job: Land) -> Done {
        if let Err(error) = self.fails(Broken::Land) {
            return job.done(Err(error));
        }
        let (mut rest, mut hashes) = (job.buf.filled(), Vec::new());
        for land in &job.extents {
            let (run, tail) = rest.split_at(land.extent.len as usize);
            rest = tail;
            let hash = subtree(&OneByOne, run, land.height);
            hashes.push(hash);
            self.landed += run.len() as u64;
            if land.expected.is_some_and(|expected| expected != hash) {
                continue;
            }
            let file = self.staged.entry(land.extent.blob).or_default();
            let end = land.extent.offset as usize + run.len();
            file.resize(file.len().max(end), 0);
            file[land.extent.offset as usize..end].copy_from_slice(run);
        }
        assert!(rest.is_empty(), "the extents are the whole buffer");
        job.done(Ok(hashes))
    }

    /// From staging if this host receives, else from the source.
    fn rehash(&mut self, job: Rehash) -> Done {
        let (start, end) = (job.range.start, job.range.end);
        let bytes = match self.staged.get(&job.blob) {
            Some(file) => match file.get(start as usize..end as usize) {
                Some(bytes) => bytes.to_vec(),
                None => return job.done(Err(StorageError::Vanished)),
            },
            None => {
                let mut bytes = content::bytes(job.blob, start, end - start);
                if self.source == Source::Changed(job.blob) {
                    bytes[0] ^= 1;
                }
                bytes
            }
        };
        let height = job.height;
        job.done(Ok(subtree(&OneByOne, &bytes, height)))
    }

    fn check_claim(&self, claim: &Claim) {
        let (entry, within) = self.content.manifest.locate(claim.chunk).unwrap();
        let range = self.content.manifest.shape(entry).unwrap().chunk_range(u64::from(within));
        let blob = BlobId::of(entry);
        let staged = &self.staged[&blob][range.start as usize..range.end as usize];
        assert!(
            staged == content::bytes(blob, range.start, range.end - range.start),
            "a claim for wrong bytes: {claim:?}"
        );
        assert_eq!(Some(claim.hash), self.content.layers.chunk_hash(claim.chunk));
    }

    fn commit(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for (index, entry) in self.content.manifest.entries() {
            let EntryKind::File(file) = entry.kind else { continue };
            if !self.selection.contains(index) {
                continue;
            }
            if self.settled.contains(&index) {
                outcome.already += 1;
                continue;
            }
            let blob = BlobId::of(index);
            let staged = self.staged.get(&blob).map_or(&[][..], Vec::as_slice);
            assert!(staged == content::bytes(blob, 0, file.size), "file {index:?} differs at commit");
            outcome.placed += 1;
            outcome.bytes += file.size;
        }
        assert_eq!(self.placed, None, "placed once");
        self.placed = Some(outcome);
        outcome
    }
}

const fn chunk_index(chunk: u32) -> truecopy_protocol::ChunkIndex {
    truecopy_protocol::ChunkIndex(chunk)
}
