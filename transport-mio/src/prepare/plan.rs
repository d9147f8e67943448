//! Which chunks of which files are to be hashed, and the hashes as they come.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};

use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{ChunkSize, Shape};
use truecopy_protocol::content::layers::{BadLayers, Layers};
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::tree::{self, LeafHasher};

use super::hash::{self, Hashed, Work};
use super::identity::Identity;
use super::known::Known;
use super::tree::{OpenFolders, Tree};
use super::{Monitor, PrepareError};

/// The chunks of all files in a row.
pub(super) struct Plan {
    pub(super) chunk: ChunkSize,
    /// The first chunk of each file, and the end.
    first: Vec<u32>,
    hashes: Vec<Hash>,
    state: Vec<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Todo,
    Done,
}

impl Plan {
    pub(super) fn new(tree: &Tree) -> Result<Self, PrepareError> {
        let chunk = ChunkSize::for_share(tree.total());
        let mut first = Vec::with_capacity(tree.files.len() + 1);
        let mut chunks = 0_u64;
        for file in &tree.files {
            first.push(to_u32(chunks)?);
            chunks = chunks.saturating_add(Shape { size: file.identity.size, chunk }.chunks());
        }
        first.push(to_u32(chunks)?);
        // A sparse file may claim any size: what cannot be had in memory cannot be sent.
        let mut hashes = Vec::new();
        let count = usize::try_from(chunks).map_err(|_| PrepareError::TooMany)?;
        hashes.try_reserve_exact(count).map_err(|_| PrepareError::TooMany)?;
        hashes.resize(count, Hash::ZERO);
        Ok(Self { chunk, first, hashes, state: vec![State::Todo; tree.files.len()] })
    }

    /// Takes over the hashes of files that did not change since; says how many bytes need not be read.
    pub(super) fn reuse(&mut self, tree: &Tree, known: &Known) -> u64 {
        let mut earlier = known.manifest.entries().peekable();
        let mut reused = 0;
        for file in (0..).take(tree.files.len()) {
            let facts = &tree.files[file as usize];
            let Ok(path) = tree.path(facts.node) else { continue };
            while earlier.next_if(|(_, entry)| entry.path.cmp(&path.as_path()) == Ordering::Less).is_some() {}
            let Some((index, entry)) = earlier.peek() else { break };
            let EntryKind::File(_) = entry.kind else { continue };
            if entry.path != path.as_path() || known.identity(*index) != Some(facts.identity) {
                continue;
            }
            let place = self.range(file);
            if known.copy_chunks(*index, self.chunk, &mut self.hashes[place]) {
                self.state[file as usize] = State::Done;
                reused += facts.identity.size;
            }
        }
        reused
    }

    /// Hashes what is to be done. Returns the files that changed meanwhile.
    pub(super) fn hash(
        &mut self,
        tree: &Tree,
        hasher: &dyn LeafHasher,
        monitor: &Monitor,
    ) -> Result<Vec<u32>, PrepareError> {
        let found = Found { hashes: std::mem::take(&mut self.hashes), changed: Vec::new(), error: None };
        let run = Run { tree, plan: self, found: Mutex::new(found) };
        hash::run(&run, hasher, monitor);
        let Found { hashes, mut changed, error } =
            run.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.hashes = hashes;
        if monitor.is_cancelled() {
            return Err(PrepareError::Cancelled);
        }
        if let Some((file, source)) = error {
            return Err(PrepareError::Unreadable { path: tree.real_path(file), source });
        }
        changed.sort_unstable();
        changed.dedup();
        self.state.fill(State::Done);
        Ok(changed)
    }

    /// A plan for the tree as it is now, in which only the changed files are to be hashed.
    pub(super) fn again(self, tree: &Tree, changed: &[u32]) -> Result<Self, PrepareError> {
        let mut plan = Self::new(tree)?;
        for file in (0..).take(tree.files.len()) {
            let (from, to) = (self.range(file), plan.range(file));
            // With another chunk size, the hash of a file's only chunk is still its root.
            let fits = plan.chunk == self.chunk || (from.len() <= 1 && to.len() <= 1);
            if fits && changed.binary_search(&file).is_err() {
                plan.hashes[to].copy_from_slice(&self.hashes[from]);
                plan.state[file as usize] = State::Done;
            }
        }
        Ok(plan)
    }

    /// Bytes of files that are done.
    pub(super) fn bytes_done(&self, tree: &Tree) -> u64 {
        let done = tree.files.iter().zip(&self.state).filter(|(_, state)| **state == State::Done);
        done.map(|(file, _)| file.identity.size).sum()
    }

    /// The root of a file.
    pub(super) fn root(&self, tree: &Tree, file: u32) -> Hash {
        let shape = self.shape_of(tree, file);
        match &self.hashes[self.range(file)] {
            [] => Hash::ZERO,
            [only] => *only,
            chunks => tree::fold(chunks.to_vec(), self.chunk.height(), shape.height() - self.chunk.height()),
        }
    }

    /// The layers of the files with more than one chunk; the hash of any other chunk is a root.
    pub(super) fn into_layers(self, manifest: Arc<Manifest>) -> Result<Layers, BadLayers> {
        let mut hashes = Vec::with_capacity(Layers::count(&manifest));
        for layer in self.first.windows(2).filter(|pair| pair[1] - pair[0] > 1) {
            hashes.extend_from_slice(&self.hashes[layer[0] as usize..layer[1] as usize]);
        }
        Layers::new(manifest, hashes)
    }

    fn shape_of(&self, tree: &Tree, file: u32) -> Shape {
        Shape { size: tree.files[file as usize].identity.size, chunk: self.chunk }
    }

    fn range(&self, file: u32) -> Range<usize> {
        let at = file as usize;
        self.first[at] as usize..self.first[at + 1] as usize
    }
}

fn to_u32(count: u64) -> Result<u32, PrepareError> {
    u32::try_from(count).map_err(|_| PrepareError::TooMany)
}

struct Run<'a> {
    tree: &'a Tree,
    plan: &'a Plan,
    found: Mutex<Found>,
}

struct Found {
    hashes: Vec<Hash>,
    changed: Vec<u32>,
    error: Option<(u32, io::Error)>,
}

impl Work for Run<'_> {
    type Near = OpenFolders;

    fn files(&self) -> u32 {
        // The tree counts in 32 bits.
        self.tree.files.len() as u32
    }

    fn shape(&self, file: u32) -> Option<Shape> {
        (self.plan.state[file as usize] == State::Todo).then(|| self.plan.shape_of(self.tree, file))
    }

    fn open(&self, file: u32, near: &mut OpenFolders) -> io::Result<File> {
        self.tree.open(file, near)
    }

    fn hashed(&self, piece: &Hashed<'_>, after: io::Result<Identity>) -> ControlFlow<()> {
        let file = piece.file;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match after {
            Ok(identity) if identity == self.tree.files[file as usize].identity => {
                // A file has fewer chunks than the share, which are counted in 32 bits.
                let start = self.plan.range(file).start + piece.chunks.start as usize;
                found.hashes[start..start + piece.hashes.len()].copy_from_slice(piece.hashes);
                ControlFlow::Continue(())
            }
            Ok(_) => {
                found.changed.push(file);
                ControlFlow::Continue(())
            }
            Err(error) if is_change(&error) => {
                found.changed.push(file);
                ControlFlow::Continue(())
            }
            Err(error) => {
                found.error = Some((file, error));
                ControlFlow::Break(())
            }
        }
    }
}

/// Whether the error means that the file is no longer what the walk saw.
fn is_change(error: &io::Error) -> bool {
    let link_now = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    link_now
        || matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
}
