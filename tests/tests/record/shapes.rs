use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use truecopy_protocol::ConnId;
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_sim::disk::{Faults, FaultyDisk, InjectedError, Lasting};
use truecopy_transport::disk::{Disk, OpenMode};
use truecopy_transport::record::{
    DiskCall, DiskShape, Effect, Entry, Reader, RecordedDisk, RecordedStream, Recording, StreamCall,
    StreamShape, replay,
};
use truecopy_transport::stream::Stream;

use crate::world::{Sink, record, start};

/// A stream that answers as it is told.
struct Scripted(Vec<io::Result<usize>>);

impl Scripted {
    fn next(&mut self) -> io::Result<usize> {
        self.0.remove(0)
    }
}

impl Stream for Scripted {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.next()
    }

    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.next()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.next().map(|_| ())
    }
}

#[test]
fn the_calls_of_a_stream_can_be_read_again_in_order() {
    let sink = Sink::default();
    let recording = record(&sink, 1);
    let script = vec![
        Ok(3),
        Err(io::ErrorKind::WouldBlock.into()),
        Err(io::ErrorKind::Interrupted.into()),
        Ok(5),
        Err(io::Error::from_raw_os_error(104)),
        Ok(0),
    ];
    let mut stream = RecordedStream::new(Scripted(script), ConnId(4), Some(recording.clone()));
    let mut buf = [0; 10];
    let _ = stream.read(&mut buf);
    let _ = stream.read(&mut buf);
    let _ = stream.write(b"12345678");
    let _ = stream.write(b"12345678");
    let _ = stream.write(b"678");
    let _ = stream.shutdown_write();
    recording.recorder().finish();

    let bytes = sink.bytes();
    let (_, mut reader) = Reader::open(&bytes[..]).unwrap();
    let shape = |call, asked, effect| Entry::Stream(StreamShape { conn: ConnId(4), call, asked, effect });
    for expected in [
        shape(StreamCall::Read, 10, Effect::Done(3)),
        shape(StreamCall::Read, 10, Effect::WouldBlock),
        shape(StreamCall::Write, 8, Effect::Interrupted),
        shape(StreamCall::Write, 8, Effect::Done(5)),
        shape(StreamCall::Write, 3, Effect::Errno(104)),
        shape(StreamCall::ShutdownWrite, 0, Effect::Done(0)),
        Entry::End,
    ] {
        assert_eq!(reader.next().unwrap(), Some(expected));
    }
    assert_eq!(reader.next().unwrap(), None);
    assert_eq!(replay(&bytes[..]).unwrap().shapes.streams, 6);
}

/// A file system without space, from some byte on.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_recording_with_one_warning_and_nothing_else() {
    for space in [0, 10, 100_000] {
        let warnings = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&warnings);
        let recording = Recording::start(Full(space), &start(1), move |error| {
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            count.fetch_add(1, Ordering::Relaxed);
        });
        let script = (0..20_000).map(Ok).collect();
        let mut stream = RecordedStream::new(Scripted(script), ConnId(1), Some(recording.clone()));
        for len in 0..20_000 {
            assert_eq!(stream.read(&mut []).unwrap(), len);
        }
        recording.flush();
        assert_eq!(warnings.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn the_calls_of_a_disk_can_be_read_again_in_order() {
    let sink = Sink::default();
    let recording = record(&sink, 1);
    let error = InjectedError { call: 4, kind: io::ErrorKind::StorageFull, lasting: Lasting::Once };
    let faults = Faults { error: Some(error), ..Faults::default() };
    let disk = RecordedDisk::new(FaultyDisk::new(1, faults), Some(recording.clone()));
    let path = RelPathBuf::new("file".into()).unwrap();
    assert!(disk.open(path.as_path(), OpenMode::Read).is_err());
    let file = disk.open(path.as_path(), OpenMode::Create).unwrap();
    assert_eq!(disk.write_at(&file, b"1234", 0).unwrap(), 4);
    assert!(disk.write_at(&file, b"56", 4).is_err());
    assert_eq!(disk.read_at(&file, &mut [0; 9], 0).unwrap(), 4);
    disk.sync_file(&file).unwrap();
    recording.recorder().finish();

    let bytes = sink.bytes();
    let (_, mut reader) = Reader::open(&bytes[..]).unwrap();
    let mut shapes = vec![];
    while let Some(Entry::Disk(DiskShape { call, file, asked, effect })) = reader.next().unwrap() {
        shapes.push((call, file, asked, matches!(effect, Effect::Done(_))));
    }
    let expected = [
        (DiskCall::OpenRead, 0, 0, false),
        (DiskCall::OpenCreate, 1, 0, true),
        (DiskCall::WriteAt, 1, 4, true),
        (DiskCall::WriteAt, 1, 2, false),
        (DiskCall::ReadAt, 1, 9, true),
        (DiskCall::SyncFile, 1, 0, true),
    ];
    assert_eq!(shapes, expected);
}
