//! The staging of one share in one destination: opening it, and what it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::content::tree::LeafHasher;
use truecopy_protocol::job::{Claim, Opened, Outcome, StorageError, Trust};
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};
use truecopy_protocol::{ChunkIndex, EntryIndex, Hash};

use super::attributes::Losses;
use super::cleanup::remove_tree;
use super::error::{OpenError, again, allow, fail, if_there, staged_error};
use super::handles::Handles;
use super::hashing::{read_exact, write_all};
use super::holder::Holder;
use super::journal::{Journal, Known, Replay, Standing};
use super::kept::Kept;
use super::layout::Layout;
use super::plan::Plan;
use super::touched::Touched;
use crate::disk::{Disk, FileKind, Lock, OpenMode};

/// Whether claims of earlier runs count as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustDisk {
    /// They are hashed again.
    #[default]
    No,
    /// Those count that are durable, or were written since the machine was started.
    Yes,
}

/// What a staging is opened with.
#[derive(Clone)]
pub struct StagingOptions {
    /// What is moved.
    pub manifest: Arc<Manifest>,
    /// Which entries are wanted.
    pub selection: Selection,
    /// What goes where.
    pub plan: Plan,
    /// Whether claims of earlier runs count as they are.
    pub trust: TrustDisk,
    /// Who we are, for a second process to read.
    pub holder: Holder,
    /// How leaves are hashed.
    pub hasher: Arc<dyn LeafHasher>,
}

/// Claims of an earlier boot that only count once they were hashed again.
#[derive(Debug, Default)]
pub(super) struct Stale {
    pub(super) waiting: BTreeMap<u32, Hash>,
    pub(super) held: Vec<Claim>,
}

/// An open staging. Every call takes `&self` and may come from any worker; hashing, writing and syncing of data
/// happen outside of locks.
pub struct Staging<D: Disk> {
    pub(super) disk: D,
    pub(super) manifest: Arc<Manifest>,
    pub(super) selection: Selection,
    pub(super) plan: Plan,
    pub(super) settled: Vec<EntryIndex>,
    pub(super) layout: Layout,
    pub(super) hasher: Arc<dyn LeafHasher>,
    pub(super) handles: Handles<D::File>,
    pub(super) journal: Mutex<Journal<D::File>>,
    pub(super) touched: Mutex<Touched>,
    pub(super) stale: Mutex<Stale>,
    pub(super) kept: Kept,
    pub(super) finished: Mutex<BTreeSet<EntryIndex>>,
    pub(super) losses: Mutex<Losses>,
    pub(super) syncing: Mutex<()>,
    pub(super) making: Mutex<()>,
    pub(super) is_broken: AtomicBool,
    pub(super) is_resumed: bool,
    pub(super) outcome: OnceLock<Outcome>,
    pub(super) lock: Mutex<Option<Box<dyn Lock>>>,
    /// In files, for [`Opened`]: taken by the first who asks.
    opened: Opened,
    #[cfg(planted)]
    pub(super) appended: super::planted::Appended,
}

impl<D: Disk> Staging<D> {
    /// Makes the staging of a share, or opens the one that is there, and holds it until dropped.
    ///
    /// # Errors
    /// [`OpenError::Held`] if another process has it; otherwise the host's. `Changed` if what is there under our
    /// name is not ours.
    pub fn open(disk: D, options: StagingOptions) -> Result<Self, OpenError> {
        let layout = Layout::of(options.manifest.content_id()).map_err(staged_error)?;
        make_folder(&disk, &layout).map_err(staged_error)?;
        let lock = take_lock(&disk, &layout)?;
        Self::open_locked(disk, options, layout, lock).map_err(|error| staged_error(error).into())
    }

    fn open_locked(
        disk: D,
        options: StagingOptions,
        layout: Layout,
        lock: Box<dyn Lock>,
    ) -> io::Result<Self> {
        // Only for people: a full disk must not hinder a resume.
        let _ = options.holder.write(&disk, layout.lock()?.as_path());
        let content = options.manifest.content_id();
        let replay = Replay::read(&disk, layout.journal()?.as_path())?;
        #[cfg(planted)]
        let content =
            replay.as_ref().filter(|_| is(Bug::OtherVersion)).map_or(content, |replay| replay.content);
        if replay.as_ref().is_some_and(|replay| replay.content != content) {
            return Err(fail(StorageError::Changed));
        }
        let settled = options.plan.settled();
        let (journal, found) = match &replay {
            Some(replay) => {
                write_manifest(&disk, &layout, options.manifest.encoded())?;
                // The process before us may have ended before it made these names durable.
                again(|| disk.sync_dir(Some(layout.folder())))?;
                again(|| disk.sync_dir(None))?;
                let found = Found::of(&disk, &options, &layout, &settled, replay)?;
                (Journal::resume(&disk, layout.journal()?.as_path(), replay)?, found)
            }
            None => {
                // Without a journal nothing there is known to be ours, nor to be only ours.
                remove_tree(&disk, layout.tree()?.as_path())?;
                write_manifest(&disk, &layout, options.manifest.encoded())?;
                let tree = layout.tree()?;
                allow(again(|| disk.create_dir(tree.as_path(), 0o700)), ErrorKind::AlreadyExists)?;
                let journal = Journal::begin(&disk, layout.journal()?.as_path(), content)?;
                again(|| disk.sync_dir(Some(layout.folder())))?;
                again(|| disk.sync_dir(None))?;
                (journal, Found::default())
            }
        };
        let trust = match options.trust {
            TrustDisk::No => Trust::Recheck,
            TrustDisk::Yes => Trust::Trusted,
        };
        let chunk_count = options.manifest.chunk_count();
        Ok(Self {
            disk,
            manifest: options.manifest,
            selection: options.selection,
            plan: options.plan,
            opened: Opened { claims: found.claims, trust, settled: settled.clone() },
            settled,
            layout,
            hasher: options.hasher,
            handles: Handles::new(),
            journal: Mutex::new(journal),
            touched: Mutex::new(found.touched),
            stale: Mutex::new(Stale { waiting: found.stale, held: Vec::new() }),
            kept: Kept::of(found.synced.into_iter(), chunk_count),
            finished: Mutex::default(),
            losses: Mutex::default(),
            syncing: Mutex::default(),
            making: Mutex::default(),
            is_broken: AtomicBool::new(false),
            is_resumed: replay.is_some(),
            outcome: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
            #[cfg(planted)]
            appended: Mutex::default(),
        })
    }

    /// What is there of earlier runs.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// What is moved.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// What goes where.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn is_settled(&self, entry: EntryIndex) -> bool {
        self.settled.binary_search(&entry).is_ok()
    }

    /// Whether the entry is to be placed by this run.
    pub(super) fn is_ours(&self, entry: EntryIndex) -> bool {
        self.selection.contains(entry) && !self.is_settled(entry)
    }
}

/// What a replayed journal and the files beside it agree on.
#[derive(Default)]
struct Found {
    claims: Vec<Claim>,
    stale: BTreeMap<u32, Hash>,
    synced: Vec<u32>,
    touched: Touched,
}

impl Found {
    fn of<D: Disk>(
        disk: &D,
        options: &StagingOptions,
        layout: &Layout,
        settled: &[EntryIndex],
        replay: &Replay,
    ) -> io::Result<Self> {
        let manifest = &options.manifest;
        let mut found = Self::default();
        let mut last: Option<(EntryIndex, bool)> = None;
        for (&chunk, &Known { hash, standing }) in &replay.claims {
            let Some((index, _)) = manifest.locate(ChunkIndex(chunk)) else { continue };
            let is_there = match last {
                Some((known, is_there)) if known == index => is_there,
                _ => is_whole(disk, manifest, layout, index)?,
            };
            last = Some((index, is_there));
            let is_wanted = options.selection.contains(index) && settled.binary_search(&index).is_err();
            if !is_there {
                continue;
            }
            if standing == Standing::Doubtful && !write_again(disk, manifest, layout, chunk)? {
                continue;
            }
            if standing == Standing::Synced {
                found.synced.push(chunk);
            } else {
                found.touched.add(index);
            }
            if standing == Standing::Stale {
                found.stale.insert(chunk, hash);
            }
            if is_wanted && !(standing == Standing::Stale && options.trust == TrustDisk::Yes) {
                found.claims.push(Claim { chunk: ChunkIndex(chunk), hash });
            }
        }
        Ok(found)
    }
}

/// Writes the bytes of a chunk over themselves, so that the next sync has to bring them to the disk. Whether it could.
fn write_again<D: Disk>(disk: &D, manifest: &Manifest, layout: &Layout, chunk: u32) -> io::Result<bool> {
    let Some((index, within)) = manifest.locate(ChunkIndex(chunk)) else { return Ok(false) };
    let (Some(entry), Some(shape)) = (manifest.entry(index), manifest.shape(index)) else { return Ok(false) };
    let staged = layout.staged(entry.path)?;
    let file = match again(|| disk.open(staged.as_path(), OpenMode::Update)) {
        // It has its final mode already. It will be fetched again.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(false),
        opened => opened?,
    };
    let range = shape.chunk_range(u64::from(within));
    let mut bytes = vec![0; (range.end - range.start) as usize];
    read_exact(disk, &file, &mut bytes, range.start)?;
    write_all(disk, &file, &bytes, range.start)?;
    Ok(true)
}

/// Whether a staged file has its full length.
fn is_whole<D: Disk>(disk: &D, manifest: &Manifest, layout: &Layout, index: EntryIndex) -> io::Result<bool> {
    let Some(entry) = manifest.entry(index) else { return Ok(false) };
    let EntryKind::File(file) = entry.kind else { return Ok(false) };
    let staged = layout.staged(entry.path)?;
    let found = if_there(again(|| disk.metadata(staged.as_path())))?;
    Ok(found.is_some_and(|found| found.kind == FileKind::File && found.identity.size == file.size))
}

/// The staging's folder, for us alone: one that others may enter was not made by us.
fn make_folder<D: Disk>(disk: &D, layout: &Layout) -> io::Result<()> {
    allow(again(|| disk.create_dir(layout.folder(), 0o700)), ErrorKind::AlreadyExists)?;
    let found = again(|| disk.metadata(layout.folder()))?;
    if found.kind == FileKind::Directory && found.mode & 0o022 == 0 {
        Ok(())
    } else {
        Err(fail(StorageError::Changed))
    }
}

pub(super) fn take_lock<D: Disk>(disk: &D, layout: &Layout) -> Result<Box<dyn Lock>, OpenError> {
    let path = layout.lock().map_err(staged_error)?;
    again(|| disk.lock(path.as_path())).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::Held(Holder::read(disk, path.as_path())),
        _ => staged_error(error).into(),
    })
}

/// Leaves the manifest beside the journal, for whoever lists half-done shares.
fn write_manifest<D: Disk>(disk: &D, layout: &Layout, encoded: &[u8]) -> io::Result<()> {
    let path = layout.manifest()?;
    let file = match again(|| disk.open(path.as_path(), OpenMode::Create)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            again(|| disk.open(path.as_path(), OpenMode::Update))?
        }
        made => made?,
    };
    let len = again(|| disk.identity(&file))?.size;
    if len == encoded.len() as u64 {
        let mut there = vec![0; encoded.len()];
        read_exact(disk, &file, &mut there, 0)?;
        if there == encoded {
            return Ok(());
        }
    }
    again(|| disk.set_len(&file, 0))?;
    write_all(disk, &file, encoded, 0)?;
    again(|| disk.sync_file(&file))
}
