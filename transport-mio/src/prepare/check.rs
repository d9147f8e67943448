//! Compares what lies on the disk with a manifest, and says exactly what differs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use truecopy_protocol::content::geometry::Shape;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{Entry, EntryKind, Manifest, check_target};
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::tree::LeafHasher;
use truecopy_protocol::{ChunkIndex, EntryIndex};

use super::hash::{self, Hashed, Work};
use super::identity::Identity;
use super::os::{self, Folder, Kind};
use super::{Monitor, PrepareError};

/// What is done about things that are on the disk but not in the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extras {
    /// They are findings.
    #[default]
    Find,
    /// They are passed over.
    Ignore,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that were read and found whole.
    pub files_whole: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Everything that differs, in order of the paths.
    pub findings: Vec<Finding>,
}

/// A difference.
#[derive(Debug)]
pub struct Finding {
    /// The path in the share. Raw bytes: to be escaped before they are shown.
    pub path: Vec<u8>,
    /// What differs.
    pub what: What,
}

/// How something on the disk differs from the manifest.
#[derive(Debug)]
pub enum What {
    /// It is not there.
    Missing,
    /// It is not in the manifest.
    Extra,
    /// It is something else: a folder instead of a file, a link instead of a folder.
    OtherKind,
    /// The link points elsewhere.
    OtherTarget,
    /// The content differs.
    Content {
        /// Bytes as the manifest has it.
        expected: u64,
        /// Bytes on the disk.
        found: u64,
        /// Where it differs, to the chunk. Ascending; beyond the shorter of both only one side has bytes.
        ranges: Vec<Range<u64>>,
    },
    /// It cannot be read.
    Unreadable(io::Error),
}

/// Where the entries of a manifest lie on this disk.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder, or the file, to start from.
    base: PathBuf,
    /// How many names of each path `base` already stands for.
    names: usize,
}

impl Place {
    /// `path` is the folder that holds the tops of the manifest, or its only top itself.
    pub(super) fn find(path: &Path, manifest: &Manifest) -> Result<Self, PrepareError> {
        let unreadable = |source| PrepareError::Unreadable { path: path.to_owned(), source };
        let base = path.canonicalize().map_err(unreadable)?;
        let kind = os::facts_at(&base).map_err(unreadable)?.kind;
        let names = match (sole_top(manifest), kind) {
            (Some(_), Kind::File) => 1,
            // A file or link cannot be a folder under another name.
            (Some(_), Kind::Folder) if is_top_file(manifest) => 0,
            (Some(top), Kind::Folder) => {
                let holds_top = Folder::open(&base).and_then(|folder| folder.facts(top)).is_ok();
                let is_called_so = base.file_name().is_some_and(|name| os::bytes_of(name) == top);
                let top_holds_namesake = manifest.entries().any(|(_, entry)| {
                    let mut names = entry.path.names();
                    names.next() == Some(top) && names.next() == Some(top)
                });
                usize::from(!holds_top || (is_called_so && top_holds_namesake))
            }
            (None, Kind::Folder) => 0,
            _ => return Err(PrepareError::NotAFile { path: path.to_owned() }),
        };
        Ok(Self { base, names })
    }

    /// Opens the file of an entry without following any link on the way.
    pub(super) fn open(&self, entry: &Entry<'_>, near: &mut Near) -> io::Result<File> {
        let names: Vec<&[u8]> = entry.path.names().skip(self.names).collect();
        match names.split_last() {
            None => os::open_file(&self.base),
            Some((last, folders)) => near.folder(&self.base, folders)?.file(last),
        }
    }
}

/// The name of the only top-level entry.
fn sole_top(manifest: &Manifest) -> Option<&[u8]> {
    let top = |index| manifest.entry(EntryIndex(index)).and_then(|entry| entry.path.names().next());
    // Sorted: if the first and the last agree, so do all between.
    let first = top(0)?;
    (top(manifest.len() - 1)? == first).then_some(first)
}

/// Whether the first top-level entry is no folder.
fn is_top_file(manifest: &Manifest) -> bool {
    let first = manifest.entry(EntryIndex(0));
    first.is_some_and(|e| e.path.parent().is_none() && !matches!(e.kind, EntryKind::Directory))
}

/// The folders on the way to the last file that was opened.
#[derive(Debug, Default)]
pub(super) struct Near {
    base: Option<Folder>,
    below: Vec<(Vec<u8>, Folder)>,
}

impl Near {
    fn folder(&mut self, base: &Path, names: &[&[u8]]) -> io::Result<&Folder> {
        let base = match self.base.take() {
            Some(folder) => self.base.insert(folder),
            None => self.base.insert(Folder::open(base)?),
        };
        let same = self.below.iter().zip(names).take_while(|((open, _), wanted)| open == *wanted).count();
        self.below.truncate(same);
        for name in &names[same..] {
            let parent = self.below.last().map_or(&*base, |(_, folder)| folder);
            let folder = parent.folder(name)?;
            self.below.push((name.to_vec(), folder));
        }
        Ok(self.below.last().map_or(base, |(_, folder)| folder))
    }
}

/// Compares the files, folders and links of a manifest with those at `path`: the folder that holds the tops of the
/// manifest, or its only top itself, under whatever name. Modes and times are not compared.
///
/// # Errors
/// [`PrepareError`] if `path` itself cannot be read, or when cancelled. What cannot be read below it is a finding.
pub fn check(
    path: &Path,
    manifest: &Manifest,
    layers: &Layers,
    extras: Extras,
    hasher: &dyn LeafHasher,
    monitor: &Monitor,
) -> Result<Report, PrepareError> {
    let place = Place::find(path, manifest)?;
    let mut compare =
        Compare { manifest, extras, monitor, skip: place.names, files: Vec::new(), found: Vec::new() };
    compare.top(&place)?;
    let Compare { files, mut found, .. } = compare;
    let run = Run { manifest, layers, place: &place, files: &files, differing: Mutex::default() };
    hash::run(&run, hasher, monitor);
    if monitor.is_cancelled() {
        return Err(PrepareError::Cancelled);
    }
    let differing = run.differing.into_inner().unwrap_or_else(PoisonError::into_inner);
    let files_whole = (files.len() - differing.len()) as u64;
    for (entry, differs) in differing {
        found.push(Finding { path: path_of(manifest, entry), what: differs.into_what() });
    }
    found.sort_by(|a, b| a.path.split(|b| *b == b'/').cmp(b.path.split(|b| *b == b'/')));
    Ok(Report { files_whole, bytes_read: monitor.progress().bytes_done, findings: found })
}

fn path_of(manifest: &Manifest, entry: EntryIndex) -> Vec<u8> {
    manifest.entry(entry).map(|entry| entry.path.as_bytes().to_vec()).unwrap_or_default()
}

/// The comparison of names and kinds.
struct Compare<'a> {
    manifest: &'a Manifest,
    extras: Extras,
    monitor: &'a Monitor,
    skip: usize,
    /// The files that are there.
    files: Vec<EntryIndex>,
    found: Vec<Finding>,
}

impl Compare<'_> {
    fn top(&mut self, place: &Place) -> Result<(), PrepareError> {
        let unreadable = |source| PrepareError::Unreadable { path: place.base.clone(), source };
        let kind = os::facts_at(&place.base).map_err(unreadable)?.kind;
        let all = 0..self.manifest.len();
        let sole = self.manifest.entry(EntryIndex(0)).filter(|_| place.names == 1 && all.len() == 1);
        if let Some(entry) = sole.filter(|entry| entry.path.names().count() == 1) {
            match (&entry.kind, kind) {
                (EntryKind::File(file), Kind::File) => self.file(EntryIndex(0), file.size),
                (EntryKind::Directory, Kind::Folder) => {
                    let folder = Folder::open(&place.base).map_err(unreadable)?;
                    self.folder(&folder, entry.path.as_bytes(), 1..1, 1);
                }
                _ => self.find(entry.path.as_bytes().to_vec(), What::OtherKind),
            }
            return Ok(());
        }
        if kind != Kind::Folder {
            let top = sole_top(self.manifest).map(<[u8]>::to_vec).unwrap_or_default();
            self.find(top, What::OtherKind);
            return Ok(());
        }
        let folder = Folder::open(&place.base).map_err(unreadable)?;
        let path = if self.skip == 0 { &[][..] } else { sole_top(self.manifest).unwrap_or_default() };
        self.folder(&folder, path, all, self.skip);
        Ok(())
    }

    /// Compares a folder at `depth` names below the destination with the entries that lie in it.
    fn folder(&mut self, folder: &Folder, path: &[u8], entries: Range<u32>, depth: usize) {
        if self.monitor.is_cancelled() {
            return;
        }
        let names = match folder.names() {
            Ok(names) => names,
            Err(error) => return self.find(path.to_vec(), What::Unreadable(error)),
        };
        let mut rest = entries;
        for name in names.iter() {
            // Whatever the manifest has before this name is not on the disk.
            while let Some((wanted, group)) = self.group(&rest, depth).filter(|(wanted, _)| *wanted < name) {
                debug_assert!(!wanted.is_empty());
                self.missing(group.clone());
                rest.start = group.end;
            }
            let inner = join(path, name);
            match self.group(&rest, depth).filter(|(wanted, _)| *wanted == name) {
                Some((_, group)) => {
                    rest.start = group.end;
                    self.both(folder, name, &inner, group, depth);
                }
                // Beside the tops anything may lie.
                None if depth == 0 || self.extras == Extras::Ignore => {}
                None if never_travels(folder, name, &inner) => {}
                None => self.find(inner, What::Extra),
            }
        }
        self.missing(rest);
    }

    /// The first name at this depth among the entries, and the entries that share it.
    fn group(&self, entries: &Range<u32>, depth: usize) -> Option<(&[u8], Range<u32>)> {
        let name = |index| self.manifest.entry(EntryIndex(index)).and_then(|e| e.path.names().nth(depth));
        if entries.is_empty() {
            return None;
        }
        let first = name(entries.start)?;
        let (mut low, mut high) = (entries.start + 1, entries.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if name(middle) == Some(first) { low = middle + 1 } else { high = middle }
        }
        Some((first, entries.start..low))
    }

    /// A name that is on the disk and in the manifest.
    fn both(&mut self, folder: &Folder, name: &[u8], path: &[u8], group: Range<u32>, depth: usize) {
        let facts = match folder.facts(name) {
            Ok(facts) => facts,
            Err(error) => return self.find(path.to_vec(), What::Unreadable(error)),
        };
        let index = EntryIndex(group.start);
        let entry = self.manifest.entry(index).filter(|entry| entry.path.as_bytes() == path);
        match (entry.map(|entry| entry.kind), facts.kind) {
            (Some(EntryKind::File(file)), Kind::File) => self.file(index, file.size),
            (Some(EntryKind::Symlink { target }), Kind::Symlink) => match folder.link(name) {
                Ok(found) if found == target => {}
                Ok(_) => self.find(path.to_vec(), What::OtherTarget),
                Err(error) => self.find(path.to_vec(), What::Unreadable(error)),
            },
            (empty @ (None | Some(EntryKind::Directory)), Kind::Folder) => match folder.folder(name) {
                Ok(inner) => {
                    let entries = if empty.is_some() { group.end..group.end } else { group };
                    self.folder(&inner, path, entries, depth + 1);
                }
                Err(error) => self.find(path.to_vec(), What::Unreadable(error)),
            },
            _ => self.find(path.to_vec(), What::OtherKind),
        }
    }

    fn file(&mut self, index: EntryIndex, size: u64) {
        self.monitor.found(1, size);
        self.files.push(index);
    }

    fn missing(&mut self, entries: Range<u32>) {
        for index in entries {
            self.find(path_of(self.manifest, EntryIndex(index)), What::Missing);
        }
    }

    fn find(&mut self, path: Vec<u8>, what: What) {
        self.found.push(Finding { path, what });
    }
}

/// Whether a preparation would have dropped it too: then the source of a share is no different from the share.
fn never_travels(folder: &Folder, name: &[u8], path: &[u8]) -> bool {
    match folder.facts(name).map(|facts| facts.kind) {
        Ok(Kind::Device | Kind::Pipe | Kind::Socket) => true,
        Ok(Kind::Symlink) => match (RelPath::new(path), folder.link(name)) {
            (Ok(path), Ok(target)) => check_target(path, &target).is_err(),
            _ => false,
        },
        Ok(Kind::File | Kind::Folder) | Err(_) => false,
    }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return name.to_vec();
    }
    [path, b"/", name].concat()
}

/// The comparison of content.
struct Run<'a> {
    manifest: &'a Manifest,
    layers: &'a Layers,
    place: &'a Place,
    files: &'a [EntryIndex],
    differing: Mutex<BTreeMap<EntryIndex, Differs>>,
}

/// How one file differs.
#[derive(Debug)]
struct Differs {
    expected: u64,
    found: u64,
    ranges: Vec<Range<u64>>,
    error: Option<io::Error>,
}

impl Differs {
    fn into_what(mut self) -> What {
        if let Some(error) = self.error {
            return What::Unreadable(error);
        }
        if self.found > self.expected {
            self.ranges.push(self.expected..self.found);
        }
        self.ranges.sort_by_key(|range| range.start);
        self.ranges.dedup_by(|next, before| {
            let touches = next.start <= before.end;
            if touches {
                before.end = before.end.max(next.end);
            }
            touches
        });
        What::Content { expected: self.expected, found: self.found, ranges: self.ranges }
    }
}

impl Run<'_> {
    fn differs(&self, entry: EntryIndex, change: impl FnOnce(&mut Differs)) {
        let expected = self.manifest.file(entry).map_or(0, |file| file.size);
        let mut all = self.differing.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(entry).or_insert(Differs {
            expected,
            found: expected,
            ranges: Vec::new(),
            error: None,
        }));
    }
}

impl Work for Run<'_> {
    type Near = Near;

    fn files(&self) -> u32 {
        // No more than entries, which are counted in 32 bits.
        self.files.len() as u32
    }

    fn shape(&self, file: u32) -> Option<Shape> {
        self.manifest.shape(self.files[file as usize])
    }

    fn open(&self, file: u32, near: &mut Near) -> io::Result<File> {
        let index = self.files[file as usize];
        let entry = self.manifest.entry(index).ok_or(io::ErrorKind::NotFound)?;
        let EntryKind::File(wanted) = entry.kind else { return Err(io::ErrorKind::NotFound.into()) };
        let opened = self.place.open(&entry, near)?;
        let found = os::facts_of(&opened)?.identity.size;
        if found != wanted.size {
            self.differs(index, |differs| differs.found = found);
        }
        Ok(opened)
    }

    fn hashed(&self, piece: &Hashed<'_>, after: io::Result<Identity>) -> ControlFlow<()> {
        let index = self.files[piece.file as usize];
        let Some(shape) = self.manifest.shape(index) else { return ControlFlow::Continue(()) };
        let first = self.manifest.chunks_of(index).start;
        let mut ranges = Vec::new();
        for (at, chunk) in piece.chunks.clone().enumerate() {
            // A file has fewer chunks than the share, which are counted in 32 bits.
            let expected = self.layers.chunk_hash(ChunkIndex(first + chunk as u32));
            if piece.hashes.get(at).copied() != expected {
                ranges.push(shape.chunk_range(chunk));
            }
        }
        match after {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                self.differs(index, |differs| differs.error = Some(error));
            }
            _ if ranges.is_empty() => {}
            _ => self.differs(index, |differs| differs.ranges.append(&mut ranges)),
        }
        ControlFlow::Continue(())
    }
}
