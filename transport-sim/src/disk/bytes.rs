//! Bytes of files: moved whole, short or astray, rotten, and edited by other programs.

use std::io;

use truecopy_protocol::content::name::RelPath;

use super::content::Content;
use super::machine::{Machine, Node};
use super::names::Change;
use super::schedule::{CallKind, Edit, Mtime};

impl Machine {
    pub(super) fn read(&mut self, node: u64, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let available = self.file(node)?.size().saturating_sub(offset).min(buf.len() as u64);
        let len = self.shortened(CallKind::Read, available as usize);
        let buf = &mut buf[..len];
        match (!buf.is_empty()).then(|| self.misdirection(CallKind::Read, node, offset)).flatten() {
            Some((other, offset)) => {
                self.misread(node);
                let read = self.file(other)?.read(buf, offset);
                buf[read..].fill(0);
                Ok(len)
            }
            None => Ok(self.file(node)?.read(buf, offset)),
        }
    }

    pub(super) fn write(&mut self, node: u64, bytes: &[u8], offset: u64) -> io::Result<usize> {
        // What lies within the reservation, or in sectors already paid for, is always taken.
        let paid = self.file(node)?.space().saturating_sub(offset);
        let room = self.free().map_or(u64::MAX, |free| free.saturating_add(paid));
        let mut len = self.shortened(CallKind::Write, bytes.len());
        if len as u64 > room {
            self.counts.no_space += 1;
            len = room as usize;
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let bytes = &bytes[..len];
        match (len > 0).then(|| self.misdirection(CallKind::Write, node, offset)).flatten() {
            Some((other, elsewhere)) => {
                self.spoil(node, offset..offset + len as u64);
                self.spoil(other, elsewhere..elsewhere + len as u64);
                self.alter(node, |content, _| content.extend(offset + len as u64))?;
                self.alter(other, |content, _| content.damage(elsewhere, len as u64, |at, _| bytes[at]))?;
            }
            None => self.alter(node, |content, number| content.write(bytes, offset, number))?,
        }
        self.touch(node);
        Ok(len)
    }

    /// Makes a file `len` bytes long and reserves so much of them.
    pub(super) fn resize(&mut self, node: u64, len: u64, reserve: u64) -> io::Result<()> {
        let missing = reserve.saturating_sub(self.file(node)?.space());
        if self.free().is_some_and(|free| missing > free) {
            self.counts.no_space += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.alter(node, |content, number| {
            content.reserve(reserve);
            content.set_len(len, number);
        })?;
        self.touch(node);
        Ok(())
    }

    pub(super) fn rot(&mut self, node: u64, offset: u64, mask: u8) {
        let rotten = self.alter(node, |content, _| content.damage(offset, 1, |_, byte| byte ^ mask));
        self.spoil(node, offset..offset + 1);
        self.counts.rotten_bytes += rotten.unwrap_or(0);
    }

    /// Whether an edit would change anything.
    pub(super) fn can_edit(&self, path: RelPath<'_>, edit: &Edit) -> bool {
        let Some(node) = self.find_file(path) else { return false };
        let size = self.identity(node).size;
        match edit {
            Edit::Overwrite { offset, len, .. } => *offset < size && *len > 0,
            Edit::Resize { len } => *len != size,
            Edit::Replace { .. } | Edit::Remove => true,
        }
    }

    /// What another program does; it is not synced, and it asks for no space.
    pub(super) fn edit(&mut self, path: RelPath<'_>, edit: &Edit) -> bool {
        if !self.can_edit(path, edit) {
            return false;
        }
        self.counts.edits += 1;
        // It can be done: the file is there.
        self.edit_file(path, edit).is_ok()
    }

    fn edit_file(&mut self, path: RelPath<'_>, edit: &Edit) -> io::Result<()> {
        let node = self.find(path)?;
        let knob = format!("disk/edit/{}", String::from_utf8_lossy(path.as_bytes()));
        match edit {
            Edit::Overwrite { offset, len, mtime } => {
                let (mode, before) = (self.inode(node).seen.mode, self.inode(node).seen.mtime);
                let mut random = self.random(&knob, *offset);
                let size = self.file(node)?.size();
                let mut bytes = vec![0; (*len).min(size - offset) as usize];
                self.file(node)?.read(&mut bytes, *offset);
                for byte in &mut bytes {
                    *byte = byte.wrapping_add(1 + random.below(255) as u8);
                }
                self.alter(node, |content, number| content.write(&bytes, *offset, number))?;
                match mtime {
                    Mtime::Moved => self.touch(node),
                    Mtime::Restored => self.set_attributes(node, mode, Some(before)),
                }
            }
            Edit::Resize { len } => {
                self.alter(node, |content, number| content.set_len(*len, number))?;
                self.touch(node);
            }
            Edit::Replace { len } => {
                let mut random = self.random(&knob, *len);
                let bytes: Vec<u8> = (0..*len).map(|_| random.draw() as u8).collect();
                let at = self.place(path)?;
                let other = self.add(Node::File(Content::default()), self.inode(node).seen.mode);
                self.alter(other, |content, number| content.write(&bytes, 0, number))?;
                self.release(node);
                self.names.change(Change::Add { at, node: other });
            }
            Edit::Remove => self.remove_file(path)?,
        }
        Ok(())
    }
}
