//! The files of a share where they stand on this disk, looked at before anybody is given them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use truecopy_mio::hash::AtOnce;
use truecopy_mio::prepare::{Monitor, Prepared};
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::{RelPath, RelPathBuf};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::StorageError;
use truecopy_protocol::{BlobId, EntryIndex, Hash};
use truecopy_transport::disk::{Disk as _, FileIdentity};
use truecopy_transport::store::{Share, Source, SourceTop};

use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::record::{Disk, Run};

/// Where one top-level name of a share lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The folder that holds it, canonical.
    pub folder: PathBuf,
    /// Its name there.
    pub name: RelPathBuf,
}

/// A share whose files were found to be what it says.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What it holds.
    pub manifest: Arc<Manifest>,
    /// The hashes of its chunks.
    pub layers: Arc<Layers>,
    /// Which of its entries are there.
    pub held: Selection,
    /// Where it lies, in the order of the manifest.
    pub tops: Vec<Top>,
    /// The state of every entry when it was hashed; all zero for what is no file, and for what is not there.
    pub identities: Vec<FileIdentity>,
    /// When they were looked at: nanoseconds since 1970.
    pub looked: i128,
}

/// Which files of a share must be there.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// These.
    All(&'a Selection),
    /// Those that are: what is gone or differs is left out.
    Any,
}

impl Wanted<'_> {
    fn contains(self, entry: EntryIndex) -> bool {
        match self {
            Self::All(held) => held.contains(entry),
            Self::Any => true,
        }
    }

    /// A file that is gone or differs: whether that ends it.
    fn excuses(self, error: &Error) -> bool {
        matches!(self, Self::Any) && error.exit == Exit::SourceChanged
    }
}

/// What is known of files beforehand: what spares reading them.
pub trait Known: Sync {
    /// Whether a file in this state is the one whose hashes are known.
    fn is_same(&self, entry: EntryIndex, now: &FileIdentity) -> bool;
    /// The hashes of its chunks; none if they are not known.
    fn layer(&self, entry: EntryIndex) -> Option<Vec<Hash>>;
}

/// Nothing is known: everything is read.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Known for Nothing {
    fn is_same(&self, _: EntryIndex, _: &FileIdentity) -> bool {
        false
    }

    fn layer(&self, _: EntryIndex) -> Option<Vec<Hash>> {
        None
    }
}

/// The identity of what is no file.
pub const NO_FILE: FileIdentity = FileIdentity { device: 0, inode: 0, size: 0, mtime: 0, ctime: 0 };

impl Standing {
    /// What was just prepared.
    pub fn prepared(prepared: Prepared) -> Self {
        let Prepared { manifest, layers, sources, started, .. } = prepared;
        let tops = sources.tops().iter();
        let tops = tops.map(|top| Top { folder: top.folder().to_owned(), name: top.name().to_owned() });
        let (tops, identities) = (tops.collect(), sources.identities().collect());
        let looked = i128::from(started) * 1_000_000_000;
        let held = Selection::All;
        Self { manifest, layers: Arc::new(layers), held, tops, identities, looked }
    }

    /// Looks at every file that is wanted: who is not known to be the same is read and hashed.
    ///
    /// # Errors
    /// `SourceChanged` if a file is gone or differs, `LocalIo` if one cannot be read, `Interrupted` if cancelled.
    pub fn find(
        manifest: &Arc<Manifest>,
        tops: Vec<Top>,
        (wanted, known): (Wanted<'_>, &dyn Known),
        run: &Run,
        monitor: &Monitor,
    ) -> Result<Self> {
        let looked = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        let mut identities = identities(manifest, &tops, wanted, run)?;
        let source = source(manifest, &tops, identities.iter().copied(), run)?;
        let next = AtomicU32::new(0);
        let found = Mutex::new(Ok(BTreeMap::new()));
        let worker = || {
            loop {
                let entry = EntryIndex(next.fetch_add(1, Relaxed));
                if entry.0 >= manifest.len() || found.lock().unwrap_or_else(PoisonError::into_inner).is_err()
                {
                    return;
                }
                if manifest.file(entry).is_none() || identities[entry.0 as usize] == NO_FILE {
                    continue;
                }
                let layer = layer(manifest, &source, entry, &identities, known, monitor);
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                match (&mut *found, layer) {
                    (Ok(all), Ok(layer)) => drop(all.insert(entry, layer)),
                    (Ok(_), Err(error)) if wanted.excuses(&error) => {}
                    (Ok(_), Err(error)) => *found = Err(error),
                    (Err(_), _) => {}
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..thread::available_parallelism().map_or(1, usize::from) {
                // A thread that cannot be had leaves its work to the others.
                drop(thread::Builder::new().name("look".into()).spawn_scoped(scope, worker));
            }
            worker();
        });
        let parts = found.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let held = held(manifest, &parts)?;
        for (index, identity) in (0..).map(EntryIndex).zip(&mut identities) {
            if !held.contains(index) {
                *identity = NO_FILE;
            }
        }
        let layers = Layers::assemble_part(Arc::clone(manifest), parts, &held)
            .map_err(|error| Error::new(Exit::Unexpected, error))?;
        let (manifest, layers) = (Arc::clone(manifest), Arc::new(layers));
        Ok(Self { manifest, layers, held, tops, identities, looked })
    }

    /// Bytes of the files that are there.
    pub fn size(&self) -> u64 {
        let held = self.manifest.entries().filter(|(index, _)| self.held.contains(*index));
        held.filter_map(|(index, _)| self.manifest.file(index)).map(|file| file.size).sum()
    }

    /// What reads the files for receivers.
    ///
    /// # Errors
    /// If a folder cannot be opened.
    pub fn serving(&self, run: &Run) -> Result<Arc<Share<Disk>>> {
        let source = source(&self.manifest, &self.tops, self.identities.iter().copied(), run)?;
        Ok(Arc::new(Share::Serving(source)))
    }
}

/// The entries whose files were found, and those that are no files.
fn held(manifest: &Manifest, found: &BTreeMap<EntryIndex, Vec<Hash>>) -> Result<Selection> {
    if found.is_empty() && manifest.file_count() > 0 {
        return Err(Error::new(
            Exit::SourceChanged,
            "no file of this share is there, or none is what it was",
        )
        .hint("say where its files lie: --data DIR"));
    }
    let is_held = |index: &EntryIndex| manifest.file(*index).is_none() || found.contains_key(index);
    let held: Vec<EntryIndex> = manifest.entries().map(|(index, _)| index).filter(is_held).collect();
    Ok(if held.len() == manifest.len() as usize { Selection::All } else { Selection::Some(held) })
}

/// The top-level names of a manifest, in order, each with its first entry.
pub fn tops(manifest: &Manifest) -> Vec<(EntryIndex, RelPathBuf)> {
    let mut names: Vec<(EntryIndex, RelPathBuf)> = Vec::new();
    for (index, entry) in manifest.entries() {
        if let Some(top) = entry.path.prefixes().next()
            && names.last().is_none_or(|(_, last)| last.as_path() != top)
        {
            names.push((index, top.to_owned()));
        }
    }
    names
}

/// The path of an entry whose top-level name is another one here.
pub fn renamed(name: RelPath<'_>, path: RelPath<'_>) -> RelPathBuf {
    let rest: Vec<u8> = path.names().skip(1).flat_map(|name| [b"/", name].concat()).collect();
    // A name that is legal in front of what was legal behind another.
    RelPathBuf::local([name.as_bytes(), &rest].concat()).unwrap_or_else(|_| path.to_owned())
}

/// The files where they lie, each folder that holds some opened once.
fn source(
    manifest: &Arc<Manifest>,
    tops: &[Top],
    identities: impl IntoIterator<Item = FileIdentity>,
    run: &Run,
) -> Result<Source<Disk>> {
    let (mut roots, mut known, mut places) = (Vec::new(), BTreeMap::<&Path, u16>::new(), Vec::new());
    for top in tops {
        let next = u16::try_from(roots.len())
            .map_err(|_| Error::new(Exit::Limit, "too many folders to send from"))?;
        let root = match known.entry(&top.folder) {
            Entry::Occupied(root) => *root.get(),
            Entry::Vacant(vacant) => {
                roots.push(open(&top.folder, run)?);
                *vacant.insert(next)
            }
        };
        places.push(SourceTop { root, name: Some(top.name.clone()) });
    }
    Source::new(Arc::clone(manifest), roots, places, identities, Arc::new(AtOnce))
        .map_err(|error| Error::new(Exit::Unexpected, error))
}

fn open(folder: &Path, run: &Run) -> Result<Disk> {
    run.open_folder(folder).map_err(|error| Error::local("open the folder", folder, &error))
}

/// The state of every file that is wanted now.
fn identities(manifest: &Manifest, tops: &[Top], wanted: Wanted<'_>, run: &Run) -> Result<Vec<FileIdentity>> {
    let (mut identities, mut at, mut current) = (Vec::new(), 0, None::<(RelPathBuf, Disk)>);
    for (index, entry) in manifest.entries() {
        let first =
            entry.path.prefixes().next().map(RelPath::to_owned).unwrap_or_else(|| entry.path.to_owned());
        if current.as_ref().is_none_or(|(name, _)| *name != first) {
            let top = tops.get(at).ok_or_else(|| Error::new(Exit::Unexpected, "a share lacks a place"))?;
            current = Some((first, open(&top.folder, run)?));
            at += 1;
        }
        let (Some((_, disk)), Some(top)) = (&current, tops.get(at - 1)) else { continue };
        let Some(file) = manifest.file(index).filter(|_| wanted.contains(index)) else {
            identities.push(NO_FILE);
            continue;
        };
        let path = renamed(top.name.as_path(), entry.path);
        match identity(disk, top, path.as_path(), file.size) {
            Ok(identity) => identities.push(identity),
            Err(error) if wanted.excuses(&error) => identities.push(NO_FILE),
            Err(error) => return Err(error),
        }
    }
    Ok(identities)
}

/// The state of one file.
fn identity(disk: &Disk, top: &Top, path: RelPath<'_>, size: u64) -> Result<FileIdentity> {
    let found = disk.metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => changed(path, "is gone"),
        _ => Error::local("read", &top.folder.join(Shown::name(path.as_bytes()).to_string()), &error),
    })?;
    if found.identity.size == size { Ok(found.identity) } else { Err(changed(path, "has another size")) }
}

/// The hashes of one file: those that are known, or of what is read now.
fn layer(
    manifest: &Manifest,
    source: &Source<Disk>,
    entry: EntryIndex,
    identities: &[FileIdentity],
    known: &dyn Known,
    monitor: &Monitor,
) -> Result<Vec<Hash>> {
    let unexpected = || Error::new(Exit::Unexpected, "an entry is not in its own share");
    let (file, shape) = manifest.file(entry).zip(manifest.shape(entry)).ok_or_else(unexpected)?;
    let path = manifest.entry(entry).ok_or_else(unexpected)?.path;
    if identities.get(entry.0 as usize).is_some_and(|now| known.is_same(entry, now))
        && let Some(layer) = known.layer(entry)
    {
        monitor.hashed(file.size);
        return Ok(layer);
    }
    let mut layer = Vec::new();
    for within in 0..shape.chunks() {
        if monitor.is_cancelled() {
            return Err(Error::new(Exit::Interrupted, "interrupted"));
        }
        let range = shape.chunk_range(within);
        let bytes = range.end - range.start;
        let hash = source.rehash(BlobId::of(entry), range, shape.chunk_height());
        layer.push(hash.map_err(|error| match error {
            StorageError::Changed | StorageError::Vanished => changed(path, "was changed"),
            other => {
                Error::new(Exit::LocalIo, format!("{} cannot be read: {other}", Shown::name(path.as_bytes())))
            }
        })?);
        monitor.hashed(bytes);
    }
    let (level, above) = (shape.chunk_height(), shape.height() - shape.chunk_height());
    let is_right = match &layer[..] {
        [] => true,
        [only] => *only == file.root,
        _ => truecopy_protocol::content::tree::fold(layer.clone(), level, above) == file.root,
    };
    if is_right { Ok(layer) } else { Err(changed(path, "was changed")) }
}

fn changed(path: RelPath<'_>, how: &str) -> Error {
    Error::new(Exit::SourceChanged, format!("{} {how}", Shown::name(path.as_bytes())))
        .hint("nothing of this share is served; put it back, serve the rest (seed --partial), or make a new share of it")
}
