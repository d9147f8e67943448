//! Half-done shares in a destination.

use std::io;

use truecopy_protocol::content::manifest::{Manifest, ManifestLimits};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::job::StorageError;
use truecopy_protocol::{ChunkIndex, ContentId};

use super::cleanup::remove;
use super::error::{OpenError, again, if_there, staged_error};
use super::hashing::read_exact;
use super::holder::Holder;
use super::journal::Replay;
use super::layout::Layout;
use super::staging::take_lock;
use crate::disk::{Disk, OpenMode};

/// Whether someone works on a half-done share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nobody.
    Free,
    /// Another process, and what it says of itself.
    By(Option<Holder>),
}

/// A half-done share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its staging's folder in the destination.
    pub folder: RelPathBuf,
    /// The share, if its journal can be read.
    pub content: Option<ContentId>,
    /// The name of the share, if its manifest can be read: bytes of a stranger.
    pub name: Option<Vec<u8>>,
    /// Bytes that the journal claims.
    pub verified: u64,
    /// Bytes of the share.
    pub total: u64,
    /// When the journal was last written, in nanoseconds since 1970.
    pub changed: Option<i128>,
    /// Who has it.
    pub held: Held,
}

/// The half-done shares in a destination, by folder name. Makes and changes nothing.
///
/// # Errors
/// The host's.
pub fn list_leftovers<D: Disk>(disk: &D) -> Result<Vec<Leftover>, StorageError> {
    let mut found = Vec::new();
    for name in again(|| disk.list(None)).map_err(staged_error)? {
        if let Some(layout) = Layout::named(&name) {
            found.push(describe(disk, &layout).map_err(staged_error)?);
        }
    }
    found.sort_by(|a: &Leftover, b| a.folder.cmp(&b.folder));
    Ok(found)
}

/// Removes a half-done share.
///
/// # Errors
/// [`OpenError::Held`] if someone works on it; else the host's.
pub fn remove_leftover<D: Disk>(disk: &D, leftover: &Leftover) -> Result<(), OpenError> {
    let Some(layout) = Layout::named(leftover.folder.as_path().as_bytes()) else {
        return Err(StorageError::Unsupported.into());
    };
    let _lock = take_lock(disk, &layout)?;
    remove(disk, &layout).map_err(|error| staged_error(error).into())
}

/// The manifest of a half-done share, if one was begun in this destination and its manifest can be read.
pub fn staged_manifest<D: Disk>(disk: &D, content: ContentId) -> Option<Manifest> {
    let manifest = read_manifest(disk, &Layout::of(content).ok()?)?;
    (manifest.content_id() == content).then_some(manifest)
}

fn describe<D: Disk>(disk: &D, layout: &Layout) -> io::Result<Leftover> {
    let manifest = read_manifest(disk, layout);
    let replay = Replay::read(disk, layout.journal()?.as_path()).ok().flatten();
    let verified = match (&manifest, &replay) {
        (Some(manifest), Some(replay)) if manifest.content_id() == replay.content => {
            replay.claims.keys().map(|chunk| chunk_len(manifest, *chunk)).sum()
        }
        _ => 0,
    };
    let journal = if_there(again(|| disk.metadata(layout.journal()?.as_path()))).ok().flatten();
    Ok(Leftover {
        folder: layout.folder().to_owned(),
        content: replay.map(|replay| replay.content),
        name: manifest.as_ref().map(|manifest| manifest.name().to_vec()),
        verified,
        total: manifest.as_ref().map_or(0, Manifest::total_size),
        changed: journal.map(|journal| journal.identity.mtime),
        held: held(disk, layout)?,
    })
}

fn held<D: Disk>(disk: &D, layout: &Layout) -> io::Result<Held> {
    // To ask for a lock makes its file.
    if if_there(again(|| disk.metadata(layout.lock()?.as_path())))?.is_none() {
        return Ok(Held::Free);
    }
    Ok(match take_lock(disk, layout) {
        Err(OpenError::Held(holder)) => Held::By(holder),
        Ok(_) | Err(OpenError::Storage(_)) => Held::Free,
    })
}

fn read_manifest<D: Disk>(disk: &D, layout: &Layout) -> Option<Manifest> {
    let file = again(|| disk.open(layout.manifest()?.as_path(), OpenMode::Read)).ok()?;
    let len = again(|| disk.identity(&file)).ok()?.size;
    let limits = ManifestLimits::default();
    if len > u64::from(limits.bytes_max) {
        return None;
    }
    let mut encoded = vec![0; usize::try_from(len).ok()?];
    read_exact(disk, &file, &mut encoded, 0).ok()?;
    Manifest::decode(encoded.into(), &limits).ok()
}

fn chunk_len(manifest: &Manifest, chunk: u32) -> u64 {
    let Some((entry, within)) = manifest.locate(ChunkIndex(chunk)) else { return 0 };
    let range = manifest.shape(entry).map(|shape| shape.chunk_range(u64::from(within)));
    range.map_or(0, |range| range.end - range.start)
}
