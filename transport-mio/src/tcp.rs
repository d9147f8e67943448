//! TCP as the pump takes it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};
use truecopy_protocol::input::LinkLoss;
use truecopy_transport::stream::Stream;

/// Silence after which the kernel asks whether the other machine is still there. The core notices earlier; this is
/// for connections that only wait for their end.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A connected socket.
#[derive(Debug)]
pub(crate) struct TcpLink(TcpStream);

impl TcpLink {
    /// Buffers are left to the kernel, which sizes them better than we could.
    pub(crate) fn new(stream: TcpStream) -> Self {
        let socket = SockRef::from(&stream);
        let options = socket
            .set_tcp_nodelay(true)
            .and_then(|()| socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE)));
        if let Err(error) = options {
            tracing::debug!(%error, "a socket option was refused");
        }
        Self(stream)
    }
}

impl Stream for TcpLink {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self.0.shutdown(Shutdown::Write) {
            // The peer has ended it all already.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

/// What became of a dial that the poll says has made progress.
#[derive(Debug)]
pub(crate) enum Dialled {
    Up,
    Underway,
    Failed(io::Error),
}

/// Looks at a socket that connects.
pub(crate) fn dialled(stream: &TcpStream) -> Dialled {
    match stream.take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return Dialled::Failed(error),
    }
    match stream.peer_addr() {
        Ok(_) => Dialled::Up,
        Err(error) if error.kind() == ErrorKind::NotConnected => Dialled::Underway,
        Err(error) if error.raw_os_error() == Some(in_progress()) => Dialled::Underway,
        Err(error) => Dialled::Failed(error),
    }
}

/// The error number of a connection under way, which `std` has no name for.
const fn in_progress() -> i32 {
    #[cfg(unix)]
    return rustix::io::Errno::INPROGRESS.raw_os_error();
    #[cfg(not(unix))]
    return 10036;
}

/// An address that is dialled as it is: a mapped one is what it means, so that both spellings are one peer.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Why no connection came about.
pub(crate) fn dial_loss(error: &io::Error) -> LinkLoss {
    match error.kind() {
        ErrorKind::ConnectionRefused => LinkLoss::Refused,
        ErrorKind::TimedOut => LinkLoss::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => LinkLoss::Cut,
        // A firewall of this machine says "permission denied".
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied
        | ErrorKind::InvalidInput
        | ErrorKind::Unsupported => LinkLoss::Unreachable,
        _ => LinkLoss::Local,
    }
}
