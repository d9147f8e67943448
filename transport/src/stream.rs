//! A non-blocking byte stream: what a driver supplies for every connection.

use std::io;

/// A connected, non-blocking, reliable byte stream.
///
/// Errors are `std::io`'s: `WouldBlock` (try after the next readiness), `Interrupted` (try at once), everything else
/// ends the stream. Every call may move fewer bytes than asked.
pub trait Stream {
    /// Reads at most `buf.len()` bytes; 0 means that the peer has ended its direction.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes at most `bytes.len()` bytes and says how many were taken.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends our direction, so that the peer reads 0 after what was written.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read(buf)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (**self).write(bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        (**self).shutdown_write()
    }
}
