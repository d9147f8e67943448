//! Real sockets on loopback as the pump takes them, with small buffers, so that calls are short and windows full.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket as Raw, Type};
use truecopy_transport::stream::Stream;

/// Writes of all sockets that took only a part, and calls that would have blocked: a test can tell that it met them.
pub(crate) static SHORT: AtomicU64 = AtomicU64::new(0);
pub(crate) static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// A connected socket that never blocks.
#[derive(Debug)]
pub(crate) struct Socket(TcpStream);

impl Socket {
    /// Closes it in the rude way: a reset, whatever is unread or unsent.
    pub(crate) fn reset(self) {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Lets the kernel and the other tests go on when there is nothing to do here.
fn or_yield<T>(result: io::Result<T>) -> io::Result<T> {
    if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
        BLOCKED.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
    }
    result
}

impl Stream for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        or_yield(self.0.read(buf))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = or_yield(self.0.write(bytes))?;
        SHORT.fetch_add(u64::from(len < bytes.len()), Ordering::Relaxed);
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// A connected pair whose buffers have about this many bytes each way; the kernel has the last word.
pub(crate) fn sockets(buffer: usize) -> (Socket, Socket) {
    let raw = Raw::new(Domain::IPV4, Type::STREAM, None).unwrap();
    raw.set_recv_buffer_size(buffer).unwrap();
    raw.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    raw.listen(1).unwrap();
    let listener: TcpListener = raw.into();
    let dialling = Raw::new(Domain::IPV4, Type::STREAM, None).unwrap();
    dialling.set_recv_buffer_size(buffer).unwrap();
    dialling.connect(&listener.local_addr().unwrap().into()).unwrap();
    let ends: (TcpStream, TcpStream) = (dialling.into(), listener.accept().unwrap().0);
    for end in [&ends.0, &ends.1] {
        end.set_nonblocking(true).unwrap();
        end.set_nodelay(true).unwrap();
        SockRef::from(end).set_send_buffer_size(buffer).unwrap();
    }
    (Socket(ends.0), Socket(ends.1))
}
