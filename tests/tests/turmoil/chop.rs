//! A simulated socket as the pump takes it, and one that makes short calls: turmoil itself makes none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use truecopy_protocol::ConnId;
use truecopy_sim::stream::Random;
use truecopy_transport::stream::Stream;
use turmoil::net::TcpStream;

use crate::trace::Trace;

/// Calls that are refused although they could be served, and calls that are interrupted, each in a thousand.
const TROUBLE_PERMILLE: u16 = 40;

/// A socket whose calls move a seeded number of bytes.
pub(crate) struct Chop {
    stream: TcpStream,
    conn: ConnId,
    random: Random,
    /// Bytes of one call at most.
    call_max: usize,
    /// Who is to be woken when it can move bytes again.
    waker: Waker,
    trace: Trace,
}

impl Chop {
    pub(crate) fn new(
        stream: TcpStream,
        conn: ConnId,
        random: Random,
        call_max: usize,
        trace: Trace,
    ) -> Self {
        Self { stream, conn, random, call_max, waker: Waker::noop().clone(), trace }
    }

    /// Who polls it from now on.
    pub(crate) fn polled_by(&mut self, context: &Context<'_>) {
        self.waker.clone_from(context.waker());
    }

    fn note(&self, what: &str, len: usize) {
        self.trace.note((what, self.conn.0, len));
    }

    /// How much of a call is done.
    fn cut(&mut self, len: usize) -> io::Result<usize> {
        let random = &mut self.random;
        if random.happens(TROUBLE_PERMILLE) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if random.happens(TROUBLE_PERMILLE) {
            self.waker.wake_by_ref();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(len.min(1 + random.below(self.call_max)))
    }
}

fn now<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Stream for Chop {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.cut(buf.len())?;
        let mut space = ReadBuf::new(&mut buf[..len]);
        let mut context = Context::from_waker(&self.waker);
        now(Pin::new(&mut self.stream).poll_read(&mut context, &mut space))?;
        let len = space.filled().len();
        self.note("read", len);
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.cut(bytes.len())?;
        let mut context = Context::from_waker(&self.waker);
        let len = now(Pin::new(&mut self.stream).poll_write(&mut context, &bytes[..len]))?;
        self.note("write", len);
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.note("end", 0);
        now(Pin::new(&mut self.stream).poll_shutdown(&mut Context::from_waker(&self.waker)))
    }
}
