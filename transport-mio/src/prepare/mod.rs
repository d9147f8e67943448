//! From paths to a share: finding what is there, hashing it on all cores, and telling whether it stayed the same.
//!
//! Nothing here knows of peers. Memory grows by about a hundred bytes an entry beside the manifest, and by one span
//! for each core.

mod check;
mod digests;
mod hash;
mod identity;
mod known;
mod monitor;
mod os;
mod plan;
mod sources;
mod tree;
mod walk;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use truecopy_protocol::content::layers::{BadLayers, Layers};
use truecopy_protocol::content::manifest::{FileEntry, Manifest, ManifestBuilder, ManifestError, OwnedKind};
use truecopy_protocol::content::name::BadPath;
use truecopy_protocol::content::tree::LeafHasher;

pub use check::{Extras, Finding, Report, What, check};
pub use digests::{FileDigest, digests};
pub use identity::Identity;
pub use known::Known;
pub use monitor::{Monitor, Progress};
pub use sources::{SourceTop, Sources};

use plan::Plan;
use tree::{NodeKind, Tree};
use walk::Walked;

/// What is done with symbolic links below the paths that were named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Those that stay inside their top-level folder are sent as links, others dropped and reported.
    #[default]
    Keep,
    /// All are dropped and reported.
    Skip,
}

/// How to prepare.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Symbolic links.
    pub links: Links,
    /// Who hashes the blocks.
    pub hasher: &'a dyn LeafHasher,
}

/// A share that is ready to be served.
#[derive(Debug)]
pub struct Prepared {
    /// What it holds.
    pub manifest: Arc<Manifest>,
    /// The hashes of its chunks.
    pub layers: Layers,
    /// Where its files are.
    pub sources: Sources,
    /// What was found but is not in it.
    pub dropped: Vec<Dropped>,
    /// When hashing began: seconds since 1970.
    pub started: i64,
    /// Bytes that were not read, being known from an earlier run.
    pub reused: u64,
}

/// Something that was found, but does not travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its path in the share. Raw bytes of a file system: to be escaped before they are shown.
    pub path: Vec<u8>,
    /// What it was.
    pub why: WhyDropped,
}

/// Why something does not travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyDropped {
    /// A block or character device.
    Device,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A symbolic link that leads out of its top-level folder, or in a way that cannot be proven to stay inside.
    LinkLeadsOut,
    /// A symbolic link, and links were to be skipped.
    LinkUnwanted,
    /// The setuid, setgid or sticky bit of a file; the file itself travels.
    SpecialBits,
}

/// Why nothing was prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A path cannot be read, or is not there.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path that was named leads to something that is neither file nor folder.
    #[error("{} is neither a file nor a folder", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// A path that was named has no name of its own, as `/`.
    #[error("{} has no name that it could have elsewhere", path.display())]
    Nameless {
        /// Which.
        path: PathBuf,
    },
    /// Two of the paths that were named have the same last name.
    #[error("two of the paths have the same name")]
    Twice {
        /// The name, raw.
        name: Vec<u8>,
    },
    /// A name or path that no share can hold.
    #[error("{} has {why}", path.display())]
    BadName {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: BadPath,
    },
    /// Folders within folders beyond what a share can hold.
    #[error("{} lies too deep", path.display())]
    TooDeep {
        /// Which.
        path: PathBuf,
    },
    /// There is nothing that could be sent.
    #[error("there is nothing here that can be sent")]
    Nothing,
    /// More entries than a share can hold.
    #[error("there are more entries than a share can hold")]
    TooMany,
    /// The manifest would break a limit.
    #[error("this cannot be one share: {0}")]
    Manifest(#[from] ManifestError),
    /// The hashes do not belong together: a fault of this program, or of the machine's memory.
    #[error("hashing went wrong: {0}")]
    Layers(#[from] BadLayers),
    /// A file was changed while it was read, twice.
    #[error("{} was changed by another program while it was read", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The monitor asked to end.
    #[error("cancelled")]
    Cancelled,
}

/// Finds and hashes what lies under `paths`.
///
/// The paths themselves are followed if they are links; no link beneath them is. `known` is what an earlier run found:
/// files whose identity did not change since are not read again. A file that changes while it is read is read once more.
///
/// # Errors
/// [`PrepareError`]; nothing is left behind.
pub fn prepare(
    paths: &[PathBuf],
    options: &Options<'_>,
    known: Option<Known>,
    monitor: &Monitor,
) -> Result<Prepared, PrepareError> {
    let Walked { mut tree, dropped } = walk::walk(paths, options.links, monitor)?;
    if tree.nodes.is_empty() {
        return Err(PrepareError::Nothing);
    }
    let started = seconds_now();
    let mut plan = Plan::new(&tree)?;
    // Dropped at once: from here on it would only stand in memory.
    let reused = known.map_or(0, |known| plan.reuse(&tree, &known));
    monitor.hashed(reused);
    let changed = plan.hash(&tree, options.hasher, monitor)?;
    if !changed.is_empty() {
        for file in &changed {
            tree.refresh(*file)?;
        }
        monitor.restart(tree.total());
        plan = plan.again(&tree, &changed)?;
        monitor.hashed(plan.bytes_done(&tree));
        if let Some(file) = plan.hash(&tree, options.hasher, monitor)?.first() {
            return Err(PrepareError::Changed { path: tree.real_path(*file) });
        }
    }
    let manifest = Arc::new(manifest(&tree, &plan)?);
    let layers = plan.into_layers(manifest.clone())?;
    let sources = Sources::new(tree);
    Ok(Prepared { manifest, layers, sources, dropped, started, reused })
}

fn manifest(tree: &Tree, plan: &Plan) -> Result<Manifest, PrepareError> {
    let mut builder = ManifestBuilder::new(share_name(tree));
    for (index, node) in tree.nodes.iter().enumerate() {
        // The tree counts its nodes in 32 bits.
        let path = tree.path(index as u32).map_err(|why| match node.kind {
            NodeKind::File(file) => PrepareError::BadName { path: tree.real_path(file), why },
            NodeKind::Folder | NodeKind::Symlink(_) => {
                PrepareError::BadName { path: tree.top_path(index as u32).to_owned(), why }
            }
        })?;
        let kind = match node.kind {
            NodeKind::File(file) => {
                let facts = &tree.files[file as usize];
                let (size, mtime) = (facts.identity.size, facts.identity.mtime());
                OwnedKind::File(FileEntry { size, root: plan.root(tree, file), mode: facts.mode, mtime })
            }
            NodeKind::Folder => OwnedKind::Directory,
            NodeKind::Symlink(target) => OwnedKind::Symlink { target: tree.target(target).to_vec() },
        };
        builder.push(path, kind);
    }
    Ok(builder.finish(plan.chunk)?)
}

/// The name of the share: that of its only top, or of the first and the number of the others.
fn share_name(tree: &Tree) -> Vec<u8> {
    const FIRST_MAX: usize = 200;
    match &*tree.tops {
        [] => Vec::new(),
        [top] => top.name.clone(),
        [first, rest @ ..] if first.name.len() <= FIRST_MAX => {
            let mut name = first.name.clone();
            name.extend_from_slice(format!(" and {} more", rest.len()).as_bytes());
            name
        }
        all => format!("{} items", all.len()).into_bytes(),
    }
}

fn seconds_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
