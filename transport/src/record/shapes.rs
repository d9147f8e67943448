//! Streams and disks whose calls are written down: how many bytes, which errors, in which order; never the bytes.

use std::io;

use truecopy_protocol::ConnId;
use truecopy_protocol::content::name::RelPath;

use super::entry::{DiskCall, DiskShape, Effect, Entry, StreamCall, StreamShape};
use super::recorder::Recording;
use crate::disk::{Disk, FileIdentity, Lock, Metadata, Names, OpenMode, Taken};
use crate::stream::Stream;

impl Effect {
    fn of<T>(result: &io::Result<T>, moved: impl FnOnce(&T) -> u64) -> Self {
        match result {
            Ok(value) => Self::Done(moved(value)),
            Err(error) => match (error.kind(), error.raw_os_error()) {
                (io::ErrorKind::WouldBlock, _) => Self::WouldBlock,
                (io::ErrorKind::Interrupted, _) => Self::Interrupted,
                (_, Some(number)) => Self::Errno(number),
                (_, None) => Self::Failed,
            },
        }
    }
}

fn bytes(len: &usize) -> u64 {
    *len as u64
}

/// A stream whose calls are recorded, if there is a recording.
#[derive(Debug)]
pub struct RecordedStream<S> {
    stream: S,
    conn: ConnId,
    recording: Option<Recording>,
}

impl<S> RecordedStream<S> {
    /// Wraps the stream of a connection.
    pub const fn new(stream: S, conn: ConnId, recording: Option<Recording>) -> Self {
        Self { stream, conn, recording }
    }

    /// The stream itself: for its registration and its end.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream itself.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    fn note(&self, call: StreamCall, asked: usize, effect: impl FnOnce() -> Effect) {
        if let Some(recording) = &self.recording {
            let shape = StreamShape { conn: self.conn, call, asked: asked as u64, effect: effect() };
            recording.write(&Entry::Stream(shape));
        }
    }
}

impl<S: Stream> Stream for RecordedStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.stream.read(buf);
        self.note(StreamCall::Read, buf.len(), || Effect::of(&result, bytes));
        result
    }

    fn write(&mut self, run: &[u8]) -> io::Result<usize> {
        let result = self.stream.write(run);
        self.note(StreamCall::Write, run.len(), || Effect::of(&result, bytes));
        result
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let result = self.stream.shutdown_write();
        self.note(StreamCall::ShutdownWrite, 0, || Effect::of(&result, |()| 0));
        result
    }
}

/// A disk whose calls are recorded, if there is a recording. Calls of several workers stand in the order in which they
/// came back.
#[derive(Debug)]
pub struct RecordedDisk<D> {
    disk: D,
    recording: Option<Recording>,
}

/// An open file of a [`RecordedDisk`].
#[derive(Debug)]
pub struct RecordedFile<F> {
    file: F,
    number: u32,
}

impl<F> RecordedFile<F> {
    /// The file itself.
    pub const fn get_ref(&self) -> &F {
        &self.file
    }
}

impl<D> RecordedDisk<D> {
    /// Wraps a disk.
    pub const fn new(disk: D, recording: Option<Recording>) -> Self {
        Self { disk, recording }
    }

    /// The disk itself.
    pub const fn get_ref(&self) -> &D {
        &self.disk
    }

    fn note<T>(
        &self,
        call: DiskCall,
        (file, asked): (u32, u64),
        result: io::Result<T>,
        moved: impl FnOnce(&T) -> u64,
    ) -> io::Result<T> {
        if let Some(recording) = &self.recording {
            let shape = DiskShape { call, file, asked, effect: Effect::of(&result, moved) };
            recording.write(&Entry::Disk(shape));
        }
        result
    }

    /// A call that moves no bytes and has no file.
    fn plain<T>(&self, call: DiskCall, result: io::Result<T>) -> io::Result<T> {
        self.note(call, (0, 0), result, |_| 0)
    }

    /// A call of a file that moves no bytes.
    fn of_file<T, F>(
        &self,
        call: DiskCall,
        file: &RecordedFile<F>,
        asked: u64,
        result: io::Result<T>,
    ) -> io::Result<T> {
        self.note(call, (file.number, asked), result, |_| 0)
    }
}

impl<D: Disk> Disk for RecordedDisk<D> {
    type File = RecordedFile<D::File>;

    fn open(&self, path: RelPath<'_>, mode: OpenMode) -> io::Result<Self::File> {
        let call = match mode {
            OpenMode::Read => DiskCall::OpenRead,
            OpenMode::Update => DiskCall::OpenUpdate,
            OpenMode::Create => DiskCall::OpenCreate,
        };
        let result = self.disk.open(path, mode);
        let number = match (&result, &self.recording) {
            (Ok(_), Some(recording)) => recording.number_file(),
            _ => 0,
        };
        self.note(call, (number, 0), result, |_| 0).map(|file| RecordedFile { file, number })
    }

    fn read_at(&self, file: &Self::File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let asked = buf.len() as u64;
        let result = self.disk.read_at(&file.file, buf, offset);
        self.note(DiskCall::ReadAt, (file.number, asked), result, bytes)
    }

    fn write_at(&self, file: &Self::File, run: &[u8], offset: u64) -> io::Result<usize> {
        let result = self.disk.write_at(&file.file, run, offset);
        self.note(DiskCall::WriteAt, (file.number, run.len() as u64), result, bytes)
    }

    fn allocate(&self, file: &Self::File, len: u64) -> io::Result<()> {
        self.of_file(DiskCall::Allocate, file, len, self.disk.allocate(&file.file, len))
    }

    fn set_len(&self, file: &Self::File, len: u64) -> io::Result<()> {
        self.of_file(DiskCall::SetLen, file, len, self.disk.set_len(&file.file, len))
    }

    fn sync_file(&self, file: &Self::File) -> io::Result<()> {
        self.of_file(DiskCall::SyncFile, file, 0, self.disk.sync_file(&file.file))
    }

    fn sync_dir(&self, path: Option<RelPath<'_>>) -> io::Result<()> {
        self.plain(DiskCall::SyncDir, self.disk.sync_dir(path))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.plain(DiskCall::SyncAll, self.disk.sync_all())
    }

    fn identity(&self, file: &Self::File) -> io::Result<FileIdentity> {
        self.of_file(DiskCall::Identity, file, 0, self.disk.identity(&file.file))
    }

    fn set_attributes(&self, file: &Self::File, mode: u32, mtime: Option<i128>) -> io::Result<u32> {
        self.of_file(DiskCall::SetAttributes, file, 0, self.disk.set_attributes(&file.file, mode, mtime))
    }

    fn metadata(&self, path: RelPath<'_>) -> io::Result<Metadata> {
        self.plain(DiskCall::Metadata, self.disk.metadata(path))
    }

    fn list(&self, path: Option<RelPath<'_>>) -> io::Result<Names> {
        self.plain(DiskCall::List, self.disk.list(path))
    }

    fn create_dir(&self, path: RelPath<'_>, mode: u32) -> io::Result<()> {
        self.plain(DiskCall::CreateDir, self.disk.create_dir(path, mode))
    }

    fn create_symlink(&self, path: RelPath<'_>, target: &[u8]) -> io::Result<()> {
        self.plain(DiskCall::CreateSymlink, self.disk.create_symlink(path, target))
    }

    fn read_link(&self, path: RelPath<'_>) -> io::Result<Vec<u8>> {
        self.plain(DiskCall::ReadLink, self.disk.read_link(path))
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>, taken: Taken) -> io::Result<()> {
        let call = match taken {
            Taken::Refuse => DiskCall::RenameRefuse,
            Taken::Replace => DiskCall::RenameReplace,
        };
        self.plain(call, self.disk.rename(from, to, taken))
    }

    fn remove_file(&self, path: RelPath<'_>) -> io::Result<()> {
        self.plain(DiskCall::RemoveFile, self.disk.remove_file(path))
    }

    fn remove_dir(&self, path: RelPath<'_>) -> io::Result<()> {
        self.plain(DiskCall::RemoveDir, self.disk.remove_dir(path))
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Lock>> {
        self.plain(DiskCall::Lock, self.disk.lock(path))
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.plain(DiskCall::FreeSpace, self.disk.free_space())
    }

    fn boot_id(&self) -> [u8; 16] {
        self.disk.boot_id()
    }
}
