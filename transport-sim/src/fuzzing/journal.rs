//! Journals of a hostile or broken hand, under which a staging is opened.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use truecopy_protocol::content::geometry::{SPAN, Shape};
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, Mtime, OwnedKind};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::{OneByOne, RootBuilder, leaf, subtree};
use truecopy_protocol::fuzzing::Cursor;
use truecopy_protocol::job::{Claim, Durability, Extent, LandExtent, StorageError};
use truecopy_protocol::{BlobId, ChunkIndex, EntryIndex, Hash, UnixTime};
use truecopy_transport::disk::Disk;
use truecopy_transport::store::{
    Holder, OnConflict, OnImpossible, OpenError, Plan, Staging, StagingOptions, Survey, TrustDisk,
};

use crate::disk::{Faults, FaultyDisk};

/// The files of the share: the first has two chunks.
const FILES: [(&str, usize); 4] =
    [("top/big", SPAN as usize + 20_000), ("top/deep/one", 1), ("top/small", 777), ("zero", 0)];
/// A file that is not of the share.
const OTHER: (&str, &[u8]) = ("top/mine", b"kept");

static SHARE: LazyLock<Share> = LazyLock::new(Share::new);

/// Whatever stands in a journal: a staging opens over it, claims nothing that the journal does not say, and is
/// completed to the right bytes, unless the journal says that files were placed that were not.
pub fn journal(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let disk = FaultyDisk::new(1, Faults::default());
    let trust = if input.one_in(4) { TrustDisk::Yes } else { TrustDisk::No };
    let selection = match input.below(3) {
        0 | 1 => Selection::All,
        _ => Selection::Some((0..4).map(EntryIndex).filter(|_| input.one_in(2)).collect()),
    };
    stage(&disk, &mut input);
    let bytes = match input.below(4) {
        0 => input.rest().to_vec(),
        _ => written(&mut input, disk.boot_id()),
    };
    disk.put(in_staging("journal").as_path(), &bytes);
    disk.put(path(OTHER.0).as_path(), OTHER.1);
    let said = Said::read(&bytes, disk.boot_id());
    let Some(staging) = open(&disk, trust, &selection, &said) else { return };
    check_claims(&staging, trust, &selection, &said, &disk);
    if trust == TrustDisk::No {
        complete(&staging, &selection, &said, &disk);
    }
    assert_eq!(disk.content(path(OTHER.0).as_path()).as_deref(), Some(OTHER.1), "what is not ours stays");
}

struct Share {
    manifest: Arc<Manifest>,
    files: Vec<Vec<u8>>,
    chunks: Vec<Hash>,
}

impl Share {
    fn new() -> Self {
        let mut builder = ManifestBuilder::new("share");
        let (mut files, mut chunks) = (Vec::new(), Vec::new());
        let total = FILES.iter().map(|(_, len)| *len as u64).sum();
        let chunk = truecopy_protocol::content::geometry::ChunkSize::for_share(total);
        for (name, len) in FILES {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251 + name.len()) as u8).collect();
            let shape = Shape { size: len as u64, chunk };
            let mut hashes = RootBuilder::with_chunks(shape);
            bytes
                .chunks(SPAN as usize)
                .for_each(|span| hashes.push(subtree(&OneByOne, span, shape.span_height())));
            let (root, layer) = hashes.finish();
            chunks.extend(layer);
            let file = FileEntry { size: len as u64, root, mode: 0o644, mtime: Mtime::default() };
            builder.push(path(name), OwnedKind::File(file));
            files.push(bytes);
        }
        match builder.finish(chunk) {
            Ok(manifest) => Self { manifest: Arc::new(manifest), files, chunks },
            Err(error) => panic!("the manifest is good: {error}"),
        }
    }

    /// A chunk and its place.
    fn chunk(&self, chunk: u32) -> Option<(LandExtent, &[u8])> {
        let (index, within) = self.manifest.locate(ChunkIndex(chunk))?;
        let shape = self.manifest.shape(index)?;
        let range = shape.chunk_range(u64::from(within));
        let bytes = &self.files[index.0 as usize][range.start as usize..range.end as usize];
        // A chunk is at most a span here.
        let extent = Extent { blob: BlobId::of(index), offset: range.start, len: bytes.len() as u32 };
        let expected = Some(self.chunks[chunk as usize]);
        Some((LandExtent { extent, height: shape.chunk_height(), expected }, bytes))
    }
}

fn path(text: &str) -> RelPathBuf {
    match RelPathBuf::new(text.into()) {
        Ok(path) => path,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// A path in the folder of the staging.
fn in_staging(text: &str) -> RelPathBuf {
    path(&format!(".truecopy-{}/{text}", &SHARE.manifest.content_id().to_hex()[..16]))
}

/// Files that an earlier run left: whole, rotten, or of another length.
fn stage(disk: &FaultyDisk, input: &mut Cursor<'_>) {
    for ((name, _), bytes) in FILES.iter().zip(&SHARE.files) {
        let mut bytes = bytes.clone();
        match input.below(6) {
            0 | 1 => continue,
            2 | 3 => {}
            // An empty file that is not empty was made so by another program, which is told.
            _ if bytes.is_empty() => {}
            4 => bytes[0] ^= 1,
            _ => bytes.push(0),
        }
        disk.put(in_staging(&format!("tree/{name}")).as_path(), &bytes);
    }
}

/// A record, as the store's documentation has it.
#[derive(Debug, Serialize, Deserialize)]
enum Record {
    Begin { version: u16, content: [u8; 32], boot: [u8; 16] },
    Boot([u8; 16]),
    Claims(Vec<Claim>),
    Syncing,
    Synced { upto: u64 },
    Revoked,
    Planned(Planned),
}

#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    names: Vec<(u32, Vec<u8>)>,
    entries: Vec<(u32, u32)>,
}

/// A journal whose records are chained as they must be, with whatever at its end.
fn written(input: &mut Cursor<'_>, boot: [u8; 16]) -> Vec<u8> {
    let (mut bytes, mut chain) = (Vec::new(), [0; 8]);
    let content = if input.one_in(16) { [1; 32] } else { SHARE.manifest.content_id().0 };
    let mut record = Record::Begin { version: 1, content, boot: some_boot(input, boot) };
    loop {
        let body = postcard::to_allocvec(&record).unwrap_or_default();
        chain = next_chain(chain, &body);
        // A few hundred bytes.
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&chain);
        bytes.extend_from_slice(&body);
        record = match input.below(8) {
            0 => break,
            1 => Record::Boot(some_boot(input, boot)),
            2 => Record::Syncing,
            3 => Record::Synced { upto: input.number() },
            4 => Record::Revoked,
            5 => Record::Planned(planned(input)),
            _ => Record::Claims((0..input.below(4)).map(|_| claim(input)).collect()),
        };
    }
    bytes.extend_from_slice(input.rest());
    bytes
}

fn some_boot(input: &mut Cursor<'_>, boot: [u8; 16]) -> [u8; 16] {
    if input.one_in(4) { [9; 16] } else { boot }
}

fn claim(input: &mut Cursor<'_>) -> Claim {
    let chunk = if input.one_in(8) { input.number32() } else { u32::from(input.u8()) % 4 };
    let known = SHARE.chunks.get(chunk as usize).copied();
    let hash = if input.one_in(8) { None } else { known };
    Claim { chunk: ChunkIndex(chunk), hash: hash.unwrap_or(Hash([3; 32])) }
}

fn planned(input: &mut Cursor<'_>) -> Planned {
    let name = |input: &mut Cursor<'_>| {
        let len = input.below(12);
        (input.number32(), input.bytes(len).to_vec())
    };
    let names = (0..input.below(3)).map(|_| name(input)).collect();
    let entries = (0..input.below(4)).map(|_| (input.number32(), input.number32())).collect();
    Planned { names, entries }
}

fn next_chain(before: [u8; 8], body: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = leaf(&[&before, body].concat()).0;
    [a, b, c, d, e, f, g, h]
}

/// A claim that was made once, and how far it is to be believed at the end.
#[derive(Clone, Copy, Debug)]
struct Made {
    record: u64,
    claim: Claim,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Durable,
    Written,
    /// The machine was started since.
    Stale,
    Revoked,
}

/// What a journal says, read in the simplest way.
struct Said {
    /// Whose it is; none if it is no journal.
    content: Option<[u8; 32]>,
    claims: Vec<Made>,
    plans: bool,
    /// Whether there is nothing but claims.
    is_plain: bool,
}

impl Said {
    fn read(bytes: &[u8], boot: [u8; 16]) -> Self {
        let records = records(bytes);
        let mut said = Self { content: None, claims: Vec::new(), plans: false, is_plain: true };
        let Some(Record::Begin { version: 1, content, boot: begun }) = records.first() else {
            return said;
        };
        let mut current = *begun;
        said.content = Some(*content);
        for (number, record) in (0..).zip(&records) {
            said.is_plain &= matches!(record, Record::Begin { .. } | Record::Claims(_));
            match record {
                Record::Begin { .. } | Record::Syncing => {}
                Record::Boot(next) => said.start(*next, &mut current),
                Record::Claims(claims) => said.claims.extend(claims.iter().map(|claim| Made {
                    record: number,
                    claim: *claim,
                    fate: Fate::Written,
                })),
                Record::Synced { upto } => {
                    let is_covered = |made: &&mut Made| made.record < *upto && made.fate == Fate::Written;
                    said.claims.iter_mut().filter(is_covered).for_each(|made| made.fate = Fate::Durable);
                }
                Record::Revoked => {
                    let is_unsure = |made: &&mut Made| made.fate != Fate::Durable;
                    said.claims.iter_mut().filter(is_unsure).for_each(|made| made.fate = Fate::Revoked);
                }
                Record::Planned(_) => said.plans = true,
            }
        }
        said.is_plain &= current == boot;
        said.start(boot, &mut current);
        said
    }

    fn start(&mut self, boot: [u8; 16], current: &mut [u8; 16]) {
        if boot != *current {
            *current = boot;
            let is_written = |made: &&mut Made| made.fate == Fate::Written;
            self.claims.iter_mut().filter(is_written).for_each(|made| made.fate = Fate::Stale);
        }
    }
}

/// The records up to the first that is torn, or is not chained to the one before.
fn records(mut bytes: &[u8]) -> Vec<Record> {
    let (mut records, mut chain) = (Vec::new(), [0; 8]);
    while let Some((len, rest)) = bytes.split_first_chunk::<4>()
        && let Some((found, rest)) = rest.split_first_chunk::<8>()
        && let Some((body, rest)) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)
        && next_chain(chain, body) == *found
        && let Ok(record) = postcard::from_bytes(body)
    {
        records.push(record);
        (bytes, chain) = (rest, *found);
    }
    records
}

/// Opens the staging as a program does. None if the journal is another's.
fn open(
    disk: &FaultyDisk,
    trust: TrustDisk,
    selection: &Selection,
    said: &Said,
) -> Option<Staging<FaultyDisk>> {
    let manifest = Arc::clone(&SHARE.manifest);
    let plan = plan(disk, selection).unwrap_or_else(|error| panic!("the disk is sound: {error}"));
    let holder = Holder { pid: 7, host: "here".into(), since: UnixTime(9) };
    let selection = selection.clone();
    let hasher = Arc::new(OneByOne);
    match Staging::open(disk.clone(), StagingOptions { manifest, selection, plan, trust, holder, hasher }) {
        Ok(staging) => Some(staging),
        Err(OpenError::Storage(StorageError::Changed)) => {
            assert!(said.content.is_some_and(|content| content != SHARE.manifest.content_id().0));
            None
        }
        Err(error) => panic!("a staging opens over any journal of its own: {error}"),
    }
}

fn plan(disk: &FaultyDisk, selection: &Selection) -> Result<Plan, StorageError> {
    let mut survey = Survey::take(disk, Arc::clone(&SHARE.manifest), selection.clone(), Vec::new())?;
    survey.check_all(disk, &OneByOne)?;
    let plan = survey.decide(disk, OnConflict::Skip, OnImpossible::Skip)?;
    Ok(plan.unwrap_or_else(|conflicts| panic!("all can be skipped: {conflicts:?}")))
}

/// Every claim was made, and not taken back; one that is trusted was not lost. If there is nothing but claims, the
/// last one of each chunk counts, where its file is there in full.
fn check_claims(
    staging: &Staging<FaultyDisk>,
    trust: TrustDisk,
    selection: &Selection,
    said: &Said,
    disk: &FaultyDisk,
) {
    let opened = staging.opened();
    for claim in &opened.claims {
        let is_made = |made: &&Made| {
            let lasts = made.fate == Fate::Durable || made.fate == Fate::Written;
            made.claim == *claim && (lasts || (made.fate == Fate::Stale && trust == TrustDisk::No))
        };
        assert!(said.claims.iter().any(|made| is_made(&made)), "{claim:?} was never made");
    }
    if said.is_plain && said.content == Some(SHARE.manifest.content_id().0) {
        let last: BTreeMap<u32, Claim> =
            said.claims.iter().map(|made| (made.claim.chunk.0, made.claim)).collect();
        let counts = |claim: &Claim| {
            let Some((index, _)) = SHARE.manifest.locate(claim.chunk) else { return false };
            let staged = in_staging(&format!("tree/{}", FILES[index.0 as usize].0));
            let is_whole = disk
                .content(staged.as_path())
                .is_some_and(|bytes| bytes.len() == SHARE.files[index.0 as usize].len());
            is_whole && selection.contains(index) && opened.settled.binary_search(&index).is_err()
        };
        let expected: Vec<Claim> = last.into_values().filter(counts).collect();
        assert_eq!(opened.claims, expected);
    }
}

/// Fetches what is missing, and commits: what stands there then is right.
fn complete(staging: &Staging<FaultyDisk>, selection: &Selection, said: &Said, disk: &FaultyDisk) {
    let opened = staging.opened();
    for chunk in 0..SHARE.manifest.chunk_count() {
        let (Some((land, bytes)), Some((index, _))) =
            (SHARE.chunk(chunk), SHARE.manifest.locate(ChunkIndex(chunk)))
        else {
            continue;
        };
        if !selection.contains(index) || opened.settled.binary_search(&index).is_ok() {
            continue;
        }
        let range = land.extent.offset..land.extent.offset + u64::from(land.extent.len);
        let is_claimed = opened.claims.iter().any(|claim| claim.chunk.0 == chunk);
        if is_claimed && staging.rehash(land.extent.blob, range, land.height).ok() == land.expected {
            continue;
        }
        let landed = staging.land(&[land], bytes);
        assert_eq!(landed.ok(), land.expected.map(|hash| vec![hash]), "a chunk lands");
        let claim = Claim { chunk: ChunkIndex(chunk), hash: SHARE.chunks[chunk as usize] };
        assert_eq!(staging.checkpoint(&[claim], Durability::Written), Ok(()));
    }
    let outcome = staging.commit();
    if said.plans {
        // A plan that lies can name any place, and say that anything was put there.
        return;
    }
    assert!(outcome.is_ok(), "{outcome:?}");
    for (index, ((name, _), bytes)) in (0..).map(EntryIndex).zip(FILES.iter().zip(&SHARE.files)) {
        if selection.contains(index) {
            let placed = disk.content(path(name).as_path());
            assert!(placed.as_deref() == Some(&bytes[..]), "{name} is placed as it should be");
        }
    }
}
