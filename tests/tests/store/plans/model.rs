//! The plain model: a tree before, a share, a policy, and so a tree after.

use std::collections::{BTreeMap, BTreeSet};

use truecopy_protocol::content::manifest::{Entry, EntryKind};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::Outcome;
use truecopy_sim::disk::FaultyDisk;
use truecopy_transport::disk::{Disk, FileKind};
use truecopy_transport::store::OnConflict;

use crate::share::{TestShare, path};

/// What stands at a path.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Is {
    File(Vec<u8>),
    Folder,
    Link(Vec<u8>),
}

impl std::fmt::Debug for Is {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) => write!(f, "File({}: {:?}…)", bytes.len(), &bytes[..bytes.len().min(4)]),
            Self::Folder => f.write_str("Folder"),
            Self::Link(_) => f.write_str("Link"),
        }
    }
}

/// All of a disk.
pub(super) type Tree = BTreeMap<String, Is>;

/// What stands in the destination at a path, seen from what the share brings there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Here {
    /// The same; a file of its own where the share brings nothing.
    Same,
    /// A file of as many other bytes.
    SameSize,
    OtherSize,
    Folder,
    Link,
}

pub(super) enum Expected {
    Conflicts,
    Placed { after: Tree, outcome: Outcome, renamed: usize },
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflicts => f.write_str("Conflicts"),
            Self::Placed { after, outcome, renamed } => write!(f, "{after:?} {outcome:?} {renamed}"),
        }
    }
}

pub(super) fn is_staged(at: &str) -> bool {
    at.starts_with(".truecopy-")
}

/// Everything that a disk holds.
pub(super) fn look(disk: &FaultyDisk) -> Tree {
    let is = |at: &str, kind| match kind {
        FileKind::File => Is::File(disk.content(path(at).as_path()).unwrap()),
        FileKind::Symlink => Is::Link(disk.read_link(path(at).as_path()).unwrap()),
        FileKind::Directory | FileKind::Other => Is::Folder,
    };
    let text = |at: truecopy_protocol::content::name::RelPathBuf| String::from_utf8(at.into_bytes()).unwrap();
    disk.paths()
        .into_iter()
        .map(|(at, kind)| {
            let at = text(at);
            let is = is(&at, kind);
            (at, is)
        })
        .collect()
}

/// Puts something there, unless a file or a link is in the way or something stands there.
pub(super) fn put(disk: &FaultyDisk, share: &TestShare, at: &str, here: Here) {
    let now = look(disk);
    if now.contains_key(at) || folders(at).any(|folder| now.get(folder).is_some_and(|is| *is != Is::Folder)) {
        return;
    }
    let found = share.manifest.find(path(at).as_path());
    let kind = found.and_then(|index| share.manifest.entry(index)).map(|entry| entry.kind);
    let of_share = found.map_or(&b"mine"[..], |index| &share.bytes[index.0 as usize]);
    let at = path(at);
    match (here, kind) {
        (Here::Same, Some(EntryKind::Directory)) | (Here::Folder, _) => make_folder(disk, at.as_path()),
        (Here::Same, Some(EntryKind::Symlink { target })) => disk.put_symlink(at.as_path(), target),
        (Here::Link, _) => disk.put_symlink(at.as_path(), b"elsewhere"),
        (Here::Same, _) => disk.put(at.as_path(), of_share),
        (Here::SameSize, _) => {
            let other: Vec<u8> = of_share.iter().map(|byte| byte ^ 0x55).collect();
            disk.put(at.as_path(), &other);
        }
        (Here::OtherSize, _) => disk.put(at.as_path(), &[of_share, b"+"].concat()),
    }
}

fn make_folder(disk: &FaultyDisk, at: truecopy_protocol::content::name::RelPath<'_>) {
    for folder in at.prefixes() {
        let _ = disk.create_dir(folder, 0o755);
    }
    disk.sync_all().unwrap();
}

/// The folders that a path lies in, outermost first.
fn folders(at: &str) -> impl Iterator<Item = &str> {
    at.match_indices('/').map(|(end, _)| &at[..end])
}

fn top(at: &str) -> &str {
    at.split('/').next().unwrap()
}

/// How an entry meets what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meets {
    Nothing,
    Itself,
    /// A file or link, which a file or link can replace.
    Other,
    /// Something that is never replaced, or by nothing.
    Wall,
}

fn meets(before: &Tree, at: &str, brings: &Is) -> Meets {
    if folders(at).any(|folder| before.get(folder).is_some_and(|is| *is != Is::Folder)) {
        return Meets::Wall;
    }
    match before.get(at) {
        None => Meets::Nothing,
        Some(is) if is == brings => Meets::Itself,
        Some(Is::Folder) => Meets::Wall,
        Some(_) if *brings == Is::Folder => Meets::Wall,
        Some(_) => Meets::Other,
    }
}

fn brings(share: &TestShare, index: u32, entry: &Entry<'_>) -> Is {
    match entry.kind {
        EntryKind::File(_) => Is::File(share.bytes[index as usize].clone()),
        EntryKind::Directory => Is::Folder,
        EntryKind::Symlink { target } => Is::Link(target.to_vec()),
    }
}

/// The first free name beside a top-level one. The names of these shares have no endings.
fn other_name(before: &Tree, taken: &BTreeSet<String>, name: &str) -> String {
    let free = |name: &String| !before.contains_key(name) && !taken.contains(name);
    (2..).map(|number| format!("{name} ({number})")).find(free).unwrap()
}

pub(super) fn expect(
    share: &TestShare,
    before: &Tree,
    selection: &Selection,
    policy: OnConflict,
) -> Expected {
    let wanted: Vec<(String, Is, Meets)> = share
        .manifest
        .entries()
        .filter(|(index, _)| selection.contains(*index))
        .map(|(index, entry)| {
            let at = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
            let brings = brings(share, index.0, &entry);
            let meets = meets(before, &at, &brings);
            (at, brings, meets)
        })
        .collect();
    let is_conflict = |meets: Meets| matches!(meets, Meets::Other | Meets::Wall);
    let is_open = |meets: Meets| match policy {
        OnConflict::Fail => is_conflict(meets),
        OnConflict::Replace => meets == Meets::Wall,
        OnConflict::Skip | OnConflict::Rename => false,
    };
    if wanted.iter().any(|(_, _, meets)| is_open(*meets)) {
        return Expected::Conflicts;
    }
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    if policy == OnConflict::Rename {
        for (at, _, _) in wanted.iter().filter(|(_, _, meets)| is_conflict(*meets)) {
            let taken = names.values().cloned().collect();
            names.entry(top(at)).or_insert_with(|| other_name(before, &taken, top(at)));
        }
    }
    let (mut after, mut outcome) = (before.clone(), Outcome::default());
    for (at, is, meets) in &wanted {
        let place = match names.get(top(at)) {
            Some(name) => format!("{name}{}", &at[top(at).len()..]),
            None if is_conflict(*meets) && policy == OnConflict::Skip => {
                outcome.skipped += 1;
                continue;
            }
            None => at.clone(),
        };
        if let Is::File(bytes) = is {
            outcome.bytes += bytes.len() as u64;
            let is_there = *meets == Meets::Itself && place == *at;
            *(if is_there { &mut outcome.already } else { &mut outcome.placed }) += 1;
        }
        for folder in folders(&place) {
            after.insert(folder.to_owned(), Is::Folder);
        }
        after.insert(place, is.clone());
    }
    Expected::Placed { after, outcome, renamed: names.len() }
}
