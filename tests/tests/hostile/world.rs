//! A destination, what lies beside it, and what may stand there at the end.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Nothing in these tests takes so long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    File(Vec<u8>),
    Folder,
    Link(PathBuf),
}

/// A folder that holds the destination and a neighbour that nobody may touch.
pub(crate) struct World {
    root: tempfile::TempDir,
    before: BTreeMap<PathBuf, Found>,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("outside/folder")).unwrap();
        fs::write(root.path().join("outside/victim"), "kept").unwrap();
        fs::create_dir(root.path().join("dest")).unwrap();
        let mut world = Self { root, before: BTreeMap::new() };
        world.settle();
        world
    }

    pub(crate) fn dest(&self) -> PathBuf {
        self.root.path().join("dest")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.root.path().join("outside")
    }

    /// What stands here now may stand here at the end.
    pub(crate) fn settle(&mut self) {
        self.before = walk(self.root.path());
    }

    /// Nothing has changed, but for the destination's own unfinished state.
    #[track_caller]
    pub(crate) fn untouched(&self) {
        self.holds(&[]);
    }

    /// Exactly these came into the destination, and nothing else changed anywhere.
    #[track_caller]
    pub(crate) fn holds(&self, new: &[(&[u8], Found)]) {
        let mut expected = self.before.clone();
        for (path, found) in new {
            expected.insert(Path::new("dest").join(OsStr::from_bytes(path)), found.clone());
        }
        let mut now = walk(self.root.path());
        now.retain(|path, _| {
            let inside = path.strip_prefix("dest").ok().and_then(|path| path.components().next());
            !inside.is_some_and(|top| top.as_os_str().as_bytes().starts_with(b".truecopy-"))
        });
        let names = |tree: &BTreeMap<PathBuf, Found>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&now), names(&expected));
        assert!(now == expected, "the bytes are not those that should stand there");
    }

    /// Permission bits of a file in the destination.
    pub(crate) fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.dest().join(path)).unwrap().permissions().mode() & 0o7777
    }
}

fn walk(root: &Path) -> BTreeMap<PathBuf, Found> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        // A folder may vanish while it is looked at: stagings do.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let what = if kind.is_symlink() {
                Found::Link(fs::read_link(&path).unwrap())
            } else if kind.is_dir() {
                folders.push(path.clone());
                Found::Folder
            } else {
                Found::File(fs::read(&path).unwrap_or_default())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), what);
        }
    }
    found
}

/// Tests that measure the memory of the process run alone, others side by side.
static ALONE: RwLock<()> = RwLock::new(());

pub(crate) fn together() -> RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Peak resident memory of the process from here on.
pub(crate) struct Memory {
    _alone: RwLockWriteGuard<'static, ()>,
    before: u64,
}

impl Memory {
    pub(crate) fn watch() -> Self {
        let alone = ALONE.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Lowers the peak to what is resident now.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { _alone: alone, before: status("VmRSS:") }
    }

    /// MiB by which the peak rose.
    pub(crate) fn grown(&self) -> u64 {
        status("VmHWM:").saturating_sub(self.before) / 1024
    }
}

/// A line of this process's status, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
