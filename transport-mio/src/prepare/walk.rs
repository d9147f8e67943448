//! Finds what lies under the paths that the user named. Follows those paths themselves, and no link beneath them.

use std::io;
use std::path::{Component, Path, PathBuf};

use truecopy_protocol::content::manifest;
use truecopy_protocol::content::name::{DEPTH_MAX, RelPathBuf};

use super::os::{self, Folder, Kind};
use super::tree::{Full, TOP, Top, Tree};
use super::{Dropped, Links, Monitor, PrepareError, WhyDropped};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) tree: Tree,
    pub(super) dropped: Vec<Dropped>,
}

/// Walks the paths, in the order of their names.
pub(super) fn walk(paths: &[PathBuf], links: Links, monitor: &Monitor) -> Result<Walked, PrepareError> {
    let mut tops = paths.iter().map(|path| top(path)).collect::<Result<Vec<_>, _>>()?;
    tops.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twice) = tops.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(PrepareError::Twice { name: twice[0].name.clone() });
    }
    let mut walker = Walker { walked: Walked::default(), links, monitor };
    for top in tops {
        walker.top(top)?;
    }
    Ok(walker.walked)
}

/// Where a path of the user leads, and its name in the share: the last component as typed, else that of the folder it means.
fn top(path: &Path) -> Result<Top, PrepareError> {
    let unreadable = |source| PrepareError::Unreadable { path: path.to_owned(), source };
    let canonical = path.canonicalize().map_err(unreadable)?;
    let name = match path.components().next_back() {
        Some(Component::Normal(name)) => Some(name),
        _ => canonical.file_name(),
    };
    // A link to the root of the file system has a name, but nothing holds what it leads to.
    let (Some(name), Some(_)) = (name.map(|name| os::bytes_of(name).to_vec()), canonical.parent()) else {
        return Err(PrepareError::Nameless { path: path.to_owned() });
    };
    RelPathBuf::new(name.clone()).map_err(|why| PrepareError::BadName { path: path.to_owned(), why })?;
    Ok(Top { name, path: canonical, first: 0 })
}

struct Walker<'a> {
    walked: Walked,
    links: Links,
    monitor: &'a Monitor,
}

impl Walker<'_> {
    fn top(&mut self, mut top: Top) -> Result<(), PrepareError> {
        let path = top.path.clone();
        let unreadable = |source| PrepareError::Unreadable { path: path.clone(), source };
        top.first = self.walked.tree.count()?;
        let name = top.name.clone();
        self.walked.tree.tops.push(top);
        let facts = os::facts_at(&path).map_err(unreadable)?;
        match facts.kind {
            Kind::File => self.file(TOP, &name, &facts),
            Kind::Folder => {
                let folder = Folder::open(&path).map_err(unreadable)?;
                let dir = self.walked.tree.push_dir(TOP, &name)?;
                self.folder(&folder, dir, &path, 1)
            }
            _ => Err(PrepareError::NotAFile { path }),
        }
    }

    fn folder(&mut self, folder: &Folder, dir: u32, path: &Path, depth: usize) -> Result<(), PrepareError> {
        if self.monitor.is_cancelled() {
            return Err(PrepareError::Cancelled);
        }
        let before = self.walked.tree.count()?;
        let names =
            folder.names().map_err(|source| PrepareError::Unreadable { path: path.to_owned(), source })?;
        for name in names.iter() {
            let facts = match folder.facts(name) {
                // Gone between the listing and the look: it was never part of a state that can be sent.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|source| unreadable(path, name, source))?,
            };
            match facts.kind {
                Kind::File => self.file(dir, name, &facts)?,
                Kind::Symlink => self.symlink(folder, dir, path, name)?,
                Kind::Folder => {
                    if depth == DEPTH_MAX {
                        return Err(PrepareError::TooDeep { path: path.join(os::path_of(name)) });
                    }
                    let inner = folder.folder(name).map_err(|source| unreadable(path, name, source))?;
                    let inner_dir = self.walked.tree.push_dir(dir, name)?;
                    self.folder(&inner, inner_dir, &path.join(os::path_of(name)), depth + 1)?;
                }
                Kind::Device => self.drop(dir, name, WhyDropped::Device),
                Kind::Pipe => self.drop(dir, name, WhyDropped::Pipe),
                Kind::Socket => self.drop(dir, name, WhyDropped::Socket),
            }
        }
        if self.walked.tree.count()? == before {
            self.walked.tree.push_folder(dir)?;
            self.monitor.found(1, 0);
        }
        Ok(())
    }

    fn file(&mut self, dir: u32, name: &[u8], facts: &os::Facts) -> Result<(), PrepareError> {
        if facts.mode & 0o7000 != 0 {
            self.drop(dir, name, WhyDropped::SpecialBits);
        }
        self.monitor.found(1, facts.identity.size);
        Ok(self.walked.tree.push_file(dir, name, facts.identity, (facts.mode & 0o777) as u16)?)
    }

    fn symlink(&mut self, folder: &Folder, dir: u32, path: &Path, name: &[u8]) -> Result<(), PrepareError> {
        if self.links == Links::Skip {
            self.drop(dir, name, WhyDropped::LinkUnwanted);
            return Ok(());
        }
        let target = folder.link(name).map_err(|source| unreadable(path, name, source))?;
        let place = self
            .walked
            .tree
            .path_in(dir, name)
            .map_err(|why| PrepareError::BadName { path: path.join(os::path_of(name)), why })?;
        if manifest::check_target(place.as_path(), &target).is_err() {
            self.drop(dir, name, WhyDropped::LinkLeadsOut);
            return Ok(());
        }
        self.monitor.found(1, 0);
        Ok(self.walked.tree.push_symlink(dir, name, target)?)
    }

    fn drop(&mut self, dir: u32, name: &[u8], why: WhyDropped) {
        // A path that cannot stand in a manifest is refused elsewhere; here it would only be shown.
        let path = self.walked.tree.path_in(dir, name).map_or_else(|_| name.to_vec(), RelPathBuf::into_bytes);
        self.walked.dropped.push(Dropped { path, why });
    }
}

fn unreadable(path: &Path, name: &[u8], source: io::Error) -> PrepareError {
    PrepareError::Unreadable { path: path.join(os::path_of(name)), source }
}

impl From<Full> for PrepareError {
    fn from(_: Full) -> Self {
        Self::TooMany
    }
}
