//! Listening sockets.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mio::Token;
use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 256;

/// Ports tried until one is free for both families.
const TRIES: usize = 16;

/// For so long nothing is accepted when the machine has no descriptor or memory left.
pub(crate) const EXHAUSTED_PAUSE: Duration = Duration::from_millis(250);

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// All interfaces, IPv6 and IPv4, on one port; 0: any.
    Everywhere {
        /// The port.
        port: u16,
    },
    /// This address alone.
    At(SocketAddr),
}

/// Opens the sockets of `listen`: two for `Everywhere`, where the machine has both families.
pub(crate) fn open(listen: Listen) -> io::Result<Vec<TcpListener>> {
    let port = match listen {
        Listen::At(address) => return Ok(vec![bind(address)?]),
        Listen::Everywhere { port } => port,
    };
    let everyone6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let everyone4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    for _ in 0..TRIES {
        let six = match bind(SocketAddr::new(everyone6, port)) {
            Ok(six) => six,
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            // No IPv6 on this machine.
            Err(_) => return Ok(vec![bind(SocketAddr::new(everyone4, port))?]),
        };
        let same = six.local_addr()?.port();
        match bind(SocketAddr::new(everyone4, same)) {
            Ok(four) => return Ok(vec![six, four]),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            // No IPv4 on this machine.
            Err(_) => return Ok(vec![six]),
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Elsewhere this option lets another program take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// A listening socket and whether somebody may wait there.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) token: Token,
    pub(crate) socket: TcpListener,
    pub(crate) state: Door,
}

/// What is known of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The poll will say when somebody comes.
    Quiet,
    /// Somebody may be there.
    Knocking,
    /// Somebody may be there, and nobody can be let in before the deadline of its token.
    Shut,
}

/// What an error of `accept` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptError {
    /// Nobody is there.
    Nobody,
    /// Somebody was there and left; there may be others.
    Gone,
    /// This machine cannot, for now.
    Exhausted,
}

impl From<&io::Error> for AcceptError {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock => Self::Nobody,
            ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown => Self::Gone,
            // No descriptors, no memory, or what nobody foresaw: never in a tight loop.
            _ => Self::Exhausted,
        }
    }
}

/// Who counts as one source of connections: an IPv4 address, or the /64 that one IPv6 host has.
pub(crate) fn source(address: &SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests;
