//! The state of a source file, kept small: there is one for every file of a share.

use truecopy_protocol::content::manifest::Mtime;
use truecopy_transport::disk::FileIdentity;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The device that holds it.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of content: seconds since 1970.
    pub mtime_secs: i64,
    /// Last change of content or metadata: seconds since 1970.
    pub ctime_secs: i64,
    /// Nanoseconds beyond `mtime_secs`.
    pub mtime_nanos: u32,
    /// Nanoseconds beyond `ctime_secs`.
    pub ctime_nanos: u32,
}

impl Identity {
    /// Bytes of one, as it is kept.
    pub(super) const LEN: usize = 48;

    /// As it is kept: the fields in order, little-endian.
    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let words = [self.device, self.inode, self.size, self.mtime_secs as u64, self.ctime_secs as u64];
        let nanos = u64::from(self.mtime_nanos) | u64::from(self.ctime_nanos) << 32;
        for (to, word) in bytes.chunks_exact_mut(8).zip(words.into_iter().chain([nanos])) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads it back.
    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        Self {
            device: word(0),
            inode: word(1),
            size: word(2),
            mtime_secs: word(3) as i64,
            ctime_secs: word(4) as i64,
            mtime_nanos: word(5) as u32,
            ctime_nanos: (word(5) >> 32) as u32,
        }
    }

    /// The modification time as a manifest keeps it.
    pub fn mtime(&self) -> Mtime {
        Mtime { seconds: self.mtime_secs, nanos: self.mtime_nanos }
    }

    /// Whether a change after `moment` (seconds since 1970) would have to show in the times. File systems stamp
    /// with a coarse clock: a write within the same tick as an earlier one leaves no trace.
    pub fn is_settled_at(&self, moment: i64) -> bool {
        const TICK_MAX_SECS: i64 = 2;
        self.mtime_secs.max(self.ctime_secs) < moment.saturating_sub(TICK_MAX_SECS)
    }
}

impl From<Identity> for FileIdentity {
    fn from(id: Identity) -> Self {
        let nanos = |secs: i64, nanos: u32| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
        Self {
            device: id.device,
            inode: id.inode,
            size: id.size,
            mtime: nanos(id.mtime_secs, id.mtime_nanos),
            ctime: nanos(id.ctime_secs, id.ctime_nanos),
        }
    }
}
