//! Who holds a staging, as its lock file says: for people to read.

use std::io;

use truecopy_protocol::UnixTime;
use truecopy_protocol::content::name::RelPath;

use super::error::again;
use super::hashing::{read_exact, write_all};
use crate::disk::{Disk, OpenMode};

const TEXT_MAX: u64 = 1024;

/// A process that works on a share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The name of its machine: text of another program, to be escaped like any.
    pub host: String,
    /// Since when.
    pub since: UnixTime,
}

impl Holder {
    pub(super) fn write<D: Disk>(&self, disk: &D, lock: RelPath<'_>) -> io::Result<()> {
        let host: String = self.host.chars().filter(|c| !c.is_control()).take(255).collect();
        let text = format!("pid {}\nhost {host}\nsince {}\n", self.pid, self.since.0);
        let file = again(|| disk.open(lock, OpenMode::Update))?;
        again(|| disk.set_len(&file, 0))?;
        write_all(disk, &file, text.as_bytes(), 0)
    }

    /// What a lock file says; nothing if it cannot be read or says nothing sensible.
    pub(super) fn read<D: Disk>(disk: &D, lock: RelPath<'_>) -> Option<Self> {
        let file = again(|| disk.open(lock, OpenMode::Read)).ok()?;
        let len = again(|| disk.identity(&file)).ok()?.size.min(TEXT_MAX);
        let mut bytes = vec![0; len as usize];
        read_exact(disk, &file, &mut bytes, 0).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Some(Self {
            pid: field("pid")?.parse().ok()?,
            host: field("host")?.to_owned(),
            since: UnixTime(field("since")?.parse().ok()?),
        })
    }
}
