//! Sockets that work for some bytes, and then never again.

use std::io;

use truecopy_mio::{Nudge, Wrap};
use truecopy_protocol::ConnId;
use truecopy_transport::stream::Stream;

/// Every connection moves so many bytes in each direction.
#[derive(Clone, Copy)]
pub(crate) struct StuckAfter {
    pub(crate) read: usize,
    pub(crate) written: usize,
}

struct Stuck {
    inner: Box<dyn Stream + Send>,
    left: StuckAfter,
}

fn within(left: usize, wanted: usize) -> io::Result<usize> {
    if left == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(wanted.min(left)) }
}

impl Stream for Stuck {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = within(self.left.read, buf.len())?;
        let len = self.inner.read(&mut buf[..len])?;
        self.left.read -= len;
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = within(self.left.written, bytes.len())?;
        let len = self.inner.write(&bytes[..len])?;
        self.left.written -= len;
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown_write()
    }
}

impl Wrap for StuckAfter {
    fn wrap(&mut self, _: ConnId, inner: Box<dyn Stream + Send>, _: Nudge) -> Box<dyn Stream + Send> {
        Box::new(Stuck { inner, left: *self })
    }
}
