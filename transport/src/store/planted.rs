//! What planted bugs do in the store.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use truecopy_protocol::content::geometry::BLOCK;
use truecopy_protocol::job::{Extent, LandExtent};
use truecopy_protocol::planted::{Bug, is};
use truecopy_protocol::{EntryIndex, Hash};

use super::error::again;
use super::staging::Staging;
use crate::disk::Disk;

/// Bytes of each file that came so far.
pub(super) type Appended = Mutex<BTreeMap<EntryIndex, u64>>;

/// [`Bug::OtherBuffer`]: the buffer's first extent again, if this one is not longer. `hashes` holds one of each extent
/// up to this one, `whole` the bytes of all.
pub(super) fn swapped<'a>(
    bytes: &'a [u8],
    hashes: &[Hash],
    extents: &[LandExtent],
    whole: &'a [u8],
) -> &'a [u8] {
    let first = extents.first().map_or(0, |first| first.extent.len as usize);
    if is(Bug::OtherBuffer) && hashes.len() > 1 && bytes.len() <= first {
        &whole[..bytes.len()]
    } else {
        bytes
    }
}

impl<D: Disk> Staging<D> {
    /// [`Bug::LastShort`], [`Bug::ShortOffset`], [`Bug::AppendPosition`].
    pub(super) fn misplaced<'a>(
        &self,
        index: EntryIndex,
        extent: Extent,
        bytes: &'a [u8],
        size: u64,
    ) -> (Extent, &'a [u8]) {
        let is_last = extent.offset + bytes.len() as u64 == size;
        if is(Bug::LastShort) && is_last && size.is_multiple_of(BLOCK) {
            return (extent, &bytes[..bytes.len().saturating_sub(1)]);
        }
        if is(Bug::ShortOffset) {
            return (Extent { offset: extent.offset & u64::from(u32::MAX), ..extent }, bytes);
        }
        if is(Bug::AppendPosition) {
            let mut appended = self.appended.lock().unwrap_or_else(PoisonError::into_inner);
            let end = appended.entry(index).or_default();
            let offset = *end;
            *end += bytes.len() as u64;
            return (Extent { offset, ..extent }, bytes);
        }
        (extent, bytes)
    }

    /// [`Bug::ClaimsFirst`]: the journal alone; the data follow with the commit.
    pub(super) fn sync_claims_first(&self) -> io::Result<()> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let upto = journal.records();
        journal.synced(&self.disk, upto)?;
        again(|| journal.sync(&self.disk))
    }
}
