//! Whole reads, whole writes, and hashing of what is read. Nothing short or interrupted passes beyond here.

use std::io;
use std::ops::Range;

use truecopy_protocol::Hash;
use truecopy_protocol::content::geometry::{SPAN, SPAN_HEIGHT};
use truecopy_protocol::content::tree::{LeafHasher, fold, subtree};
use truecopy_protocol::job::StorageError;
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};

use super::error::{again, fail};
use crate::disk::Disk;

pub(super) fn write_all<D: Disk>(
    disk: &D,
    file: &D::File,
    mut bytes: &[u8],
    mut offset: u64,
) -> io::Result<()> {
    #[cfg(planted)]
    if is(Bug::ShortWriteIgnored) {
        return again(|| disk.write_at(file, bytes, offset)).map_or(Ok(()), |_| Ok(()));
    }
    while !bytes.is_empty() {
        match again(|| disk.write_at(file, bytes, offset))? {
            0 => return Err(io::ErrorKind::StorageFull.into()),
            taken => {
                bytes = &bytes[taken.min(bytes.len())..];
                offset += taken as u64;
            }
        }
    }
    Ok(())
}

/// Fills the buffer; `Changed` if the file ends before.
pub(super) fn read_exact<D: Disk>(
    disk: &D,
    file: &D::File,
    buf: &mut [u8],
    mut offset: u64,
) -> io::Result<()> {
    let mut filled = 0;
    while filled < buf.len() {
        match again(|| disk.read_at(file, &mut buf[filled..], offset))? {
            0 => return Err(fail(StorageError::Changed)),
            got => {
                filled += got;
                offset += got as u64;
            }
        }
    }
    Ok(())
}

/// The hash of the subtree of `height` over whole blocks of a file, a span at a time.
pub(super) fn hash_range<D: Disk>(
    disk: &D,
    file: &D::File,
    hasher: &dyn LeafHasher,
    range: Range<u64>,
    height: u8,
) -> io::Result<Hash> {
    let len = range.end.saturating_sub(range.start);
    let per_span = height.min(SPAN_HEIGHT);
    if height >= 64 || len.div_ceil(SPAN) > 1 << (height - per_span) {
        return Err(fail(StorageError::Unsupported));
    }
    let mut buf = vec![0; len.min(SPAN) as usize];
    let mut spans = Vec::with_capacity(len.div_ceil(SPAN) as usize);
    let mut at = range.start;
    while at < range.end {
        let take = (range.end - at).min(SPAN) as usize;
        read_exact(disk, file, &mut buf[..take], at)?;
        spans.push(subtree(hasher, &buf[..take], per_span));
        at += take as u64;
    }
    Ok(fold(spans, per_span, height - per_span))
}
