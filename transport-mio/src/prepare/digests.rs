//! The standard SHA-256 of whole files, as `sha256sum` prints it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use sha2::{Digest, Sha256};
use truecopy_protocol::content::geometry::SPAN;
use truecopy_protocol::content::manifest::{EntryKind, Manifest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::{EntryIndex, Hash};

use super::check::{Near, Place};
use super::hash::all_cores;
use super::os;
use super::{Monitor, PrepareError};

/// The digest of a file, or why there is none.
#[derive(Debug)]
pub struct FileDigest {
    /// Which file.
    pub entry: EntryIndex,
    /// SHA-256 over all its bytes.
    pub digest: io::Result<Hash>,
}

/// Reads the files of a manifest from where they lie (as for [`check`](super::check())) on all cores; in order of the manifest.
///
/// # Errors
/// [`PrepareError`] if `path` itself cannot be read, or when cancelled.
pub fn digests(
    path: &Path,
    manifest: &Manifest,
    selection: &Selection,
    monitor: &Monitor,
) -> Result<Vec<FileDigest>, PrepareError> {
    let place = Place::find(path, manifest)?;
    let next = AtomicU32::new(0);
    let done = Mutex::new(Vec::new());
    let worker = || {
        let (mut near, mut span) = (Near::default(), vec![0; SPAN as usize]);
        while !monitor.is_cancelled() {
            let index = EntryIndex(next.fetch_add(1, Relaxed));
            let Some(entry) = manifest.entry(index) else { return };
            if !matches!(entry.kind, EntryKind::File(_)) || !selection.contains(index) {
                continue;
            }
            let digest = place.open(&entry, &mut near).and_then(|file| digest(file, &mut span, monitor));
            done.lock().unwrap_or_else(PoisonError::into_inner).push(FileDigest { entry: index, digest });
        }
    };
    thread::scope(|scope| {
        for _ in 1..all_cores().get() {
            // A thread that cannot be had leaves its work to the others.
            drop(thread::Builder::new().name("digest".into()).spawn_scoped(scope, worker));
        }
        worker();
    });
    if monitor.is_cancelled() {
        return Err(PrepareError::Cancelled);
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|digest| digest.entry);
    Ok(done)
}

fn digest(file: std::fs::File, span: &mut [u8], monitor: &Monitor) -> io::Result<Hash> {
    let (mut sha, mut offset) = (Sha256::new(), 0);
    loop {
        match os::read_at(&file, span, offset) {
            Ok(0) => return Ok(Hash(sha.finalize().into())),
            Ok(len) => {
                sha.update(&span[..len]);
                offset += len as u64;
                monitor.hashed(len as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if monitor.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
}
