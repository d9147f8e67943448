//! A last look at what was placed, with the product's own eyes: what the disk has spoiled since must be found, and
//! nothing else (D7–D9).

use std::rc::Rc;

use truecopy_protocol::content::manifest::EntryKind;
use truecopy_protocol::{BlobId, ChunkIndex};

use super::World;
use super::host::Part;
use super::person::{identities, source};
use crate::content::Content;
use crate::disk::FaultyDisk;
use crate::oracle::{Finding, Oracle};

impl World<'_> {
    /// Reads every finished share on a disk that has spoiled something.
    pub(super) fn reread(&mut self) {
        let content = Rc::clone(&self.content);
        for host in 0..self.hosts.len() {
            let state = &self.hosts[host];
            if state.part == Part::Sender || state.person.outcome.is_none() || !state.disk.is_spoiled() {
                continue;
            }
            let disk = state.disk.restart();
            disk.heal();
            match reread(&disk, &content) {
                Ok(0) => {}
                Ok(_) => self.coverage.branch("spoiled bytes found by reading again"),
                Err(finding) => return self.fail(Some(host), finding),
            }
        }
    }
}

/// Hashes every chunk as `verify` would, and compares what that says with the bytes themselves. How many are wrong.
fn reread(disk: &FaultyDisk, content: &Content) -> Result<u32, Box<Finding>> {
    let Some(source) = source(disk, content, &identities(disk, content)) else {
        // A file that cannot be opened is told loudly enough.
        return Ok(1);
    };
    let mut wrong = 0;
    for (index, entry) in content.manifest.entries() {
        let EntryKind::File(_) = entry.kind else { continue };
        let Some(shape) = content.manifest.shape(index) else { continue };
        for (within, chunk) in content.manifest.chunks_of(index).enumerate() {
            let range = shape.chunk_range(within as u64);
            let Some((_, _, truth)) = content.chunk(ChunkIndex(chunk)) else { continue };
            let mut bytes = vec![0; truth.len()];
            let is_right =
                disk.read_seen(entry.path, range.start, &mut bytes) == Some(truth.len()) && bytes == truth;
            let hash = source.rehash(BlobId::of(index), range, shape.chunk_height());
            let looks_right = hash.ok() == content.layers.chunk_hash(ChunkIndex(chunk));
            if is_right != looks_right {
                let text = format!(
                    "chunk {chunk} is {}, and reading says otherwise",
                    if is_right { "right" } else { "spoiled" }
                );
                return Err(Finding::new(Oracle::FinalBytes, "damage that reading does not show", text));
            }
            wrong += u32::from(!is_right);
        }
    }
    Ok(wrong)
}
